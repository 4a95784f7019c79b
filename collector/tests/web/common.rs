//! The site on a database of its own, and a browser that keeps its cookie and fills in forms.

#![expect(unreachable_pub, reason = "each test file takes this in as a module")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../it/database.rs"]
#[expect(dead_code, reason = "a database without migrations is for other tests")]
mod database;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use database::TestDatabase;
use http_body_util::BodyExt;
use picket_collector::domain::access::Right;
use picket_collector::flow::verify::{Gate, Limits};
use picket_collector::login::Porter;
use picket_collector::login::api_key::{self, Wish};
use picket_collector::login::session::Member;
use picket_collector::meters::Meters;
use picket_collector::probes::Desk;
use picket_collector::store::{OrgKey, UserKey};
use picket_collector::vault::{Class, KeyRing, Opener, Sealer};
use picket_collector::wake::{Bells, Standstill};
use picket_collector::web::guard::client::Peer;
use picket_collector::web::guard::headers::Transport;
use picket_collector::web::guard::host::Hosts;
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

/// A site with an organization and a region in it.
pub struct World {
    pub clock: Clock,
    pub porter: Porter,
    opener: Opener,
    router: Router,
    transport: Transport,
    database: TestDatabase,
}

impl World {
    /// Over plain HTTP on loopback.
    pub async fn new() -> Self {
        Self::at("http://localhost:8080", Transport::Plain).await
    }

    pub async fn at(public_url: &str, transport: Transport) -> Self {
        let database = TestDatabase::new().await;
        let pools = database.pools.clone();
        let ring = KeyRing::generate().unwrap();
        let clock = Clock::manual(START);
        let porter = Porter::new(pools.clone(), OrgKey(1)).unwrap();
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
            key_rates: Arc::default(),
            meters: Meters::default(),
            instance: Arc::default(),
            stop: CancellationToken::new(),
        };
        let world = Self {
            clock,
            porter,
            opener: Opener::new(&ring),
            router: router(site, transport, Audience::Everyone, Arc::default()),
            transport,
            database,
        };
        let now = START.micros();
        world.sql(&format!("INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', {now}), (gen_random_uuid(), 'other', {now})")).await;
        world.sql(&format!("INSERT INTO regions (code, network, eu, created_at) VALUES ('eu-1', 'one', true, {now}), ('us-1', 'two', false, {now})")).await;
        world
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
        let peer = Peer::new("127.0.0.1:50000".parse().unwrap(), local, self.transport == Transport::Https);
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
             INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at)
                 SELECT sha256('{token}'), id, {now}, {now}, {now} + 86400000000 FROM users
                 WHERE email = '{role}@example.org' ON CONFLICT DO NOTHING"
        ))
        .await;
        token
    }

    /// A key of a member of this role, with these scopes.
    pub async fn key(&self, role: &str, scopes: &[Right], networks: &[&str]) -> String {
        self.member(role).await;
        let user = self.one(&format!("SELECT id FROM users WHERE email = '{role}@example.org'")).await;
        let email = format!("{role}@example.org");
        let member =
            Member { user: UserKey(user.parse().unwrap()), email, org: OrgKey(1), role: role.parse().unwrap() };
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let wish = Wish { name: "test".to_owned(), scopes: scopes.to_vec(), life: None, networks };
        let mut scoped = self.database.pools.scoped(OrgKey(1)).await.unwrap();
        let key = api_key::make(&mut scoped, &member, &wish, self.clock.now()).await.unwrap().unwrap();
        scoped.commit().await.unwrap();
        key.expose().clone()
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

/// Keeps cookies and the proof of the last page, as a browser does.
pub struct Browser<'a> {
    world: &'a World,
    pub cookie: Option<String>,
    pub proof: String,
}

impl<'a> Browser<'a> {
    pub fn new(world: &'a World) -> Self {
        Self { world, cookie: None, proof: String::new() }
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
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        answer
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:8080");
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }
}
