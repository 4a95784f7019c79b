//! A bucket of a service that speaks S3.
//!
//! Every object is put in one request that the service carries out only where none is (`If-None-Match: *`); a service that does
//! not know this is refused at the start. Objects are small enough for one request each, because parts of one that is put in several
//! cannot be guarded so.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use picket_shared::time::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use url::Position;

use super::sigv4::{Signer, Unsigned, encode, query_text};
use super::{Answer, Listed, MOST_LISTED, Put, Store, StoreError, check_name, too_many, xml};
use crate::config::S3Settings;
use crate::notify::client::Client;
use crate::ops::archive::object::MOST_STORED;

/// For one request, with all of an object.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of a page of a list: a thousand names.
const MOST_PAGE: usize = 4 << 20;
/// Of what is said of anything else.
const MOST_WORDS: usize = 64 << 10;
/// An object by which it is found out whether the service minds the condition.
const CONDITION: &str = "condition";
const AGENT: &str = concat!("Picket/", env!("CARGO_PKG_VERSION"));

/// A store in a bucket.
#[derive(Clone)]
pub struct S3 {
    client: Client,
    settings: S3Settings,
    signer: Signer,
    clock: Clock,
}

/// Without the keys.
impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3").field(&self.place()).finish()
    }
}

struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl S3 {
    /// The store in that bucket. Nothing is asked of it yet: whoever writes sees first that it is [`Store::ready`].
    pub fn new(client: Client, settings: S3Settings, clock: Clock) -> Self {
        let signer = Signer {
            access_key: settings.access_key.clone(),
            secret_key: settings.secret_key.clone(),
            region: settings.region.clone(),
        };
        Self { client, settings, signer, clock }
    }

    async fn ask(&self, method: &str, name: &str, query: &[(&str, &str)], body: Bytes) -> Result<Reply, StoreError> {
        let url = &self.settings.url;
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let front = url.path().trim_end_matches('/');
        let path = if name.is_empty() {
            format!("{front}/{}", encode(&self.settings.bucket, true))
        } else {
            format!("{front}/{}/{}", encode(&self.settings.bucket, true), encode(&self.key(name), true))
        };
        let mut headers = vec![("host", host)];
        if method == "PUT" {
            headers.push(("if-none-match", "*"));
        }
        let unsigned = Unsigned { method, path: &path, query, headers: &headers, body: &body };
        let signature = self.signer.sign(&unsigned, self.clock.now());
        let uri = if query.is_empty() { path } else { format!("{path}?{}", query_text(query)) };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(HOST, host)
            .header(USER_AGENT, AGENT)
            .header("x-amz-date", signature.date)
            .header("x-amz-content-sha256", signature.body_hash);
        if method == "PUT" {
            request = request.header(IF_NONE_MATCH, "*");
        }
        let mut authorization = HeaderValue::from_str(signature.authorization.expose())
            .map_err(|_| self.refused("its keys hold a character that cannot be sent: write them anew"))?;
        authorization.set_sensitive(true);
        let request = request.header(AUTHORIZATION, authorization).body(Full::new(body));
        let request = request.map_err(|error| self.refused(error.to_string()))?;
        let most = match (method, name.is_empty()) {
            ("GET", true) => MOST_PAGE,
            ("GET", false) => MOST_STORED,
            _ => MOST_WORDS,
        };
        let exchange = async {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            let port = url.port_or_known_default().unwrap_or(443);
            let stream = self.client.open(host, port).await.map_err(|error| self.failed(error.to_string()))?;
            if url.scheme() == "https" {
                let stream = self.client.wrap(stream, host).await.map_err(|error| self.failed(error.to_string()))?;
                self.exchange(stream, request, most).await
            } else {
                self.exchange(stream, request, most).await
            }
        };
        timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(self.failed("it did not answer in 120 s")))
    }

    /// Sends a request; of the answer's body `most` bytes are read, and more is an error.
    async fn exchange<S>(&self, stream: S, request: Request<Full<Bytes>>, most: usize) -> Result<Reply, StoreError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: hyper::Error| self.failed(format!("no answer that is HTTP: {error}"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let talk = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), most).collect().await;
            // All of it or nothing: half an object is none.
            let body = body.map_err(|error| self.failed(format!("its answer broke off: {error}")))?.to_bytes();
            Ok(Reply { status, body })
        };
        tokio::pin!(connection, talk);
        tokio::select! {
            reply = &mut talk => reply,
            ended = &mut connection => match ended {
                Ok(()) => talk.await,
                Err(error) => Err(failed(error)),
            },
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.settings.prefix)
    }

    fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::Failed { place: self.place(), why: why.into() }
    }

    fn refused(&self, why: impl Into<String>) -> StoreError {
        StoreError::Refused { place: self.place(), why: why.into() }
    }

    /// What an answer says that is no success.
    fn complaint(&self, reply: &Reply) -> StoreError {
        let code = code(reply).unwrap_or_else(|| "no code".to_owned());
        let why = format!("it answered {} ({code})", reply.status.as_u16());
        let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
        if reply.status.is_server_error() && reply.status != StatusCode::NOT_IMPLEMENTED
            || later.contains(&reply.status)
        {
            self.failed(why)
        } else {
            self.refused(format!("{why}: look at its keys, its bucket and its region"))
        }
    }
}

