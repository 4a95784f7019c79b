//! One HTTP request and its answer over a connection that is open already, with the time of each phase.
//!
//! The connection is driven by the task that waits for the answer. When bytes left and came is noted where it
//! happens, at the stream itself.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use picket_shared::outcome::{Failure, FailureKind, Phases};
use picket_shared::time::Stopwatch;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::Deadline;

/// The most of a body that is read.
pub(super) const MAX_BODY: usize = 2 * 1024 * 1024;
const MAX_HEADERS: usize = 64 * 1024;
const MAX_HEADER_COUNT: usize = 256;

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether there was more of a body than is read.
    pub(super) cut: bool,
}

/// HTTP/1.1 or HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// Sends the request, reads the answer, and fills in the phases send, wait and receive as far as they were reached.
pub(super) async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    version: Version,
    deadline: Deadline,
    phases: &mut Phases,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let marks = Arc::new(Marks { watch: Stopwatch::start(), sent: AtomicU32::new(0), came: AtomicU32::new(0) });
    let io = TokioIo::new(Marked { stream, marks: Arc::clone(&marks) });
    let result = match version {
        Version::One => deadline.bound(over_http1(io, request)).await,
        Version::Two => deadline.bound(Box::pin(over_http2(io, request, &marks))).await,
    };
    marks.fill(phases);
    match result {
        Ok(answer) => answer.map_err(|error| failure_of(&error)),
        Err(_) => {
            let what = if phases.receive.is_some() { "the whole answer did not come" } else { "no answer came" };
            Err(Failure::new(FailureKind::HttpTimeout, format!("{what} in time")))
        }
    }
}

async fn over_http1<S>(io: TokioIo<Marked<S>>, request: Request<Full<Bytes>>) -> hyper::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADER_COUNT).max_header_size(MAX_HEADERS);
    let (mut sender, connection) = builder.handshake(io).await?;
    let talk = async { read(sender.send_request(request).await?).await };
    drive(pin!(talk), pin!(connection)).await
}

async fn over_http2<S>(io: TokioIo<Marked<S>>, request: Request<Full<Bytes>>, marks: &Marks) -> hyper::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_header_list_size(u32::try_from(MAX_HEADERS).unwrap_or(u32::MAX));
    let (mut sender, connection) = builder.handshake(io).await?;
    let talk = async {
        let response = sender.send_request(request).await?;
        // The server's settings come before its answer: the first byte on the wire is not the answer's.
        marks.came.store(marks.now(), Ordering::Relaxed);
        read(response).await
    };
    drive(pin!(talk), pin!(connection)).await
}

/// Polls the connection beside the talk over it, in this task.
async fn drive<T>(
    mut talk: Pin<&mut impl Future<Output = hyper::Result<T>>>,
    mut connection: Pin<&mut impl Future<Output = hyper::Result<()>>>,
) -> hyper::Result<T> {
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            said = &mut talk => return said,
            // What ended the connection is told to the talk, too.
            _ = &mut connection, if open => open = false,
        }
    }
}

async fn read(response: Response<Incoming>) -> hyper::Result<Answer> {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    let mut cut = false;
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = MAX_BODY - body.len();
        body.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            cut = true;
            break;
        }
    }
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, cut })
}

fn failure_of(error: &hyper::Error) -> Failure {
    if error.is_parse_too_large() {
        return Failure::new(FailureKind::HttpTooLarge, "the head of the answer is larger than 64 KiB");
    }
    let source = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
    let message = match source.and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset) => "the server cut the connection".to_owned(),
        _ if error.is_incomplete_message() => "the server closed the connection before its answer was whole".to_owned(),
        _ if error.is_parse() => "the answer is not HTTP".to_owned(),
        _ => source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    };
    Failure::new(FailureKind::HttpProtocol, message)
}

/// When bytes went and came, in microseconds since the exchange began, from 1; 0 is never.
struct Marks {
    watch: Stopwatch,
    sent: AtomicU32,
    came: AtomicU32,
}

impl Marks {
    fn now(&self) -> u32 {
        u32::try_from(self.watch.elapsed().as_micros()).unwrap_or(u32::MAX).max(1)
    }

    /// A phase that was reached and not finished counts up to now.
    fn fill(&self, phases: &mut Phases) {
        let now = self.now();
        let (sent, came) = (self.sent.load(Ordering::Relaxed), self.came.load(Ordering::Relaxed));
        if sent == 0 {
            phases.send = Some(now);
            return;
        }
        phases.send = Some(sent);
        if came == 0 {
            phases.wait = Some(now.saturating_sub(sent));
        } else {
            phases.wait = Some(came.saturating_sub(sent));
            phases.receive = Some(now.saturating_sub(came));
        }
    }
}

/// A stream that notes when its last byte went before the first one came.
struct Marked<S> {
    stream: S,
    marks: Arc<Marks>,
}

impl<S> Marked<S> {
    fn wrote(&self) {
        if self.marks.came.load(Ordering::Relaxed) == 0 {
            self.marks.sent.store(self.marks.now(), Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Marked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before && self.marks.came.load(Ordering::Relaxed) == 0 {
            self.marks.came.store(self.marks.now(), Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Marked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(polled, Poll::Ready(Ok(_))) {
            self.wrote();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// The stream is dropped, and thereby closed, as soon as the talk over it is done: no farewell is needed before.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
