//! The archive as the settings say: its store, and how PostgreSQL hands its WAL over.

use std::path::PathBuf;
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
use crate::ops::archive::lineage;
use crate::ops::archive::memory::Memory;
use crate::ops::archive::owner::{self, Origin};
use crate::ops::archive::push::Pusher;
use crate::ops::archive::receiver::Receiver;
use crate::ops::archive::server::{Counter, Desk, Server};
use crate::ops::archive::shelf::{Shelf, SystemId, known_as};
use crate::ops::archive::store::{Directory, S3, Store, StoreError};
use crate::ops::archive::wal::SegmentSize;
use crate::postgres::managed::{Hold, Identity, Layout};
use crate::postgres::programs::Programs;
use crate::postgres::recovery::Target;
use crate::postgres::replication::Upstream;
use crate::postgres::upgrade::{Phase, Upgrade};
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
    /// A collector that archives its cluster, and remembers what it archived of that or of one before it.
    Archives(&'a Memory, &'a [Option<SystemId>]),
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
        User::Archives(memory, systems) => {
            let mut is_known = false;
            for system in systems.iter().flatten() {
                is_known = is_known || memory.knows(&known_as(&directory.display().to_string(), *system)).await?;
            }
            Directory::make(directory, Some(memory.file()).filter(|_| is_known))?
        }
        User::Changes => Directory::open(directory)?.marked(),
        User::Looks => Directory::open(directory)?,
    })))
}

/// The server of an external database, as it is copied.
fn upstream(config: &Config, collector: &str) -> Option<Upstream> {
    let url = config.archive.replication_url().filter(|_| config.archive.is_on())?;
    // Of this database alone: others on the same server may have theirs.
    let slot = format!("picket_{}", collector.get(..8).unwrap_or("archive"));
    Some(Upstream::new(url.clone(), slot, config.database.binaries_dir.clone()))
}

/// The cluster of the settings, which need not run where the collector runs it.
///
/// # Errors
/// When it is not there, or does not answer.
pub(super) async fn identity(config: &Config) -> Result<Identity, ArchiveError> {
    Ok(match upstream(config, "") {
        Some(upstream) => upstream.look().await?.identity,
        None => Layout::of(&config.database.data_dir).identity()?,
    })
}

/// Where WAL waits to be archived.
pub(super) fn wal_folder(config: &Config) -> PathBuf {
    let layout = Layout::of(&config.database.data_dir);
    if config.database.mode == DatabaseMode::External { layout.received() } else { layout.pg_wal() }
}

