//! Looks at everything that controls judge, once. What cannot be looked at is a reason in the place of a fact.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use picket_shared::time::{Clock, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{Config, DatabaseMode, Served};
use crate::notify::client::{Client, exchange};
use crate::ops::anchor::Anchorage;
use crate::ops::archive::inventory;
use crate::ops::archive::shelf::Shelf;
use crate::ops::audit::{self, Verdict};
use crate::postgres::managed::Layout;
use crate::postgres::upgrade::Upgrade;
use crate::store::breaches::Breach;
use crate::store::drills::{Standing, standing};
use crate::store::heartbeats::{Point, point};
use crate::store::posture::{Entering, Guarding, Watching, entering, guarding, watching};
use crate::store::sub_processors::ListRow;
use crate::store::{Conn, Pools, StoreError, agreements, breaches, health, sealed, sub_processors};
use crate::vault::opener::key_of;
use crate::vault::{KeyRing, keyring};

/// What there is to look with.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The database.
    pub pools: &'a Pools,
    /// The settings.
    pub config: Arc<Config>,
    /// Verifies the audit log.
    pub anchorage: &'a Anchorage,
    /// Reaches the own public address.
    pub client: &'a Client,
    /// The archive.
    pub shelf: Result<&'a Shelf, String>,
}

/// A fact, or why it is not known.
pub(super) type Looked<T> = Result<T, String>;

/// What is known at a time.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When.
    pub now: Timestamp,
    /// The settings.
    pub config: Looked<Arc<Config>>,
    /// The database's catalogue.
    pub guarding: Looked<Guarding>,
    /// People and keys.
    pub entering: Looked<Entering>,
    /// Monitors.
    pub watching: Looked<Watching>,
    /// The audit log.
    pub audit: Looked<Audit>,
    /// The archive.
    pub archive: Looked<Archive>,
    /// Restores that were tried, kits that were proven, and how much a lost disk would cost.
    pub recovery: Looked<Recovery>,
    /// The key ring.
    pub keys: Looked<Keys>,
    /// The way in from the network.
    pub door: Looked<Door>,
    /// Agreements, sub-processors and breaches.
    pub papers: Looked<Papers>,
}

/// How papers stand.
#[derive(Clone, Debug, Default)]
pub struct Papers {
    /// How many organizations have the newest agreement, of how many.
    pub agreements: (i64, i64),
    /// Sub-processors as they were noted, and what changed when.
    pub lists: Vec<ListRow>,
    /// Organizations that wait to be told of a change.
    pub untold: usize,
    /// Breaches that are open.
    pub breaches: Vec<Breach>,
}

/// How the audit log is.
#[derive(Clone, Debug)]
pub struct Audit {
    /// What came of verifying it.
    pub verdict: Verdict,
    /// How many heads lie outside the database.
    pub anchors: usize,
}

/// How the archive is.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Why an upgrade of PostgreSQL has not ended.
    pub unproven: Option<String>,
    /// When the newest base backup was whole.
    pub backed_up_at: Option<Timestamp>,
    /// When WAL was last taken.
    pub archived_at: Option<Timestamp>,
}

/// What is known of recovery. Its times are the machine's own, as those of the tables are.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// When it was looked at.
    pub at: Timestamp,
    /// Drills and proofs.
    pub standing: Standing,
    /// How far back a restore would go; none before the first beat.
    pub point: Option<Point>,
}

/// How the key ring is.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The names of its keys.
    pub known: Vec<u32>,
    /// The one with which everything is sealed now.
    pub newest: u32,
    /// By which keys values are sealed that the database holds.
    pub used: BTreeSet<u32>,
    /// Values that are sealed in no form that is known.
    pub strange: usize,
    /// When the newest key was made: when the file was last written.
    pub made_at: Timestamp,
}

#[cfg(test)]
impl Keys {
    /// A ring of these, the last the newest, of which none is used.
    pub fn of(known: &[u32], made_at: Timestamp) -> Self {
        let newest = known.last().copied().unwrap_or_default();
        Self { known: known.to_vec(), newest, used: BTreeSet::new(), strange: 0, made_at }
    }
}

