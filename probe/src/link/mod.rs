//! The line to the collector: one HTTP client, signed requests, bounded answers, the collector's time in each.
//!
//! Not a stage but the floor under `enrol`, `assignments`, `batch` and `ship`, which all speak over it. It follows no redirect,
//! uses no system proxy, and resolves names by the function that it is given (hickory).

use std::error::Error as _;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use picket_shared::ids::BatchId;
use picket_shared::time::{Stopwatch, Timestamp};
use picket_shared::wire::{self, Keys, Refusal, RefusalCode};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::CollectorClock;
use crate::config::Collector;
use crate::sign::{SignError, Signer};

#[cfg(test)]
pub(crate) mod testing;
mod tls;

pub use tls::client_config;

/// Looks a host's addresses up; the error is a sentence.
pub type Lookup =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, String>> + Send>> + Send + Sync>;

/// Longest time for a request that is answered at once.
pub const TIMEOUT: Duration = Duration::from_secs(20);
/// Largest answer that is read (decompressed), in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// The line to one collector, in the name of one probe.
pub struct Link {
    http: reqwest::Client,
    collector: Collector,
    signer: Arc<Signer>,
    clock: Arc<CollectorClock>,
}

/// A batch as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Its identity (`jti`); tells when it was cut.
    pub id: BatchId,
    /// Its number in this boot.
    pub seq: u64,
    /// Compressed JSON.
    pub body: Bytes,
    /// SHA-256 of the body, in lower-case hexadecimal.
    pub hash: String,
    /// The earliest slot in it, delivered or missed.
    pub earliest_slot: Option<Timestamp>,
}

/// What the collector answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// The body of an answer that is not a success, where it is the collector's own.
    pub refusal: Option<Refusal>,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// Why the probe must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The collector does not know this probe any more.
    #[error("the collector has revoked this probe; enrol it anew with `picket-collector probe add` if it should run")]
    Revoked,
    /// A newer start of the same probe has taken over.
    #[error("a newer start of this probe has taken over; give each probe an enrolment token of its own")]
    Superseded,
}

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No answer.
    #[error("the collector cannot be reached: {0}")]
    Unreachable(String),
    /// An answer that is not a success, and that trying again may change.
    #[error("the collector answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// A success whose body cannot be read.
    #[error("the collector's answer cannot be read: {0}")]
    Garbled(String),
    /// Nothing to sign with.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The probe must end.
    #[error(transparent)]
    Stop(#[from] Stop),
}

impl LinkError {
    /// How long the collector asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Answer {
    /// Whether it is a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the collector refused, by its own word.
    pub fn code(&self) -> Option<RefusalCode> {
        self.refusal.as_ref().map(|refusal| refusal.error)
    }

    /// Whether the same request is to be signed once more. Every answer carries the collector's time, so that a second
    /// token is right. The token of a clock that is behind has not only a wrong `iat`, it is over: both mean the same here.
    pub fn is_skewed(&self) -> bool {
        matches!(self.code(), Some(RefusalCode::ClockSkew | RefusalCode::Expired))
    }

    /// Whether it ends the probe.
    pub fn stop(&self) -> Option<Stop> {
        match (self.status, self.code()) {
            (403, Some(RefusalCode::Revoked)) => Some(Stop::Revoked),
            (409, Some(RefusalCode::Superseded)) => Some(Stop::Superseded),
            _ => None,
        }
    }

    /// What it says, for a person.
    pub fn message(&self) -> String {
        match &self.refusal {
            Some(refusal) => format!("{} ({})", refusal.message, refusal.error.as_str()),
            None => "the answer is not Picket's; is there a proxy or another server in between?".to_owned(),
        }
    }

    /// Its body as `T`, if it is a success.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, LinkError> {
        if let Some(stop) = self.stop() {
            return Err(stop.into());
        }
        if !self.is_success() {
            let message = self.message();
            return Err(LinkError::Refused { status: self.status, message, retry_after: self.retry_after });
        }
        serde_json::from_slice(&self.body).map_err(|error| LinkError::Garbled(error.to_string()))
    }
}

