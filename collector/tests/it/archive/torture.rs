//! Every call of a store fails in turn, while a real PostgreSQL is backed up and restored: no backup counts that is not whole, and no
//! restore comes to anything but what an undisturbed one comes to.
//!
//! PostgreSQL refuses root, so as root each test runs itself again as `nobody`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use picket_collector::cmd::wal_fetch::ENDS;
use picket_collector::ops::archive::base::Source;
use picket_collector::ops::archive::catalogue::Backup;
use picket_collector::ops::archive::engine::OwnEngine;
use picket_collector::ops::archive::line::{self, SOCKET};
use picket_collector::ops::archive::memory::Memory;
use picket_collector::ops::archive::push::{self, Pusher};
use picket_collector::ops::archive::restore::{self, Order, Progress, Restored};
use picket_collector::ops::archive::server::{Desk, Server};
use picket_collector::ops::archive::shelf::{Shelf, SystemId};
use picket_collector::ops::archive::store::{Answer, Directory, Listed, Put, Store};
use picket_collector::ops::archive::wal::WalFile;
use picket_collector::ops::archive::{ArchiveError, BackupEngine, inventory, owner, verify};
use picket_collector::postgres::managed::{Cluster, Layout};
use picket_collector::postgres::recovery::Target;
use picket_collector::postgres::roles::ensure_roles;
use picket_collector::postgres::{Archiving, PostgresError, Replication};
use picket_collector::vault::{KeyRing, Opener, Sealer};
use picket_shared::signing::body_hash;
use picket_shared::time::Clock;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::faulty::{Fault, Faulty};

mod calls;

const NOBODY: u32 = 65534;
/// Names the collector's program to a test that runs as `nobody`.
const PROGRAM: &str = "PICKET_TEST_PROGRAM";

/// The collector's program, where this may run PostgreSQL; else the test of that name has run as `nobody`.
fn unprivileged(test: &str) -> Option<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM) {
        return Some(program.into());
    }
    let program = Path::new(env!("CARGO_BIN_EXE_picket-collector"));
    if !nix::unistd::geteuid().is_root() {
        return Some(program.to_owned());
    }
    // Where they were built may be closed to anybody else.
    let folder = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
    let beside = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        fs::hard_link(from, &to).or_else(|_| fs::copy(from, &to).map(drop)).unwrap();
        to
    };
    let own = beside(&std::env::current_exe().unwrap(), "it");
    let mut again = Command::new(own);
    again.args(["--exact", test, "--nocapture"]).env(PROGRAM, beside(program, "picket-collector"));
    let ran = again.current_dir("/").uid(NOBODY).gid(NOBODY).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    // A name that no test has would run none, and succeed.
    assert!(ran.status.success() && said.contains("1 passed"), "{test} failed as nobody: {said}");
    None
}

/// A cluster that is archived.
struct Room {
    folder: tempfile::TempDir,
    program: PathBuf,
    ring: KeyRing,
    system: SystemId,
    source: Source,
    cluster: Mutex<Option<Cluster>>,
    _server: Server,
}

impl Room {
    async fn new(program: PathBuf) -> Self {
        let folder = tempfile::Builder::new().prefix("picket-").tempdir().unwrap();
        let layout = Layout::of(&folder.path().join("data"));
        let ring = KeyRing::generate().unwrap();
        Directory::make(&folder.path().join("store"), None).unwrap();
        let server = Server::open(&layout.socket_directory()).unwrap();
        let command = line::command(&program, "wal-push", &layout.socket_directory().join(SOCKET), "%f");
        let archiving = Archiving { command, switch_seconds: 600 };
        let cluster = Cluster::start(layout.root(), None, 20, Some(archiving)).await.unwrap();
        let identity = layout.identity().unwrap();
        let source = Source {
            replication: Replication::of(&layout, None).unwrap(),
            pg_wal: layout.pgdata().join("pg_wal"),
            major: identity.major,
            mib_per_second: 0,
            segments: None,
            is_foreign: false,
        };
        let counter = server.counter();
        let cluster = Mutex::new(Some(cluster));
        let room = Self { folder, program, ring, system: SystemId(identity.system), source, cluster, _server: server };
        owner::claim(&room.plain(), &room.memory(), (identity.major, None), Clock::system().now()).await.unwrap();
        counter.begins(Desk::Pushing(Arc::new(Pusher::new(room.source.pg_wal.clone(), room.plain()))));
        let mut conn = room.connect().await;
        ensure_roles(&mut conn, true).await.unwrap();
        conn.execute("CREATE TABLE ledger (row bigint PRIMARY KEY)").await.unwrap();
        room
    }

    async fn connect(&self) -> PgConnection {
        let socket = Layout::of(&self.folder.path().join("data")).socket_directory();
        let options = PgConnectOptions::new_without_pgpass().socket(socket).username("postgres").database("postgres");
        options.connect().await.unwrap()
    }

