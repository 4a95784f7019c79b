//! `mail dkim-record`: what has to be in DNS for mails that Picket signs.

use std::process::ExitCode;

use serde_json::json;

use super::{CmdError, print};
use crate::config::Config;
use crate::notify::dkim::{BadKey, Signer};

/// Looks after what makes mails trusted.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum MailCommand {
    /// Print the TXT record by which others verify mails that Picket signs.
    DkimRecord(DkimRecordArgs),
}

/// Arguments of `mail dkim-record`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DkimRecordArgs {
    /// Print JSON: name and value apart, the value in one piece.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When mails are not signed, or the key is none.
pub fn run(command: MailCommand, config: &Config) -> Result<ExitCode, CmdError> {
    let MailCommand::DkimRecord(args) = command;
    let Some(dkim) = &config.mail.dkim else {
        return Err(CmdError::new(
            "Picket signs no mails: make a key with `openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out dkim.pem`, and give \
             domain, selector and key_file in [mail.dkim]",
        ));
    };
    let wrong = |error: BadKey| CmdError::new(error.to_string());
    let signer = Signer::new(dkim).map_err(wrong)?;
    if args.json {
        print::json(&json!({ "name": signer.name(), "type": "TXT", "value": signer.record().map_err(wrong)? }))?;
    } else {
        print::line(&signer.zone_line().map_err(wrong)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