impl Link {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// When the certificates or the proxy of the settings cannot be used; a sentence.
    pub fn new(
        collector: &Collector,
        lookup: Lookup,
        signer: Arc<Signer>,
        clock: Arc<CollectorClock>,
    ) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(&collector.trust)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(Names(lookup)))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("picket-probe/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &collector.outbound.proxy {
            let bypass = collector.outbound.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
            let proxy = reqwest::Proxy::all(proxy).map_err(|error| format!("outbound.proxy: {}", reason(&error)))?;
            builder = builder.proxy(proxy.no_proxy(bypass));
        }
        let http = builder.build().map_err(|error| reason(&error))?;
        Ok(Self { http, collector: collector.clone(), signer, clock })
    }

    /// Whose name the requests carry.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The collector's time.
    pub fn clock(&self) -> &CollectorClock {
        &self.clock
    }

    /// Asks for `path`; signed, and signed once more if the clock was off.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str, query: &str, timeout: Duration) -> Result<Answer, LinkError> {
        self.twice_if_skewed(
            |now| Ok(self.signer.request("GET", path, b"", now)?),
            |token| {
                let mut url = self.url(path);
                url.set_query((!query.is_empty()).then_some(query));
                self.http.get(url).bearer_auth(token).timeout(timeout)
            },
        )
        .await
    }

    /// Asks for the collector's time, without a token: those need the time. A collector that knows no such path is as good as
    /// one that says nothing, and the first token's refusal tells the time.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_time(&self) -> Result<(), LinkError> {
        self.send(self.http.get(self.url(wire::TIME_PATH)).timeout(TIMEOUT)).await.map(drop)
    }

    /// Posts `value` to `path` as compressed JSON; signed like [`Link::get`].
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post<T: Serialize>(&self, path: &str, value: &T) -> Result<Answer, LinkError> {
        let json = serde_json::to_vec(value).map_err(|error| LinkError::Garbled(error.to_string()))?;
        let body = zstd::bulk::compress(&json, 3).map_err(|error| LinkError::Garbled(error.to_string()))?;
        let body = Bytes::from(body);
        self.twice_if_skewed(
            |now| Ok(self.signer.request("POST", path, &body, now)?),
            |token| self.compressed(path, body.clone(), token),
        )
        .await
    }

    /// Posts a batch: the bytes as frozen, the token made now.
    ///
    /// # Errors
    /// When there is no answer, or no day key holds.
    pub async fn post_batch(&self, frozen: &Frozen) -> Result<Answer, LinkError> {
        self.twice_if_skewed(
            |now| Ok(self.signer.batch(frozen.id, frozen.seq, &frozen.hash, now)?),
            |token| self.compressed(wire::BATCHES_PATH, frozen.body.clone(), token),
        )
        .await
    }

    /// Fetches the day keys and signs with them from now on.
    ///
    /// # Errors
    /// When they cannot be had.
    pub async fn refresh_keys(&self) -> Result<(), LinkError> {
        let keys: Keys = self.get(wire::KEYS_PATH, "", TIMEOUT).await?.read()?;
        self.signer.set_keys(keys.keys);
        Ok(())
    }

    fn url(&self, path: &str) -> url::Url {
        let mut url = self.collector.url.clone();
        url.set_path(path);
        url
    }

    fn compressed(&self, path: &str, body: Bytes, token: &str) -> reqwest::RequestBuilder {
        self.http
            .post(self.url(path))
            .bearer_auth(token)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "zstd")
            .timeout(TIMEOUT)
            .body(body)
    }

    /// [`Link::send`] takes in the collector's time in every answer.
    async fn twice_if_skewed(
        &self,
        sign: impl Fn(Timestamp) -> Result<String, LinkError>,
        request: impl Fn(&str) -> reqwest::RequestBuilder,
    ) -> Result<Answer, LinkError> {
        let answer = self.send(request(&sign(self.clock.signing_time())?)).await?;
        if !answer.is_skewed() {
            return Ok(answer);
        }
        self.send(request(&sign(self.clock.signing_time())?)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, LinkError> {
        let request =
            request.header(wire::PROTOCOL_HEADER, wire::PROTOCOL).header(reqwest::header::ACCEPT_ENCODING, "zstd");
        let round_trip = Stopwatch::start();
        let unreachable = |error: reqwest::Error| LinkError::Unreachable(reason(&error));
        let mut response = request.send().await.map_err(unreachable)?;
        let rtt = round_trip.elapsed();
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        if let Some(time) = number(&headers, wire::TIME_HEADER) {
            let held = number(&headers, wire::HELD_HEADER).and_then(|us| u64::try_from(us).ok()).unwrap_or(0);
            self.clock.observe(Timestamp::from_micros(time), (rtt, Duration::from_micros(held)));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(LinkError::Garbled(format!("it is longer than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "zstd") {
            body = decompress(&body)?;
        }
        let refusal = if (200..300).contains(&status) { None } else { serde_json::from_slice(&body).ok() };
        let retry_after = number(&headers, RETRY_AFTER.as_str());
        let retry_after = retry_after.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs);
        Ok(Answer { status, body, refusal, retry_after })
    }
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, LinkError> {
    let garbled = |error: std::io::Error| LinkError::Garbled(error.to_string());
    let mut plain = Vec::new();
    let limit = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
    zstd::Decoder::new(body).map_err(garbled)?.take(limit).read_to_end(&mut plain).map_err(garbled)?;
    Ok(plain)
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// An error with its causes, in one line.
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = tls::why(inner).unwrap_or_else(|| inner.to_string());
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// Names for reqwest, by the function given; `localhost` is this machine without asking anyone (RFC 6761).
struct Names(Lookup);

impl reqwest::dns::Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let name = name.as_str();
            let found = if name == "localhost" || name.ends_with(".localhost") {
                vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            } else {
                lookup(name.to_owned()).await?
            };
            let addresses: reqwest::dns::Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Reply, TestCollector};
    use super::*;

    #[tokio::test]
    async fn a_skewed_clock_is_corrected_by_the_refusal_and_the_request_signed_once_more() {
        let collector = TestCollector::start().await;
        for ahead_s in [600_i64, -600] {
            collector.with(|state| (state.ahead_us, state.seen) = (ahead_s * 1_000_000, Vec::new()));
            let link = collector.link();
            link.refresh_keys().await.unwrap();
            let seen = collector.seen(wire::KEYS_PATH);
            assert_eq!(seen.len(), 2);
            assert_ne!(seen[0].token, seen[1].token);
            assert_eq!(link.clock().offset_us().map(|us| (us + ahead_s * 1_000_000) / 10_000_000), Some(0));
            link.refresh_keys().await.unwrap();
            assert_eq!(collector.seen(wire::KEYS_PATH).len(), 3, "the clock is right from now on");
        }
    }

    #[tokio::test]
    async fn a_clock_that_stays_skewed_is_not_tried_for_ever() {
        let collector = TestCollector::start().await;
        let skewed = Reply::Refuse(RefusalCode::ClockSkew, None);
        (0..3).for_each(|_| collector.script(wire::KEYS_PATH, skewed.clone()));
        assert!(matches!(collector.link().refresh_keys().await, Err(LinkError::Refused { status: 401, .. })));
        assert_eq!(collector.seen(wire::KEYS_PATH).len(), 2);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_the_collectors_stops_nothing() {
        let collector = TestCollector::start().await;
        collector.script(wire::KEYS_PATH, Reply::Foreign(403));
        assert!(matches!(collector.link().refresh_keys().await, Err(LinkError::Refused { status: 403, .. })));
        collector.script(wire::KEYS_PATH, Reply::Refuse(RefusalCode::Revoked, None));
        assert!(matches!(collector.link().refresh_keys().await, Err(LinkError::Stop(Stop::Revoked))));
    }

    #[tokio::test]
    async fn a_configured_proxy_is_used_but_for_the_hosts_that_are_excepted() {
        let proxy = TestCollector::start().await;
        let ask = async |no_proxy: Option<&str>| {
            let outbound = crate::config::Outbound {
                proxy: Some(proxy.settings().url.to_string()),
                no_proxy: no_proxy.map(ToOwned::to_owned),
            };
            // Nobody listens there: only the proxy can answer.
            let url = url::Url::parse("http://localhost:9").unwrap();
            proxy.link_to(Collector { url, outbound, ..proxy.settings() }).refresh_keys().await
        };
        ask(None).await.unwrap();
        assert!(matches!(ask(Some("localhost")).await, Err(LinkError::Unreachable(_))));
        assert_eq!(proxy.seen(wire::KEYS_PATH).len(), 1);
    }
}
