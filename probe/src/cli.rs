//! The command line: `picket-probe run | check-once | doctor`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::check_once::CheckOnceArgs;
use crate::config::CONFIG_VARIABLE;

/// Runs checks for a Picket collector, and keeps nothing.
#[derive(Debug, Parser)]
#[command(name = "picket-probe", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run checks until stopped (SIGTERM or Ctrl-C; a second time drops what is not delivered)
    Run(ConfigArgs),
    /// Run one check from here and show where its time went
    CheckOnce(Box<CheckOnceArgs>),
    /// Say what is wrong with this probe, and what to do about it
    Doctor(DoctorArgs),
}

/// Where the settings are.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// Settings (TOML); without them every default holds, and PICKET_TOKEN is all that is needed
    #[arg(long, env = CONFIG_VARIABLE, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `picket-probe doctor`
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Where the settings are
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}
