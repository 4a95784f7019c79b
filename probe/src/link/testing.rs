//! A collector for tests: real HTTP on port 0, tokens verified as the real one does, answers by a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use picket_shared::assignment::Assignments;
use picket_shared::batch::{Batch, Receipt};
use picket_shared::daykeys::{self, DayKeyGrant, KeyId};
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{BootId, CollectorId, ManualId, ProbeId};
use picket_shared::manual::ManualReceipt;
use picket_shared::secret::Secret;
use picket_shared::signing::{self, BatchClaims, RequestClaims};
use picket_shared::time::{Clock, Timestamp};
use picket_shared::wire::{self, Keys, Refusal, RefusalCode, Welcome};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;
use uuid::Uuid;

use super::{Link, Lookup};
use crate::clock::CollectorClock;
use crate::config::{Collector, Outbound, Trust};
use crate::sign::Signer;

/// How the next request is answered, instead of as it deserves.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Refused, with a Retry-After in seconds if there is one.
    Refuse(RefusalCode, Option<u64>),
    /// Something in between answers.
    Foreign(u16),
    /// Taken in, but the answer is lost on the way.
    Lose,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) token: String,
    pub(crate) body: Bytes,
    pub(crate) batch: Option<(BatchClaims, Batch)>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) script: VecDeque<(&'static str, Reply)>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) keys: Vec<DayKeyGrant>,
    pub(crate) assignments: VecDeque<Assignments>,
    /// The collector's clock minus the machine's, in microseconds.
    pub(crate) ahead_us: i64,
}

#[derive(Clone)]
pub(crate) struct TestCollector {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
}

pub(crate) fn token() -> EnrolmentToken {
    EnrolmentToken {
        probe: ProbeId(Uuid::from_u128(1)),
        collector: CollectorId(Uuid::from_u128(2)),
        secret: Secret::new(vec![7; 32]),
        url: None,
        pin: None,
    }
}

fn grant(number: u64) -> DayKeyGrant {
    let nonce = daykeys::hex(&[u8::try_from(number % 256).unwrap(); 32]);
    let (from, life) = (Clock::system().now() - Duration::from_secs(3600), daykeys::DAY_KEY_LIFE);
    // An hour either way, so that a test may move the collector's clock that far.
    DayKeyGrant { number, nonce, not_before: from - life, not_after: from + life }
}

