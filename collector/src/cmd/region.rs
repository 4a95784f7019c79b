//! `picket-collector region list`: the regions, and what each has.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, print};
use crate::app::App;
use crate::store::read::probes;

/// Shows regions. They are made by `probe add`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum RegionCommand {
    /// Shows every region with its probes and monitors.
    List(RegionArgs),
}

/// Arguments of `region list`.
#[derive(Args, Clone, Copy, Debug)]
pub struct RegionArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the database fails or standard output is closed.
pub async fn run(command: RegionCommand, app: &App) -> Result<ExitCode, CmdError> {
    let RegionCommand::List(args) = command;
    let mut scoped = app.pools.scoped(app.org).await?;
    let rows = probes::regions(&mut scoped, app.clock.now()).await?;
    if args.json {
        let values = rows.iter().map(|row| {
            json!({
                "region": row.code, "network": row.network, "eu": row.eu, "probes": row.probes, "heard": row.heard,
                "monitors": row.monitors,
            })
        });
        print::json(&values.collect::<Vec<_>>())?;
    } else if rows.is_empty() {
        print::line(
            "There is no region yet: `picket-collector probe add --region NAME` makes one with its first probe.",
        )?;
    } else {
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let eu = if row.eu { "yes" } else { "no" };
                let probes = format!("{} of {} heard", row.heard, row.probes);
                vec![row.code.clone(), row.network.clone(), eu.to_owned(), probes, row.monitors.to_string()]
            })
            .collect();
        print::table(&["REGION", "NETWORK", "EU", "PROBES", "MONITORS"], &cells)?;
    }
    Ok(ExitCode::SUCCESS)
}