    /// Commits a row, and waits until it is archived.
    async fn writes(&self, row: i64) {
        let mut conn = self.connect().await;
        sqlx::query("INSERT INTO ledger VALUES ($1)").bind(row).execute(&mut conn).await.unwrap();
        let sql = "SELECT pg_walfile_name(pg_switch_wal())";
        let (segment,): (String,) = sqlx::query_as(sql).fetch_one(&mut conn).await.unwrap();
        let place = segment.parse::<WalFile>().unwrap().place();
        let mut tries = 0;
        while self.plain().look(&place).await.unwrap().is_none() {
            assert!(tries < 600, "{segment} is not archived");
            tries += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ends(&self) {
        let cluster = self.cluster.lock().unwrap().take();
        cluster.unwrap().stop().await.unwrap();
    }

    fn memory(&self) -> Memory {
        Memory::in_folder(&self.folder.path().join("data"))
    }

    fn store(&self) -> Directory {
        Directory::open(&self.folder.path().join("store")).unwrap().marked()
    }

    fn shelf(&self, store: Arc<dyn Store>) -> Shelf {
        Shelf::new(store, Sealer::new(&self.ring), Opener::new(&self.ring), self.system)
    }

    /// The archive, of which nothing fails.
    fn plain(&self) -> Shelf {
        self.shelf(Arc::new(self.store()))
    }

    fn engine(&self, shelf: Shelf) -> OwnEngine {
        let (source, memory, clock) = (self.source.clone(), self.memory(), Clock::system());
        OwnEngine { shelf, source, keep_days: 30, memory, clock }
    }

    /// Whether everything is in the archive without which this is no backup.
    async fn must_be_whole(&self, backup: &Backup) {
        let (shelf, mut bytes) = (self.plain(), 0);
        for (number, part) in backup.parts.iter().enumerate() {
            let (content, kept) = shelf.fetch_kept(&backup.part(number)).await.unwrap().unwrap();
            assert_eq!(kept.sha256, part.sha256, "part {number} of {}", backup.id);
            bytes += content.len() as u64;
        }
        assert_eq!(bytes, backup.tar_bytes, "{}", backup.id);
        for segment in backup.own_segments() {
            let file = WalFile::Segment(segment);
            let content = shelf.fetch(&file.place()).await.unwrap().unwrap();
            push::check(file, &content, self.system).unwrap();
        }
    }

    /// Restores everything that is archived into a folder of its own; or up to where its files are verified.
    async fn restores(&self, shelf: &Shelf, name: &str, up_to: UpTo) -> Attempt {
        let into = self.folder.path().join(name);
        let (verified, tree, chosen) = (Notify::new(), Mutex::new(None), Mutex::new(None));
        let order = Order { target: Target::Latest, into: &into, binaries: None };
        let command = |socket: &Path| line::command(&self.program, "wal-fetch", socket, ENDS);
        let told = |progress: Progress| match progress {
            Progress::Chosen(backup) => *chosen.lock().unwrap() = Some(backup.id),
            Progress::Verified => {
                *tree.lock().unwrap() = Some(tree_of(&into.join("postgres")));
                verified.notify_one();
            }
            Progress::Unpacked(..) | Progress::Replayed(_) => {}
        };
        let result = tokio::select! {
            biased;
            result = restore::run(shelf, &order, command, || Clock::system().now(), told) => Some(result),
            () = verified.notified(), if up_to == UpTo::Verified => None,
        };
        if !matches!(result, Some(Ok(_))) {
            never_runs(&into).await;
        }
        fs::remove_dir_all(&into).ok();
        Attempt { backup: chosen.into_inner().unwrap(), tree: tree.into_inner().unwrap(), result }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum UpTo {
    Verified,
    End,
}

/// What came of a restore.
#[derive(Debug)]
struct Attempt {
    backup: Option<String>,
    /// What was unpacked, once it was found to be as it was backed up.
    tree: Option<BTreeMap<PathBuf, String>>,
    /// `None` when it was cut off there.
    result: Option<Result<Restored, ArchiveError>>,
}

impl Attempt {
    /// What it came to, but when.
    fn end(&self) -> Restored {
        Restored {
            at: picket_shared::time::Timestamp::from_seconds(0),
            ..self.result.as_ref().unwrap().as_ref().unwrap().clone()
        }
    }

    /// Either it failed, and said why, or it came to the same as an undisturbed one.
    #[track_caller]
    fn must_be_right(&self, undisturbed: &Self, when: &str) {
        if let Some(tree) = &self.tree {
            assert_eq!(self.backup, undisturbed.backup, "{when}");
            assert!(Some(tree) == undisturbed.tree.as_ref(), "{when}: other files were unpacked");
        }
        match &self.result {
            Some(Ok(_)) => assert_eq!(self.end(), undisturbed.end(), "{when}"),
            Some(Err(error)) => assert!(error.to_string().len() > 20, "{when}: {error}"),
            None => assert!(self.tree.is_some(), "{when}"),
        }
    }
}

/// Nobody arms what a restore left that was cut off or failed, and no collector runs on it.
async fn never_runs(into: &Path) {
    assert!(restore::waiting(into).is_err() && restore::arm(into).is_err(), "{}", into.display());
    if into.join("postgres").exists() {
        let started = Cluster::start(into, None, 20, None).await;
        assert!(matches!(started, Err(PostgresError::Unarmed(_))), "{}: {started:?}", into.display());
    }
}

/// Every file below a folder, and what it holds.
fn tree_of(folder: &Path) -> BTreeMap<PathBuf, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(folder).unwrap().to_owned();
            if path.is_dir() {
                found.insert(inside, String::new());
                folders.push(path);
            } else {
                found.insert(inside, body_hash(&fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// Does it for every fault at once.
fn with_every_fault(runtime: &Runtime, work: impl AsyncFn(Fault) + Sync) {
    thread::scope(|scope| {
        for fault in Fault::ALL {
            let work = &work;
            scope.spawn(move || runtime.block_on(work(fault)));
        }
    });
}
