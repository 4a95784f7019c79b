//! The archive as the settings say: its store, and how PostgreSQL hands its WAL over.

use std::sync::Arc;
use std::time::Duration;

use picket_shared::egress::EgressGuard;
use picket_shared::time::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CmdError;
use crate::app::App;
use crate::config::{Config, DatabaseMode};
use crate::notify::Client;
use crate::ops::archive::ArchiveError;
use crate::ops::archive::base::Source;
use crate::ops::archive::engine::OwnEngine;
use crate::ops::archive::keeper::Keeper;
use crate::ops::archive::line::{self, SOCKET};
use crate::ops::archive::memory::Memory;
use crate::ops::archive::owner;
use crate::ops::archive::push::Pusher;
use crate::ops::archive::server::{Counter, Desk, Server};
use crate::ops::archive::shelf::{Shelf, SystemId, known_as};
use crate::ops::archive::store::{Directory, S3, Store, StoreError};
use crate::postgres::managed::Layout;
use crate::postgres::{Archiving, Replication};
use crate::vault::{KeyRing, Opener, Sealer, source};

impl From<ArchiveError> for CmdError {
    fn from(error: ArchiveError) -> Self {
        Self::new(error.to_string())
    }
}

/// How long the start waits for a store.
const PATIENCE: Duration = Duration::from_secs(10);
/// So often one that is away is looked for.
const LOOK: Duration = Duration::from_secs(15);

/// Who uses a store.
enum User<'a> {
    /// A collector that archives its cluster, and remembers what it archived.
    Archives(&'a Memory, SystemId),
    /// A command that changes what a collector archived.
    Changes,
    /// A command that looks at what is there.
    Looks,
}

/// The store that the settings name; `None` when there is no archive. A bucket is asked nothing yet.
///
/// # Errors
/// When it cannot be used.
async fn store(config: &Config, user: User<'_>) -> Result<Option<Arc<dyn Store>>, ArchiveError> {
    if let Some(settings) = config.archive.s3() {
        let client = Client::new(config.mail.clone(), config.outbound.clone(), EgressGuard::default())
            .map_err(|error| ArchiveError::other(error.to_string()))?;
        return Ok(Some(Arc::new(S3::new(client, settings.clone(), Clock::system()))));
    }
    let Some(directory) = config.archive.directory() else { return Ok(None) };
    Ok(Some(Arc::new(match user {
        User::Archives(memory, system) => {
            let is_known = memory.knows(&known_as(&directory.display().to_string(), system)).await?;
            Directory::make(directory, Some(memory.file()).filter(|_| is_known))?
        }
        User::Changes => Directory::open(directory)?.marked(),
        User::Looks => Directory::open(directory)?,
    })))
}

/// Whether there is to be an archive.
///
/// # Errors
/// When the settings name one for a database that is somebody else's.
pub(super) fn is_on(config: &Config) -> Result<bool, CmdError> {
    if config.archive.is_on() && config.database.mode == DatabaseMode::External {
        return Err(CmdError::new(
            "[archive] is for a database that the collector runs itself: take it away, and let whoever runs the database at \
             [database] url_file back it up",
        ));
    }
    Ok(config.archive.is_on())
}

/// How PostgreSQL hands its WAL over; `None` when there is no archive.
///
/// # Errors
/// When the settings cannot be, or this program does not know where it lies.
pub(super) fn archiving(config: &Config) -> Result<Option<Archiving>, CmdError> {
    if !is_on(config)? {
        return Ok(None);
    }
    let socket = Layout::of(&config.database.data_dir).socket_directory().join(SOCKET);
    let command = line::command(&super::this_program()?, "wal-push", &socket, "%f");
    Ok(Some(Archiving { command, switch_seconds: config.archive.switch_seconds }))
}

