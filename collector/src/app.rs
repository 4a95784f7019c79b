//! What the web, the tasks and the commands share: built once, cheap to clone. Stages take what they use, never this.

use std::sync::Arc;
use std::time::Duration;

use picket_shared::egress::EgressGuard;
use picket_shared::ids::CollectorId;
use picket_shared::time::{Clock, Timestamp};
use serde_json::json;

use crate::config::{Config, DatabaseMode, KeysFrom};
use crate::meters::Meters;
use crate::notify::client::{BadClient, Client};
use crate::store::audit::{self, Author};
use crate::store::{Auth, Fence, OrgKey, Pools, StoreError, clock, instance, leadership, organizations};
use crate::vault::{KeyRing, Notary, Opener, Sealer, VaultError, source};
use crate::wake::{Bells, Standstill};

/// The organization that everything belongs to until there are several.
const DEFAULT_ORGANIZATION: &str = "default";

/// A collector that noted its life so lately still runs.
const ALIVE_WITHIN_US: u64 = 20_000_000;

/// Pools, settings, clock, bells, vault.
#[derive(Clone, Debug)]
pub struct App {
    /// One pool a role.
    pub pools: Pools,
    /// The settings.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// The bells of this process.
    pub bells: Bells,
    /// Counts what this process does.
    pub meters: Meters,
    /// Seals secrets.
    pub sealer: Sealer,
    /// Opens them: for deliver and for what probes get.
    pub opener: Opener,
    /// Signs what the collector vouches for outside its database.
    pub notary: Notary,
    /// Sends messages.
    pub client: Client,
    /// What probes know this installation as.
    pub collector_id: CollectorId,
    /// The default organization.
    pub org: OrgKey,
    /// When this was built; for the tasks of a term, when it began.
    pub started_at: Timestamp,
    /// How the clock is set while nobody works.
    pub standstill: Standstill,
}

/// Why the parts do not come together.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database is empty.
    #[error("the collector has never run on this database: start it with `picket-collector serve`")]
    NeverStarted,
    /// A statement.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key ring.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The operator's certificates, or key for mails.
    #[error(transparent)]
    Client(#[from] BadClient),
    /// Sealed rows wait for a key ring that is not there.
    #[error(
        "the key ring is missing: nothing is in {0}. If this database was in use, copy the key ring back from where you keep its copy; \
         without it probes, channels and credentials cannot be used. A first one that does not lie in a file is made by \
         `picket-collector keys make --out FILE`"
    )]
    NoKeyRing(String),
    /// Another collector uses the same database with other keys.
    #[error(
        "the key ring here ({place}) lacks the key {key} of the collector at {host}, which uses the same database: what one seals the \
         other could not open. Copy the whole directory of keys from there; every collector of a database has the same"
    )]
    OtherKeyRing {
        /// Where it is.
        place: String,
        /// The key.
        key: String,
        /// Whose it is.
        host: String,
    },
}

impl App {
    /// For a command: the database must be there and migrated.
    ///
    /// # Errors
    /// When a part is missing, with what to do.
    pub async fn open(pools: Pools, config: Config, clock: Clock) -> Result<Self, AppError> {
        Self::build(pools, config, clock, false).await
    }

    /// For `serve`: also makes what a first start needs.
    ///
    /// # Errors
    /// When a part is missing, with what to do.
    pub async fn start(pools: Pools, config: Config, clock: Clock) -> Result<Self, AppError> {
        Self::build(pools, config, clock, true).await
    }

    async fn build(pools: Pools, config: Config, clock: Clock, starting: bool) -> Result<Self, AppError> {
        let mut auth = pools.auth().await?;
        let (instance, clock) = if starting {
            let clock = clock.even();
            let instance = instance::starting(&mut auth, clock.now()).await?;
            go_on_from(&clock, instance.last_alive_at);
            (instance, clock)
        } else {
            let instance = instance::read(&mut auth).await?.ok_or(AppError::NeverStarted)?;
            (instance, time_of_the_collector(&mut auth, clock).await?)
        };
        let now = clock.now();
        let org = organizations::ensure(&mut auth, DEFAULT_ORGANIZATION, now).await?;
        auth.commit().await?;
        let ring = ring(&pools, &config, now, starting).await?;
        let guard = EgressGuard::new(config.egress.allow.clone())
            .with_nat64(config.egress.nat64.clone())
            .denying(vec![config.http.listen.ip()]);
        let client = Client::new(config.mail.clone(), config.outbound.clone(), guard)?;
        Ok(Self {
            client,
            pools,
            config: Arc::new(config),
            clock,
            bells: Bells::default(),
            meters: Meters::default(),
            sealer: Sealer::new(&ring),
            opener: Opener::new(&ring),
            notary: Notary::new(&ring)?,
            collector_id: instance.collector,
            org,
            started_at: now,
            standstill: Standstill::default(),
        })
    }

