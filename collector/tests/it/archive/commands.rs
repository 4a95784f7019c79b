//! What PostgreSQL runs, run as PostgreSQL does: by a shell, its exit code alone the answer.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use picket_collector::cmd::wal_fetch::ENDS;
use picket_collector::ops::archive::fetch::Fetcher;
use picket_collector::ops::archive::line::{SOCKET, command};
use picket_collector::ops::archive::push::Pusher;
use picket_collector::ops::archive::server::{Desk, Server};
use picket_collector::ops::archive::shelf::{Shelf, SystemId};
use picket_collector::ops::archive::store::Directory;
use picket_collector::vault::{KeyRing, Opener, Sealer};

use crate::log::Log;

const HISTORY: &str = "00000002.history";
const PLACE: &str = "wal/00000002/00000002.history";
const TEXT: &str = "1\t0/3000000\tno recovery target specified\n";

/// A folder with a quote and a percent sign in its name, a shelf with one history, and room for a socket.
struct Room {
    folder: tempfile::TempDir,
    shelf: Shelf,
}

impl Room {
    async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("it's 100% ").tempdir().unwrap();
        let ring = KeyRing::generate().unwrap();
        let store = Arc::new(Directory::make(&folder.path().join("store"), None).unwrap());
        let shelf = Shelf::new(store, Sealer::new(&ring), Opener::new(&ring), SystemId(7));
        shelf.keep(PLACE, TEXT).await.unwrap();
        Self { folder, shelf }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// Runs `restore_command` for a file; its exit code, and what it brought.
    async fn fetch(&self, program: &Path, file: &str) -> (Option<i32>, Option<String>) {
        let to = self.folder.path().join("RECOVERYHISTORY");
        let _ = fs::remove_file(&to);
        let code =
            shell(&command(program, "wal-fetch", &self.socket(), ENDS), file, "RECOVERYHISTORY", self.folder.path())
                .await;
        (code, fs::read_to_string(to).ok())
    }

    fn fetching(&self) -> Server {
        let (told, _) = tokio::sync::mpsc::unbounded_channel();
        let patience = ExponentialBuilder::default().with_min_delay(Duration::from_millis(1)).with_max_times(2);
        let fetcher = Fetcher::new(self.shelf.clone(), [].into(), told).with_patience(patience);
        let server = Server::open(self.folder.path()).unwrap();
        server.counter().begins(Desk::Fetching(Arc::new(fetcher)));
        server
    }
}

/// As PostgreSQL does: `%f` and `%p` replaced, `%%` a percent sign, and the shell.
async fn shell(command: &str, file: &str, path: &str, folder: &Path) -> Option<i32> {
    let text = command.replace("%%", "\0").replace("%f", file).replace("%p", path).replace('\0', "%");
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell.arg("-c").arg(text).current_dir(folder).status().await.unwrap().code()
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_picket-collector"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_archive_is_said_only_where_it_is() {
    let room = Room::new().await;
    // Nobody is there to ask, or the program is not.
    assert_eq!(room.fetch(program(), HISTORY).await, (Some(200), None));
    let server = room.fetching();
    assert_eq!(room.fetch(Path::new("/nowhere/picket-collector"), HISTORY).await, (Some(200), None));
    assert_eq!(room.fetch(program(), HISTORY).await, (Some(0), Some(TEXT.to_owned())));
    assert_eq!(room.fetch(program(), "00000003.history").await, (Some(1), None));
    assert_eq!(room.fetch(program(), "000000010000000000000009").await, (Some(1), None));
    assert_eq!(room.fetch(program(), "no_wal").await, (Some(200), None));
    // An object that was tampered with, and a store that is away.
    let path = room.folder.path().join("store/00000000000000000007").join(PLACE);
    let mut object = fs::read(&path).unwrap();
    object[150] ^= 1;
    fs::write(&path, object).unwrap();
    assert_eq!(room.fetch(program(), HISTORY).await, (Some(200), None));
    fs::rename(room.folder.path().join("store"), room.folder.path().join("away")).unwrap();
    assert_eq!(room.fetch(program(), "00000003.history").await, (Some(200), None));
    drop(server);
    assert_eq!(room.fetch(program(), HISTORY).await, (Some(200), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_counts_as_archived_only_when_it_is() {
    let room = Room::new().await;
    let pg_wal = room.folder.path().join("pg_wal");
    fs::create_dir_all(pg_wal.join("archive_status")).unwrap();
    let push = async |file: &str| {
        shell(&command(program(), "wal-push", &room.socket(), "%f"), file, "", room.folder.path()).await
    };
    assert_eq!(push(HISTORY).await, Some(1), "nobody is there to ask");
    let server = Server::open(room.folder.path()).unwrap();
    server.counter().begins(Desk::Pushing(Arc::new(Pusher::new(pg_wal.clone(), room.shelf.clone()))));
    assert_eq!(push(HISTORY).await, Some(1), "the file is not there");
    fs::write(pg_wal.join(HISTORY), TEXT).unwrap();
    assert_eq!(push(HISTORY).await, Some(0), "the same content is there already");
    fs::write(pg_wal.join(HISTORY), TEXT.replace("3000000", "4000000")).unwrap();
    assert_eq!(push(HISTORY).await, Some(1), "another content has the name");
    let third = "00000003.history";
    fs::write(pg_wal.join(third), TEXT).unwrap();
    assert_eq!(push(third).await, Some(0));
    assert_eq!(room.shelf.fetch("wal/00000003/00000003.history").await.unwrap().unwrap(), TEXT.as_bytes());
    assert!(matches!(push("no_wal").await, Some(1..=125)), "counted as a failure, no reason to stop the archiver");
}

#[tokio::test]
async fn that_files_are_not_archived_is_told_once_and_so_is_that_they_are_again() {
    let room = Room::new().await;
    let pg_wal = room.folder.path().join("pg_wal");
    fs::create_dir_all(pg_wal.join("archive_status")).unwrap();
    let pusher = Pusher::new(pg_wal.clone(), room.shelf.clone());
    let (log, _listening) = Log::listen();
    for _ in 0..3 {
        pusher.push(HISTORY.parse().unwrap()).await.unwrap_err();
    }
    fs::write(pg_wal.join(HISTORY), TEXT).unwrap();
    pusher.push(HISTORY.parse().unwrap()).await.unwrap();
    fs::write(pg_wal.join(HISTORY), TEXT.replace("3000000", "4000000")).unwrap();
    pusher.push(HISTORY.parse().unwrap()).await.unwrap_err();
    assert!(pusher.is_contested());
    let text = log.text();
    let told: Vec<_> = text.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(told.len(), 2, "{text}");
    assert!(told.iter().all(|line| line.contains("could not be archived, and is kept")), "{text}");
    assert!(text.contains("WAL is archived again, after 3 failures"), "{text}");
}
