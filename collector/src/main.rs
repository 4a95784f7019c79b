//! `picket-collector`: parses the command line and dispatches.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use picket_collector::cli::Cli;
use picket_collector::cmd::start;

fn main() -> ExitCode {
    match start::start(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do if standard error is closed.
            let _ = writeln!(std::io::stderr().lock(), "picket-collector: {error}");
            ExitCode::FAILURE
        }
    }
}
