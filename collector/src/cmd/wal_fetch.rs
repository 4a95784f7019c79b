//! `wal-fetch`: what PostgreSQL runs for each file that it wants while it is restored.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::wal_push;
use crate::ops::archive::line::{self, Reply, Request};
use crate::ops::archive::wal::WalFile;

/// Arguments of `wal-fetch`.
#[derive(Clone, Debug, clap::Args)]
pub struct WalFetchArgs {
    /// Where the collector answers.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// The file's name (%f).
    pub file: WalFile,
    /// Where it is to be put (%p).
    pub to: PathBuf,
}

/// There is no such file. A number of its own: 1 is what anything that goes wrong exits by.
const NOT_THERE: u8 = 3;

/// What follows the command in `restore_command`. To PostgreSQL 1 to 125 is the end of the archive, where it stops restoring and goes
/// on; only more than 125 makes it give up. So only the number for "not there" becomes 1, and everything else 200: a panic, a
/// missing program, a signal.
pub const ENDS: &str = "%f %p; case $? in 0) ;; 3) exit 1 ;; *) exit 200 ;; esac";

/// Exits by 0 when the file is there, by 3 when there is none, by 200 when nobody knows.
pub fn run(args: &WalFetchArgs) -> ExitCode {
    match line::ask(&args.socket, Request::Fetch(args.file)) {
        Ok(Reply::Done(content)) => match write(&args.to, &content) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(args.file, &format!("{}: {error}", args.to.display())),
        },
        Ok(Reply::None) => ExitCode::from(NOT_THERE),
        Ok(Reply::Error(why)) => failed(args.file, &why),
        Err(error) => failed(args.file, &wal_push::unreachable(&args.socket, &error)),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn failed(file: WalFile, why: &str) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "picket-collector: {file} cannot be restored: {why}");
    ExitCode::from(200)
}
