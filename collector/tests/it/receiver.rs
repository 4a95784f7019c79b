//! A receiver of webhooks on a port of its own, which answers as it is told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it is signed with this secret, by the words of <https://www.standardwebhooks.com> and RFC 2104.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let mut signed = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&self.body);
        let expected = format!("v1,{}", BASE64_STANDARD.encode(hmac_sha256(&key(secret), &signed)));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

fn key(secret: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap()
}

/// HMAC built by hand, so that a fault of the library's use cannot hide in its own verification.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64, "longer keys are hashed first; Standard Webhooks has none");
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block.to_vec()
    };
    let inner = digest(&SHA256, &[pad(0x36), message.to_vec()].concat());
    digest(&SHA256, &[pad(0x5c), inner.as_ref().to_vec()].concat()).as_ref().to_vec()
}

#[derive(Clone, Debug)]
struct Dial {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// Answers 204 until told otherwise.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
}

struct Inside {
    calls: Mutex<Vec<Call>>,
    dial: Mutex<Dial>,
    /// Answers that may still be given; without one a request hangs.
    gate: Semaphore,
    arrived: Notify,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::new(Inside {
            calls: Mutex::default(),
            dial: Mutex::new(Dial { status: 204, headers: Vec::new(), body: Bytes::new() }),
            gate: Semaphore::new(1000),
            arrived: Notify::new(),
        });
        tokio::spawn(accept(listener, Arc::clone(&inside)));
        Self { address, inside }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn answers(&self, status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        *self.inside.dial.lock().unwrap() = Dial { status, headers, body: body.into() };
    }

    /// From now on requests wait for [`Receiver::lets_go`].
    pub(crate) fn hangs(&self) {
        self.inside.gate.forget_permits(usize::MAX);
    }

    pub(crate) fn lets_go(&self) {
        self.inside.gate.add_permits(1000);
    }

    /// Waits for a request whose end has come in.
    pub(crate) async fn arrived(&self) {
        self.inside.arrived.notified().await;
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inside.calls.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, inside: Arc<Inside>) {
    while let Ok((stream, _)) = listener.accept().await {
        let inside = Arc::clone(&inside);
        let service = hyper::service::service_fn(move |request| answer(Arc::clone(&inside), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(inside: Arc<Inside>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let path = head.uri.to_string();
    inside.calls.lock().unwrap().push(Call { method: head.method.to_string(), path, headers: head.headers, body });
    inside.arrived.notify_one();
    inside.gate.acquire().await.unwrap().forget();
    let dial = inside.dial.lock().unwrap().clone();
    let mut response = Response::builder().status(dial.status);
    for (name, value) in &dial.headers {
        response = response.header(*name, value);
    }
    Ok(response.body(Full::new(dial.body)).unwrap())
}

#[test]
fn the_signature_of_the_published_example_is_known_and_no_other() {
    let call = |signature: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap());
        headers.insert("webhook-timestamp", "1614265330".parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        let body = Bytes::from_static(br#"{"test": 2432232314}"#);
        Call { method: "POST".to_owned(), path: "/".to_owned(), headers, body }
    };
    let published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert!(call(published).is_signed_with(crate::telling::SECRET));
    assert!(!call(published).is_signed_with("whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert!(!call("v1,AAAA9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=").is_signed_with(crate::telling::SECRET));
}
