//! Speaks the probe protocol by hand, so that a test can send what no probe of ours would.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use picket_shared::batch::{Batch, Report};
use picket_shared::daykeys::{self, DayKeyGrant, KeyId};
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{BatchId, BootId};
use picket_shared::outcome::Outcome;
use picket_shared::signing::{self, BatchClaims, RequestClaims, body_hash};
use picket_shared::time::{Clock, Timestamp};
use picket_shared::wire;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::Recorded;
use crate::net::Place;

/// A probe in the hands of a test.
#[derive(Debug)]
pub struct Forger {
    /// Who it is.
    pub token: EnrolmentToken,
    /// Its start.
    pub boot: BootId,
    /// The day keys it was granted.
    pub grants: Vec<DayKeyGrant>,
    address: SocketAddr,
}

/// What the collector answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The head as it came, in lower case.
    pub head: String,
    /// The body as JSON; null if it is none.
    pub body: Value,
    /// How many bytes of the request's body were sent before the answer came.
    pub sent: u64,
}

impl Answer {
    /// Status and code of a refusal, to be compared with what is documented.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }
}

/// The collector's time.
pub fn now() -> Timestamp {
    Clock::system().now()
}

impl Forger {
    /// Says hello as a probe does, and keeps the keys that it is granted.
    #[track_caller]
    pub fn enrol(address: SocketAddr, token: &str) -> Self {
        let mut forger = Self { token: token.parse().unwrap(), boot: BootId::at(now()), grants: Vec::new(), address };
        let hello = json!({ "boot": forger.boot, "version": "0.1.0", "kinds": ["http", "dns", "tls", "tcp"] });
        let answer = forger.request("POST", wire::HELLO_PATH, &compress(&serde_json::to_vec(&hello).unwrap()));
        assert_eq!(answer.status, 200, "hello: {answer:?}");
        forger.grants = serde_json::from_value(answer.body["keys"]["keys"].clone()).unwrap();
        forger
    }

    /// The claims of a request that a probe would make.
    pub fn request_claims(&self, method: &str, path: &str, body: &[u8]) -> RequestClaims {
        let seconds = now().seconds();
        RequestClaims {
            iss: self.token.probe,
            sub: self.token.probe,
            aud: self.token.collector,
            iat: seconds,
            nbf: seconds,
            exp: seconds + 60,
            jti: Uuid::new_v4(),
            boot: self.boot,
            method: method.to_owned(),
            path: path.to_owned(),
            bh: body_hash(body),
        }
    }

    /// Signs the claims of a request as the probe does.
    pub fn sign_request(&self, claims: &RequestClaims) -> String {
        let key = daykeys::request_key(&self.token.secret, self.token.probe).unwrap();
        signing::sign(claims, KeyId { probe: self.token.probe, day: None }, &key).unwrap()
    }

