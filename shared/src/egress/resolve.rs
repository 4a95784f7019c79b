//! Names to addresses and records, by hickory alone: no `getaddrinfo`, no hosts file, no search domains, no cache.
//!
//! In comes a name and the time there is; out go addresses, or records in presentation form, or which of the ways
//! to fail it was. `localhost` and names under it are this machine without asking anyone (RFC 6761); the
//! guard judges that like any other address.
//!
//! A resolver of the program itself that does not answer at all is a fault of the program, not of the name: before
//! a look-up is called timed out, the root is asked for, and only a resolver that answers that is in order.

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

use super::connect::GuardedProvider;
use crate::check::RecordType;

/// How long the second address family may take after the first has answered (RFC 8305).
const SECOND_FAMILY: Duration = Duration::from_millis(50);
/// At most this much of a look-up's time is kept for asking whether the resolver is in order.
const RESERVE: Duration = Duration::from_secs(1);

/// Looks names up. Cheap to clone.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

enum Inner {
    /// The program's own resolvers.
    Own(hickory_resolver::Resolver<TokioRuntimeProvider>),
    /// One server that a tenant named.
    Named(hickory_resolver::Resolver<GuardedProvider>),
}

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
}

impl LookupError {
    /// The response code, where there was a response.
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::NoData => Some(0),
            Self::ServFail => Some(2),
            Self::NxDomain => Some(3),
            Self::Refused => Some(5),
            Self::Code(code) => Some(*code),
            Self::Timeout | Self::BadName | Self::Malformed | Self::Fault(_) => None,
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

    /// Asks one server that a tenant named, through sockets that judge its address again.
    pub(super) fn named(
        server: SocketAddr,
        provider: GuardedProvider,
        patience: Duration,
    ) -> Result<Self, LookupError> {
        build(vec![server_config(server)], provider, patience).map(|inner| Self(Arc::new(Inner::Named(inner))))
    }

    fn own(servers: Vec<NameServerConfig>) -> Result<Self, LookupError> {
        build(servers, TokioRuntimeProvider::new(), Duration::from_secs(5))
            .map(|inner| Self(Arc::new(Inner::Own(inner))))
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
        self.bounded(time, async {
            let mut records: Vec<String> = self.ask(name, kind).await?.iter().map(presentation).collect();
            records.sort();
            records.dedup();
            Ok(Answer { records })
        })
        .await
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
        let answer = match &*self.0 {
            Inner::Own(resolver) => resolver.lookup(name, kind).await,
            Inner::Named(resolver) => resolver.lookup(name, kind).await,
        };
        let found = answer.map_err(|error| self.read(&error))?;
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
        let reserve = if matches!(*self.0, Inner::Own(_)) { RESERVE.min(time / 4) } else { Duration::ZERO };
        match tokio::time::timeout(time.saturating_sub(reserve), lookup).await {
            Ok(Err(LookupError::Timeout)) | Err(_) if !reserve.is_zero() => {
                let root = self.ask(Name::root(), hickory_proto::rr::RecordType::NS);
                match tokio::time::timeout(reserve, root).await {
                    Ok(Ok(_)) => Err(LookupError::Timeout),
                    Ok(Err(error)) if error.code().is_some() => Err(LookupError::Timeout),
                    _ => Err(LookupError::Fault("it does not answer".to_owned())),
                }
            }
            Ok(found) => found,
            Err(_) => Err(LookupError::Timeout),
        }
    }

    fn read(&self, error: &NetError) -> LookupError {
        let own = matches!(*self.0, Inner::Own(_));
        match error {
            NetError::Dns(DnsError::NoRecordsFound(none)) => from_code(none.response_code),
            NetError::Dns(DnsError::ResponseCode(code)) => from_code(*code),
            NetError::Timeout => LookupError::Timeout,
            NetError::Io(_) | NetError::NoConnections | NetError::Busy if own => fault(error),
            NetError::Io(_) | NetError::NoConnections | NetError::Busy => LookupError::Timeout,
            _ => LookupError::Malformed,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0 {
            Inner::Own(_) => "Resolver(own)",
            Inner::Named(_) => "Resolver(named)",
        })
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

fn build<P: hickory_resolver::ConnectionProvider>(
    servers: Vec<NameServerConfig>,
    provider: P,
    patience: Duration,
) -> Result<hickory_resolver::Resolver<P>, LookupError> {
    let mut options = ResolverOpts::default();
    options.cache_size = 0;
    options.attempts = 1;
    options.timeout = patience;
    options.use_hosts_file = ResolveHosts::Never;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.num_concurrent_reqs = 1;
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    hickory_resolver::Resolver::builder_with_config(config, provider)
        .with_options(options)
        .build()
        .map_err(|error| fault(&error))
}

fn server_config(server: SocketAddr) -> NameServerConfig {
    let mut ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for way in &mut ways {
        way.port = server.port();
    }
    NameServerConfig::new(server.ip(), true, ways.to_vec())
}

fn from_code(code: ResponseCode) -> LookupError {
    match code {
        ResponseCode::NoError => LookupError::NoData,
        ResponseCode::NXDomain => LookupError::NxDomain,
        ResponseCode::ServFail => LookupError::ServFail,
        ResponseCode::Refused => LookupError::Refused,
        other => LookupError::Code(other.into()),
    }
}

/// Of two failures the one to report: a server's trouble with one family says more than the other family's absence.
fn telling(a: LookupError, b: LookupError) -> LookupError {
    let weight = |error: &LookupError| match error {
        LookupError::NxDomain => 5,
        LookupError::Fault(_) => 4,
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
