//! `policy list`: who is told when.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, print};
use crate::app::App;
use crate::domain::maintenance::in_words;
use crate::store::policies::{self, PolicyRow};

/// Shows who is told when.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show every policy.
    List(Json),
}

/// Arguments of `policy list`.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the database fails.
pub async fn run(command: PolicyCommand, app: &App) -> Result<ExitCode, CmdError> {
    let PolicyCommand::List(args) = command;
    let rows = policies::list(&mut app.pools.scoped(app.org).await?).await?;
    if args.json {
        let one = |row: &PolicyRow| {
            let levels = row.is.policy.waits.iter().zip(&row.is.targets);
            let levels = levels.map(|(wait, targets)| json!({ "wait_s": wait.as_secs(), "targets": targets.len() }));
            json!({
                "id": row.id, "name": row.is.name, "default": row.is.is_default, "tags": row.is.tags,
                "levels": levels.collect::<Vec<_>>(), "monitors": row.monitors,
            })
        };
        print::json(&rows.iter().map(one).collect::<Vec<_>>())?;
    } else if rows.is_empty() {
        print::line("No policy: every verified channel that is not a member's own is told of everything at once.")?;
    } else {
        let headings = ["NAME", "FOR", "LEVELS", "MONITORS", "ID"];
        print::table(&headings, &rows.iter().map(line).collect::<Vec<_>>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(row: &PolicyRow) -> Vec<String> {
    let mut purposes: Vec<String> = row.is.tags.clone();
    if row.is.is_default {
        purposes.push("whatever has no other".to_owned());
    }
    let waits: Vec<String> = row.is.policy.waits.iter().map(|wait| in_words(*wait)).collect();
    let purposes = if purposes.is_empty() { "–".to_owned() } else { purposes.join(", ") };
    vec![row.is.name.clone(), purposes, waits.join(" → "), row.monitors.to_string(), row.id.to_string()]
}
