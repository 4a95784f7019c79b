//! An organization with a monitor, its channels, and what was told to them.

use std::time::Duration;

use picket_collector::config::{Mail, Outbound};
use picket_collector::domain::outage::{Notice, NoticeKind};
use picket_collector::flow::deliver::Ctx;
use picket_collector::meters::Meters;
use picket_collector::notify::channels::email::Email;
use picket_collector::notify::channels::webhook::Webhook;
use picket_collector::notify::{Client, Settings as Channel};
use picket_collector::store::channels::{self, ChannelRow, NewChannel, SealedParts};
use picket_collector::store::monitors::{self, Settings};
use picket_collector::store::{ChannelKey, MonitorKey, OrgKey, RegionKey, Scoped, facts, notices};
use picket_collector::vault::{Class, KeyRing, Opener, Sealer};
use picket_collector::wake::Bells;
use picket_shared::check::{CheckSpec, HttpSpec};
use picket_shared::egress::EgressGuard;
use picket_shared::ids::{ChannelId, MonitorId};
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use sqlx::AssertSqlSafe;

use crate::database::TestDatabase;

/// When every test begins.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// The secret of Standard Webhooks' own example.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One organization and one monitor, `shop`, in region `eu-1`.
pub(crate) struct Told {
    pub(crate) database: TestDatabase,
    pub(crate) org: OrgKey,
    pub(crate) monitor: MonitorKey,
    pub(crate) region: RegionKey,
    ring: KeyRing,
}

impl Told {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let mut conn = database.login("postgres").await;
        let org: OrgKey = sqlx::query_scalar(
            "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', 1) RETURNING id",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        let region: RegionKey = sqlx::query_scalar(
            "INSERT INTO regions (code, network, eu, created_at) VALUES ('eu-1', 'n', true, 1) RETURNING id",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        let mut scoped = database.pools.scoped(org).await.unwrap();
        let monitor =
            monitors::insert(&mut scoped, MonitorId::at(START), &settings("shop", region), START).await.unwrap();
        scoped.commit().await.unwrap();
        Self { database, org, monitor, region, ring: KeyRing::generate().unwrap() }
    }

    /// Makes a channel that is verified.
    pub(crate) async fn channel(&self, name: &str, settings: &Channel) -> ChannelKey {
        let row = self.unverified(name, settings).await;
        let mut scoped = self.scoped().await;
        assert!(picket_collector::channels::trust(&mut scoped, &row, START).await.unwrap());
        scoped.commit().await.unwrap();
        row.key
    }

    /// Makes a channel that nobody has verified.
    pub(crate) async fn unverified(&self, name: &str, settings: &Channel) -> ChannelRow {
        let id = ChannelId::at(START);
        let plain = serde_json::to_vec(settings).unwrap();
        let sealed = |class, plain: &[u8]| self.sealer().seal(class, id.0.as_bytes(), plain).unwrap();
        let hook = settings.hook_secret().map(|secret| sealed(Class::HookSecret, secret.expose().as_bytes()));
        let sealed = SealedParts { settings: sealed(Class::ChannelSettings, &plain), hook };
        let new = NewChannel {
            id,
            name,
            kind: settings.kind().as_str(),
            hint: &settings.hint(),
            abroad: settings.abroad(),
            minimal: false,
        };
        let mut scoped = self.scoped().await;
        channels::insert(&mut scoped, &new, &sealed, START).await.unwrap();
        scoped.commit().await.unwrap();
        self.row(name).await
    }

    /// A channel as it is now.
    pub(crate) async fn row(&self, name: &str) -> ChannelRow {
        let rows = channels::list(&mut self.scoped().await).await.unwrap();
        rows.into_iter().find(|row| row.name == name).unwrap()
    }

    /// A transaction of the organization.
    pub(crate) async fn scoped(&self) -> Scoped {
        self.database.pools.scoped(self.org).await.unwrap()
    }

    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(&self.ring)
    }

    /// Writes a notice of the monitor, as the judge does.
    pub(crate) async fn notice(&self, kind: NoticeKind, at: Timestamp) {
        let notice = Notice { kind, at, incident_started_at: None, regions: vec![] };
        let mut worker = self.database.pools.worker().await.unwrap();
        let monitor = facts::monitors(&mut worker, &[self.monitor.0]).await.unwrap().pop().unwrap();
        notices::write(&mut worker, &monitor, None, &notice).await.unwrap();
        worker.commit().await.unwrap();
    }

    /// What delivering needs.
    pub(crate) fn ctx(&self, mail: Mail, outbound: Outbound, guard: EgressGuard) -> Ctx {
        Ctx {
            pools: self.database.pools.clone(),
            opener: Opener::new(&self.ring),
            sealer: self.sealer(),
            client: Client::new(mail, outbound, guard).unwrap(),
            meters: Meters::default(),
            bells: Bells::default(),
            public_url: Some("https://picket.example".to_owned()),
        }
    }

    /// State and number of attempts of every delivery, in the order in which they were made.
    pub(crate) async fn deliveries(&self) -> Vec<(String, i32)> {
        let mut conn = self.database.login("postgres").await;
        sqlx::query_as("SELECT state, attempts FROM deliveries ORDER BY id").fetch_all(&mut conn).await.unwrap()
    }

    /// Result and answer of every attempt, in order.
    pub(crate) async fn attempts(&self) -> Vec<(String, String)> {
        let mut conn = self.database.login("postgres").await;
        sqlx::query_as("SELECT result, answer FROM delivery_attempts ORDER BY id").fetch_all(&mut conn).await.unwrap()
    }

    /// One text from the database, empty for NULL.
    pub(crate) async fn text(&self, select: &str) -> String {
        let mut conn = self.database.login("postgres").await;
        let text: Option<String> =
            sqlx::query_scalar(AssertSqlSafe(select.to_owned())).fetch_one(&mut conn).await.unwrap();
        text.unwrap_or_default()
    }

    /// One number from the database.
    pub(crate) async fn number(&self, select: &str) -> i64 {
        let mut conn = self.database.login("postgres").await;
        sqlx::query_scalar(AssertSqlSafe(select.to_owned())).fetch_one(&mut conn).await.unwrap()
    }
}

/// An HTTP monitor in one region.
pub(crate) fn settings(name: &str, region: RegionKey) -> Settings {
    Settings {
        name: name.to_owned(),
        spec: CheckSpec::Http(HttpSpec::get("https://shop.example/")),
        sealed_secret: None,
        interval_s: 30,
        timeout_ms: 10_000,
        quorum: None,
        eu_only: false,
        tags: vec![],
        briefing: picket_collector::domain::briefing::Briefing::default(),
        regions: vec![region],
    }
}

pub(crate) fn webhook(url: &str) -> Channel {
    Channel::Webhook(Webhook {
        url: SecretString::new(url.to_owned()),
        secret: SecretString::new(SECRET.to_owned()),
        template: None,
        former: None,
    })
}

pub(crate) fn email(to: &str) -> Channel {
    Channel::Email(Email { to: to.to_owned() })
}

pub(crate) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
