//! The site on a database of its own, and a browser that keeps its cookie and fills in forms.

#![expect(unreachable_pub, reason = "each test file takes this in as a module")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../it/database.rs"]
#[expect(dead_code, reason = "a database without migrations is for other tests")]
mod database;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use database::TestDatabase;
use http_body_util::BodyExt;
use picket_collector::config::Config;
use picket_collector::domain::access::Right;
use picket_collector::flow::verify::{Gate, Limits};
use picket_collector::login::api_key::{Reach, Wish};
use picket_collector::login::session::Member;
use picket_collector::login::{Porter, Settings};
use picket_collector::meters::Meters;
use picket_collector::privacy::documents::Said;
use picket_collector::privacy::export_job::Exports;
use picket_collector::privacy::office::Office;
use picket_collector::probes::Desk;
use picket_collector::store::{OrgKey, Pools, UserKey};
use picket_collector::vault::{Class, KeyRing, Opener, Sealer};
use picket_collector::wake::{Bells, Standstill};
use picket_collector::web::guard::client::{Peer, Proxies};
use picket_collector::web::guard::headers::Transport;
use picket_collector::web::guard::host::Hosts;
use picket_collector::web::guard::quota::Quotas;
use picket_collector::web::probe::Door;
use picket_collector::web::router::{Audience, router};
use picket_collector::web::{Front, Site};
use picket_shared::ids::CollectorId;
use picket_shared::secret::Sealed;
use picket_shared::time::{Clock, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

pub const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
pub const EMAIL: &str = "ada@example.org";
pub const PASSWORD: &str = "a few words are easy";
/// The hash of no password that anybody knows.
const NO_PASSWORD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// How a site is set up.
pub struct SetUp {
    pub public_url: &'static str,
    pub transport: Transport,
    pub settings: Settings,
    pub config: Config,
    /// Whose word on clients is taken.
    pub proxies: Vec<ipnet::IpNet>,
}

impl Default for SetUp {
    fn default() -> Self {
        Self {
            public_url: "http://localhost:8080",
            transport: Transport::Plain,
            settings: Settings::default(),
            config: Config::default(),
            proxies: Vec::new(),
        }
    }
}

/// A site with an organization and a region in it.
pub struct World {
    pub clock: Clock,
    pub porter: Porter,
    pub opener: Opener,
    pub sealer: Sealer,
    pub meters: Meters,
    pub office: Office,
    /// Makes and keeps exports.
    pub exports: Exports,
    router: Router,
    transport: Transport,
    database: TestDatabase,
}

impl World {
    /// Over plain HTTP on loopback.
    pub async fn new() -> Self {
        Self::at("http://localhost:8080", Transport::Plain).await
    }

    /// With what the operator decided about accounts.
    pub async fn with(settings: Settings) -> Self {
        Self::of(SetUp { settings, ..SetUp::default() }).await
    }

    pub async fn at(public_url: &'static str, transport: Transport) -> Self {
        Self::of(SetUp { public_url, transport, ..SetUp::default() }).await
    }

    /// With all that can be set up.
    pub async fn of(set_up: SetUp) -> Self {
        let SetUp { public_url, transport, settings, config, proxies } = set_up;
        let database = TestDatabase::new().await;
        let pools = database.pools.clone();
        let ring = KeyRing::generate().unwrap();
        let (clock, meters) = (Clock::manual(START), Meters::default());
        let (sealer, opener) = (Sealer::new(&ring), Opener::new(&ring));
        let porter = Porter::new(pools.clone(), OrgKey(1), sealer, opener.clone(), settings).unwrap();
        let said = Said::of(&config, picket_collector::web::texts::measures());
        let office = Office::new(pools.clone(), said, Sealer::new(&ring), porter.settings().mails);
        let exports = Exports::new(pools.clone(), Sealer::new(&ring), Opener::new(&ring), porter.settings().mails);
        let gate = Gate { collector: CollectorId(Uuid::from_u128(77)), opener: Opener::new(&ring) };
        let site = Site {
            pools: pools.clone(),
            clock: clock.clone(),
            bells: Bells::default(),
            standstill: Standstill::default(),
            door: Door { gate, limits: Arc::new(Limits::default()) },
            hosts: Arc::new(Hosts::new(["picket.example".to_owned()], true)),
            porter: porter.clone(),
            sealer: Sealer::new(&ring),
            front: Arc::new(Front::new(public_url, Some(8080))),
            desk: Desk {
                pools: pools.clone(),
                sealer: Sealer::new(&ring),
                collector: CollectorId(Uuid::from_u128(77)),
                config: Arc::default(),
            },
            office: office.clone(),
            exports: exports.clone(),
            security: Arc::new(config.security),
            trust: config.posture.page,
            quotas: Arc::new(Quotas::new(config.limits)),
            meters: meters.clone(),
            instance: Arc::default(),
            stop: CancellationToken::new(),
        };
        let world = Self {
            clock,
            porter,
            opener,
            meters,
            office,
            exports,
            router: router(site, transport, Audience::Everyone, Arc::new(Proxies::new(proxies))),
            sealer: Sealer::new(&ring),
            transport,
            database,
        };
        let now = START.micros();
        world.sql(&format!("INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', {now}), (gen_random_uuid(), 'other', {now})")).await;
        world.sql(&format!("INSERT INTO regions (code, network, eu, created_at) VALUES ('eu-1', 'one', true, {now}), ('us-1', 'two', false, {now})")).await;
        world
    }

    /// The same who lets people in, on other connections.
    pub fn porter_on(&self, pools: Pools) -> Porter {
        Porter::new(pools, OrgKey(1), self.sealer.clone(), self.opener.clone(), Settings::default()).unwrap()
    }

    pub fn pools(&self) -> Pools {
        self.database.pools.clone()
    }

    pub async fn superuser(&self) -> PgConnection {
        self.database.login("postgres").await
    }

    pub async fn sql(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.superuser().await).await.unwrap();
    }

    pub async fn one(&self, query: &str) -> String {
        let query = AssertSqlSafe(format!("SELECT coalesce(({query})::text, '')"));
        sqlx::query_scalar(query).fetch_one(&mut self.superuser().await).await.unwrap()
    }

    /// What was sealed: of a query for the sealed bytes and the id that they belong to.
    pub async fn sealed(&self, class: Class, query: &str) -> String {
        let query = AssertSqlSafe(query.to_owned());
        let (sealed, id): (Vec<u8>, Uuid) = sqlx::query_as(query).fetch_one(&mut self.superuser().await).await.unwrap();
        let plain = self.opener.open(class, id.as_bytes(), &Sealed(sealed)).unwrap();
        String::from_utf8(plain.expose().clone()).unwrap()
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        let local = "127.0.0.1:8080".parse().unwrap();
        let from = request.extensions().get::<From>().map_or("127.0.0.1:50000", |from| from.0);
        let peer = Peer::new(from.parse().unwrap(), local, self.transport == Transport::Https);
        request.extensions_mut().insert(peer);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Sends a request and takes no more of the answer than its status: some never end.
    pub async fn status(&self, request: Request<Body>) -> StatusCode {
        let mut request = request;
        let local = "127.0.0.1:8080".parse().unwrap();
        request.extensions_mut().insert(Peer::new("127.0.0.1:50000".parse().unwrap(), local, false));
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    /// Makes a member of the first organization in this role, signed in with what is given back: the session's token.
    pub async fn member(&self, role: &str) -> String {
        let now = self.clock.now().micros();
        let token = format!("{role:A<43}");
        self.sql(&format!(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 VALUES (gen_random_uuid(), '{role}@example.org', '{NO_PASSWORD}', {now}, {now}) ON CONFLICT DO NOTHING;
             INSERT INTO memberships (org_id, user_id, role, created_at)
                 SELECT 1, id, '{role}', {now} FROM users WHERE email = '{role}@example.org' ON CONFLICT DO NOTHING;
             INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at, proven_at)
                 SELECT sha256('{token}'), id, {now}, {now}, {now} + 86400000000, {now} FROM users
                 WHERE email = '{role}@example.org' ON CONFLICT (token_hash) DO UPDATE SET proven_at = {now}"
        ))
        .await;
        token
    }

    /// A key of a member of this role, with these scopes.
    pub async fn key(&self, role: &str, scopes: &[Right], networks: &[&str]) -> String {
        self.member(role).await;
        let user = self.one(&format!("SELECT id FROM users WHERE email = '{role}@example.org'")).await;
        let email = format!("{role}@example.org");
        let user = UserKey(user.parse().unwrap());
        let member = Member {
            user,
            id: Uuid::nil(),
            email,
            org: OrgKey(1),
            org_name: "acme".to_owned(),
            others: Vec::new(),
            role: role.parse().unwrap(),
            through: None,
            manages: false,
            lacks_factor: false,
            proven_at: None,
        };
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let wish = Wish { name: "test".to_owned(), scopes: scopes.to_vec(), life: None, networks };
        let scoped = self.database.pools.scoped(OrgKey(1)).await.unwrap();
        let reach = Reach::of(|right| member.may(right));
        let made = self.porter.make_key(scoped, &member, (&wish, &reach), self.clock.now()).await.unwrap().unwrap();
        made.key.expose().clone()
    }

    /// A second user, who owns the other organization and has the first one's password.
    pub async fn another_owner(&self, email: &str) {
        self.sql(&format!(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
             SELECT gen_random_uuid(), '{email}', password_hash, 0, 0 FROM users"
        ))
        .await;
        self.sql("INSERT INTO memberships (org_id, user_id, role, created_at) VALUES (2, 2, 'owner', 0)").await;
    }

    /// A browser in which the first administrator has just signed in.
    pub async fn signed_in(&self) -> Browser<'_> {
        let link = self.porter.set_up_link(START).await.unwrap().unwrap();
        let mut browser = Browser::new(self);
        let answer =
            browser.post(&format!("/set-up/{}", link.expose()), &[("email", EMAIL), ("password", PASSWORD)]).await;
        assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/"));
        browser
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Where it leads.
    pub fn to(&self) -> &str {
        self.header("location")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn shows(&self, what: &str) {
        assert!(self.text.contains(what), "{what:?} is not in {}", self.text);
    }

    #[track_caller]
    pub fn hides(&self, what: &str) {
        assert!(!self.text.contains(what), "{what:?} is in {}", self.text);
    }
}

/// Where a request comes from.
#[derive(Clone, Copy)]
pub struct From(pub &'static str);

/// Keeps cookies and the proof of the last page, as a browser does.
pub struct Browser<'a> {
    pub world: &'a World,
    /// That of the session.
    pub cookie: Option<String>,
    /// The others, by name.
    pub jar: BTreeMap<String, String>,
    pub proof: String,
    pub agent: &'static str,
    pub address: &'static str,
}

impl<'a> Browser<'a> {
    pub fn new(world: &'a World) -> Self {
        let (proof, agent, address) = (String::new(), "curl/8", "127.0.0.1:50000");
        Self { world, cookie: None, jar: BTreeMap::new(), proof, agent, address }
    }

    /// One in which a member of this role is signed in.
    pub async fn of(world: &'a World, role: &str) -> Self {
        let token = world.member(role).await;
        Self { cookie: Some(format!("sid-local={token}")), ..Self::new(world) }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.request("GET", path).body(Body::empty()).unwrap();
        let answer = self.world.send(request).await;
        if let Some(proof) = answer.text.split("name=\"proof\" value=\"").nth(1).and_then(|rest| rest.split('"').next())
        {
            proof.clone_into(&mut self.proof);
        }
        answer
    }

    /// Sends a form with the proof of the last page that was looked at.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        body.append_pair("proof", &self.proof);
        let request = self
            .request("POST", path)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.finish()))
            .unwrap();
        let answer = self.world.send(request).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            let held = (!value.is_empty()).then(|| format!("{name}={value}"));
            if name.contains("sid") {
                self.cookie = held;
            } else if let Some(held) = held {
                self.jar.insert(name.to_owned(), held);
            } else {
                self.jar.remove(name);
            }
        }
        answer
    }

    /// Signs in.
    pub async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.post("/sign-in", &[("email", email), ("password", password)]).await
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:8080");
        let cookies: Vec<&str> = self.cookie.iter().chain(self.jar.values()).map(String::as_str).collect();
        let request = request.header(header::USER_AGENT, self.agent).extension(From(self.address));
        if cookies.is_empty() { request } else { request.header(header::COOKIE, cookies.join("; ")) }
    }
}