    /// The same for the tasks of a term that begins now.
    #[must_use]
    pub fn leading(&self, fence: Fence) -> Self {
        Self { pools: self.pools.fenced(fence), started_at: self.clock.now(), ..self.clone() }
    }

    /// From now on with the keys of this ring, wherever they are used in this process.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn follow_keys(&self, ring: &KeyRing) -> Result<(), VaultError> {
        // What opens comes first: nothing is sealed that could not be opened at once.
        self.opener.follow(ring);
        self.notary.follow(ring)?;
        self.sealer.follow(ring);
        Ok(())
    }

    /// The names of the keys in the ring, the newest last.
    pub fn key_names(&self) -> Vec<String> {
        self.opener.key_ids().into_iter().map(key_name).collect()
    }

    /// Since when probes have been listened to in a time without a leap.
    pub fn listening_since(&self) -> Timestamp {
        self.clock.even_since().unwrap_or(self.started_at)
    }
}

/// Time does not run backwards over a restart: what was stored last must not lie ahead.
pub fn go_on_from(clock: &Clock, last_alive: Timestamp) {
    let behind = last_alive.micros_since(clock.now());
    if behind > 0 {
        tracing::warn!(
            clock.behind_s = behind / 1_000_000,
            "The machine's clock is {} s behind the last start: the collector goes on from there, and follows it if the clocks \
             of the probes agree with it",
            behind / 1_000_000
        );
        clock.follow(behind);
    }
}

/// The time of the collector that runs, where it does not follow its machine's clock just now.
///
/// # Errors
/// When the database fails.
pub async fn time_of_the_collector(conn: &mut Auth, machine: Clock) -> Result<Clock, StoreError> {
    // A collector that runs notes that it does every few seconds, and within a second that its machine's clock was set.
    for _ in 0..3 {
        let Some(row) = clock::read(conn).await? else { return Ok(machine) };
        let held = machine.now().shifted(row.clock_held_us);
        if held.micros_since(Timestamp::from_micros(row.last_alive_at)).unsigned_abs() < ALIVE_WITHIN_US {
            let clock = if row.clock_held_us == 0 { machine } else { machine.even() };
            clock.slew(row.clock_held_us);
            return Ok(clock);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    Ok(machine)
}

/// Reads the key ring. Makes one at a first start, and never where sealed rows wait for the ring that made them.
async fn ring(pools: &Pools, config: &Config, now: Timestamp, starting: bool) -> Result<KeyRing, AppError> {
    let place = source::place(&config.keys);
    let shared = if starting && config.database.mode == DatabaseMode::External {
        Some(leadership::read(&mut pools.worker().await?).await?)
    } else {
        None
    };
    // The key with which whoever leads, or last did, seals.
    let theirs = shared.and_then(|row| Some((row.key_ids.last()?.clone(), row.host)));
    if let Some(ring) = KeyRing::load(&config.keys)? {
        return match theirs.filter(|(key, _)| !ring.ids().into_iter().any(|id| key_name(id) == *key)) {
            Some((key, host)) => Err(AppError::OtherKeyRing { place, key, host }),
            None => Ok(ring),
        };
    }
    // What others keep, others make: `keys make`.
    if !starting || config.keys.from != KeysFrom::File || theirs.is_some() {
        return Err(AppError::NoKeyRing(place));
    }
    let mut worker = pools.worker().await?;
    let mut auth = pools.auth().await?;
    if instance::has_sealed_rows(&mut worker, &mut auth).await? {
        return Err(AppError::NoKeyRing(place));
    }
    let ring = KeyRing::create(config.keys.directory(), now)?;
    let (author, key) = (Author::of_instance("collector"), key_name(ring.newest_id()));
    audit::append(&mut auth, &author.did("keys.make", &key, json!({}), now)).await?;
    auth.commit().await?;
    tracing::warn!("Made a key ring: copy {place} to a safe place, apart from the data and its backups");
    Ok(ring)
}

/// A key's name, as the ring's file has it.
fn key_name(id: u32) -> String {
    format!("{id:08x}")
}
