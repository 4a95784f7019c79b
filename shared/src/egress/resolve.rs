//! Names to addresses and records, by hickory alone: no `getaddrinfo`, no hosts file, no search domains, no cache.
//!
//! In comes a name and the time there is; out go addresses, or records in presentation form, or which of the ways
//! to fail it was. `localhost` and names under it are this machine without asking anyone (RFC 6761); the
//! guard judges that like any other address.
//!
//! A resolver of the program itself that does not answer at all is a fault of the program, not of the name: before
//! a look-up is called timed out, the root is asked for, and only a resolver that answers that is in order. [`ask`] asks
//! one server that a tenant named, and nobody else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::{DnsError, NetError};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData};
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::connect::{ConnectErrorKind, Datagrams, NameServer};
use super::question::{Question, Reply};
use crate::check::RecordType;

/// How long the second address family may take after the first has answered (RFC 8305).
const SECOND_FAMILY: Duration = Duration::from_millis(50);
/// At most this much of a look-up's time is kept for asking whether the resolver is in order.
const RESERVE: Duration = Duration::from_secs(1);
/// A name server that a tenant named is asked again after this part of the time.
const AGAIN_AFTER: u32 = 3;
/// Aliases that a server does not follow itself are followed so often.
const MOST_ALIASES: usize = 8;
/// More than any answer by UDP that keeps to the room announced.
const MOST_BY_UDP: usize = 4096;

/// Looks names up by the program's own resolvers. Cheap to clone.
#[derive(Clone)]
pub struct Resolver(Arc<hickory_resolver::Resolver<TokioRuntimeProvider>>);

/// What a name server answered to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The records of the type asked for, in presentation form, sorted.
    pub records: Vec<String>,
}

/// Why a look-up gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// RCODE 3.
    #[error("the name does not exist")]
    NxDomain,
    /// The name exists and has no such record.
    #[error("the name has no record of that type")]
    NoData,
    /// RCODE 2.
    #[error("the name server failed")]
    ServFail,
    /// RCODE 5.
    #[error("the name server refused to answer")]
    Refused,
    /// Any other response code.
    #[error("the name server answered with response code {0}")]
    Code(u16),
    /// No answer in time.
    #[error("the name server did not answer in time")]
    Timeout,
    /// It is not a name.
    #[error("it is not a name that can be asked for")]
    BadName,
    /// The answer cannot be read.
    #[error("the name server's answer cannot be read")]
    Malformed,
    /// The program's own resolver cannot be used.
    #[error(
        "this machine's own resolver cannot be used ({0}): see /etc/resolv.conf or name another in the configuration"
    )]
    Fault(String),
    /// This machine could not open a socket.
    #[error("this machine could not open a socket: {0}")]
    Socket(String),
}

impl LookupError {
    pub(super) fn of_code(code: ResponseCode) -> Self {
        match code {
            ResponseCode::NoError => Self::NoData,
            ResponseCode::NXDomain => Self::NxDomain,
            ResponseCode::ServFail => Self::ServFail,
            ResponseCode::Refused => Self::Refused,
            other => Self::Code(other.into()),
        }
    }

    /// The response code, where there was a response.
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::NoData => Some(0),
            Self::ServFail => Some(2),
            Self::NxDomain => Some(3),
            Self::Refused => Some(5),
            Self::Code(code) => Some(*code),
            Self::Timeout | Self::BadName | Self::Malformed | Self::Fault(_) | Self::Socket(_) => None,
        }
    }
}

impl Resolver {
    /// Uses the servers in `/etc/resolv.conf`, which is read now.
    ///
    /// # Errors
    /// When the file cannot be read or names no server.
    pub fn system() -> Result<Self, LookupError> {
        let (config, _) = hickory_resolver::system_conf::read_system_conf().map_err(|error| fault(&error))?;
        let (_, _, servers) = config.into_parts();
        Self::own(servers)
    }

    /// Uses these servers, in this order.
    ///
    /// # Errors
    /// When there is none.
    pub fn with_servers(servers: &[SocketAddr]) -> Result<Self, LookupError> {
        if servers.is_empty() {
            return Err(LookupError::Fault("no server is named".to_owned()));
        }
        Self::own(servers.iter().map(|server| server_config(*server)).collect())
    }

    fn own(servers: Vec<NameServerConfig>) -> Result<Self, LookupError> {
        let mut options = ResolverOpts::default();
        options.cache_size = 0;
        options.attempts = 1;
        options.timeout = Duration::from_secs(5);
        options.use_hosts_file = ResolveHosts::Never;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        options.num_concurrent_reqs = 1;
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        hickory_resolver::Resolver::builder_with_config(config, TokioRuntimeProvider::new())
            .with_options(options)
            .build()
            .map(|resolver| Self(Arc::new(resolver)))
            .map_err(|error| fault(&error))
    }

