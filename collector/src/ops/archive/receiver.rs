//! Brings the WAL of a server that somebody else runs into a folder that looks like that server's own `pg_wal`, and pushes it from there.
//!
//! In: what `pg_receivewal` writes. Out: files in the archive; the server's slot is moved to the end of what is there, and not before.
//! The folder holds nothing that lasts: each beginning empties it and goes on at the slot.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use picket_shared::time::Stopwatch;
use sqlx::{Connection as _, PgConnection};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::keeper::Keeper;
use super::push::Pusher;
use super::shelf::{ArchiveError, aside};
use super::wal::{Lsn, Segment, SegmentSize, WalFile};
use crate::postgres::replication::{self, Server, Upstream};

/// How often it is looked what came.
const LOOK: Duration = Duration::from_millis(500);
/// With so many segments waiting here no more are fetched: the server keeps them as well.
const MOST: usize = 64;
/// After a failure the same file is pushed again after this long.
const AGAIN: Duration = Duration::from_secs(5);

/// Receives from one server.
#[derive(Debug)]
pub struct Receiver {
    upstream: Upstream,
    keeper: Arc<Keeper>,
    switch_after: Duration,
}

impl Receiver {
    /// From that server, to where that keeper's archive is. After `switch_after` a segment that was begun is ended.
    pub fn new(upstream: Upstream, keeper: Arc<Keeper>, switch_after: Duration) -> Self {
        Self { upstream, keeper, switch_after }
    }

    /// What looks after the archive that it receives for.
    pub fn keeper(&self) -> Arc<Keeper> {
        Arc::clone(&self.keeper)
    }

    /// Receives until something fails, or too much waits here; the next call goes on. How many files were archived.
    ///
    /// # Errors
    /// What failed. Nothing is lost by it: the server keeps what is not in the archive.
    pub async fn run(&self) -> Result<u64, ArchiveError> {
        let pusher = self.keeper.pusher().await;
        let server = self.upstream.look().await?;
        let mut conn = self.upstream.connect().await?;
        let slot = replication::slot(&mut conn, self.upstream.slot()).await?;
        let size = SegmentSize::of(server.segment_bytes).ok_or_else(|| {
            ArchiveError::other(format!("segments of {} bytes are not possible", server.segment_bytes))
        })?;
        let first = Segment::new(server.timeline, size.number_of(Lsn(slot.kept_from)), size);
        let folder = self.keeper.pg_wal().to_owned();
        aside(move || empty(&folder, first)).await??;
        let receiving = self.receive(&server)?;
        let mut turn = Turn { receiver: self, pusher: &pusher, conn, size, receiving, archived: 0, begun: None };
        let ended = turn.all().await;
        let _ = turn.receiving.kill().await;
        let _ = turn.conn.close().await;
        ended
    }

    fn receive(&self, server: &Server) -> Result<Child, ArchiveError> {
        let replication = self.upstream.replication(server.identity.major)?;
        let mut command = Command::from(replication.receive_wal(self.keeper.pg_wal())?);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().map_err(|error| ArchiveError::other(format!("pg_receivewal cannot be run: {error}")))
    }
}

/// One run.
struct Turn<'a> {
    receiver: &'a Receiver,
    pusher: &'a Pusher,
    conn: PgConnection,
    size: SegmentSize,
    receiving: Child,
    archived: u64,
    /// The segment that the server writes, and since when it is seen.
    begun: Option<(u64, Stopwatch)>,
}

