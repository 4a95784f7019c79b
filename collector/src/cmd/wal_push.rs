//! `wal-push`: what PostgreSQL runs for each file of its WAL. It asks the collector, which archives it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::ops::archive::line::{self, Reply, Request};
use crate::ops::archive::wal::WalFile;

/// Arguments of `wal-push`.
#[derive(Clone, Debug, clap::Args)]
pub struct WalPushArgs {
    /// Where the collector answers.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// The file's name (%f).
    pub file: WalFile,
}

/// Exits by 0 only when the file is archived, durably; by 1 otherwise, upon which PostgreSQL keeps it and asks again.
pub fn run(args: &WalPushArgs) -> ExitCode {
    match line::ask(&args.socket, Request::Push(args.file)) {
        Ok(Reply::Done(_)) => ExitCode::SUCCESS,
        Ok(Reply::Error(why)) => failed(args.file, &why),
        Ok(Reply::None) => failed(args.file, "the collector has no answer"),
        Err(error) => failed(args.file, &unreachable(&args.socket, &error)),
    }
}

/// Nobody answers at the socket.
pub(super) fn unreachable(socket: &Path, error: &std::io::Error) -> String {
    format!("the collector does not answer at {} ({error}): is it running?", socket.display())
}

fn failed(file: WalFile, why: &str) -> ExitCode {
    // PostgreSQL's log gets it.
    let _ = writeln!(std::io::stderr().lock(), "picket-collector: {file} is not archived: {why}");
    ExitCode::from(1)
}