    /// The addresses of a name (or the address that `name` is), IPv6 first, within `time`.
    ///
    /// # Errors
    /// Which way the look-up failed; of two failures the one that says more.
    pub async fn lookup_ip(&self, name: &str, time: Duration) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(vec![ip]);
        }
        if is_localhost(name) {
            return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        let name = absolute(name)?;
        self.bounded(time, self.both_families(name)).await
    }

    /// The records of one type, within `time`.
    ///
    /// # Errors
    /// Which way the look-up failed.
    pub async fn lookup(&self, name: &str, record: RecordType, time: Duration) -> Result<Answer, LookupError> {
        let (name, kind) = (absolute(name)?, kind(record));
        self.bounded(time, async { Ok(Answer::of(&self.ask(name, kind).await?)) }).await
    }

    async fn both_families(&self, name: Name) -> Result<Vec<IpAddr>, LookupError> {
        let v6 = self.ask(name.clone(), hickory_proto::rr::RecordType::AAAA);
        let v4 = self.ask(name, hickory_proto::rr::RecordType::A);
        tokio::pin!(v6, v4);
        let (first, second) = tokio::select! {
            found = &mut v6 => {
                let wait = patience(&found);
                (found, tokio::time::timeout(wait, v4).await.unwrap_or(Err(LookupError::Timeout)))
            }
            found = &mut v4 => {
                let wait = patience(&found);
                (tokio::time::timeout(wait, v6).await.unwrap_or(Err(LookupError::Timeout)), found)
            }
        };
        match (first, second) {
            (Err(a), Err(b)) => Err(telling(a, b)),
            (a, b) => Ok(a.into_iter().chain(b).flatten().filter_map(|data| data.ip_addr()).collect()),
        }
    }

    async fn ask(&self, name: Name, kind: hickory_proto::rr::RecordType) -> Result<Vec<RData>, LookupError> {
        let found = self.0.lookup(name, kind).await.map_err(|error| read(&error))?;
        let records: Vec<RData> = found
            .answers()
            .iter()
            .filter(|record| record.record_type() == kind)
            .map(|record| record.data.clone())
            .collect();
        if records.is_empty() { Err(LookupError::NoData) } else { Ok(records) }
    }

    /// Runs a look-up within `time`; when it ran out, tells a silent name from a silent resolver.
    async fn bounded<T>(
        &self,
        time: Duration,
        lookup: impl Future<Output = Result<T, LookupError>>,
    ) -> Result<T, LookupError> {
        let reserve = RESERVE.min(time / 4);
        match tokio::time::timeout(time.saturating_sub(reserve), lookup).await {
            Ok(Err(LookupError::Timeout)) | Err(_) => {
                let root = self.ask(Name::root(), hickory_proto::rr::RecordType::NS);
                match tokio::time::timeout(reserve, root).await {
                    Ok(Ok(_)) => Err(LookupError::Timeout),
                    Ok(Err(error)) if error.code().is_some() => Err(LookupError::Timeout),
                    _ => Err(LookupError::Fault("it does not answer".to_owned())),
                }
            }
            Ok(found) => found,
        }
    }
}

/// The records of one type that a server named by a tenant answers with, within `time`: by UDP, and by TCP if that
/// answer was cut; asked again if it is silent, and for what the name is an alias of if the server says no more.
///
/// # Errors
/// Which way it failed.
pub async fn ask(server: NameServer, name: &str, record: RecordType, time: Duration) -> Result<Answer, LookupError> {
    let (mut name, kind) = (absolute(name)?, kind(record));
    let deadline = Instant::now() + time;
    for _ in 0..MOST_ALIASES {
        let question = Question::new(name, kind)?;
        let reply = match by_udp(server, &question, deadline).await? {
            Reply::Cut => {
                timeout_at(deadline, Box::pin(by_tcp(server, &question))).await.unwrap_or(Err(LookupError::Timeout))?
            }
            reply => reply,
        };
        match reply {
            Reply::Records(records) => return Ok(Answer::of(&records)),
            Reply::Alias(next) => name = next,
            // There is no third way to get the whole answer.
            Reply::Cut => return Err(LookupError::Malformed),
        }
    }
    Err(LookupError::NoData)
}

