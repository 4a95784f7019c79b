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
use crate::ops::archive::restore::{self, Order, Progress, Restored};
use crate::ops::archive::shelf::SystemId;
use crate::ops::archive::{line, lineage};
use crate::ops::{arming, ended};
use crate::postgres::copy::{self, Copy, Fate};
use crate::postgres::managed::Layout;
use crate::postgres::recovery::Target;
use crate::postgres::{open_pools, owner};
use crate::privacy::ledger::{self, Ledger};
use crate::store::instance;
use crate::vault::KeyRing;

/// Arguments of `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// To which second: 2026-11-23T08:00:00Z, or "latest" for everything that is archived.
    #[arg(long, value_name = "TIME", value_parser = target, required_unless_present = "arm")]
    to_time: Option<Target>,
    /// The data directory to be made; that of the settings unless given. It must be empty.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The cluster, where the archive holds several; without it that before an upgrade is found by the time.
    #[arg(long)]
    system: Option<SystemId>,
    /// Where the programs of the PostgreSQL lie that wrote the backup; where they usually do unless given.
    #[arg(long, value_name = "DIR")]
    binaries_dir: Option<PathBuf>,
    /// Arm a copy that was restored: from now on a collector may run on it.
    #[arg(long, conflicts_with_all = ["to_time", "system"])]
    arm: bool,
    /// Arm by the ledger of what ended on this machine alone, where the copy of it in the archive cannot be read.
    #[arg(long, requires = "arm")]
    local_ledger: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl RestoreArgs {
    /// The data directory to be made; as root it becomes that of the user who owns the data, who must be able to reach it.
    ///
    /// # Errors
    /// When that user cannot have it.
    pub fn prepare(&mut self, config: &mut Config, user: Option<&User>) -> Result<(), CmdError> {
        if let Some(directory) = &self.binaries_dir {
            config.database.binaries_dir = Some(std::path::absolute(directory)?);
        }
        let into = std::path::absolute(self.into.as_ref().unwrap_or(&config.database.data_dir))?;
        if into.exists() && !into.is_dir() {
            return Err(CmdError::new(format!("{} is no folder: name an empty one by --into", into.display())));
        }
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
    let Some(target) = args.to_time.filter(|_| !args.arm) else { return Box::pin(arm(&args, &into, config)).await };
    let shelf = archive::shelf_to(config, args.system, target).await?;
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

/// Ends in the copy what ended after its time, then lets a collector run on it.
async fn arm(args: &RestoreArgs, into: &Path, config: &Config) -> Result<ExitCode, CmdError> {
    let waiting = restore::waiting(into)?;
    let ring = archive::ring(config)?;
    let copies =
        if args.local_ledger || !config.archive.is_on() { Vec::new() } else { copies(config, &waiting).await? };
    copy::end_left_over(&Layout::of(into)).await;
    let copy = Copy::start(into, config.database.binaries_dir.as_deref(), Fate::Kept).await?;
    let file = config.keys.directory().join(ledger::FILE);
    let ended = end_again(&copy, (file, &ring), &copies).await;
    copy.stop().await;
    let report = ended?;
    let restored = restore::arm(into)?;
    if args.json {
        print::json(&json!({ "into": into, "armed": restored, "ended": report }))?;
    } else {
        print::line(&told(&report))?;
        print::line(&format!(
            "Armed. A collector whose [database] data_dir is {} may run on it; it archives as timeline {}.",
            into.display(),
            restored.timeline
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The copies of the ledger that the archive has.
async fn copies(config: &Config, restored: &Restored) -> Result<Vec<(String, String)>, CmdError> {
    let system = restored.system.parse().ok();
    let read = async {
        // What ended after an upgrade is with the cluster that came of it.
        let mut found = Vec::new();
        for shelf in lineage::family(&archive::found_shelf(config, system).await?).await? {
            found.extend(ended::copies(&shelf).await?);
        }
        Ok::<_, CmdError>(found)
    };
    read.await.map_err(|error| {
        CmdError::new(format!(
            "what ended after the restored time is in the archive, which cannot be read: {error}. Try again when it can, or add \
             --local-ledger if {} of this machine has everything",
            ledger::FILE
        ))
    })
}

async fn end_again(
    copy: &Copy,
    (file, ring): (PathBuf, &KeyRing),
    copies: &[(String, String)],
) -> Result<arming::Report, CmdError> {
    copy.access().prepare().await?;
    let pools = open_pools(&copy.access(), 2)?;
    let instance = instance::read(&mut pools.auth().await?).await?;
    let Some(instance) = instance else { return Err(CmdError::new("no collector ever ran on what was restored")) };
    let ledger = Ledger::of(file, ring, instance.collector)?;
    for (place, text) in copies {
        ledger.take_in(text, place).map_err(|error| CmdError::new(error.to_string()))?;
    }
    let done = arming::run(&pools, &ledger, &super::actor(), Clock::system().now()).await;
    pools.close().await;
    done.map_err(|error| CmdError::new(format!("the copy is not armed: {error}")))
}

fn told(report: &arming::Report) -> String {
    let counts = &report.counts;
    let parts = [
        (counts.sessions, "session", "sessions"),
        (counts.links, "link", "links"),
        (counts.keys, "API key", "API keys"),
        (counts.memberships, "membership", "memberships"),
        (counts.passwords, "password that was changed since", "passwords that were changed since"),
        (counts.grants, "grant to administer", "grants to administer"),
        (counts.invitations, "invitation", "invitations"),
        (counts.managements, "consent to be managed", "consents to be managed"),
        (counts.probes, "probe", "probes"),
        (report.closed as u64, "closed account or organization", "closed accounts and organizations"),
        (report.erased as u64, "erased account or organization", "erased accounts and organizations"),
    ];
    let parts = parts.iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> =
        parts.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many })).collect();
    let ended = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    let waiting = match counts.deliveries + counts.mails {
        0 => "No message waited".to_owned(),
        1 => "1 message that waited is not sent: it may have been".to_owned(),
        many => format!("{many} messages that waited are not sent: they may have been"),
    };
    format!("Ended again in the copy: {ended}. {waiting}.")
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
