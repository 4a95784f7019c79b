//! The ways out: guarded to URLs that a tenant named, direct to what the operator named, either through the proxy.
//!
//! Names are resolved by hickory. A tenant's address is judged before anything is opened, also when a proxy opens it: the
//! proxy is then asked for the very address that was judged.

mod tls;
mod watch;

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use picket_shared::egress::connect::{ConnectErrorKind, connect};
use picket_shared::egress::resolve::Resolver;
use picket_shared::egress::{EgressGuard, Purpose, Target, parse_target};
use picket_shared::secret::SecretString;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::channels::SendError;
use super::dkim::Signer;
use crate::config::{Mail, Outbound};

pub use tls::BadClient;
use watch::request_id;
pub use watch::{Reply, Seen, Watcher};

/// After so long a receiver is given up for this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// For looking a name up and opening a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// At most so much of an answer is read.
const MOST_BODY: usize = 64 * 1024;
/// A receiver that wants to be left alone for longer is asked again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// At most so much of a proxy's answer is read.
const MOST_PROXY_HEAD: usize = 8 * 1024;

/// Who sends.
pub(super) const AGENT: &str = concat!("Picket/", env!("CARGO_PKG_VERSION"));

/// Everything that sending needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>, Option<Watcher>);

#[derive(Debug)]
struct Inner {
    guard: EgressGuard,
    mail: Mail,
    signer: Option<Signer>,
    outbound: Outbound,
    tls: Arc<ClientConfig>,
}

/// So many seconds, as a receiver named them; an hour at most.
pub(super) fn wait(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(LONGEST_WAIT)
}

/// Where a request goes, unless the operator named another address for this kind of channel.
#[derive(Debug)]
pub(super) enum To {
    /// Scheme and host as the provider documents them: no tenant has a say in them.
    Provider(&'static str),
    /// A server that a tenant named: the egress guard judges its address. What the path has goes in front.
    Tenant(Target),
    /// The same in the place of a provider's: no address that the operator named for the provider takes its place.
    Own(Target),
}

/// One request.
#[derive(Debug)]
pub(super) struct Ask {
    /// The kind of channel.
    pub(super) kind: &'static str,
    /// Where to.
    pub(super) to: To,
    /// POST, or PUT where a repeated request must be the same one.
    pub(super) method: Method,
    /// Path and query; they may hold a token.
    pub(super) path: SecretString,
    /// What the body is.
    pub(super) content_type: &'static str,
    /// The value of `Authorization`.
    pub(super) authorization: Option<SecretString>,
    /// What is sent.
    pub(super) body: Vec<u8>,
}

impl Ask {
    /// A POST of JSON without `Authorization`.
    pub(super) fn json(kind: &'static str, to: To, path: String, body: &serde_json::Value) -> Self {
        Self {
            kind,
            to,
            method: Method::POST,
            path: SecretString::new(path),
            content_type: "application/json",
            authorization: None,
            body: body.to_string().into_bytes(),
        }
    }

    /// With this value of `Authorization`.
    #[must_use]
    pub(super) fn authorized(self, value: String) -> Self {
        Self { authorization: Some(SecretString::new(value)), ..self }
    }
}

impl Client {
    /// A client with the operator's settings.
    ///
    /// # Errors
    /// When the operator's certificates, or the key that signs mails, cannot be used.
    pub fn new(mail: Mail, outbound: Outbound, guard: EgressGuard) -> Result<Self, BadClient> {
        let tls = Arc::new(tls::config(outbound.ca_pem())?);
        let signer = mail.dkim.as_ref().map(Signer::new).transpose()?;
        Ok(Self(Arc::new(Inner { guard, mail, signer, outbound, tls }), None))
    }

    /// The same, with what shows what the last answer was.
    pub fn watched(&self) -> (Self, Watcher) {
        let watcher = Watcher::default();
        (Self(Arc::clone(&self.0), Some(watcher.clone())), watcher)
    }

    /// Notes the code of an answer.
    pub(super) fn answered(&self, status: u16, headers: &HeaderMap) {
        if let Some(watcher) = &self.1 {
            watcher.note(Seen { status, request_id: request_id(headers) });
        }
    }

    /// The operator's mail server.
    pub(super) fn mail(&self) -> &Mail {
        &self.0.mail
    }

    /// What signs mails.
    pub fn signer(&self) -> Option<&Signer> {
        self.0.signer.as_ref()
    }

    /// Further authorities to trust, in PEM.
    pub(super) fn ca_pem(&self) -> Option<&str> {
        self.0.outbound.ca_pem()
    }

