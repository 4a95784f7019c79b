//! `organization import`: the export of an organization, of this or another Picket, becomes monitors, channels and settings of one here.

use std::process::ExitCode;

use clap::Args;
use picket_shared::ids::Region;

use super::super::{CmdError, actor, import_report, porter, print};
use super::named;
use crate::app::App;
use crate::cmd::file_bytes::{self, FileBytes};
use crate::import::{self, Choice, Reading, Source, Upload};
use crate::store::audit::Author;

/// Arguments of `organization import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The export, or its configuration alone: the page Account, Your data, as an owner of it.
    #[arg(value_parser = file_bytes::read)]
    file: FileBytes,
    /// The organization that takes it, by its name or id.
    #[arg(long, value_name = "ORGANIZATION")]
    into: String,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where all monitors run, once for each region; where the export says unless given.
    #[arg(long, value_name = "REGION")]
    region: Vec<Region>,
    /// A tag for every monitor, any number of times.
    #[arg(long)]
    tag: Vec<String>,
    /// Make monitors that were edited or deleted here since the last import what the export says.
    #[arg(long)]
    overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Imports. Exit code 1 when something was refused; the rest is taken.
pub(super) async fn run(args: &ImportArgs, app: &App) -> Result<ExitCode, CmdError> {
    let (org, now) = (named(app, &args.into).await?, app.clock.now());
    let upload = Upload { name: &args.file.name, bytes: &args.file.bytes };
    let found = import::read(Source::Picket, &[upload], &Reading::default())?;
    let choice =
        Choice { regions: args.region.clone(), tags: args.tag.clone(), overwrite: args.overwrite, ..Choice::default() };
    let by = Author { org: Some(org.key), ..Author::of_instance(actor()) };
    let mut scoped = app.pools.scoped(org.key).await?.by(actor());
    let plan = import::plan(&mut scoped, &app.sealer, (Source::Picket, found), &choice, now).await?;
    let report = if args.dry_run {
        plan.rehearse(scoped, now).await?
    } else {
        let report = plan.apply(&mut scoped, now).await?;
        scoped.commit().await?;
        if report.second_factor {
            porter(app)?.put_second_factor(org.key, &by, true, now).await?;
        }
        report
    };
    if args.json {
        print::json(&report)?;
    } else {
        import_report::print(&report)?;
    }
    let refused = report.counts.refused > 0 || report.channels.iter().any(import::ChannelEntry::is_refused);
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