/// What somebody meets who comes to the public address.
#[derive(Clone, Debug)]
pub struct Door {
    /// The version of TLS that was agreed on; none over plain HTTP.
    pub tls: Option<String>,
    /// When the certificate that was shown ends.
    pub certificate_ends: Option<Timestamp>,
    /// How long browsers are told to come by HTTPS only, in seconds.
    pub hsts_s: Option<u64>,
    /// Whether scripts of others are kept out, and pages of others cannot frame ours.
    pub policy: bool,
    /// Whether types are not guessed.
    pub nosniff: bool,
}

/// How long the store of backups, and the own front door, may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

impl Facts {
    /// Looks.
    pub async fn gather(sources: &Sources<'_>, now: Timestamp) -> Self {
        let (pools, config) = (sources.pools, &sources.config);
        Self {
            now,
            config: Ok(Arc::clone(config)),
            guarding: said(async { guarding(&mut pools.auth().await?).await }).await,
            entering: said(async { entering(&mut pools.auth().await?, now).await }).await,
            watching: said(async { watching(&mut pools.worker().await?).await }).await,
            audit: audited(sources).await,
            archive: archived(sources).await,
            recovery: recovered(sources).await,
            keys: ring(sources).await,
            door: Box::pin(within(door(sources))).await,
            papers: said(papers(pools, now)).await,
        }
    }

    /// Looks at recovery alone.
    pub async fn of_recovery(sources: &Sources<'_>, now: Timestamp) -> Self {
        Self { recovery: recovered(sources).await, config: Ok(Arc::clone(&sources.config)), ..Self::unknown(now) }
    }

    /// Nothing is known.
    #[cfg(test)]
    pub fn blind() -> Self {
        Self::unknown(Timestamp::from_seconds(1_790_000_000))
    }

    fn unknown(now: Timestamp) -> Self {
        fn unknown<T>() -> Looked<T> {
            Err("it was not looked at".to_owned())
        }
        Self {
            now,
            config: unknown(),
            guarding: unknown(),
            entering: unknown(),
            watching: unknown(),
            audit: unknown(),
            archive: unknown(),
            recovery: unknown(),
            keys: unknown(),
            door: unknown(),
            papers: unknown(),
        }
    }
}

async fn said<T, E: Display>(look: impl Future<Output = Result<T, E>>) -> Looked<T> {
    look.await.map_err(|error| error.to_string())
}

async fn within<T>(look: impl Future<Output = Looked<T>>) -> Looked<T> {
    timeout(PATIENCE, look).await.unwrap_or_else(|_| Err("no answer within 20 s".to_owned()))
}

async fn papers(pools: &Pools, now: Timestamp) -> Result<Papers, StoreError> {
    let mut auth = pools.auth().await?;
    // What was made within the last minutes the task has not seen yet.
    let without = agreements::without_newest(&mut auth, now - PATIENCE * 15).await?.len();
    let (_, all) = agreements::standing(&mut auth).await?;
    let breaches = breaches::list(&mut auth, None).await?;
    Ok(Papers {
        agreements: (all - i64::try_from(without).unwrap_or(i64::MAX), all),
        lists: sub_processors::history(&mut auth, 1_000).await?,
        untold: sub_processors::untold(&mut auth).await?.len(),
        breaches: breaches.into_iter().filter(|breach| breach.closed_at.is_none()).collect(),
    })
}

async fn audited(sources: &Sources<'_>) -> Looked<Audit> {
    let anchors = sources.anchorage.read(&sources.anchorage.file).map_err(|error| error.to_string())?;
    let verdict = said(audit::verify(sources.pools, sources.anchorage, &anchors)).await?;
    Ok(Audit { verdict, anchors: anchors.count() })
}

