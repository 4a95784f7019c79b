//! A collector's intake on a real database and a real port, and a probe that talks to it.

#![expect(unreachable_pub, reason = "each test file takes this in as a module")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../it/database.rs"]
#[expect(dead_code, reason = "logging in as a role is for other tests")]
mod database;

use std::sync::Arc;

use database::TestDatabase;
use picket_collector::config::TrustPage;
use picket_collector::flow::verify::{Gate, Limits};
use picket_collector::login::{Porter, Settings};
use picket_collector::meters::Meters;
use picket_collector::privacy::documents::Said;
use picket_collector::privacy::export_job::Exports;
use picket_collector::privacy::office::Office;
use picket_collector::probes::Desk;
use picket_collector::store::{OrgKey, Pools};
use picket_collector::vault::{Class, KeyRing, Opener, Sealer};
use picket_collector::wake::{Bells, Standstill};
use picket_collector::web::guard::host::Hosts;
use picket_collector::web::probe::Door;
use picket_collector::web::serve::{self, Entrance};
use picket_collector::web::{Front, Site};
use picket_shared::batch::{Batch, Missed, Report};
use picket_shared::check::Kind;
use picket_shared::daykeys::{self, DayKeyGrant, KeyId};
use picket_shared::ids::{BatchId, BootId, CollectorId, MonitorId, ProbeId};
use picket_shared::outcome::{Failure, FailureKind, Outcome, Phases, SelfCheck, Status, Trigger};
use picket_shared::secret::{Secret, SecretBytes};
use picket_shared::signing::{self, BatchClaims, RequestClaims, body_hash};
use picket_shared::time::{Clock, Timestamp};
use picket_shared::wire::{HELLO_PATH, Hello, Welcome};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// When every test begins.
pub const START: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// A collector with one region, one probe in it and one monitor.
pub struct World {
    pub clock: Clock,
    pub bells: Bells,
    pub owner: PgPool,
    pub pools: Pools,
    pub collector: CollectorId,
    pub monitor: MonitorId,
    pub port: u16,
    pub sealer: Sealer,
    stop: CancellationToken,
}

/// A probe that enrolled, as the wire sees it.
pub struct TestProbe {
    pub id: ProbeId,
    pub secret: SecretBytes,
    pub boot: BootId,
    pub grant: DayKeyGrant,
}

impl World {
    pub async fn new() -> Self {
        let pools = TestDatabase::new().await.pools;
        let superuser = pools.app.connect_options().as_ref().clone().username("postgres");
        let owner = PgPoolOptions::new().max_connections(3).connect_with(superuser).await.unwrap();
        let ring = KeyRing::generate().unwrap();
        let (collector, monitor) = (CollectorId(Uuid::from_u128(77)), MonitorId(Uuid::from_u128(88)));
        let clock = Clock::manual(START);
        let stop = CancellationToken::new();
        let bells = Bells::default();
        let site = Site {
            pools: pools.clone(),
            clock: clock.clone(),
            bells: bells.clone(),
            standstill: Standstill::default(),
            door: Door { gate: Gate { collector, opener: Opener::new(&ring) }, limits: Arc::new(Limits::default()) },
            hosts: Arc::new(Hosts::new([], true)),
            porter: Porter::new(pools.clone(), OrgKey(1), Sealer::new(&ring), Opener::new(&ring), Settings::default())
                .unwrap(),
            sealer: Sealer::new(&ring),
            front: Arc::new(Front::new("http://localhost:8080", Some(8080))),
            desk: Desk { pools: pools.clone(), sealer: Sealer::new(&ring), collector, config: Arc::default() },
            security: Arc::default(),
            office: Office::new(pools.clone(), Said::default(), Sealer::new(&ring), false),
            exports: Exports::new(pools.clone(), Sealer::new(&ring), Opener::new(&ring), false),
            trust: TrustPage::default(),
            quotas: Arc::default(),
            meters: Meters::default(),
            instance: Arc::default(),
            stop: stop.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve::serve(site, Entrance::plain(listener, 100), stop.clone()));
        let sealer = Sealer::new(&ring);
        let world = Self { clock, bells, owner, pools, collector, monitor, port, sealer, stop };
        world.rows().await;
        world
    }

