//! The http kind: one request, its redirects followed by hand, and what the answer must be.
//!
//! Every hop goes the whole way: read the URL, look up, judge, connect, shake hands. What a tenant gave as a secret (credentials,
//! cookies, headers, body) goes to the origin it was given for, and to no other: once a redirect has left it,
//! nothing of it is sent again.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use picket_shared::check::{HttpAuth, HttpSpec};
use picket_shared::egress::Target;
use picket_shared::outcome::{Certificate, Failure, FailureKind, Hop, Phases};
use url::{Origin, Url};

use super::deadline::Deadline;
use super::exchange::{Answer, MAX_BODY, Version, exchange};
use super::reach::{Trail, reach};
use super::trust::{Ask, Offer};
use super::{Env, Found, unsupported};

/// How much of a body at fault is kept as evidence, in characters.
const EXCERPT: usize = 500;

/// Asks the target and judges its answer.
pub(super) async fn run(spec: &HttpSpec, env: &Env, deadline: Deadline) -> Found {
    let mut journey = Journey::default();
    let trail = Trail::start();
    let result = follow(spec, env, deadline, &mut journey).await;
    let result = result.map_err(|failure| flagged(failure, spec, &journey));
    let summed = Trail { phases: journey.phases, address: journey.address, ..trail };
    // One hop is the outcome itself; records are for redirects.
    let hops = if journey.hops.len() > 1 { journey.hops } else { Vec::new() };
    let found =
        Found { code: journey.code, hops, certificate: journey.certificate, ..Found::from_trail(summed, Ok(())) };
    match result {
        Ok(()) => found,
        Err(failure) => found.failed(failure),
    }
}

/// What was seen on the way.
#[derive(Default)]
struct Journey {
    hops: Vec<Hop>,
    phases: Phases,
    address: Option<std::net::IpAddr>,
    code: Option<u16>,
    certificate: Option<Certificate>,
    /// A redirect led from https to http.
    downgraded: bool,
}

/// What the next hop sends.
struct Next {
    target: Arc<Target>,
    method: Method,
    /// Whether this is still the origin that the tenant's secrets are for.
    at_home: bool,
    with_body: bool,
}

async fn follow(spec: &HttpSpec, env: &Env, deadline: Deadline, journey: &mut Journey) -> Result<(), Failure> {
    let target = env.targets.read(&spec.url).map_err(|error| unsupported(error.to_string()))?;
    let method = Method::from_bytes(spec.method.as_bytes()).map_err(|_| unsupported("the method cannot be sent"))?;
    let home = target.url.origin();
    let mut next = Next { target, method, at_home: true, with_body: spec.body.is_some() };
    let mut redirects = 0;
    loop {
        let answer = hop(spec, env, deadline, &next, journey).await?;
        if !is_redirect(&answer) || spec.max_redirects == 0 {
            return judge(spec, &answer);
        }
        if redirects == spec.max_redirects {
            let message = format!("the server redirects more than {redirects} times");
            return Err(Failure::new(FailureKind::HttpTooManyRedirects, message)
                .seen("location", &location(&answer).unwrap_or_default()));
        }
        redirects += 1;
        next = redirected(next, &answer, &home)?;
        journey.downgraded |= spec.url.starts_with("https:") && !next.target.is_https();
    }
}

/// One request: the whole way from the URL to the answer, and its record.
async fn hop(
    spec: &HttpSpec,
    env: &Env,
    deadline: Deadline,
    next: &Next,
    journey: &mut Journey,
) -> Result<Answer, Failure> {
    let mut trail = Trail::start();
    let answer = ask(spec, env, deadline, next, &mut trail, &mut journey.certificate).await;
    let code = answer.as_ref().ok().map(|answer| answer.status);
    journey.phases = journey.phases.plus(&trail.phases);
    journey.address = trail.address;
    journey.code = code.or(journey.code);
    journey.hops.push(Hop { url: bare(&next.target.url), address: trail.address, code, phases: trail.phases });
    answer
}

async fn ask(
    spec: &HttpSpec,
    env: &Env,
    deadline: Deadline,
    next: &Next,
    trail: &mut Trail,
    certificate: &mut Option<Certificate>,
) -> Result<Answer, Failure> {
    let target = &next.target;
    let stream = reach(&target.host, target.port, env, deadline, trail).await?;
    if !target.is_https() {
        let request = request(spec, env, next, Version::One)?;
        return exchange(stream, request, Version::One, deadline, &mut trail.phases).await;
    }
    let offer = if spec.http2 { Offer::Http2 } else { Offer::Http1 };
    let ask = Ask { name: &target.host, offer, verify: spec.verify, extra_ca: spec.extra_ca.as_deref() };
    let handshake = Box::pin(env.roots.handshake(stream, &ask, deadline)).await;
    trail.phases.tls = Some(trail.watch.lap_us());
    *certificate = handshake.certificate;
    let stream = handshake.stream?;
    let version = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Version::Two } else { Version::One };
    let request = request(spec, env, next, version)?;
    Box::pin(exchange(stream, request, version, deadline, &mut trail.phases)).await
}

