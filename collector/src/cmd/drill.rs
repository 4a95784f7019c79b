//! `drill`: tries a restore beside the collector that runs, and measures it; `drill list`: what came of those before.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::time::{Clock, Timestamp};
use serde_json::json;

use super::restore::target;
use super::{CmdError, access, archive, keys, print, wal_fetch};
use crate::config::Config;
use crate::lifecycle::Signals;
use crate::notify::message::duration;
use crate::ops::archive::line;
use crate::ops::archive::restore::Progress;
use crate::ops::archive::shelf::Shelf;
use crate::ops::drill::schedule::{Drills, Way};
use crate::ops::drill::scratch::{self, Scratch};
use crate::ops::drill::{self, Order, Report, State};
use crate::postgres::open_pools;
use crate::postgres::recovery::Target;
use crate::store::drills::{self, DrillRow, Ended};
use crate::store::{Pools, StoreError};
use crate::vault::token::random_bytes;

/// Set for a process that yields to others already.
const GENTLE: &str = "PICKET_DRILL_IS_GENTLE";
/// How many drills are listed.
const LISTED: i64 = 30;

/// Arguments of `drill`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DrillArgs {
    #[command(subcommand)]
    command: Option<DrillCommand>,
    /// To which second: 2026-11-23T08:00:00Z, or "latest"; a random one of the window unless given.
    #[arg(long, value_name = "TIME", value_parser = target)]
    to_time: Option<Target>,
    /// Where the copy is made and removed again; [archive] drill_directory, else the data directory, unless given.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// From this recovery kit and the store that it names alone: neither the key ring nor [archive] of this machine is used.
    #[arg(long, value_name = "FILE")]
    kit: Option<PathBuf>,
    /// The file that holds the code of the kit; it is read from standard input unless given.
    #[arg(long, value_name = "FILE", requires = "kit")]
    code_file: Option<PathBuf>,
    /// The collector asks, as it is scheduled; its data lies there.
    #[arg(long, hide = true, value_name = "DIR")]
    scheduled: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What else there is.
#[derive(Clone, Debug, Subcommand)]
pub enum DrillCommand {
    /// Show the last drills and what came of them.
    List(ListArgs),
}

/// Arguments of `drill list`.
#[derive(Args, Clone, Copy, Debug)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl DrillArgs {
    /// The collector that asks may have its data and keys elsewhere than the settings say.
    pub fn follow(&self, config: &mut Config) {
        if let Some(data_dir) = &self.scheduled {
            config.database.data_dir.clone_from(data_dir);
            config.keys.follow(data_dir);
        }
    }

    /// Becomes a process that yields the processor to others, and everything that it starts with it. Where that cannot be, goes on as
    /// it is.
    pub fn yield_to_others(&self) {
        let Ok(program) = super::this_program() else { return };
        if self.command.is_some() || std::env::var_os(GENTLE).is_some() {
            return;
        }
        let mut command = std::process::Command::new("nice");
        command.args(["-n", "19"]).arg(program).args(std::env::args_os().skip(1)).env(GENTLE, "1");
        // Only returns when it could not be run.
        let _ = command.exec();
    }
}

