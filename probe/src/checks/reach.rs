//! From a host to a connection: look up, judge, connect, and note how long each took.

use std::net::{IpAddr, SocketAddr};

use picket_shared::egress::connect::{ConnectError, ConnectErrorKind, connect};
use picket_shared::egress::resolve::LookupError;
use picket_shared::egress::{Purpose, parse_host};
use picket_shared::outcome::{Failure, FailureKind, Phases};
use picket_shared::time::Stopwatch;
use tokio::net::TcpStream;
use url::Host;

use super::deadline::Deadline;
use super::{Env, blocked, unsupported};

/// What a check has left behind so far: its phases, and whom it reached.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    pub(super) watch: Stopwatch,
    pub(super) phases: Phases,
    pub(super) address: Option<IpAddr>,
}

impl Trail {
    pub(super) fn start() -> Self {
        Self { watch: Stopwatch::start(), phases: Phases::default(), address: None }
    }

    pub(super) fn total_us(&self) -> u32 {
        u32::try_from(self.watch.elapsed().as_micros()).unwrap_or(u32::MAX)
    }
}

/// The host of a check as a browser would read it.
pub(super) fn host_of(text: &str) -> Result<Host<String>, Failure> {
    parse_host(text).map_err(|error| unsupported(error.to_string()))
}

/// The addresses of a host, with the time of the look-up; an address needs none.
pub(super) async fn addresses_of(
    host: &Host<String>,
    port: u16,
    env: &Env,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Vec<SocketAddr>, Failure> {
    let name = match host {
        Host::Ipv4(ip) => return Ok(vec![SocketAddr::new((*ip).into(), port)]),
        Host::Ipv6(ip) => return Ok(vec![SocketAddr::new((*ip).into(), port)]),
        Host::Domain(name) => name,
    };
    // Boxed, for it is large: a check of an address does not carry it around.
    let found = Box::pin(env.resolver.lookup_ip(name, deadline.left())).await;
    trail.phases.resolve = Some(trail.watch.lap_us());
    let addresses = found.map_err(|error| lookup_failure(&error, name))?;
    Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// A connection to a host, through the guard.
pub(super) async fn reach(
    host: &Host<String>,
    port: u16,
    env: &Env,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<TcpStream, Failure> {
    let addresses = addresses_of(host, port, env, deadline, trail).await?;
    let connected = connect(&env.guard, &addresses, Purpose::Check, deadline.instant()).await;
    trail.phases.connect = Some(trail.watch.lap_us());
    match connected {
        Ok(connected) => {
            trail.address = Some(connected.address.ip());
            Ok(connected.stream)
        }
        Err(error) => {
            trail.address = error.address.map(|address| address.ip());
            Err(connect_failure(&error, port))
        }
    }
}

/// How a failed look-up counts: only what a name server said, or its silence, speaks of the target.
pub(super) fn lookup_failure(error: &LookupError, name: &str) -> Failure {
    let (kind, message) = match error {
        LookupError::NxDomain => (FailureKind::DnsNxdomain, format!("the name {name} does not exist")),
        LookupError::NoData => (FailureKind::DnsNoData, format!("{name} has no record of the type asked for")),
        LookupError::ServFail => (FailureKind::DnsServfail, format!("the name server failed to answer for {name}")),
        LookupError::Refused => (FailureKind::DnsRefused, format!("the name server refused to answer for {name}")),
        LookupError::Timeout => (FailureKind::DnsTimeout, format!("no name server answered for {name} in time")),
        LookupError::Code(_) | LookupError::Malformed => (FailureKind::DnsError, error.to_string()),
        LookupError::BadName => (FailureKind::Unsupported, format!("{name:?} is not a name that can be asked for")),
        LookupError::Fault(_) | LookupError::Socket(_) => (FailureKind::ProbeFault, error.to_string()),
    };
    let failure = Failure::new(kind, message);
    match error.code() {
        Some(code) => failure.seen("response_code", &code.to_string()),
        None => failure,
    }
}

pub(super) fn connect_failure(error: &ConnectError, port: u16) -> Failure {
    let kind = match &error.kind {
        ConnectErrorKind::Blocked(_) => return blocked(),
        ConnectErrorKind::Timeout => FailureKind::ConnectTimeout,
        ConnectErrorKind::Refused => FailureKind::ConnectRefused,
        ConnectErrorKind::Unreachable => FailureKind::ConnectUnreachable,
        ConnectErrorKind::Reset => FailureKind::ConnectReset,
        ConnectErrorKind::Local(_) => FailureKind::ProbeFault,
        ConnectErrorKind::Other(_) => FailureKind::ConnectError,
    };
    let failure = Failure::new(kind, error.to_string()).seen("port", &port.to_string());
    match error.address {
        Some(address) => failure.seen("address", &address.ip().to_string()),
        None => failure,
    }
}