/// How PostgreSQL hands its WAL over; `None` when there is no archive.
///
/// # Errors
/// When this program does not know where it lies.
pub(super) fn archiving(config: &Config) -> Result<Option<Archiving>, CmdError> {
    if !config.archive.is_on() {
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
    let keeper = Arc::new(Keeper::new(wal_folder(&app.config), None));
    open(Opening { app: app.clone(), counter: Some(server.counter()), keeper: Arc::clone(&keeper) }, tracker, stop)
        .await?;
    Ok(keeper)
}

/// Opens the archive of a database that somebody else runs; `None` when there is none. What it gives receives WAL while this collector
/// leads, and the folder in which it does is this process's alone until `stop`.
///
/// # Errors
/// When the archive cannot be used before somebody changes something.
pub(super) async fn begin_external(
    app: &App,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Option<Arc<Receiver>>, CmdError> {
    let Some(upstream) = upstream(&app.config, &app.collector_id.to_string()) else { return Ok(None) };
    let held = Hold::take(&Layout::of(&app.config.database.data_dir))?;
    let until = stop.clone();
    tracker.spawn(async move {
        until.cancelled().await;
        drop(held);
    });
    let keeper = Arc::new(Keeper::new(wal_folder(&app.config), Some(upstream.slot().to_owned())));
    open(Opening { app: app.clone(), counter: None, keeper: Arc::clone(&keeper) }, tracker, stop).await?;
    let switch_after = Duration::from_secs(u64::from(app.config.archive.switch_seconds));
    Ok(Some(Arc::new(Receiver::new(upstream, keeper, switch_after))))
}

async fn open(opening: Opening, tracker: &TaskTracker, stop: &CancellationToken) -> Result<(), CmdError> {
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
    Ok(())
}

/// The same for a command, which goes no further without the archive.
///
/// # Errors
/// When the archive cannot be reached or used.
pub(super) async fn begin_at_once(server: &Server, app: &App) -> Result<Shelf, ArchiveError> {
    let keeper = Arc::new(Keeper::new(wal_folder(&app.config), None));
    let opening = Opening { app: app.clone(), counter: Some(server.counter()), keeper };
    opening.soon().await?;
    opening.keeper.shelf().cloned().ok_or_else(|| ArchiveError::other("there is no archive"))
}

/// An archive that is about to be opened.
struct Opening {
    app: App,
    /// Where PostgreSQL asks, if it is ours.
    counter: Option<Counter>,
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
        let (identity, memory) = (identity(&app.config).await?, Memory::in_folder(layout.root()));
        let system = SystemId(identity.system);
        let follows = Upgrade::read(&layout)?.filter(|upgrade| upgrade.phase == Phase::Unproven);
        let follows = follows.as_ref().map(Origin::from);
        // What the cluster before an upgrade archived to is no more empty for the one after it.
        let known = [Some(system), follows.map(|origin| SystemId(origin.system))];
        let Some(store) = store(&app.config, User::Archives(&memory, &known)).await? else { return Ok(()) };
        let shelf = Shelf::new(store, app.sealer.clone(), app.opener.clone(), system);
        shelf.ready().await?;
        owner::claim(&shelf, &memory, (identity.major, follows), app.clock.now()).await?;
        let pusher = Arc::new(Pusher::new(wal_folder(&app.config), shelf.clone()));
        let engine = engine(&app.config, shelf).await?;
        if let Some(upstream) = upstream(&app.config, &app.collector_id.to_string()) {
            // Before the first base backup begins, whose WAL is kept by it.
            upstream.keep().await?;
        }
        engine.must_be_newest().await?;
        pusher.push_histories().await?;
        tracing::info!("Archiving to {}, sealed with key {:08x}", pusher.shelf().place(), app.sealer.key_id());
        self.keeper.begins(Arc::clone(&pusher), Arc::new(engine));
        if let Some(counter) = &self.counter {
            counter.begins(Desk::Pushing(pusher));
        }
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

/// The engine that backs the cluster of the settings up.
///
/// # Errors
/// When PostgreSQL's programs are missing, or an external server does not answer.
pub(super) async fn engine(config: &Config, shelf: Shelf) -> Result<OwnEngine, ArchiveError> {
    let layout = Layout::of(&config.database.data_dir);
    let (pg_wal, mib_per_second) = (wal_folder(config), 0);
    let source = match upstream(config, "") {
        Some(upstream) => {
            let server = upstream.look().await?;
            let major = server.identity.major;
            let (replication, segments) = (upstream.replication(major)?, SegmentSize::of(server.segment_bytes));
            Source { replication, pg_wal, segments, major, is_foreign: true, mib_per_second }
        }
        None => {
            let replication = Replication::of(&layout, config.database.binaries_dir.as_deref())?;
            let major = layout.identity()?.major;
            Source { replication, pg_wal, segments: None, major, is_foreign: false, mib_per_second }
        }
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
    let store = store(config, User::Changes).await?.ok_or_else(no_archive)?;
    let ring = ring(config)?;
    let system = SystemId(identity(config).await?.system);
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

/// The shelf of a cluster, or of the one that it became by an upgrade, by keys that are not those of the settings.
///
/// # Errors
/// When there is no archive, or it does not answer.
pub(super) async fn shelf_of(config: &Config, ring: &KeyRing, system: SystemId) -> Result<Shelf, CmdError> {
    let store = store(config, User::Looks).await?.ok_or_else(no_archive)?;
    let shelf = Shelf::new(store, Sealer::new(ring), Opener::new(ring), system);
    if owner::read(&shelf).await?.is_none() {
        return Err(CmdError::new(format!("{} holds nothing of {system}", shelf.place())));
    }
    // The keys may be older than an upgrade.
    let family: Vec<SystemId> = lineage::family(&shelf).await?.iter().map(Shelf::system).collect();
    Ok(match lineage::newest(&shelf, &family).await?.as_slice() {
        [one] => shelf.of(*one),
        _ => shelf,
    })
}

/// The shelf of a cluster that need not be on this machine: the one named, else that of the data directory, else the only one that did
/// not end with an upgrade.
///
/// # Errors
/// When there is no archive, no key ring, or more than one cluster in question.
pub(super) async fn found_shelf(config: &Config, named: Option<SystemId>) -> Result<Shelf, CmdError> {
    let store = store(config, User::Looks).await?.ok_or_else(no_archive)?;
    let ring = ring(config)?;
    let shelf = |system| Shelf::new(Arc::clone(&store), Sealer::new(&ring), Opener::new(&ring), system);
    let own = identity(config).await.ok().map(|identity| SystemId(identity.system));
    if let Some(found) = named.or(own).map(&shelf)
        && !found.list("").await?.is_empty()
    {
        return Ok(found);
    }
    let systems = Shelf::systems(store.as_ref()).await?;
    let names: Vec<String> = systems.iter().map(ToString::to_string).collect();
    let (place, names) = (store.place(), names.join(", "));
    let Some(first) = systems.first() else {
        return Err(CmdError::new(format!(
            "{place} holds no archive: name its place in [archive], and mount its disk if it has one"
        )));
    };
    if let Some(system) = named {
        return Err(CmdError::new(format!("{place} holds nothing of {system}: it is of {names}")));
    }
    match lineage::newest(&shelf(*first), &systems).await?.as_slice() {
        [one] => Ok(shelf(*one)),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            let why = format!("{place} holds several clusters: name one by --system: {}", names.join(", "));
            Err(CmdError::new(why))
        }
    }
}

/// The shelf with which a restore to that time begins: that of the cluster before an upgrade, where the time lies before it.
///
/// # Errors
/// As [`found_shelf`]; and when the programs of the PostgreSQL before the upgrade are not there, with which they are.
pub(super) async fn shelf_to(config: &Config, named: Option<SystemId>, target: Target) -> Result<Shelf, CmdError> {
    let newest = found_shelf(config, named).await?;
    let (Target::Time(time), None) = (target, named) else { return Ok(newest) };
    let links = lineage::back_from(&newest).await?;
    let Some(link) = lineage::leading_to(&links, time)? else { return Ok(newest) };
    let after = links.iter().take_while(|after| after.shelf.system() != link.shelf.system()).last();
    if let Some((owner, origin)) = after.and_then(|after| Some((after.owner, after.owner.follows?))) {
        Programs::of_major(config.database.binaries_dir.as_deref(), link.owner.major).map_err(|error| {
            CmdError::new(format!(
                "this time lies before the upgrade from PostgreSQL {} to {}, which was at {}: {error}",
                link.owner.major, owner.major, origin.at
            ))
        })?;
    }
    Ok(link.shelf.clone())
}

fn no_archive() -> CmdError {
    CmdError::new("there is no archive: name its place in the settings, by [archive] directory or s3_url")
}
