//! `monitor import` and `monitor release`: moving in.

use std::process::ExitCode;

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::parse::duration;
use super::{CmdError, find, print};
use crate::app::App;
use crate::cmd::file_bytes::{self, FileBytes};
use crate::cmd::import_report;
use crate::import::{self, Choice, ImportError, Reading, Source, Unreadable, Upload};
use crate::store::Scoped;
use crate::store::imports::{self, Which};

/// Arguments of `monitor import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The file: kuma.db or a backup in JSON (kuma), blackbox.yml (blackbox), a table (csv), or a list (json).
    #[arg(value_parser = file_bytes::read)]
    file: FileBytes,
    /// What kind of file it is: kuma, blackbox, csv or json.
    #[arg(long)]
    from: Source,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// blackbox: a file with targets (file_sd in JSON or YAML, or a Prometheus' own), any number of times.
    #[arg(long, value_name = "FILE", value_parser = file_bytes::read)]
    targets: Vec<FileBytes>,
    /// blackbox: the module of targets that name none.
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    /// blackbox, csv, json: from check to check where the file does not say; 60s unless given.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    every: Option<std::time::Duration>,
    /// Where to watch from where the file does not say, once for each region; everywhere unless given.
    #[arg(long, value_name = "REGION")]
    region: Vec<Region>,
    /// A tag for every monitor, any number of times; imported-DATE unless given.
    #[arg(long)]
    tag: Vec<String>,
    /// Only regions in the EU may run them.
    #[arg(long, conflicts_with = "not_eu_only")]
    eu_only: bool,
    /// Regions outside the EU may run those too that hold credentials.
    #[arg(long)]
    not_eu_only: bool,
    /// Make monitors that were edited or deleted here since the last import what the file says.
    #[arg(long)]
    overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `monitor release`.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false, args = ["monitors", "tag", "all"])]
pub struct ReleaseArgs {
    /// The monitors: ids, beginnings of ids, or names.
    #[arg(value_name = "MONITOR")]
    monitors: Vec<String>,
    /// Every one with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Every one that is muted.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl From<Unreadable> for CmdError {
    fn from(error: Unreadable) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ImportError> for CmdError {
    fn from(error: ImportError) -> Self {
        Self::new(error.to_string())
    }
}

/// Imports. Exit code 1 when a monitor was refused; the others are taken.
pub(super) async fn run(
    args: &ImportArgs,
    app: &App,
    mut scoped: Scoped,
    now: Timestamp,
) -> Result<ExitCode, CmdError> {
    let interval_s = args.every.map(|every| u32::try_from(every.as_secs()).unwrap_or(u32::MAX));
    let reading = Reading { module: args.module.clone(), interval_s };
    let found = import::read(args.from, &uploads(args)?, &reading)?;
    let choice = Choice {
        regions: args.region.clone(),
        tags: args.tag.clone(),
        eu_only: args.eu_only,
        not_eu_only: args.not_eu_only,
        overwrite: args.overwrite,
        without_channels: false,
    };
    let plan = import::plan(&mut scoped, &app.sealer, (args.from, found), &choice, now).await?;
    let report = if args.dry_run {
        plan.rehearse(scoped, now).await?
    } else {
        let report = plan.apply(&mut scoped, now).await?;
        scoped.commit().await?;
        report
    };
    if args.json {
        print::json(&report)?;
    } else {
        import_report::print(&report)?;
    }
    Ok(if report.counts.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn uploads(args: &ImportArgs) -> Result<Vec<Upload<'_>>, CmdError> {
    if args.from != Source::Blackbox && (!args.targets.is_empty() || args.module.is_some()) {
        return Err(CmdError::new("--targets and --module are for --from blackbox: leave them out"));
    }
    if args.from == Source::Kuma && args.every.is_some() {
        return Err(CmdError::new("--every: each monitor of an Uptime Kuma has its own interval: leave it out"));
    }
    let mut uploads = vec![Upload { name: &args.file.name, bytes: &args.file.bytes }];
    if let Some(log) = args.file.log.as_ref().filter(|_| args.from == Source::Kuma) {
        uploads.push(Upload { name: "kuma.db-wal", bytes: log });
    }
    uploads.extend(args.targets.iter().map(|file| Upload { name: &file.name, bytes: &file.bytes }));
    Ok(uploads)
}

/// Releases.
pub(super) async fn release(args: &ReleaseArgs, mut scoped: Scoped, now: Timestamp) -> Result<(), CmdError> {
    let which = match (&args.tag, args.all) {
        (Some(tag), _) => Which::Tagged(tag.clone()),
        (None, true) => Which::All,
        (None, false) => {
            let mut keys = Vec::new();
            for monitor in &args.monitors {
                keys.push(find(&mut scoped, monitor).await?.key);
            }
            Which::These(keys)
        }
    };
    let released = imports::release(&mut scoped, &which, now).await?;
    scoped.commit().await?;
    if args.json {
        let released: Vec<_> = released.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
        return print::json(&json!({ "released": released }));
    }
    if released.is_empty() {
        let of = args.tag.as_ref().map(|tag| format!(" with the tag {tag:?}")).unwrap_or_default();
        return print::line(&format!("Nothing to release: no monitor{of} is muted."));
    }
    for (_, name) in &released {
        print::line(&format!("  {name}"))?;
    }
    print::line(&format!(
        "Released {}: people are told what they find from now on, and what is down now.",
        released.len()
    ))
}
