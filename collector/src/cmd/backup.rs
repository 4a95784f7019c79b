//! `backup list|now|verify|expire`: what is in the archive, and whether it is whole.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, archive, print};
use crate::config::Config;
use crate::ops::archive::BackupEngine as _;
use crate::ops::archive::catalogue::Backup;
use crate::ops::archive::inventory;
use crate::ops::archive::memory::Memory;
use crate::ops::archive::shelf::SystemId;
use crate::ops::archive::verify;
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
    let backups = inventory::backups(&shelf).await?;
    if args.json {
        print::json(&json!({ "system": shelf.system().to_string(), "place": shelf.place(), "backups": backups }))?;
    } else if backups.is_empty() {
        print::line("There is no base backup yet.")?;
    } else {
        let row = |backup: &Backup| {
            vec![
                backup.id.clone(),
                format!("{:.0}", backup.ended_at),
                backup.timeline.to_string(),
                backup.files.to_string(),
                mib(backup.bytes),
                mib(backup.stored_bytes()),
            ]
        };
        let rows: Vec<_> = backups.iter().map(row).collect();
        print::table(&["BACKUP", "RESTORES TO", "TIMELINE", "FILES", "MIB", "MIB STORED"], &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn now(args: &NowArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let shelf = archive::own_shelf(config).await?;
    // A base backup is of a database that runs.
    Layout::of(&config.database.data_dir).access()?;
    let engine = archive::engine(config, &Layout::of(&config.database.data_dir), shelf)?;
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
    let engine = archive::engine(config, &Layout::of(&config.database.data_dir), shelf)?;
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
