//! A collector that only takes in: it verifies every token as the real one does, hands out what it is told to, counts
//! what comes, and keeps whole requests where that is asked for. It runs in the test's own process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use picket_shared::assignment::{Assignment, Assignments};
use picket_shared::batch::{Batch, MAX_DECOMPRESSED, Receipt};
use picket_shared::daykeys::{self, DayKeyGrant, KeyId};
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{CollectorId, ProbeId};
use picket_shared::outcome::{Outcome, Status, Trigger};
use picket_shared::secret::Secret;
use picket_shared::signing::{self, BatchClaims, RequestClaims};
use picket_shared::time::{Clock, Timestamp};
use picket_shared::wire::{self, Keys, Welcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

/// The region that it says the probe is in.
pub const REGION: &str = "bench";

/// A request as it came, but for the token, of which there are the claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// `GET` or `POST`.
    pub method: String,
    /// With the query.
    pub path: String,
    /// By name, in lower case; without the token, the address, and the length.
    pub headers: BTreeMap<String, String>,
    /// The head of the token.
    pub token_head: Value,
    /// What the token claims.
    pub claims: Value,
    /// The body, decompressed; empty where there is none.
    pub body: String,
}

/// The desk; it serves until the program ends.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    token: EnrolmentToken,
    grant: DayKeyGrant,
    news: watch::Sender<News>,
    seen: Mutex<Seen>,
    recorded: Option<Mutex<Vec<Recorded>>>,
}

/// What is handed out, and its version.
#[derive(Clone, Debug)]
struct News(u64, Vec<u8>);

/// What came so far.
#[derive(Debug, Default)]
struct Seen {
    slots: Vec<Slot>,
    failure: Option<Box<Outcome>>,
}

/// One scheduled outcome.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    at: Timestamp,
    /// How late it started.
    pub late: Duration,
}

impl Desk {
    /// Listens on a port of its own.
    pub fn open() -> Self {
        Self::new(None)
    }

    /// The same, and keeps every request.
    pub fn recording() -> Self {
        Self::new(Some(Mutex::default()))
    }

