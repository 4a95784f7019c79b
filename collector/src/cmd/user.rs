//! `user`: help for people who cannot sign in.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, actor, porter};
use crate::app::App;
use crate::login::recover::LIFE;

/// Helps people who cannot sign in.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Print a link by which a user chooses another password, once, within an hour. Every owner is told.
    Recover(RecoverArgs),
}

/// Arguments of `user recover`.
#[derive(Args, Debug)]
pub struct RecoverArgs {
    /// The address that the user signs in with.
    address: String,
    /// Also take the user's second factor away, when it is lost with its recovery codes.
    #[arg(long)]
    remove_second_factor: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When nobody has the address, or the database fails.
pub async fn run(command: UserCommand, app: &App) -> Result<ExitCode, CmdError> {
    let UserCommand::Recover(args) = command;
    let now = app.clock.now();
    let link = porter(app)?.recover(&args.address, &actor(), args.remove_second_factor, now).await?;
    let Some(link) = link else {
        return Err(CmdError::new(format!("nobody signs in with {:?}: give the address of a user", args.address)));
    };
    let url = format!("{}/link/{}", app.config.http.public_url(), link.expose());
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "url": url, "expires_at": (now + LIFE).to_string() }))?;
    } else {
        writeln!(out, "Hand this link to the user (it works once, until {:.0}):\n\n    {url}", now + LIFE)?;
    }
    Ok(ExitCode::SUCCESS)
}