impl Turn<'_> {
    async fn all(&mut self) -> Result<u64, ArchiveError> {
        loop {
            let waiting = self.waiting().await?;
            let many = waiting.len() >= MOST;
            if many {
                tracing::warn!(
                    archive.files = waiting.len(),
                    "{} files wait to be archived here; until they are, the external database keeps what comes after them",
                    waiting.len()
                );
                let _ = self.receiving.kill().await;
            }
            for file in waiting {
                self.push(file).await?;
            }
            if many {
                return Ok(self.archived);
            }
            if let Ok(Some(_)) = self.receiving.try_wait() {
                return Err(self.said().await);
            }
            self.switch().await?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What lies there whole, marked as PostgreSQL itself marks it; in its order.
    async fn waiting(&self) -> Result<Vec<WalFile>, ArchiveError> {
        let folder = self.receiver.keeper.pg_wal().to_owned();
        aside(move || whole(&folder)).await?
    }

    /// Pushes a file until it is archived; lets the server go on then.
    async fn push(&mut self, file: WalFile) -> Result<(), ArchiveError> {
        while let Err(error) = self.pusher.push(file).await {
            if !error.is_transient() {
                return Err(error);
            }
            tokio::time::sleep(AGAIN).await;
        }
        if let WalFile::Segment(segment) = file {
            let end = (segment.number(self.size) + 1) * self.size.bytes();
            replication::let_go(&mut self.conn, self.receiver.upstream.slot(), end).await?;
        }
        let folder = self.receiver.keeper.pg_wal().to_owned();
        aside(move || remove(&folder, file)).await??;
        self.archived += 1;
        Ok(())
    }

    /// Ends a segment that was begun long ago.
    async fn switch(&mut self) -> Result<(), ArchiveError> {
        let number = self.size.number_of(Lsn(replication::written(&mut self.conn).await?));
        match &self.begun {
            Some((begun, since)) if *begun == number => {
                if since.elapsed() >= self.receiver.switch_after {
                    replication::switch(&mut self.conn).await?;
                    self.begun = Some((number, Stopwatch::start()));
                }
            }
            _ => self.begun = Some((number, Stopwatch::start())),
        }
        Ok(())
    }

    async fn said(&mut self) -> ArchiveError {
        let mut text = String::new();
        if let Some(stderr) = &mut self.receiving.stderr {
            let _ = stderr.read_to_string(&mut text).await;
        }
        ArchiveError::other(format!("pg_receivewal ended: {}", text.trim()))
    }
}

/// Empties the folder, and leaves in it from where on to receive: a segment that is not whole yet.
fn empty(folder: &Path, first: Segment) -> Result<(), ArchiveError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| ArchiveError::other(format!("{path}: {error}"))
    };
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(folder)(error)),
        _ => {}
    }
    let status = folder.join("archive_status");
    DirBuilder::new().recursive(true).mode(0o700).create(&status).map_err(failed(&status))?;
    let begin = folder.join(WalFile::Partial(first).to_string());
    File::create(&begin).map(drop).map_err(failed(&begin))
}

/// Histories first, then segments in order.
fn whole(folder: &Path) -> Result<Vec<WalFile>, ArchiveError> {
    let entries =
        fs::read_dir(folder).map_err(|error| ArchiveError::other(format!("{}: {error}", folder.display())))?;
    let mut files: Vec<WalFile> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|file| matches!(file, WalFile::Segment(_) | WalFile::History(_)))
        .collect();
    files.sort_by_key(|file| (!matches!(file, WalFile::History(_)), file.to_string()));
    for file in &files {
        let mark = mark(folder, *file);
        if !mark.exists() {
            File::create(&mark).map_err(|error| ArchiveError::other(format!("{}: {error}", mark.display())))?;
        }
    }
    Ok(files)
}

fn remove(folder: &Path, file: WalFile) -> Result<(), ArchiveError> {
    for path in [folder.join(file.to_string()), mark(folder, file)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(ArchiveError::other(format!("{}: {error}", path.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

fn mark(folder: &Path, file: WalFile) -> PathBuf {
    folder.join("archive_status").join(format!("{file}.ready"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_marked_and_what_was_there_before_is_gone_with_a_new_beginning() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("wal");
        let segment = |number| Segment::new(2, number, SegmentSize::USUAL);
        let names = || -> Vec<String> { whole(&folder).unwrap().iter().map(ToString::to_string).collect() };
        empty(&folder, segment(7)).unwrap();
        assert!(folder.join("000000020000000000000007.partial").exists());
        assert_eq!(names(), [""; 0]);
        for name in [
            "000000020000000000000008",
            "000000020000000000000007",
            "00000002.history",
            "000000020000000000000009.partial",
        ] {
            fs::write(folder.join(name), "x").unwrap();
        }
        assert_eq!(names(), ["00000002.history", "000000020000000000000007", "000000020000000000000008"]);
        let status = folder.join("archive_status");
        assert_eq!(fs::read_dir(&status).unwrap().count(), 3);
        remove(&folder, WalFile::Segment(segment(7))).unwrap();
        remove(&folder, WalFile::Segment(segment(7))).unwrap();
        assert_eq!(names(), ["00000002.history", "000000020000000000000008"]);
        assert_eq!(fs::read_dir(&status).unwrap().count(), 2);
        empty(&folder, segment(9)).unwrap();
        assert_eq!(names(), [""; 0]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }
}