async fn by_udp(server: NameServer, question: &Question, deadline: Instant) -> Result<Reply, LookupError> {
    let now = Instant::now();
    let again = now + deadline.saturating_duration_since(now) / AGAIN_AFTER;
    let socket = server.send(question.bytes()).map_err(socket_error)?;
    let mut buffer = Vec::with_capacity(MOST_BY_UDP);
    if let Ok(reply) = timeout_at(again, listen(&socket, question, &mut buffer)).await {
        return reply;
    }
    // A server that could not be reached just now may be a moment later.
    socket.send(question.bytes()).ok();
    timeout_at(deadline, listen(&socket, question, &mut buffer)).await.unwrap_or(Err(LookupError::Timeout))
}

async fn listen(socket: &Datagrams, question: &Question, buffer: &mut Vec<u8>) -> Result<Reply, LookupError> {
    loop {
        socket.receive(buffer).await.map_err(|error| LookupError::Socket(error.to_string()))?;
        if let Some(reply) = question.read(buffer) {
            return reply;
        }
    }
}

async fn by_tcp(server: NameServer, question: &Question) -> Result<Reply, LookupError> {
    let mut stream = server.stream().await.map_err(socket_error)?;
    let bytes = question.bytes();
    let length = u16::try_from(bytes.len()).map_err(|_| LookupError::BadName)?;
    let whole = [&length.to_be_bytes()[..], bytes].concat();
    let talk = async {
        stream.write_all(&whole).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await.map(|_| answer)
    };
    // Whoever takes a connection and says nothing on it does not answer.
    let answer = talk.await.map_err(|_: std::io::Error| LookupError::Timeout)?;
    question.read(&answer).unwrap_or(Err(LookupError::Malformed))
}

/// A fault of this machine says nothing about the server; any other is a server that does not answer.
fn socket_error(kind: ConnectErrorKind) -> LookupError {
    match kind {
        ConnectErrorKind::Local(error) => LookupError::Socket(error.to_string()),
        _ => LookupError::Timeout,
    }
}

fn read(error: &NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => LookupError::of_code(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => LookupError::of_code(*code),
        NetError::Timeout => LookupError::Timeout,
        NetError::Io(_) | NetError::NoConnections | NetError::Busy => fault(error),
        _ => LookupError::Malformed,
    }
}

impl Answer {
    fn of(records: &[RData]) -> Self {
        let mut records: Vec<String> = records.iter().map(presentation).collect();
        records.sort();
        records.dedup();
        Self { records }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// A record as zone files have it (RFC 1035, section 5.1).
pub fn presentation(data: &RData) -> String {
    match data {
        RData::TXT(text) => text.txt_data.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn quoted(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            other => out.push_str(&format!("\\{other:03}")),
        }
    }
    out.push('"');
    out
}

fn server_config(server: SocketAddr) -> NameServerConfig {
    let mut ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for way in &mut ways {
        way.port = server.port();
    }
    NameServerConfig::new(server.ip(), true, ways.to_vec())
}

/// Of two failures the one to report: a server's trouble with one family says more than the other family's absence.
fn telling(a: LookupError, b: LookupError) -> LookupError {
    let weight = |error: &LookupError| match error {
        LookupError::NxDomain => 5,
        LookupError::Fault(_) | LookupError::Socket(_) => 4,
        LookupError::ServFail | LookupError::Refused | LookupError::Code(_) => 3,
        LookupError::Timeout => 2,
        LookupError::Malformed => 1,
        LookupError::NoData | LookupError::BadName => 0,
    };
    if weight(&b) > weight(&a) { b } else { a }
}

fn patience(found: &Result<Vec<RData>, LookupError>) -> Duration {
    if found.is_ok() { SECOND_FAMILY } else { Duration::MAX }
}

fn absolute(name: &str) -> Result<Name, LookupError> {
    let mut name = Name::from_ascii(name).map_err(|_| LookupError::BadName)?;
    name.set_fqdn(true);
    Ok(name)
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

fn fault(error: &NetError) -> LookupError {
    LookupError::Fault(error.to_string())
}

const fn kind(record: RecordType) -> hickory_proto::rr::RecordType {
    use hickory_proto::rr::RecordType as Kind;
    match record {
        RecordType::A => Kind::A,
        RecordType::Aaaa => Kind::AAAA,
        RecordType::Caa => Kind::CAA,
        RecordType::Cname => Kind::CNAME,
        RecordType::Mx => Kind::MX,
        RecordType::Ns => Kind::NS,
        RecordType::Ptr => Kind::PTR,
        RecordType::Soa => Kind::SOA,
        RecordType::Srv => Kind::SRV,
        RecordType::Txt => Kind::TXT,
    }
}
