//! The one file that opens a socket a tenant named.
//!
//! In come addresses that a look-up gave; each is judged, and a socket is opened to exactly such an address, never to
//! a name. Out goes the connection, or how the last attempt failed. DNS checks of a server that a tenant
//! named get their sockets here too, from a [`NameServer`].

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::{Blocked, EgressGuard, Purpose};

/// A connection to an address that was judged.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: TcpStream,
    /// Where it leads.
    pub address: SocketAddr,
    /// How many of the addresses were denied and left out.
    pub blocked: usize,
}

/// How connecting failed.
#[derive(Debug)]
pub struct ConnectError {
    /// In which way.
    pub kind: ConnectErrorKind,
    /// The address tried last; none where nothing was tried.
    pub address: Option<SocketAddr>,
}

/// The ways in which connecting fails.
#[derive(Debug)]
pub enum ConnectErrorKind {
    /// No address may be contacted.
    Blocked(Blocked),
    /// Nobody answered in time.
    Timeout,
    /// Nobody listens there.
    Refused,
    /// No way leads there.
    Unreachable,
    /// The connection was cut while it opened.
    Reset,
    /// This machine could not open a socket.
    Local(io::Error),
    /// Anything else.
    Other(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ConnectErrorKind::Blocked(blocked) => blocked.fmt(f),
            ConnectErrorKind::Timeout => f.write_str("nobody answered in time"),
            ConnectErrorKind::Refused => f.write_str("the connection was refused: nobody listens at that port"),
            ConnectErrorKind::Unreachable => f.write_str("no way leads to that network or host"),
            ConnectErrorKind::Reset => f.write_str("the connection was cut while it opened"),
            ConnectErrorKind::Local(error) => write!(f, "this machine could not open a connection: {error}"),
            ConnectErrorKind::Other(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Connects to the first of `addresses` that may be contacted and answers, IPv6 and IPv4 by turns, before `deadline`.
///
/// Each address gets an equal share of the time that is left, so that a dead one does not use it up.
///
/// # Errors
/// [`ConnectErrorKind::Blocked`] when none may be contacted, else how the last attempt failed.
pub async fn connect(
    guard: &EgressGuard,
    addresses: &[SocketAddr],
    purpose: Purpose,
    deadline: Instant,
) -> Result<Connected, ConnectError> {
    let allowed = permitted(guard, addresses, purpose)?;
    let blocked = addresses.len() - allowed.len();
    let mut failure = None;
    for (tried, address) in by_turns(&allowed).enumerate() {
        let now = Instant::now();
        let left = u32::try_from(allowed.len() - tried).unwrap_or(u32::MAX).max(1);
        let share = now + deadline.saturating_duration_since(now) / left;
        match timeout_at(share, open(address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(Connected { stream, address, blocked }),
            Err(error) => {
                let error = ConnectError { kind: classify(error), address: Some(address) };
                failure = Some(more_telling(failure, error));
            }
        }
    }
    Err(failure.unwrap_or(ConnectError {
        kind: ConnectErrorKind::Other(io::ErrorKind::AddrNotAvailable.into()),
        address: None,
    }))
}

/// A name server that a tenant named, at an address that was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameServer(SocketAddr);

/// The first of `servers` that may be contacted.
///
/// # Errors
/// [`ConnectErrorKind::Blocked`] when none may be.
pub fn name_server(guard: &EgressGuard, servers: &[SocketAddr]) -> Result<NameServer, ConnectError> {
    let allowed = permitted(guard, servers, Purpose::Check)?;
    Ok(NameServer(by_turns(&allowed).next().unwrap_or(allowed[0])))
}

impl NameServer {
    /// Where it is.
    pub const fn address(&self) -> SocketAddr {
        self.0
    }

    /// Sends one datagram from a port that the kernel draws; the socket is connected, so that it hears nobody else.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<Datagrams, ConnectErrorKind> {
        let open = || {
            let any: SocketAddr =
                if self.0.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
            let socket = std::net::UdpSocket::bind(any).map_err(local_fault)?;
            socket.set_nonblocking(true).map_err(local_fault)?;
            socket.connect(self.0)?;
            if socket.peer_addr()? != self.0 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            // Before it is watched: a new socket has room, and whoever waits for that waits a turn of the loop.
            socket.send(bytes)?;
            UdpSocket::from_std(socket).map(Datagrams).map_err(local_fault)
        };
        open().map_err(classify)
    }

    /// A connection by TCP.
    pub(super) async fn stream(&self) -> Result<TcpStream, ConnectErrorKind> {
        open(self.0).await.map_err(classify)
    }
}

/// A datagram socket to one name server.
#[derive(Debug)]
pub(super) struct Datagrams(UdpSocket);

impl Datagrams {
    /// Sends the same once more.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.try_send(bytes).map(drop)
    }

    /// The next datagram, in place of what `buffer` holds and as far as it has room. A word of the network that nobody
    /// listens there may be anybody's: it is not heard.
    pub(super) async fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        loop {
            match self.0.recv_buf(buffer).await.map_err(classify) {
                Ok(_) => return Ok(()),
                Err(ConnectErrorKind::Refused | ConnectErrorKind::Unreachable | ConnectErrorKind::Reset) => {}
                Err(ConnectErrorKind::Local(error) | ConnectErrorKind::Other(error)) => return Err(error),
                Err(kind) => return Err(io::Error::other(ConnectError { kind, address: None })),
            }
        }
    }
}

/// The addresses that may be contacted, at least one.
fn permitted(guard: &EgressGuard, addresses: &[SocketAddr], purpose: Purpose) -> Result<Vec<SocketAddr>, ConnectError> {
    let mut allowed = Vec::with_capacity(addresses.len());
    let mut blocked = None;
    for address in addresses {
        match guard.judge(*address, purpose) {
            // What was judged is the canonical form, so that is what is contacted.
            Ok(()) => allowed.push(SocketAddr::new(address.ip().to_canonical(), address.port())),
            Err(reason) => blocked = Some(reason),
        }
    }
    match blocked {
        Some(reason) if allowed.is_empty() => {
            Err(ConnectError { kind: ConnectErrorKind::Blocked(reason), address: None })
        }
        _ if allowed.is_empty() => {
            Err(ConnectError { kind: ConnectErrorKind::Other(io::ErrorKind::AddrNotAvailable.into()), address: None })
        }
        _ => Ok(allowed),
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(local_fault)?;
    // Small requests must not wait for company.
    socket.set_nodelay(true).map_err(local_fault)?;
    let stream = socket.connect(address).await?;
    if stream.peer_addr()? == address { Ok(stream) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
}

/// An error of opening a socket, told apart from those of the way to the target.
#[derive(Debug)]
struct LocalFault(io::Error);

impl fmt::Display for LocalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for LocalFault {}

fn local_fault(error: io::Error) -> io::Error {
    // A machine without IPv6 refuses such sockets: that is a missing way, not a fault.
    if error.kind() == io::ErrorKind::Unsupported { error } else { io::Error::other(LocalFault(error)) }
}

fn classify(error: io::Error) -> ConnectErrorKind {
    match error.kind() {
        io::ErrorKind::TimedOut => ConnectErrorKind::Timeout,
        io::ErrorKind::ConnectionRefused => ConnectErrorKind::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            ConnectErrorKind::Reset
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::Unsupported => {
            ConnectErrorKind::Unreachable
        }
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::AddrInUse
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::OutOfMemory
        | io::ErrorKind::NetworkDown => ConnectErrorKind::Local(error),
        _ if error.get_ref().is_some_and(|inner| inner.is::<LocalFault>()) => ConnectErrorKind::Local(error),
        _ => ConnectErrorKind::Other(error),
    }
}

/// A missing way to one family says nothing when the other family had an answer.
fn more_telling(before: Option<ConnectError>, now: ConnectError) -> ConnectError {
    match before {
        Some(before) if matches!(now.kind, ConnectErrorKind::Unreachable) => before,
        _ => now,
    }
}

/// One family after the other, beginning with that of the first address.
fn by_turns(addresses: &[SocketAddr]) -> impl Iterator<Item = SocketAddr> {
    let lead = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let mut first = addresses.iter().copied().filter(move |address| address.is_ipv6() == lead);
    let mut second = addresses.iter().copied().filter(move |address| address.is_ipv6() != lead);
    let mut turn = false;
    std::iter::from_fn(move || {
        turn = !turn;
        if turn { first.next().or_else(|| second.next()) } else { second.next().or_else(|| first.next()) }
    })
}