    /// Sends one request to a URL that a tenant named; redirects are handed back, not followed.
    pub(super) async fn post(&self, url: &str, request: Request<Full<Bytes>>) -> Result<Reply, SendError> {
        // The error would repeat the URL, which may hold a token.
        let target = parse_target(url).map_err(|_| SendError::Permanent("the URL is none".to_owned()))?;
        self.talk(&target, true, request).await
    }

    /// Sends one request. No error repeats its path, headers or body.
    pub(super) async fn call(&self, ask: Ask) -> Result<Reply, SendError> {
        let of_operator = self.0.outbound.provider(ask.kind).map(|url| Target::from_url(url.clone()));
        let (target, guarded) = match (of_operator, &ask.to) {
            (_, To::Own(target)) => (Ok(target.clone()), true),
            (Some(target), _) => (target, false),
            (None, To::Provider(usual)) => (parse_target(usual), false),
            (None, To::Tenant(target)) => (Ok(target.clone()), true),
        };
        let target = target.map_err(|_| SendError::Permanent("the provider has no address".to_owned()))?;
        let request = request(&target.url, ask).ok_or_else(|| SendError::Permanent(UNSENDABLE.to_owned()))?;
        self.talk(&target, guarded, request).await
    }

    /// Asks for an address that the operator named; gives the status of the answer. No error repeats its path.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn ping(&self, address: &str) -> Result<StatusCode, SendError> {
        let unsendable = || SendError::Permanent(UNSENDABLE.to_owned());
        let target = parse_target(address).map_err(|_| SendError::Permanent("the URL is none".to_owned()))?;
        let request = Request::get(&target.url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(HOST, &target.url[url::Position::BeforeHost..url::Position::AfterPort])
            .header(USER_AGENT, AGENT)
            .body(Full::default())
            .map_err(|_| unsendable())?;
        Ok(self.talk(&target, false, request).await?.status)
    }

    async fn talk(&self, target: &Target, guarded: bool, request: Request<Full<Bytes>>) -> Result<Reply, SendError> {
        let host = target.url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']);
        let exchange = async {
            let stream = if guarded { self.reach(target).await? } else { self.open(host, target.port).await? };
            if target.is_https() {
                exchange(self.wrap(stream, host).await?, request).await
            } else {
                exchange(stream, request).await
            }
        };
        let who = if guarded { "the receiver" } else { host };
        let reply = timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err(SendError::retry(format!("{who} did not answer in 30 s"))))?;
        self.answered(reply.status.as_u16(), &reply.headers);
        Ok(reply)
    }

    /// A connection to a host that the operator named.
    pub(crate) async fn open(&self, host: &str, port: u16) -> Result<TcpStream, SendError> {
        let opening = async {
            match self.proxy_for(host, None) {
                Some(proxy) => self.tunnel(proxy, &bracketed(host), port).await,
                None => dial(&self.lookup(host).await?, port).await,
            }
        };
        timeout(CONNECT, opening)
            .await
            .unwrap_or_else(|_| Err(SendError::retry(format!("{host} did not answer in 10 s"))))
    }

