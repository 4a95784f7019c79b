//! `privacy`: erase what is due, people without an account ([`find`]), the papers ([`papers`]), and breaches ([`breach`]).

mod breach;
mod find;
mod papers;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, print};
use crate::app::App;
use crate::ops::erasure::{self, ErasureError};
use crate::tasks;

impl From<ErasureError> for CmdError {
    fn from(error: ErasureError) -> Self {
        Self::new(error.to_string())
    }
}

/// Erases, shows papers, and looks after breaches.
#[derive(Debug, Subcommand)]
pub enum PrivacyCommand {
    /// Erases accounts and organizations that were closed seven days ago, and again what a restored database has of those before.
    Erase(EraseArgs),
    /// Finds what is stored of somebody by an address, gives it, or erases it where nobody signs in with the address.
    Find(find::FindArgs),
    /// Writes the record of processing (Article 30 GDPR), as Markdown.
    Record(papers::RecordArgs),
    /// Shows who else works on the data, and which organizations were told of changes.
    SubProcessors(papers::SubProcessorsArgs),
    /// Shows which organizations accepted the data processing agreement; or the text of one, as it was issued.
    Dpa(papers::DpaArgs),
    /// Writes breaches of personal data down, tells those affected, and keeps the clock of 72 hours.
    #[command(subcommand)]
    Breach(breach::BreachCommand),
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
/// When the ledger or the database fails, or something does not exist.
pub async fn run(command: PrivacyCommand, app: &App) -> Result<ExitCode, CmdError> {
    match command {
        PrivacyCommand::Erase(args) => erase(&args, app).await,
        PrivacyCommand::Find(args) => find::run(&args, app).await,
        PrivacyCommand::Record(args) => papers::record(&args, app).await,
        PrivacyCommand::SubProcessors(args) => papers::sub_processors(&args, app).await,
        PrivacyCommand::Dpa(args) => papers::dpa(&args, app).await,
        PrivacyCommand::Breach(command) => breach::run(command, app).await,
    }
}

async fn erase(args: &EraseArgs, app: &App) -> Result<ExitCode, CmdError> {
    let now = app.clock.now();
    let done = erasure::run(&app.pools, &tasks::ledger(app), &tasks::receipts(app, now), now).await?;
    if args.json {
        print::json(&json!({ "erased": done.erased, "again": done.again, "rows": done.rows }))?;
    } else {
        print::line(&format!("Erased {}, of these {} again; {} rows.", done.erased, done.again, done.rows))?;
    }
    Ok(ExitCode::SUCCESS)
}