fn request(spec: &HttpSpec, env: &Env, next: &Next, version: Version) -> Result<Request<Full<Bytes>>, Failure> {
    let url = &next.target.url;
    let mut headers = HeaderMap::with_capacity(6 + spec.headers.len());
    let put = |headers: &mut HeaderMap, name: HeaderName, value: &str, secret: bool| {
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| unsupported(format!("the header {name} cannot be sent")))?;
        value.set_sensitive(secret);
        headers.insert(name, value);
        Ok::<(), Failure>(())
    };
    put(&mut headers, HOST, &authority(url), false)?;
    put(&mut headers, USER_AGENT, &env.user_agent, false)?;
    put(&mut headers, ACCEPT, "*/*", false)?;
    if next.at_home {
        let own = |name: &str| {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| unsupported(format!("the header {name:?} cannot be sent")))
        };
        for (name, value) in &spec.headers {
            put(&mut headers, own(name)?, value, true)?;
        }
        match &spec.auth {
            Some(HttpAuth::Basic { user, password }) => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
                put(&mut headers, AUTHORIZATION, &format!("Basic {pair}"), true)?;
            }
            Some(HttpAuth::Bearer { token }) => {
                put(&mut headers, AUTHORIZATION, &format!("Bearer {}", token.expose()), true)?;
            }
            None => {}
        }
    }
    // The length is that of the body that is sent, whatever a custom header says.
    headers.remove(CONTENT_LENGTH);
    let body = spec.body.as_ref().filter(|_| next.with_body).map_or_else(Bytes::new, |body| Bytes::from(body.clone()));
    let uri = match version {
        Version::One => url[url::Position::BeforePath..url::Position::AfterQuery].parse::<Uri>(),
        Version::Two => {
            let host = headers.remove(HOST).and_then(|host| host.to_str().map(str::to_owned).ok());
            let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
            format!("https://{}{path}", host.unwrap_or_else(|| authority(url))).parse()
        }
    };
    let uri = uri.map_err(|_| unsupported("the URL cannot be sent"))?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = next.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

fn authority(url: &Url) -> String {
    url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}

fn is_redirect(answer: &Answer) -> bool {
    matches!(answer.status, 301 | 302 | 303 | 307 | 308) && answer.headers.contains_key(LOCATION)
}

fn location(answer: &Answer) -> Option<String> {
    answer.headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Where a redirect leads, and what goes there.
fn redirected(before: Next, answer: &Answer, home: &Origin) -> Result<Next, Failure> {
    let location = location(answer).unwrap_or_default();
    let bad = |why: String| Failure::new(FailureKind::HttpBadRedirect, why).seen("location", &location);
    let url = before.target.url.join(&location).map_err(|_| bad("the redirect's location is not a URL".to_owned()))?;
    let target = Target::from_url(url).map_err(|error| bad(format!("the redirect cannot be followed: {error}")))?;
    let target = Arc::new(target);
    let at_home = before.at_home && target.url.origin() == *home;
    let becomes_get = match answer.status {
        303 => before.method != Method::HEAD,
        301 | 302 => before.method == Method::POST,
        _ => false,
    };
    let with_body = before.with_body && !becomes_get;
    if with_body && !at_home {
        return Err(bad("the redirect would send the request's body to another origin".to_owned()));
    }
    let method = if becomes_get { Method::GET } else { before.method };
    Ok(Next { target, method, at_home, with_body })
}

fn judge(spec: &HttpSpec, answer: &Answer) -> Result<(), Failure> {
    if !spec.accepts(answer.status) {
        let message = format!("the server answered with status {}", answer.status);
        return Err(seen(Failure::new(FailureKind::HttpStatus, message), answer));
    }
    if spec.contains.is_empty() && spec.must_not_contain.is_empty() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body);
    let lacks = spec.contains.iter().find(|text| !body.contains(text.as_str()));
    let forbidden = spec.must_not_contain.iter().find(|text| body.contains(text.as_str()));
    match (lacks, forbidden) {
        (_, Some(text)) => {
            let failure =
                Failure::new(FailureKind::HttpTextForbidden, format!("the body holds {text:?}, which it must not"));
            Err(seen(failure, answer))
        }
        (lacks, None) if answer.cut && (lacks.is_some() || !spec.must_not_contain.is_empty()) => {
            let message =
                format!("the body is larger than the {} MiB that are searched for texts", MAX_BODY / 1024 / 1024);
            Err(Failure::new(FailureKind::HttpTooLarge, message))
        }
        (Some(text), None) => {
            let failure = Failure::new(FailureKind::HttpTextMissing, format!("the body does not hold {text:?}"));
            Err(seen(failure, answer))
        }
        (None, None) => Ok(()),
    }
}

/// With the status, what the body is said to be, and how it begins.
fn seen(failure: Failure, answer: &Answer) -> Failure {
    let start = String::from_utf8_lossy(&answer.body[..answer.body.len().min(4 * EXCERPT)]).into_owned();
    let excerpt: String = start.chars().take(EXCERPT).collect();
    let mut failure = failure.seen("status", &answer.status.to_string());
    for name in [http::header::CONTENT_TYPE, http::header::SERVER, http::header::RETRY_AFTER] {
        if let Some(value) = answer.headers.get(&name).and_then(|value| value.to_str().ok()) {
            failure.evidence.add(name.as_str(), value);
        }
    }
    if !excerpt.trim().is_empty() {
        failure.evidence.add("body", excerpt.trim());
    }
    failure
}

/// What must be said beside any failure: that nothing was verified, or that a redirect gave up TLS.
fn flagged(mut failure: Failure, spec: &HttpSpec, journey: &Journey) -> Failure {
    if failure.kind == FailureKind::BlockedByPolicy {
        return failure;
    }
    if !spec.verify.is_on() {
        failure.evidence.add("verify", "off: the certificate was not verified");
    }
    if journey.downgraded {
        failure.evidence.add("redirect", "led from https to http");
    }
    failure
}

/// The URL as it may be kept: without query and fragment, which may hold secrets.
fn bare(url: &Url) -> String {
    url[..url::Position::AfterPath].to_owned()
}