/// Runs the command; exit code 1 when the drill failed.
///
/// # Errors
/// When it could not even begin.
pub async fn run(args: DrillArgs, config: &Config) -> Result<ExitCode, CmdError> {
    if let Some(DrillCommand::List(args)) = args.command {
        return list(args, config).await;
    }
    let shelf = match &args.kit {
        Some(file) => {
            let (kit, opened) = keys::open(file, args.code_file.as_deref())?;
            keys::shelf(config, &kit, &opened).await?
        }
        None => archive::shelf_to(config, None, args.to_time.unwrap_or(Target::Latest)).await?,
    };
    let usual = config.archive.drill_directory().unwrap_or(&config.database.data_dir);
    let parent = args.scratch.as_deref().unwrap_or(usual);
    let parent = std::path::absolute(parent)?;
    let folder = Scratch::take(&parent).await?;
    let live = live(config).await?;
    let clock = Clock::system();
    let id = match &live {
        Some(pools) => Some(begin(pools, &args, clock.now()).await?),
        None => None,
    };
    let order = Order {
        shelf: &shelf,
        target: args.to_time,
        dice: u64::from_be_bytes(random_bytes()?),
        binaries: config.database.binaries_dir.as_deref(),
        live: live.as_ref(),
    };
    let Some(report) = attempt(&order, folder, &clock, args.json).await? else {
        scratch::tidy(&parent).await?;
        return Err(CmdError::new("the drill was broken off"));
    };
    if let (Some(pools), Some(id)) = (&live, id) {
        let mut worker = pools.worker().await?;
        drills::end(&mut worker, id, &Ended::from(&report), clock.now()).await?;
        worker.commit().await?;
        pools.close().await;
    }
    tell(&report, &shelf, id, args.json)?;
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The database that runs; `None` where none does.
async fn live(config: &Config) -> Result<Option<Pools>, CmdError> {
    let Ok(access) = access(config) else { return Ok(None) };
    Ok(Some(open_pools(&access, 2)?))
}

async fn begin(pools: &Pools, args: &DrillArgs, now: Timestamp) -> Result<i64, StoreError> {
    let mut worker = pools.worker().await?;
    let asked_by = if args.scheduled.is_some() { "schedule" } else { "command" };
    let id = drills::begin(&mut worker, asked_by, args.kit.is_some(), now).await?;
    worker.commit().await?;
    Ok(id)
}

/// Tries it; `None` when somebody broke it off.
async fn attempt(order: &Order<'_>, folder: Scratch, clock: &Clock, quiet: bool) -> Result<Option<Report>, CmdError> {
    let program = super::this_program()?;
    let command = |socket: &Path| line::command(&program, "wal-fetch", socket, wal_fetch::ENDS);
    let told = |progress: Progress| {
        if let Progress::Chosen(backup) = progress
            && !quiet
        {
            let _ = print::line(&format!(
                "Beginning with the base backup {}, which ended at {}",
                backup.id, backup.ended_at
            ));
        }
    };
    let mut signals = Signals::listen()?;
    Ok(tokio::select! {
        report = Box::pin(drill::run(order, folder, command, || clock.now(), told)) => Some(report),
        () = signals.wait() => None,
    })
}

fn tell(report: &Report, shelf: &Shelf, id: Option<i64>, json: bool) -> Result<(), CmdError> {
    if json {
        return print::json(&json!({ "id": id, "place": shelf.place(), "report": report }));
    }
    for step in &report.steps {
        let mark = match step.state {
            State::Passed => "ok",
            State::Failed => "FAIL",
            State::Skipped => "-",
        };
        print::line(&format!("{mark:<5} {:<12} {}", step.name, step.says))?;
    }
    let to = report.to.map_or_else(|| "the latest".to_owned(), |to| format!("{to:.0}"));
    let took = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), seconds);
    print::line(&format!(
        "{}: to {to}, usable after {}, all of it in {}{}.",
        if report.passed { "The drill passed" } else { "The drill FAILED" },
        took(report.restore_ms),
        seconds(report.total_ms),
        if id.is_none() { "; no collector runs here, so that it is written down nowhere" } else { "" }
    ))?;
    Ok(())
}

async fn list(args: ListArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let pools = open_pools(&access(config)?, 1)?;
    let mut worker = pools.worker().await?;
    let found = drills::list(&mut worker, LISTED).await?;
    drop(worker);
    pools.close().await;
    if args.json {
        print::json(&json!({ "drills": found }))?;
    } else if found.is_empty() {
        print::line("There was no drill yet.")?;
    } else {
        let rows: Vec<_> = found.iter().map(row).collect();
        print::table(&["BEGAN", "OUTCOME", "ASKED BY", "RESTORED TO", "USABLE AFTER", "IN ALL", "ROWS"], &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(drill: &DrillRow) -> Vec<String> {
    let time = |micros: i64| format!("{:.0}", Timestamp::from_micros(micros));
    let took = |ms: Option<i64>| ms.and_then(|ms| u64::try_from(ms).ok()).map_or_else(|| "-".to_owned(), seconds);
    vec![
        time(drill.began_at),
        drill.outcome.replace('_', " "),
        if drill.by_kit { format!("{}, by kit", drill.asked_by) } else { drill.asked_by.clone() },
        drill.restored_to_at.map_or_else(|| "-".to_owned(), time),
        took(drill.restore_ms),
        took(drill.total_ms),
        drill.row_count.map_or_else(|| "-".to_owned(), |rows| rows.to_string()),
    ]
}

fn seconds(ms: u64) -> String {
    if ms < 60_000 {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    } else {
        duration(std::time::Duration::from_millis(ms))
    }
}

/// What has drills done in time, by this very program as a process of its own.
///
/// # Errors
/// When this program does not know where it lies.
pub(super) fn scheduled(config: &Config) -> Result<Drills, CmdError> {
    let data_dir = config.database.data_dir.clone();
    let parent = config.archive.drill_directory().unwrap_or(&data_dir).to_owned();
    let every = std::time::Duration::from_secs(3600) * u32::from(config.archive.drill_hours);
    Ok(Drills::new(Way { program: super::this_program()?, settings: config.file.clone(), data_dir, parent }, every))
}
