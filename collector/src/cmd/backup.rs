//! `backup list|now|verify|expire`: what is in the archive, and whether it is whole.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CmdError, access, archive, print};
use crate::config::Config;
use crate::ops::archive::BackupEngine as _;
use crate::ops::archive::catalogue::Backup;
use crate::ops::archive::lineage::Link;
use crate::ops::archive::memory::Memory;
use crate::ops::archive::shelf::SystemId;
use crate::ops::archive::verify;
use crate::ops::archive::{inventory, lineage};
use crate::postgres::managed::Layout;

/// Looks after backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Show the base backups, the oldest first.
    List(ListArgs),
    /// Take a base backup now.
    Now(NowArgs),
    /// Check that everything is there that should be; exit code 1 if not.
    Verify(VerifyArgs),
    /// Remove what no restore within the window needs; the collector does so after each daily backup.
    Expire(NowArgs),
}

/// Arguments of `backup list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The cluster, where the archive holds several.
    #[arg(long)]
    system: Option<SystemId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `backup now` and `backup expire`.
#[derive(Args, Debug)]
pub struct NowArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `backup verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Also fetch and open every object.
    #[arg(long)]
    deep: bool,
    /// The cluster, where the archive holds several.
    #[arg(long)]
    system: Option<SystemId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When there is no archive, or it does not answer.
pub async fn run(command: BackupCommand, config: &Config) -> Result<ExitCode, CmdError> {
    match command {
        BackupCommand::List(args) => list(&args, config).await,
        BackupCommand::Now(args) => now(&args, config).await,
        BackupCommand::Verify(args) => verify(&args, config).await,
        BackupCommand::Expire(args) => expire(&args, config).await,
    }
}

async fn list(args: &ListArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let shelf = archive::found_shelf(config, args.system).await?;
    let mut paths = Vec::new();
    for link in lineage::back_from(&shelf).await? {
        let backups = inventory::backups(&link.shelf).await?;
        paths.push((link, backups));
    }
    paths.reverse();
    let own = paths.last().map_or_else(Vec::new, |(_, backups)| backups.clone());
    if args.json {
        let paths: Vec<_> = paths.iter().map(|(link, backups)| described(link, backups)).collect();
        let place = shelf.place();
        print::json(&json!({ "system": shelf.system().to_string(), "place": place, "backups": own, "paths": paths }))?;
    } else if paths.iter().all(|(_, backups)| backups.is_empty()) {
        print::line("There is no base backup yet.")?;
    } else {
        let rows: Vec<_> = paths.iter().flat_map(|(_, backups)| backups).map(row).collect();
        print::table(&["BACKUP", "RESTORES TO", "POSTGRESQL", "TIMELINE", "FILES", "MIB", "MIB STORED"], &rows)?;
        for ((before, _), (after, _)) in paths.iter().zip(paths.iter().skip(1)) {
            if let Some(origin) = after.owner.follows {
                print::line(&format!(
                    "Upgraded from PostgreSQL {} (cluster {}) to {} (cluster {}) at {:.0}: a restore to before that needs the programs of \
                     PostgreSQL {}.",
                    before.owner.major,
                    before.shelf.system(),
                    after.owner.major,
                    after.shelf.system(),
                    origin.at,
                    before.owner.major
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn described(link: &Link, backups: &[Backup]) -> Value {
    let (system, owner) = (link.shelf.system().to_string(), &link.owner);
    let follows = owner
        .follows
        .map(|origin| json!({ "system": SystemId(origin.system).to_string(), "major": origin.major, "at": origin.at }));
    json!({ "system": system, "major": owner.major, "since": owner.since, "follows": follows, "backups": backups })
}

fn row(backup: &Backup) -> Vec<String> {
    vec![
        backup.id.clone(),
        format!("{:.0}", backup.ended_at),
        backup.major.to_string(),
        backup.timeline.to_string(),
        backup.files.to_string(),
        mib(backup.bytes),
        mib(backup.stored_bytes()),
    ]
}

async fn now(args: &NowArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let shelf = archive::own_shelf(config).await?;
    // A base backup is of a database that runs.
    access(config)?;
    let engine = archive::engine(config, shelf).await?;
    engine.must_be_newest().await?;
    let quiet = args.json;
    let told = move |bytes: u64| {
        if !quiet {
            let _ = print::line(&format!("{} MiB stored so far", mib(bytes)));
        }
    };
    let backup = engine.backup(&told).await?;
    if args.json {
        print::json(&backup)?;
    } else {
        print::line(&format!(
            "Took the base backup {}: {} files, {} MiB, {} MiB as stored. With it every second from {} on can be restored.",
            backup.id,
            backup.files,
            mib(backup.bytes),
            mib(backup.stored_bytes()),
            backup.ended_at
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(args: &VerifyArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let shelf = archive::found_shelf(config, args.system).await?;
    let memory = Memory::in_folder(Layout::of(&config.database.data_dir).root());
    let verdict = verify::verify(&shelf, &memory, args.deep, &|_| {}).await?;
    let whole = verdict.wrong.is_empty();
    if args.json {
        print::json(&json!({ "whole": whole, "verdict": verdict }))?;
    } else {
        for wrong in &verdict.wrong {
            print::line(&format!("{wrong}."))?;
        }
        let from = verdict.from.map_or_else(
            || "nothing can be restored yet".to_owned(),
            |from| format!("every second from {from} on can be restored"),
        );
        print::line(&format!(
            "{} objects, {} MiB, {} base backups; {from}. {} since the last manifest.",
            verdict.objects,
            mib(verdict.bytes),
            verdict.backups,
            verdict.unlisted
        ))?;
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn expire(args: &NowArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let shelf = archive::own_shelf(config).await?;
    let engine = archive::engine(config, shelf).await?;
    let removed = engine.expire().await?;
    if args.json {
        print::json(&json!({ "removed": removed }))?;
    } else {
        print::line(&format!(
            "Removed {removed} objects that no restore within {} days needs.",
            config.archive.keep_days
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Bytes as MiB, to one place.
fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}
