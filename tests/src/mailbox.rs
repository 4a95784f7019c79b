//! Who is told: an SMTP server with a mailbox, and a webhook's receiver.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::ca::Certificate;
use crate::net::Place;
use crate::process::Process;
use crate::wait;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// aiosmtpd with STARTTLS and a mailbox in files.
#[derive(Debug)]
pub struct Mailbox {
    /// Where it takes mail.
    pub address: SocketAddr,
    folder: PathBuf,
    process: Process,
}

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    /// All of it, headers included.
    pub text: String,
}

impl Mail {
    /// The value of the first header of that name, folded lines joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut lines = self
            .text
            .lines()
            .take_while(|line| !line.is_empty())
            .skip_while(|line| !line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name)));
        let mut value = lines.next()?.split_once(':')?.1.trim().to_owned();
        for more in lines.take_while(|line| line.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(more.trim());
        }
        Some(value)
    }
}

impl Mailbox {
    /// Starts the server in `place`.
    pub fn start(place: &Place, address: SocketAddr, folder: &Path, certificate: &Certificate) -> Self {
        let folder = folder.join("mail");
        let mut command = place.command("/usr/bin/python3");
        command.args(["-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox", "-l", &address.to_string()]);
        command.arg("--tlscert").arg(&certificate.file).arg("--tlskey").arg(&certificate.key).arg(&folder);
        let log = folder.with_extension("log");
        let process = Process::start("aiosmtpd", command, &log);
        wait::until("aiosmtpd", Duration::from_secs(20), || place.connect(address));
        Self { address, folder, process }
    }

    /// What arrived so far, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.folder.join("new")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
        files.iter().map(|path| Mail { text: fs::read_to_string(path).unwrap() }).collect()
    }

    /// The code in the newest mail that has one.
    pub fn code(&self) -> Option<String> {
        let code = |mail: &Mail| Some(mail.text.split_once("The code is ")?.1.chars().take(6).collect());
        self.mails().iter().rev().find_map(code)
    }

    /// Its own words, for when a test fails.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request's headers.
    pub headers: HeaderMap,
    /// The request's body.
    pub body: Bytes,
}

impl Call {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the request carries a Standard Webhooks signature made with `secret` (`whsec_...`).
    ///
    /// See <https://www.standardwebhooks.com>: `v1,` and the base64 form of HMAC-SHA256 over `id.timestamp.body`.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let key = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
        let mut signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        let expected = format!("v1,{}", BASE64_STANDARD.encode(tag));
        header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// A receiver of webhooks that answers with the status it was told to.
#[derive(Debug)]
pub struct Receiver {
    calls: Arc<Mutex<Vec<Call>>>,
    status: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Listens at `address` in `place`, and answers 204.
    pub fn start(place: &Place, address: SocketAddr) -> Self {
        let listener = place.listen(address);
        listener.set_nonblocking(true).unwrap();
        let (calls, status) = (Arc::<Mutex<Vec<Call>>>::default(), Arc::new(AtomicU16::new(204)));
        let task = RUNTIME.spawn(accept(listener, Arc::clone(&calls), Arc::clone(&status)));
        Self { calls, status, task }
    }

    /// Answers with `status` from now on.
    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The code in the newest request that has one.
    pub fn code(&self) -> Option<String> {
        let code = |call: &Call| Some(call.json().pointer("/data/code")?.as_str()?.to_owned());
        self.calls().iter().rev().find_map(code)
    }

    /// What came so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: std::net::TcpListener, calls: Arc<Mutex<Vec<Call>>>, status: Arc<AtomicU16>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let (calls, status) = (Arc::clone(&calls), Arc::clone(&status));
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (calls, status) = (Arc::clone(&calls), Arc::clone(&status));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                calls.lock().unwrap().push(Call { headers: head.headers, body });
                let answer = Response::builder().status(status.load(Ordering::Relaxed)).body(Full::new(Bytes::new()));
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;
    use std::io::{Read, Write};

    #[test]
    fn a_signature_is_that_of_the_standards_own_example() {
        // From the documentation of Standard Webhooks.
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap());
        headers.insert("webhook-timestamp", "1614265330".parse().unwrap());
        let signature = "v1,other v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        headers.insert("webhook-signature", signature.parse().unwrap());
        let call = Call { headers, body: Bytes::from_static(br#"{"test": 2432232314}"#) };
        assert!(call.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        assert!(!call.is_signed_with("whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    }

    #[test]
    fn a_header_is_read_with_its_folded_lines() {
        let mail = Mail { text: "To: a@b\nSubject: one\n two\n\nSubject: no\n".to_owned() };
        assert_eq!(mail.header("subject").as_deref(), Some("one two"));
        assert_eq!(mail.header("cc"), None);
    }

    #[test]
    fn a_mailbox_keeps_what_it_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Authority::new(folder.path()).good(&["127.77.255.5"]);
        let (place, address) = (Place::here(), "127.77.255.5:2525".parse().unwrap());
        let mailbox = Mailbox::start(&place, address, folder.path(), &certificate);
        assert_eq!(mailbox.mails().len(), 0);
        // Without STARTTLS nothing is taken.
        let mut stream = place.connect(address).unwrap();
        stream.write_all(b"EHLO a\r\nMAIL FROM:<a@b>\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains("STARTTLS") && said.contains("530 "), "{said}");
    }
}
