//! A witness in the way between probe and collector: it has the world's authority, so it can open the TLS of both sides,
//! and writes every batch and every receipt that it passes on into the [`Ledger`]. It changes nothing.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, TRANSFER_ENCODING};
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use picket_shared::wire;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::ca::Certificate;
use crate::ledger::Ledger;
use crate::mailbox::RUNTIME;
use crate::net::Place;

type Failed = Box<dyn Error + Send + Sync>;

/// The recorder of one region; dropping it ends what passes through it.
#[derive(Debug)]
pub struct Recorder {
    task: JoinHandle<()>,
}

/// Where a recorder passes on what it is given.
#[derive(Clone, Debug)]
pub struct Onward {
    /// From where it connects.
    pub place: Place,
    /// The collector.
    pub address: SocketAddr,
}

struct Post {
    region: String,
    onward: Onward,
    name: ServerName<'static>,
    server: TlsAcceptor,
    client: ClientConfig,
    ledger: Ledger,
}

impl Recorder {
    /// Shows `certificate` to whoever connects to `listener`, believes the authority in `authority`, and writes down
    /// under `region`.
    pub fn start(
        listener: std::net::TcpListener,
        onward: Onward,
        (certificate, authority): (&Certificate, &Path),
        region: &str,
        ledger: Ledger,
    ) -> Self {
        listener.set_nonblocking(true).unwrap();
        let post = Arc::new(Post {
            region: region.to_owned(),
            name: ServerName::from(onward.address.ip()),
            onward,
            server: TlsAcceptor::from(Arc::new(server_config(certificate))),
            client: client_config(authority),
            ledger,
        });
        let task = RUNTIME.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            // Dropped with this task, and every connection with it.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                        let post = Arc::clone(&post);
                        // What breaks on either side breaks for the other too; there is nobody here to tell.
                        connections.spawn(async move { drop(post.serve(stream).await) });
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { task }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The way on, in the version of HTTP that the other side speaks.
enum Sender {
    One(Mutex<http1::SendRequest<Full<Bytes>>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Post {
    async fn serve(self: Arc<Self>, near: TcpStream) -> Result<(), Failed> {
        near.set_nodelay(true)?;
        let near = self.server.accept(near).await?;
        let protocol = near.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let far = self.connect(protocol.clone()).await?;
        let mut running = JoinSet::new();
        let sender = if protocol.as_deref() == Some(b"h2") {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(far)).await?;
            running.spawn(async move { connection.await.ok() });
            Sender::Two(sender)
        } else {
            let (sender, connection) = http1::handshake(TokioIo::new(far)).await?;
            running.spawn(async move { connection.await.ok() });
            Sender::One(Mutex::new(sender))
        };
        let sender = Arc::new(sender);
        let service = hyper::service::service_fn(move |request| {
            let (post, sender) = (Arc::clone(&self), Arc::clone(&sender));
            async move { post.pass(request, &sender).await }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        let serving = builder.serve_connection(TokioIo::new(near), service);
        tokio::select! {
            served = serving => Ok(served?),
            // The collector is gone, and so is its answer to whatever was asked.
            _ = running.join_next() => Ok(()),
        }
    }

    async fn connect(&self, protocol: Option<Vec<u8>>) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failed> {
        let onward = self.onward.clone();
        let stream = tokio::task::spawn_blocking(move || onward.place.connect(onward.address)).await??;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut config = self.client.clone();
        config.alpn_protocols = protocol.into_iter().collect();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(connector.connect(self.name.clone(), TcpStream::from_std(stream)?).await?)
    }

    async fn pass(&self, request: Request<Incoming>, sender: &Sender) -> hyper::Result<Response<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = head.uri.path().to_owned();
        let is_batch = head.method == Method::POST && path == wire::BATCHES_PATH;
        let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let flight = if is_batch { self.ledger.sends(&self.region, token, &body) } else { None };
        let answer = match sender {
            Sender::One(sender) => {
                head.headers.remove(TRANSFER_ENCODING);
                let mut sender = sender.lock().await;
                sender.send_request(Request::from_parts(head, Full::new(body))).await?
            }
            Sender::Two(sender) => {
                head.version = Version::HTTP_2;
                sender.clone().send_request(Request::from_parts(head, Full::new(body))).await?
            }
        };
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        self.ledger.answered(&path, head.status.as_u16());
        if let Some(flight) = flight {
            flight.lands(head.status.as_u16(), &body);
        }
        head.headers.remove(TRANSFER_ENCODING);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

fn server_config(certificate: &Certificate) -> ServerConfig {
    let chain = CertificateDer::pem_file_iter(&certificate.file).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn client_config(authority: &Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}