    /// Makes a good request.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let plain = path.split('?').next().unwrap();
        let token = self.sign_request(&self.request_claims(method, plain, body));
        self.send(method, path, Some(&token), body)
    }

    /// The claims of a batch with a new id, for this body.
    pub fn batch_claims(&self, body: &[u8]) -> BatchClaims {
        let (time, probe) = (now(), self.token.probe);
        BatchClaims {
            iss: probe,
            sub: probe,
            aud: self.token.collector,
            iat: time.seconds(),
            nbf: time.seconds(),
            exp: time.seconds() + 3600,
            jti: BatchId::at(time),
            boot: self.boot,
            seq: 1,
            bh: body_hash(body),
        }
    }

    /// Which of its keys the probe signs batches with now.
    pub fn batch_key(&self) -> KeyId {
        let grant = daykeys::current(&self.grants, now()).unwrap();
        KeyId { probe: self.token.probe, day: Some(grant.number) }
    }

    /// Signs the claims of a batch with this probe's own day key, under any key id.
    pub fn sign_batch_as(&self, claims: &BatchClaims, kid: KeyId) -> String {
        let grant = daykeys::current(&self.grants, now()).unwrap();
        let key = daykeys::day_key(&self.token.secret, self.token.probe, grant).unwrap();
        signing::sign(claims, kid, &key).unwrap()
    }

    /// Signs the claims of a batch as the probe does.
    pub fn sign_batch(&self, claims: &BatchClaims) -> String {
        self.sign_batch_as(claims, self.batch_key())
    }

    /// Sends a batch.
    #[track_caller]
    pub fn send_batch(&self, token: &str, body: &[u8]) -> Answer {
        self.send("POST", wire::BATCHES_PATH, Some(token), body)
    }

    /// The body of a batch with these outcomes, as sent.
    pub fn batch_body(outcomes: Vec<Outcome>) -> Vec<u8> {
        let batch = Batch { from: None, through: now(), outcomes, missed: Vec::new(), report: Report::default() };
        compress(&serde_json::to_vec(&batch).unwrap())
    }

    /// Sends a request with any token and any body.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Answer {
        let head = self.head(method, path, token, &format!("content-length: {}\r\n", body.len()));
        self.exchange(&head, &mut body.chunks(64 * 1024))
    }

    /// Sends `count` pieces of 64 KiB, with their length in the head or in chunks, until the collector answers.
    #[track_caller]
    pub fn send_endless(&self, token: &str, count: u64, chunked: bool) -> Answer {
        const PIECE: usize = 64 * 1024;
        let (length, piece) = if chunked {
            let mut piece = format!("{PIECE:x}\r\n").into_bytes();
            piece.extend(std::iter::repeat_n(b'x', PIECE));
            piece.extend(b"\r\n");
            ("transfer-encoding: chunked\r\n".to_owned(), piece)
        } else {
            (format!("content-length: {}\r\n", count * PIECE as u64), vec![b'x'; PIECE])
        };
        let head = self.head("POST", wire::BATCHES_PATH, Some(token), &length);
        self.exchange(&head, &mut (0..count).map(|_| piece.as_slice()))
    }

    fn head(&self, method: &str, path: &str, token: Option<&str>, length: &str) -> String {
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{}: {}\r\ncontent-type: application/json\r\n\
             content-encoding: zstd\r\nconnection: close\r\n{token}{length}\r\n",
            self.address,
            wire::PROTOCOL_HEADER,
            wire::PROTOCOL,
        )
    }

    #[track_caller]
    fn exchange(&self, head: &str, body: &mut dyn Iterator<Item = &[u8]>) -> Answer {
        exchange(self.address, head, body)
    }
}

/// Sends a request with the headers of a recorded one.
#[track_caller]
pub fn send_as_recorded(address: SocketAddr, recorded: &Recorded, token: &str, body: &[u8]) -> Answer {
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {address}\r\n", recorded.method, recorded.path);
    for (name, value) in &recorded.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = body.len();
    head.push_str(&format!("connection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"));
    exchange(address, &head, &mut body.chunks(64 * 1024))
}

#[track_caller]
fn exchange(address: SocketAddr, head: &str, body: &mut dyn Iterator<Item = &[u8]>) -> Answer {
    let mut stream = Place::here().connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut sent = 0;
    for piece in body {
        if answer_waits(&stream) || stream.write_all(piece).is_err() {
            break;
        }
        sent += piece.len() as u64;
    }
    let mut bytes = Vec::new();
    let mut part = [0; 16 * 1024];
    // A collector that refuses early closes while we send: what it said before that counts.
    while let Ok(length @ 1..) = stream.read(&mut part) {
        bytes.extend_from_slice(&part[..length]);
    }
    parse(&bytes, sent)
}

fn answer_waits(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let waits = match stream.peek(&mut [0]) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    stream.set_nonblocking(false).unwrap();
    waits
}

#[track_caller]
fn parse(bytes: &[u8], sent: u64) -> Answer {
    let bytes = decoded(bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer, after {sent} bytes: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let json = body.find(['{', '[']).map(|start| &body[start..]).unwrap_or_default();
    let body = serde_json::Deserializer::from_str(json).into_iter().next().and_then(Result::ok).unwrap_or_default();
    Answer { status, head: head.to_ascii_lowercase(), body, sent }
}

/// An answer whose body is not compressed any more.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let (head, body) = bytes.split_at(end);
    if !String::from_utf8_lossy(head).to_ascii_lowercase().contains("content-encoding: zstd") {
        return bytes.to_vec();
    }
    // Where it comes in chunks, the frame begins after the first one's length.
    let start = body.windows(4).position(|four| four == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    let mut plain = Vec::new();
    let mut frame = zstd::Decoder::new(&body[start..]).unwrap().single_frame();
    frame.read_to_end(&mut plain).unwrap();
    [head, &plain].concat()
}

/// A body in zstd, as every body of the protocol is.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}