impl TestCollector {
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    /// With HTTPS for `localhost`, by these certificates (the server's own first) and this key.
    pub(crate) async fn start_tls(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self::serve(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { keys: vec![grant(1)], ..State::default() };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = listener.local_addr().unwrap();
        let collector = Self { address, scheme, state: Arc::new(Mutex::new(state)) };
        let serving = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (collector, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let collector = collector.clone();
                        async move { collector.answer(request).await }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    // A client that breaks off is what some tests are about.
                    match tls {
                        None => http.serve_connection(TokioIo::new(stream), service).await.ok(),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await.ok(),
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        collector
    }

    pub(crate) fn link(&self) -> Link {
        self.link_with(Trust::Roots(Vec::new()))
    }

    pub(crate) fn link_with(&self, trust: Trust) -> Link {
        self.link_to(Collector { trust, ..self.settings() })
    }

    pub(crate) fn link_to(&self, settings: Collector) -> Link {
        let clock = Arc::new(CollectorClock::start(Clock::system(), Clock::system().even()));
        let signer = Arc::new(Signer::new(&token(), BootId::at(clock.now())));
        let lookup: Lookup = Arc::new(|name| Box::pin(std::future::ready(Err(format!("{name} is unknown")))));
        Link::new(&settings, lookup, signer, clock).unwrap()
    }

    pub(crate) fn settings(&self) -> Collector {
        let url = Url::parse(&format!("{}://localhost:{}", self.scheme, self.address.port())).unwrap();
        Collector { url, trust: Trust::Roots(Vec::new()), outbound: Outbound::default() }
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    pub(crate) fn script(&self, path: &'static str, reply: Reply) {
        self.with(|state| state.script.push_back((path, reply)));
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.with(|state| state.seen.iter().filter(|seen| seen.path == path).cloned().collect())
    }

    /// The day keys are replaced, as after a restore: the old one is not accepted any more.
    pub(crate) fn change_keys(&self) {
        self.with(|state| {
            let number = state.keys.iter().map(|key| key.number).max().unwrap_or(0) + 1;
            state.keys = vec![grant(number)];
        });
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header(wire::PROTOCOL_HEADER).as_deref(), Some(wire::PROTOCOL));
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
        let token = match header("authorization") {
            Some(value) => value.strip_prefix("Bearer ").unwrap().to_owned(),
            None if path == wire::TIME_PATH => String::new(),
            None => panic!("{path} without a token"),
        };
        let now = Clock::system().now().shifted(self.with(|state| state.ahead_us));
        let checked = self.verify(head.method.as_str(), &path, &token, &body, now);
        let batch = checked.as_ref().ok().cloned().flatten();
        let scripted = self.with(|state| {
            state.seen.push(Seen { path: path.clone(), query, token, body, batch });
            let index = state.script.iter().position(|(of, _)| *of == path);
            index.and_then(|index| state.script.remove(index)).map(|(_, reply)| reply)
        });
        match (scripted, checked) {
            (Some(Reply::Refuse(code, after)), _) => Ok(refuse(code, after, now)),
            (Some(Reply::Foreign(status)), _) => Ok(respond(status, None, b"<html>".to_vec(), now)),
            (Some(Reply::Lose), _) => Err(std::io::Error::other("the answer is lost")),
            (None, Err(code)) => Ok(refuse(code, None, now)),
            (None, Ok(batch)) => Ok(respond(200, None, self.success(&path, batch), now)),
        }
    }

    /// As the real collector does: key by id, signature, times, method and path, hash of the body.
    fn verify(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<(BatchClaims, Batch)>, RefusalCode> {
        let (probe, secret, collector) = (self::token().probe, self::token().secret, CollectorId(Uuid::from_u128(2)));
        if path == wire::TIME_PATH {
            return Ok(None);
        }
        if path != wire::BATCHES_PATH {
            let key = daykeys::request_key(&secret, probe).unwrap();
            let claims = signing::verify::<RequestClaims>(token, KeyId { probe, day: None }, &key, collector, now)
                .map_err(signing::TokenError::refusal)?;
            let whole =
                (claims.method.as_str(), claims.path.as_str(), claims.bh) == (method, path, signing::body_hash(body));
            return if whole { Ok(None) } else { Err(RefusalCode::BodyMismatch) };
        }
        let kid = signing::key_id::<BatchClaims>(token).map_err(signing::TokenError::refusal)?;
        let grant = self.with(|state| state.keys.iter().find(|key| Some(key.number) == kid.day).cloned());
        let key = daykeys::day_key(&secret, probe, &grant.ok_or(RefusalCode::UnknownKey)?).unwrap();
        let claims =
            signing::verify::<BatchClaims>(token, kid, &key, collector, now).map_err(signing::TokenError::refusal)?;
        if claims.jti.cut_at().is_none_or(|cut| cut > now + Duration::from_secs(60)) {
            return Err(RefusalCode::ClockSkew);
        }
        if claims.bh != signing::body_hash(body) {
            return Err(RefusalCode::BodyMismatch);
        }
        let json = zstd::bulk::decompress(body, picket_shared::batch::MAX_DECOMPRESSED).unwrap();
        Ok(Some((claims, serde_json::from_slice(&json).unwrap())))
    }

    fn success(&self, path: &str, batch: Option<(BatchClaims, Batch)>) -> Vec<u8> {
        let keys = Keys { keys: self.with(|state| state.keys.clone()) };
        match path {
            wire::HELLO_PATH => serde_json::to_vec(&Welcome {
                collector: CollectorId(Uuid::from_u128(2)),
                region: "eu-1".parse().unwrap(),
                version: "0.0.0".to_owned(),
                keys,
            }),
            wire::TIME_PATH => return Vec::new(),
            wire::KEYS_PATH => serde_json::to_vec(&keys),
            wire::ASSIGNMENTS_PATH => {
                let news = self.with(|state| state.assignments.pop_front());
                serde_json::to_vec(&news.unwrap_or_default())
            }
            wire::MANUAL_PATH => {
                serde_json::to_vec(&ManualReceipt { id: ManualId(Uuid::from_u128(0)), rejected: None })
            }
            _ => {
                let (claims, batch) = batch.unwrap();
                let accepted = u32::try_from(batch.outcomes.len()).unwrap();
                serde_json::to_vec(&Receipt { batch: claims.jti, accepted, rejected: Vec::new() })
            }
        }
        .unwrap()
    }
}

fn refuse(error: RefusalCode, retry_after: Option<u64>, now: Timestamp) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(&Refusal { error, message: "by the script".to_owned(), time: now }).unwrap();
    respond(error.status(), retry_after, body, now)
}

fn respond(status: u16, retry_after: Option<u64>, body: Vec<u8>, now: Timestamp) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status).header(wire::TIME_HEADER, now.micros().to_string());
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds.to_string());
    }
    response.body(Full::new(Bytes::from(body))).unwrap()
}
