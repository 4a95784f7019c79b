//! Accepts connections, shakes hands by TLS where certificates are given, speaks HTTP/1.1 and HTTP/2, stops gracefully.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use picket_shared::secret::SecretString;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Site;
use super::guard::headers::Transport;
use super::router::router;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A request's headers must come within this time; so must the next request on an idle connection.
const HEADERS: Duration = Duration::from_secs(30);
/// After this time a connection is dropped although a request still runs on it.
const STOP: Duration = Duration::from_secs(10);

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files hold something else.
    #[error("the certificate or its key is not PEM: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// They do not fit together.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Settings for HTTPS from a certificate chain (leaf first) and its key, both in PEM.
///
/// # Errors
/// When they cannot be read or do not fit together.
pub fn tls_config(chain_pem: &str, key_pem: &SecretString) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.expose().as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until `shutdown`, `connections` at once; then lets requests end, for ten seconds at most.
pub async fn serve(
    site: Site,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    connections: usize,
    shutdown: CancellationToken,
) {
    let transport = if tls.is_some() { Transport::Https } else { Transport::Plain };
    let router = router(site, transport);
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
        let connection = connection(stream, acceptor.clone(), router.clone(), shutdown.clone());
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

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, shutdown: CancellationToken) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, router, shutdown).await,
        // A failed handshake is the caller's affair; scanners make them all day.
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                speak(stream, router, shutdown).await;
            }
        }
    }
}

async fn speak<S>(stream: S, router: Router, shutdown: CancellationToken)
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
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::select! {
        _ = served.as_mut() => return,
        () = shutdown.cancelled() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
