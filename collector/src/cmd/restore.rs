//! `restore`: a copy of the database as it was at any second of the window, from the archive and the key ring alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use nix::unistd::User;
use picket_shared::time::{Clock, Timestamp};
use serde_json::json;

use super::{CmdError, archive, print, wal_fetch};
use crate::config::Config;
use crate::domain::written;
use crate::ops::archive::line;
use crate::ops::archive::restore::{self, Order, Progress, Restored};
use crate::ops::archive::shelf::SystemId;
use crate::postgres::owner;
use crate::postgres::recovery::Target;

/// Arguments of `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// To which second: 2026-11-23T08:00:00Z, or "latest" for everything that is archived.
    #[arg(long, value_name = "TIME", value_parser = target, required_unless_present = "arm")]
    to_time: Option<Target>,
    /// The data directory to be made; that of the settings unless given. It must be empty.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The cluster, where the archive holds several.
    #[arg(long)]
    system: Option<SystemId>,
    /// Arm a copy that was restored: from now on a collector may run on it.
    #[arg(long, conflicts_with_all = ["to_time", "system"])]
    arm: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl RestoreArgs {
    /// The data directory to be made; as root it becomes that of the user who owns the data, who must be able to reach it.
    ///
    /// # Errors
    /// When that user cannot have it.
    pub fn prepare(&mut self, config: &Config, user: Option<&User>) -> Result<(), CmdError> {
        let into = std::path::absolute(self.into.as_ref().unwrap_or(&config.database.data_dir))?;
        if let Some(user) = user.filter(|_| !self.arm) {
            if owner::reachable(&into, user) != into {
                let why =
                    format!("user {} cannot reach {}: name a folder by --into that it can", user.name, into.display());
                return Err(CmdError::new(why));
            }
            owner::make_directory(&into, user)?;
        }
        self.into = Some(into);
        Ok(())
    }
}

pub(super) fn target(text: &str) -> Result<Target, String> {
    if text == "latest" { Ok(Target::Latest) } else { written::moment(text).map(Target::Time) }
}

/// Runs the command.
///
/// # Errors
/// When the archive does not hold what is needed.
pub async fn run(args: RestoreArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let into = args.into.clone().unwrap_or_else(|| config.database.data_dir.clone());
    let Some(target) = args.to_time.filter(|_| !args.arm) else { return arm(&into, args.json) };
    let shelf = archive::found_shelf(config, args.system).await?;
    let program = super::this_program()?;
    let order = Order { target, into: &into, binaries: config.database.binaries_dir.as_deref() };
    let command = |socket: &Path| line::command(&program, "wal-fetch", socket, wal_fetch::ENDS);
    let clock = Clock::system();
    let told = |progress: Progress| {
        if let Some(text) = says(&progress).filter(|_| !args.json) {
            let _ = print::line(&text);
        }
    };
    let restored = Box::pin(restore::run(&shelf, &order, command, || clock.now(), told)).await?;
    if args.json {
        print::json(&json!({ "into": into, "restored": restored }))?;
    } else {
        print::line(&summary(&restored, &into))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn arm(into: &Path, json: bool) -> Result<ExitCode, CmdError> {
    let restored = restore::arm(into)?;
    if json {
        print::json(&json!({ "into": into, "armed": restored }))?;
    } else {
        print::line(&format!(
            "Armed. A collector whose [database] data_dir is {} may run on it; it archives as timeline {}.",
            into.display(),
            restored.timeline
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn says(progress: &Progress) -> Option<String> {
    match progress {
        Progress::Chosen(backup) => {
            Some(format!("Beginning with the base backup {}, which ended at {}", backup.id, backup.ended_at))
        }
        Progress::Unpacked(done, all) => Some(format!("Unpacked {} of {} MiB", done >> 20, all >> 20)),
        Progress::Verified => Some("Every file is as it was backed up; now the WAL".to_owned()),
        Progress::Replayed(file) => Some(format!("Fetched {file}")),
    }
}

fn summary(restored: &Restored, into: &Path) -> String {
    let last = |at: Timestamp| format!("Its last transaction was committed at {}.", at.exact());
    format!(
        "Restored into {}. {} It is inert: look at it, make sure that the collector it is a copy of does not run any more, then \
         `picket-collector restore --arm --into {}`.",
        into.display(),
        restored.last_commit.map_or_else(|| "No transaction was committed since the base backup.".to_owned(), last),
        into.display()
    )
}