    async fn rows(&self) {
        let now = START.micros();
        for statement in [
            format!("INSERT INTO instance (collector_id, created_at, last_alive_at, last_started_at) VALUES ('{}', {now}, {now}, {now})", self.collector),
            format!("INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', {now})"),
            format!("INSERT INTO regions (code, network, eu, created_at) VALUES ('eu-1', 'one', true, {now})"),
            format!(
                "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
                 VALUES ('{}', 1, 'shop', 'tcp', 'x', '{{\"kind\":\"tcp\",\"host\":\"example.org\",\"port\":80}}', 30, 10000, 1, {now}, {now})",
                self.monitor
            ),
            "INSERT INTO monitor_regions VALUES (1, 1, 1)".to_owned(),
            format!("INSERT INTO states (org_id, monitor_id, state, since, data, watch) VALUES (1, 1, 'pending', {now}, '{{}}', false)"),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&self.owner).await.unwrap();
        }
    }

    pub async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&self.owner)
            .await
            .unwrap()
    }

    /// A new probe that said hello.
    pub async fn probe(&self) -> TestProbe {
        let id = ProbeId(Uuid::new_v4());
        let sealed = self.sealer.seal(Class::ProbeSecret, id.0.as_bytes(), &[7; 32]).unwrap();
        sqlx::query(
            "INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at) VALUES ($1, 1, 'p', $2, $3)",
        )
        .bind(id.0)
        .bind(sealed.0)
        .bind(START.micros())
        .execute(&self.owner)
        .await
        .unwrap();
        let secret = Secret::new(vec![7; 32]);
        let grant = DayKeyGrant { number: 1, nonce: String::new(), not_before: START, not_after: START };
        let mut probe = TestProbe { id, secret, boot: BootId(Uuid::new_v4()), grant };
        let (status, body) = self.hello(&probe).await;
        assert_eq!(status, 200, "{body}");
        probe.grant = serde_json::from_str::<Welcome>(&body).unwrap().keys.keys.pop().unwrap();
        probe
    }

    pub async fn hello(&self, probe: &TestProbe) -> (u16, String) {
        let hello = Hello { boot: probe.boot, version: "0.1.0".to_owned(), kinds: Kind::ALL.to_vec() };
        let body = serde_json::to_vec(&hello).unwrap();
        let token = probe.request_token(self, "POST", HELLO_PATH, &body, Uuid::new_v4());
        self.send("POST", HELLO_PATH, &token, "", &body).await
    }

    pub async fn send(&self, method: &str, path: &str, token: &str, more: &str, body: &[u8]) -> (u16, String) {
        let (status, _, body) = self.send_whole(method, path, token, more, body).await;
        (status, body)
    }

    #[expect(clippy::disallowed_methods, reason = "this is a client of the server under test on loopback")]
    pub async fn send_whole(
        &self,
        method: &str,
        path: &str,
        token: &str,
        more: &str,
        body: &[u8],
    ) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, head.to_owned(), body.to_owned())
    }

    pub async fn ship(&self, probe: &TestProbe, claims: &BatchClaims, body: &[u8]) -> (u16, String) {
        let token = probe.sign(claims);
        self.send(
            "POST",
            "/probe/v1/batches",
            &token,
            "Content-Type: application/json\r\nContent-Encoding: zstd\r\n",
            body,
        )
        .await
    }

    pub fn outcome(&self, at: Timestamp, status: Status) -> Outcome {
        Outcome {
            monitor: self.monitor,
            version: 1,
            trigger: Trigger::Scheduled,
            at,
            late_us: 0,
            status,
            total_us: 1500,
            phases: Phases { connect: Some(900), ..Phases::default() },
            address: None,
            code: None,
            failure: (status == Status::Down).then(|| Failure::new(FailureKind::ConnectRefused, "Nobody listens.")),
            self_check: SelfCheck::Good,
            hops: Vec::new(),
            certificate: None,
            answers: None,
            fold: None,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl TestProbe {
    pub fn request_token(&self, world: &World, method: &str, path: &str, body: &[u8], jti: Uuid) -> String {
        let now = world.clock.now().seconds();
        let claims = RequestClaims {
            iss: self.id,
            sub: self.id,
            aud: world.collector,
            iat: now,
            nbf: now,
            exp: now + 60,
            jti,
            boot: self.boot,
            method: method.to_owned(),
            path: path.to_owned(),
            bh: body_hash(body),
        };
        let key = daykeys::request_key(&self.secret, self.id).unwrap();
        signing::sign(&claims, KeyId { probe: self.id, day: None }, &key).unwrap()
    }

    pub fn sign(&self, claims: &BatchClaims) -> String {
        let key = daykeys::day_key(&self.secret, self.id, &self.grant).unwrap();
        signing::sign(claims, KeyId { probe: self.id, day: Some(self.grant.number) }, &key).unwrap()
    }

    pub fn batch(&self, world: &World, seq: u64, outcomes: Vec<Outcome>) -> (BatchClaims, Vec<u8>) {
        self.batch_with_missed(world, seq, outcomes, Vec::new())
    }

    pub fn batch_with_missed(
        &self,
        world: &World,
        seq: u64,
        outcomes: Vec<Outcome>,
        missed: Vec<Missed>,
    ) -> (BatchClaims, Vec<u8>) {
        self.batch_through(world, seq, world.clock.now(), outcomes, missed)
    }

    /// A batch that says that all slots up to `through` are delivered, as far as it does not deliver them itself.
    pub fn batch_through(
        &self,
        world: &World,
        seq: u64,
        through: Timestamp,
        outcomes: Vec<Outcome>,
        missed: Vec<Missed>,
    ) -> (BatchClaims, Vec<u8>) {
        self.seal(world, seq, &Batch { from: None, through, outcomes, missed, report: Report::default() })
    }

    /// A batch as it is sent, with its claims.
    pub fn seal(&self, world: &World, seq: u64, batch: &Batch) -> (BatchClaims, Vec<u8>) {
        let now = world.clock.now();
        let body = zstd::encode_all(&serde_json::to_vec(batch).unwrap()[..], 3).unwrap();
        let claims = BatchClaims {
            iss: self.id,
            sub: self.id,
            aud: world.collector,
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: now.seconds() + 3600,
            jti: BatchId::at(now),
            boot: self.boot,
            seq,
            bh: body_hash(&body),
        };
        (claims, body)
    }
}
