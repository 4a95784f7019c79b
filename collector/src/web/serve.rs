//! Accepts connections, shakes hands by TLS where certificates are given, speaks HTTP/1.1 and HTTP/2, stops gracefully.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Site;
use super::guard::client::{Peer, Proxies};
use super::guard::headers::Transport;
use super::router::{Audience, router};

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A request's headers must come within this time; so must the next request on an idle connection.
const HEADERS: Duration = Duration::from_secs(30);
/// After this time a connection is dropped although a request still runs on it.
const STOP: Duration = Duration::from_secs(10);

/// Where and for whom connections are taken.
#[derive(Debug)]
pub struct Entrance {
    /// The socket.
    pub listener: TcpListener,
    /// Settings for TLS; without them plain HTTP is spoken.
    pub tls: Option<Arc<ServerConfig>>,
    /// What that is to browsers.
    pub transport: Transport,
    /// Which routes are served.
    pub audience: Audience,
    /// Whose word on clients is taken.
    pub proxies: Arc<Proxies>,
    /// Nobody but these proxies, and this machine, may connect.
    pub only_proxies: bool,
    /// How many connections may be open at once.
    pub connections: usize,
}

impl Entrance {
    /// Plain HTTP for everybody who reaches this listener, which is on loopback.
    pub fn plain(listener: TcpListener, connections: usize) -> Self {
        Self {
            listener,
            tls: None,
            transport: Transport::Plain,
            audience: Audience::Everyone,
            proxies: Arc::default(),
            only_proxies: false,
            connections,
        }
    }
}

/// Serves until `shutdown`; then lets requests end, for ten seconds at most.
pub async fn serve(site: Site, entrance: Entrance, shutdown: CancellationToken) {
    let Entrance { listener, tls, transport, audience, proxies, only_proxies, connections } = entrance;
    let router = router(site, transport, audience, Arc::clone(&proxies));
    let acceptor = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(connections));
    let tracker = TaskTracker::new();
    let dropped = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let Some(peer) = peer_of(&stream, acceptor.is_some()).filter(|peer| !only_proxies || proxies.admit(*peer))
        else {
            continue;
        };
        let connection = connection(stream, peer, acceptor.clone(), router.clone(), shutdown.clone());
        let dropped = dropped.clone();
        tracker.spawn(async move {
            tokio::select! {
                () = dropped.cancelled() => {}
                () = connection => {}
            }
            drop(place);
        });
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(STOP, tracker.wait()).await.is_err() {
        dropped.cancel();
        tracker.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // A place is taken before the connection: what is over the limit waits in the kernel's queue.
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(error = %error, "No connection could be accepted: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Both ends; `None` when the other is gone already.
fn peer_of(stream: &TcpStream, tls: bool) -> Option<Peer> {
    Some(Peer::new(stream.peer_addr().ok()?, stream.local_addr().ok()?, tls))
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, peer, router, shutdown).await,
        // A failed handshake is the caller's affair; scanners make them all day.
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                speak(stream, peer, router, shutdown).await;
            }
        }
    }
}

async fn speak<S>(stream: S, peer: Peer, router: Router, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .keep_alive_interval(HEADERS)
        .keep_alive_timeout(HANDSHAKE);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = served.as_mut() => return,
        () = shutdown.cancelled() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