async fn archived(sources: &Sources<'_>) -> Looked<Archive> {
    let backups = within(said(inventory::backups(sources.shelf.clone()?))).await?;
    let is_external = sources.config.database.mode == DatabaseMode::External;
    let archived_at = said(async {
        let mut auth = sources.pools.auth().await?;
        if is_external {
            // What the server archives itself is its own; what is ours, the beats know.
            let point = point(&mut auth, Clock::system().now()).await?;
            return Ok(point.filter(|point| point.is_archived).map(|point| point.at));
        }
        health::last_archived(auth.conn()).await
    })
    .await?;
    let layout = Layout::of(&sources.config.database.data_dir);
    let unproven = Upgrade::read(&layout).map_err(|error| error.to_string())?.and_then(|upgrade| upgrade.says());
    Ok(Archive { unproven, backed_up_at: backups.last().map(|last| last.ended_at), archived_at })
}

async fn recovered(sources: &Sources<'_>) -> Looked<Recovery> {
    if !sources.config.archive.is_on() {
        return Err("there is no archive of the database here".to_owned());
    }
    let at = Clock::system().now();
    let (standing, point) = said(async {
        let mut auth = sources.pools.auth().await?;
        Ok::<_, StoreError>((standing(&mut auth).await?, point(&mut auth, at).await?))
    })
    .await?;
    Ok(Recovery { at, standing, point })
}

async fn ring(sources: &Sources<'_>) -> Looked<Keys> {
    let keys = &sources.config.keys;
    // It is not read where anybody but its owner could.
    let ring = KeyRing::load(keys).map_err(|error| error.to_string())?.ok_or_else(|| "there is none".to_owned())?;
    let sealed = said(async {
        let (mut worker, mut auth) = (sources.pools.worker().await?, sources.pools.auth().await?);
        sealed::count(&mut worker, &mut auth).await
    })
    .await?;
    let made_at = match ring.made_at(ring.newest_id()) {
        Some(made_at) => made_at,
        // A ring of before times were written down: a file knows.
        None => keyring::written_at(keys.directory()).map_err(|error| error.to_string())?,
    };
    let used: Vec<Option<u32>> = sealed.iter().map(|(_, beginning, _)| key_of(beginning)).collect();
    Ok(Keys {
        known: ring.ids(),
        newest: ring.newest_id(),
        strange: used.iter().filter(|key| key.is_none()).count(),
        used: used.into_iter().flatten().collect(),
        made_at,
    })
}

async fn door(sources: &Sources<'_>) -> Looked<Door> {
    let http = &sources.config.http;
    let url = url::Url::parse(&http.public_url()).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().to_owned();
    match http.served() {
        Served::Plain => return Err("it is reached from its own machine alone".to_owned()),
        Served::OwnAuthority => {
            return Err("its certificate is by its own authority, which browsers do not know".to_owned());
        }
        Served::BehindProxies | Served::Certificate => {}
    }
    let port = url.port_or_known_default().unwrap_or(443);
    let stream = sources.client.open(host.trim_matches(['[', ']']), port).await.map_err(|error| error.to_string())?;
    if url.scheme() != "https" {
        return headers(stream, &host, Door::plain()).await;
    }
    let stream = sources.client.wrap(stream, &host).await.map_err(|error| error.to_string())?;
    let session = stream.get_ref().1;
    let tls = session.protocol_version().map(|version| format!("{version:?}").replace("TLSv1_", "TLS 1."));
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    let certificate_ends = certificate.and_then(|der| {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        Some(Timestamp::from_seconds(parsed.validity().not_after.timestamp()))
    });
    headers(stream, &host, Door { tls, certificate_ends, ..Door::plain() }).await
}

impl Door {
    fn plain() -> Self {
        Self { tls: None, certificate_ends: None, hsts_s: None, policy: false, nosniff: false }
    }
}

/// What the answer to a page that everybody may see says of itself.
async fn headers<S>(stream: S, host: &str, door: Door) -> Looked<Door>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request =
        Request::get("/sign-in").header("host", host).body(Full::default()).map_err(|error| error.to_string())?;
    let answer = said(exchange(stream, request)).await?;
    let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let policy = text("content-security-policy");
    Ok(Door {
        hsts_s: text("strict-transport-security")
            .split(';')
            .find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok()),
        policy: policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        nosniff: text("x-content-type-options") == "nosniff",
        ..door
    })
}