    /// Shakes hands by TLS; the certificate must be good and for `name`.
    pub(crate) async fn wrap<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        name: &str,
    ) -> Result<tokio_rustls::client::TlsStream<S>, SendError> {
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| SendError::Permanent(error.to_string()))?;
        let tls = TlsConnector::from(self.0.tls.clone());
        tls.connect(name, stream).await.map_err(|error| SendError::retry(format!("TLS failed: {error}")))
    }

    async fn reach(&self, target: &Target) -> Result<TcpStream, SendError> {
        let ips = match &target.host {
            Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
            Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
            Host::Domain(name) => self.lookup(name).await?,
        };
        let addresses: Vec<_> = ips.iter().map(|ip| SocketAddr::new(*ip, target.port)).collect();
        let host = target.host.to_string();
        if let Some(proxy) = self.proxy_for(&host, ips.first().copied()) {
            let judged = addresses.iter().find(|address| self.0.guard.judge(**address, Purpose::Webhook).is_ok());
            let Some(address) = judged else { return Err(blocked()) };
            return self.tunnel(proxy, &bracketed(&address.ip().to_canonical().to_string()), address.port()).await;
        }
        match connect(&self.0.guard, &addresses, Purpose::Webhook, Instant::now() + CONNECT).await {
            Ok(connected) => Ok(connected.stream),
            Err(error) if matches!(error.kind, ConnectErrorKind::Blocked(_)) => Err(blocked()),
            Err(error) => Err(SendError::retry(error.to_string())),
        }
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, SendError> {
        let look = async {
            if let Ok(ip) = name.parse() {
                return Ok(vec![ip]);
            }
            Resolver::system()?.lookup_ip(name, CONNECT / 2).await
        };
        look.await.map_err(|error| SendError::retry(format!("the name of the receiver was not found: {error}")))
    }

    fn proxy_for(&self, host: &str, ip: Option<IpAddr>) -> Option<&Url> {
        let ip = ip.or_else(|| host.parse().ok());
        let local = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        let passed_over = self.0.outbound.no_proxy.iter().any(|rule| is_passed_over(rule, host, ip));
        self.0.outbound.proxy().filter(|_| !local && !passed_over)
    }

    async fn tunnel(&self, proxy: &Url, host: &str, port: u16) -> Result<TcpStream, SendError> {
        let failed = |error: &dyn Display| SendError::retry(format!("the proxy failed: {error}"));
        let proxy_host = proxy.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let mut stream = dial(&self.lookup(proxy_host).await?, proxy.port_or_known_default().unwrap_or(80)).await?;
        let credentials = match (proxy.username(), proxy.password().unwrap_or_default()) {
            ("", _) => String::new(),
            (user, password) => {
                format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{user}:{password}")))
            }
        };
        let ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{credentials}\r\n");
        stream.write_all(ask.as_bytes()).await.map_err(|error| failed(&error))?;
        // One byte at a time: what follows the head belongs to the connection.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= MOST_PROXY_HEAD {
                return Err(failed(&"its answer is no HTTP"));
            }
            head.push(stream.read_u8().await.map_err(|error| failed(&error))?);
        }
        let first = String::from_utf8_lossy(&head);
        let first = first.lines().next().unwrap_or_default();
        if first.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            Ok(stream)
        } else {
            Err(failed(&format!("it answered {first:?}")))
        }
    }
}

const UNSENDABLE: &str = "the settings hold a character that cannot be sent: enter them anew";

fn request(base: &Url, ask: Ask) -> Option<Request<Full<Bytes>>> {
    let path = format!("{}{}", base.path().trim_end_matches('/'), ask.path.expose());
    let mut request = Request::builder()
        .method(ask.method)
        .uri(path)
        .header(HOST, &base[url::Position::BeforeHost..url::Position::AfterPort])
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, ask.content_type);
    if let Some(value) = ask.authorization {
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request.body(Full::new(Bytes::from(ask.body))).ok()
}

fn blocked() -> SendError {
    SendError::Permanent(picket_shared::egress::Blocked::MESSAGE.to_owned())
}

/// Sends one request over a connection that is open.
pub(crate) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Reply, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| SendError::retry(format!("no answer that is HTTP: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let (parts, body) = response.into_parts();
        // The status has decided; of a body that is too large or breaks off nothing is kept.
        let body = Limited::new(body, MOST_BODY).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    };
    tokio::pin!(connection, talk);
    tokio::select! {
        reply = &mut talk => reply,
        ended = &mut connection => match ended {
            Ok(()) => talk.await,
            Err(error) => Err(failed(error)),
        },
    }
}

async fn dial(ips: &[IpAddr], port: u16) -> Result<TcpStream, SendError> {
    let mut failure = "the name has no address".to_owned();
    for ip in ips {
        let socket = if ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let opened = match socket {
            Ok(socket) => socket.connect(SocketAddr::new(*ip, port)).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = format!("no connection to port {port}: {error}"),
        }
    }
    Err(SendError::retry(failure))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Whether a rule of `no_proxy` (a host, a domain with a leading dot, a network, or `*`) covers a host.
fn is_passed_over(rule: &str, host: &str, ip: Option<IpAddr>) -> bool {
    let network = rule.parse::<IpNet>().ok().or_else(|| rule.parse::<IpAddr>().ok().map(IpNet::from));
    if let (Some(network), Some(ip)) = (network, ip) {
        return network.contains(&ip);
    }
    let (rule, host) = (rule.to_ascii_lowercase(), host.trim_end_matches('.').to_ascii_lowercase());
    rule == "*" || rule == host || (rule.starts_with('.') && (host.ends_with(&rule) || host == rule[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_hosts_domains_and_networks() {
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        assert!(is_passed_over("mail.example.org", "MAIL.example.org.", None));
        assert!(is_passed_over(".example.org", "a.example.org", None));
        assert!(is_passed_over(".example.org", "example.org", None));
        assert!(!is_passed_over(".example.org", "badexample.org", None));
        assert!(is_passed_over("10.0.0.0/8", "x", ip("10.1.2.3")));
        assert!(!is_passed_over("10.0.0.0/8", "x", ip("11.1.2.3")));
        assert!(is_passed_over("*", "anything", None));
    }
}