    fn new(recorded: Option<Mutex<Vec<Recorded>>>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let now = Clock::system().now();
        let token = EnrolmentToken {
            probe: ProbeId(Uuid::new_v4()),
            collector: CollectorId(Uuid::new_v4()),
            secret: Secret::new(vec![7; 32]),
            url: Some(format!("http://{}", listener.local_addr().unwrap())),
            pin: None,
        };
        let grant = DayKeyGrant {
            number: 1,
            nonce: daykeys::hex(&[1; 32]),
            not_before: now.shifted(-1_000_000),
            not_after: now + daykeys::DAY_KEY_LIFE,
        };
        let nothing = Assignments { version: 1, full: true, ..Assignments::default() };
        let (news, _) = watch::channel(News(1, serde_json::to_vec(&nothing).unwrap()));
        let desk = Self(Arc::new(Inner { token, grant, news, seen: Mutex::default(), recorded }));
        let serving = desk.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serving.serve(listener));
        });
        desk
    }

    /// What a probe is enrolled with.
    pub fn token(&self) -> String {
        self.0.token.to_text().expose().clone()
    }

    /// The key that batches are signed with.
    pub fn grant(&self) -> &DayKeyGrant {
        &self.0.grant
    }

    /// Every request that came, if they are kept.
    pub fn requests(&self) -> Vec<Recorded> {
        self.0.recorded.as_ref().map(|recorded| recorded.lock().unwrap().clone()).unwrap_or_default()
    }

    /// Hands out exactly these from now on.
    pub fn assign(&self, monitors: Vec<Assignment>) {
        self.assign_as(|version| Assignments { version, full: true, monitors, ..Assignments::default() });
    }

    /// Hands out what is no assignments of ours, for the version given.
    pub fn assign_as<T: Serialize>(&self, make: impl FnOnce(u64) -> T) {
        let version = self.0.news.borrow().0 + 1;
        let json = serde_json::to_vec(&make(version)).unwrap();
        self.0.news.send_replace(News(version, json));
    }

    /// The outcomes that were not up, the first of them.
    pub fn failure(&self) -> Option<Outcome> {
        self.0.seen.lock().unwrap().failure.as_deref().cloned()
    }

    /// Forgets what came; fails if anything of it was not up.
    pub fn clear(&self) {
        let seen = std::mem::take(&mut *self.0.seen.lock().unwrap());
        assert!(seen.failure.is_none(), "a check failed, so that its cost says nothing: {:#?}", seen.failure);
    }

    /// The scheduled outcomes that came, of slots in this span.
    pub fn slots(&self, from: Timestamp, to: Timestamp) -> Vec<Slot> {
        let seen = self.0.seen.lock().unwrap();
        seen.slots.iter().filter(|slot| slot.at >= from && slot.at < to).copied().collect()
    }

    async fn serve(self, listener: std::net::TcpListener) {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let desk = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let desk = desk.clone();
                    async move { Ok::<_, hyper::Error>(desk.answer(request).await) }
                });
                // The probe may break off when it is stopped.
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if head.uri.path() == wire::TIME_PATH {
            return respond(Vec::new());
        }
        let token = head.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
        if let Some(recorded) = &self.0.recorded {
            recorded.lock().unwrap().push(record(&head, token, &body));
        }
        let json = match head.uri.path() {
            wire::BATCHES_PATH => self.take_batch(token, &body),
            path => {
                self.verify_request(token, head.method.as_str(), path, &body);
                self.tell(path, head.uri.query()).await
            }
        };
        respond(json)
    }

    fn take_batch(&self, token: &str, body: &[u8]) -> Vec<u8> {
        let EnrolmentToken { probe, collector, secret, .. } = &self.0.token;
        let key = daykeys::day_key(secret, *probe, &self.0.grant).unwrap();
        let id = KeyId { probe: *probe, day: Some(self.0.grant.number) };
        let claims = signing::verify::<BatchClaims>(token, id, &key, *collector, Clock::system().now()).unwrap();
        assert_eq!(claims.bh, signing::body_hash(body));
        let batch: Batch = serde_json::from_slice(&zstd::bulk::decompress(body, MAX_DECOMPRESSED).unwrap()).unwrap();
        let receipt =
            Receipt { batch: claims.jti, accepted: u32::try_from(batch.outcomes.len()).unwrap(), rejected: Vec::new() };
        let mut seen = self.0.seen.lock().unwrap();
        for outcome in batch.outcomes {
            if outcome.trigger == Trigger::Scheduled {
                assert!(outcome.fold.is_none(), "the probe folded outcomes: its buffer ran full");
                let late = Duration::from_micros(outcome.late_us.into());
                seen.slots.push(Slot { at: outcome.at, late });
            }
            if outcome.status != Status::Up {
                seen.failure.get_or_insert_with(|| Box::new(outcome));
            }
        }
        serde_json::to_vec(&receipt).unwrap()
    }

    fn verify_request(&self, token: &str, method: &str, path: &str, body: &[u8]) {
        let EnrolmentToken { probe, collector, secret, .. } = &self.0.token;
        let key = daykeys::request_key(secret, *probe).unwrap();
        let id = KeyId { probe: *probe, day: None };
        let claims = signing::verify::<RequestClaims>(token, id, &key, *collector, Clock::system().now()).unwrap();
        assert_eq!((claims.method.as_str(), claims.path.as_str(), claims.bh), (method, path, signing::body_hash(body)));
    }

    async fn tell(&self, path: &str, query: Option<&str>) -> Vec<u8> {
        let keys = Keys { keys: vec![self.0.grant.clone()] };
        match path {
            wire::HELLO_PATH => serde_json::to_vec(&Welcome {
                collector: self.0.token.collector,
                region: REGION.parse().unwrap(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                keys,
            }),
            wire::KEYS_PATH => serde_json::to_vec(&keys),
            _ => {
                let mut asked = query.unwrap().split('&');
                let since: u64 = asked.find_map(|pair| pair.strip_prefix("since=")).unwrap().parse().unwrap();
                let mut news = self.0.news.subscribe();
                let hold = Duration::from_secs(wire::LONG_POLL_SECONDS);
                match tokio::time::timeout(hold, news.wait_for(|news| news.0 > since)).await {
                    Ok(news) => return news.unwrap().1.clone(),
                    Err(_) => serde_json::to_vec(&Assignments { version: since, ..Assignments::default() }),
                }
            }
        }
        .unwrap()
    }
}

fn respond(json: Vec<u8>) -> Response<Full<Bytes>> {
    let time = Clock::system().now().micros().to_string();
    Response::builder().header(wire::TIME_HEADER, time).body(Full::new(json.into())).unwrap()
}

fn record(head: &Parts, token: &str, body: &[u8]) -> Recorded {
    let mut parts =
        token.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()));
    let mut json = || parts.next().and_then(Result::ok).unwrap();
    let left_out = ["authorization", "host", "content-length"];
    let headers = head.headers.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
    Recorded {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect(),
        token_head: json(),
        claims: json(),
        body: if body.is_empty() {
            String::new()
        } else {
            String::from_utf8(zstd::bulk::decompress(body, MAX_DECOMPRESSED).unwrap()).unwrap()
        },
    }
}
