//! `privacy erase`: what the collector does every hour, at once.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, print};
use crate::app::App;
use crate::ops::erasure::{self, ErasureError};
use crate::work;

impl From<ErasureError> for CmdError {
    fn from(error: ErasureError) -> Self {
        Self::new(error.to_string())
    }
}

/// Erases.
#[derive(Debug, Subcommand)]
pub enum PrivacyCommand {
    /// Erases accounts and organizations that were closed seven days ago, and again what a restored database has of those before.
    Erase(EraseArgs),
}

/// Arguments of `privacy erase`.
#[derive(Args, Debug)]
pub struct EraseArgs {
    /// Everything that is due; there is no way to erase something before.
    #[arg(long, required = true)]
    due: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the ledger or the database fails.
pub async fn run(command: PrivacyCommand, app: &App) -> Result<ExitCode, CmdError> {
    let PrivacyCommand::Erase(args) = command;
    let now = app.clock.now();
    let done = erasure::run(&app.pools, &work::ledger(app), &work::receipts(app, now), now).await?;
    if args.json {
        print::json(&json!({ "erased": done.erased, "again": done.again, "rows": done.rows }))?;
    } else {
        print::line(&format!("Erased {}, of these {} again; {} rows.", done.erased, done.again, done.rows))?;
    }
    Ok(ExitCode::SUCCESS)
}
