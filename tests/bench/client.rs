//! A connection that stays open, for one request after the other.

use std::net::SocketAddr;

use hyper::body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use picket_tests::net::Place;

/// Connects; the connection is driven by a task of its own.
pub(crate) async fn connect<B>(address: SocketAddr) -> SendRequest<B>
where
    B: Body<Data: Send, Error: std::error::Error + Send + Sync + 'static> + Send + 'static,
{
    let stream = Place::here().connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}