fn code(reply: &Reply) -> Option<String> {
    xml::code(std::str::from_utf8(&reply.body).ok()?).map(str::to_owned)
}

impl Store for S3 {
    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.put(CONDITION, Bytes::from_static(b"one")).await?;
            match self.put(CONDITION, Bytes::from_static(b"two")).await? {
                Put::Exists => Ok(()),
                Put::Stored => Err(self.refused(
                    "it replaces an object that is there although it is asked not to (If-None-Match): use a service that knows \
                     conditional writes",
                )),
            }
        })
    }

    fn put<'a>(&'a self, name: &'a str, object: Bytes) -> Answer<'a, Put> {
        Box::pin(async move {
            check_name(name)?;
            let reply = self.ask("PUT", name, &[], object).await?;
            match reply.status {
                StatusCode::OK => Ok(Put::Stored),
                StatusCode::PRECONDITION_FAILED => Ok(Put::Exists),
                _ => Err(self.complaint(&reply)),
            }
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            check_name(name)?;
            let reply = self.ask("GET", name, &[], Bytes::new()).await?;
            match reply.status {
                StatusCode::OK => Ok(Some(reply.body)),
                // Of this object, not of the bucket: that is gone is no empty archive.
                StatusCode::NOT_FOUND if code(&reply).as_deref() == Some("NoSuchKey") => Ok(None),
                _ => Err(self.complaint(&reply)),
            }
        })
    }

    fn list<'a>(&'a self, front: &'a str) -> Answer<'a, Vec<Listed>> {
        Box::pin(async move {
            let (prefix, mut found, mut token) = (self.key(front), Vec::new(), None::<String>);
            loop {
                let mut query = vec![("list-type", "2"), ("prefix", prefix.as_str())];
                if let Some(token) = &token {
                    query.insert(0, ("continuation-token", token));
                }
                let reply = self.ask("GET", "", &query, Bytes::new()).await?;
                if reply.status != StatusCode::OK {
                    return Err(self.complaint(&reply));
                }
                let page = xml::page(&String::from_utf8_lossy(&reply.body), &self.place())?;
                found.extend(page.listed.into_iter().filter_map(|listed| {
                    let name = listed.name.strip_prefix(&self.settings.prefix)?.to_owned();
                    check_name(&name).is_ok().then_some(Listed { name, ..listed })
                }));
                if found.len() > MOST_LISTED {
                    return Err(self.refused(too_many()));
                }
                match page.next {
                    Some(next) => token = Some(next),
                    None => break,
                }
            }
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            check_name(name)?;
            let reply = self.ask("DELETE", name, &[], Bytes::new()).await?;
            match reply.status {
                StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
                _ => Err(self.complaint(&reply)),
            }
        })
    }

    fn place(&self) -> String {
        format!(
            "{}/{}/{}",
            self.settings.url.as_str().trim_end_matches('/'),
            self.settings.bucket,
            self.settings.prefix
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    use http::Response;
    use hyper::service::service_fn;
    use picket_shared::egress::EgressGuard;
    use picket_shared::secret::SecretString;
    use tokio::net::TcpListener;

    use crate::config::Config;

    /// A store that answers every request by `body`.
    async fn answering(body: impl Fn() -> Bytes + Clone + Send + 'static) -> S3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let body = body.clone();
                tokio::spawn(async move {
                    let answer = service_fn(move |_| {
                        let body = body();
                        async { Ok::<_, Infallible>(Response::new(Full::new(body))) }
                    });
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        let config = Config::default();
        let secret = || SecretString::new("secret".to_owned());
        let settings = S3Settings {
            url: format!("http://{address}").parse().unwrap(),
            bucket: "bucket".to_owned(),
            region: "here".to_owned(),
            prefix: String::new(),
            access_key: secret(),
            secret_key: secret(),
        };
        let client = Client::new(config.mail, config.outbound, EgressGuard::default()).unwrap();
        S3::new(client, settings, Clock::system())
    }

    #[tokio::test]
    async fn a_store_that_answers_without_end_fills_no_memory() {
        let object = Bytes::from(vec![7; MOST_STORED + 1]);
        let error = answering(move || object.clone()).await.get("a").await.unwrap_err();
        assert!(error.to_string().contains("limit"), "{error}");
        let listed = "<Contents><Key>x</Key><Size>1</Size></Contents>".repeat(1000);
        let page = format!(
            "<ListBucketResult>{listed}<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
             </ListBucketResult>"
        );
        let error = answering(move || page.clone().into()).await.list("").await.unwrap_err();
        assert!(error.to_string().contains("no archive"), "{error}");
        assert!(answering(Bytes::new).await.ready().await.unwrap_err().to_string().contains("If-None-Match"));
        let words = Bytes::from(vec![b'x'; MOST_WORDS + 1]);
        assert!(answering(move || words.clone()).await.put("a", Bytes::new()).await.is_err());
    }
}