/// Opens the archive of the cluster that runs, and answers PostgreSQL from then on. A store that is away is looked for until `stop`, and
/// PostgreSQL keeps its WAL meanwhile.
///
/// # Errors
/// When the archive cannot be used before somebody changes something.
pub(super) async fn begin(
    server: &Server,
    app: &App,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Arc<Keeper>, CmdError> {
    let pg_wal = Layout::of(&app.config.database.data_dir).pgdata().join("pg_wal");
    let opening = Opening { app: app.clone(), counter: server.counter(), keeper: Arc::new(Keeper::new(pg_wal)) };
    let keeper = Arc::clone(&opening.keeper);
    match opening.soon().await {
        Ok(()) => {}
        Err(error) if error.is_transient() => {
            tracing::error!("The archive cannot be reached, and WAL is kept until it can: {error}");
            let stop = stop.clone();
            tracker.spawn(async move {
                tokio::select! { () = opening.until_it_is_there() => {}, () = stop.cancelled() => {} }
            });
        }
        Err(error) => return Err(error.into()),
    }
    Ok(keeper)
}

/// An archive that is about to be opened.
struct Opening {
    app: App,
    counter: Counter,
    keeper: Arc<Keeper>,
}

impl Opening {
    /// Opens it, unless that takes long.
    async fn soon(&self) -> Result<(), ArchiveError> {
        let late = |_| {
            let why = format!("it takes more than {} s", PATIENCE.as_secs());
            Err(StoreError::Failed { place: "store".to_owned(), why }.into())
        };
        tokio::time::timeout(PATIENCE, self.open()).await.unwrap_or_else(late)
    }

    async fn open(&self) -> Result<(), ArchiveError> {
        let app = &self.app;
        let layout = Layout::of(&app.config.database.data_dir);
        let (identity, memory) = (layout.identity()?, Memory::in_folder(layout.root()));
        let system = SystemId(identity.system);
        let Some(store) = store(&app.config, User::Archives(&memory, system)).await? else { return Ok(()) };
        let shelf = Shelf::new(store, app.sealer.clone(), app.opener.clone(), system);
        shelf.ready().await?;
        owner::claim(&shelf, &memory, identity.major, app.clock.now()).await?;
        let pusher = Arc::new(Pusher::new(layout.pgdata().join("pg_wal"), shelf.clone()));
        let engine = engine(&app.config, &layout, shelf)?;
        engine.must_be_newest().await?;
        pusher.push_histories().await?;
        tracing::info!("Archiving to {}, sealed with key {:08x}", pusher.shelf().place(), app.sealer.key_id());
        self.keeper.begins(Arc::clone(&pusher), Arc::new(engine));
        self.counter.begins(Desk::Pushing(pusher));
        Ok(())
    }

    async fn until_it_is_there(&self) {
        let mut told_for_good = false;
        loop {
            match self.open().await {
                Ok(()) => return,
                Err(error) if error.is_transient() => tracing::debug!("The archive cannot be reached yet: {error}"),
                Err(error) if told_for_good => tracing::debug!("The archive cannot be used yet: {error}"),
                Err(error) => {
                    told_for_good = true;
                    tracing::error!("The archive answers, but cannot be used, and WAL is kept until it can: {error}");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The engine that backs the managed cluster up.
///
/// # Errors
/// When PostgreSQL's programs are missing.
pub(super) fn engine(config: &Config, layout: &Layout, shelf: Shelf) -> Result<OwnEngine, ArchiveError> {
    let source = Source {
        replication: Replication::of(layout, config.database.binaries_dir.as_deref())?,
        pg_wal: layout.pgdata().join("pg_wal"),
        major: layout.identity()?.major,
        mib_per_second: 0,
    };
    Ok(OwnEngine {
        shelf,
        source,
        keep_days: config.archive.keep_days,
        memory: Memory::in_folder(layout.root()),
        clock: Clock::system(),
    })
}

/// The shelf of the cluster in the data directory, for who changes something there: never that of another.
///
/// # Errors
/// When the cluster or its archive is not there, or cannot be written.
pub(super) async fn own_shelf(config: &Config) -> Result<Shelf, CmdError> {
    is_on(config)?;
    let store = store(config, User::Changes).await?.ok_or_else(no_archive)?;
    let ring = ring(config)?;
    let system = SystemId(Layout::of(&config.database.data_dir).identity()?.system);
    let shelf = Shelf::new(store, Sealer::new(&ring), Opener::new(&ring), system);
    shelf.ready().await?;
    match owner::read(&shelf).await? {
        Some(_) => Ok(shelf),
        None => Err(CmdError::new(format!(
            "{} holds nothing of this cluster ({system}) yet: its collector begins it at its start",
            shelf.place()
        ))),
    }
}

/// The key ring of the settings.
///
/// # Errors
/// When it is not there.
pub(super) fn ring(config: &Config) -> Result<KeyRing, CmdError> {
    KeyRing::load(&config.keys)?.ok_or_else(|| {
        CmdError::new(format!(
            "the key ring is missing: put your copy of it into {}; without it nothing in the archive can be read",
            source::place(&config.keys)
        ))
    })
}

/// The shelf of a cluster by keys that are not those of the settings.
///
/// # Errors
/// When there is no archive, or it does not answer.
pub(super) async fn shelf_of(config: &Config, ring: &KeyRing, system: SystemId) -> Result<Shelf, CmdError> {
    let store = store(config, User::Looks).await?.ok_or_else(no_archive)?;
    let shelf = Shelf::new(store, Sealer::new(ring), Opener::new(ring), system);
    match owner::read(&shelf).await? {
        Some(_) => Ok(shelf),
        None => Err(CmdError::new(format!("{} holds nothing of {system}", shelf.place()))),
    }
}

/// The shelf of a cluster that need not be on this machine: the one named, else that of the data directory, else the only one.
///
/// # Errors
/// When there is no archive, no key ring, or more than one cluster in question.
pub(super) async fn found_shelf(config: &Config, named: Option<SystemId>) -> Result<Shelf, CmdError> {
    is_on(config)?;
    let store = store(config, User::Looks).await?.ok_or_else(no_archive)?;
    let ring = ring(config)?;
    let shelf = |system| Shelf::new(Arc::clone(&store), Sealer::new(&ring), Opener::new(&ring), system);
    let own = Layout::of(&config.database.data_dir).identity().ok().map(|identity| SystemId(identity.system));
    if let Some(found) = named.or(own).map(&shelf)
        && !found.list("").await?.is_empty()
    {
        return Ok(found);
    }
    let systems = Shelf::systems(store.as_ref()).await?;
    let names: Vec<String> = systems.iter().map(ToString::to_string).collect();
    let (place, names) = (store.place(), names.join(", "));
    match (systems.as_slice(), named) {
        ([], _) => Err(CmdError::new(format!(
            "{place} holds no archive: name its place in [archive], and mount its disk if it has one"
        ))),
        (_, Some(system)) => Err(CmdError::new(format!("{place} holds nothing of {system}: it is of {names}"))),
        ([one], None) => Ok(shelf(*one)),
        _ => Err(CmdError::new(format!("{place} holds several clusters: name one by --system: {names}"))),
    }
}

fn no_archive() -> CmdError {
    CmdError::new("there is no archive: name its place in the settings, by [archive] directory or s3_url")
}
