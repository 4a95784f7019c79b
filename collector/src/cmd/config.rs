//! `config`: shows or checks the settings.

use std::path::Path;
use std::process::ExitCode;

use super::{CmdError, print};
use crate::config::{Config, EXAMPLE};

/// What to do with the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum ConfigCommand {
    /// Check the settings and say where they come from.
    Check,
    /// Print the settings in force.
    Show,
    /// Print every key with its default and a sentence.
    Example,
}

/// Shows or checks.
///
/// # Errors
/// When the settings cannot be used, with what would be right.
pub fn run(command: ConfigCommand, file: Option<&Path>) -> Result<ExitCode, CmdError> {
    match command {
        ConfigCommand::Example => print::line(EXAMPLE.trim_end())?,
        ConfigCommand::Check => {
            let config = Config::load(file)?;
            print::line(&match config.file {
                Some(file) => format!("{} is good.", file.display()),
                None => "No file of settings was found; the defaults hold.".to_owned(),
            })?;
        }
        ConfigCommand::Show => {
            let config = Config::load(file)?;
            print::line(&format!("{config:#?}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
