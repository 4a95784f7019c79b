use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use picket_shared::check::{DnsSpec, HttpAuth, HttpSpec, RecordType, TcpSpec, TlsSpec, Verify};
use picket_shared::secret::Secret;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;

fn env(allow: &[&str]) -> Env {
    let guard = EgressGuard::new(allow.iter().map(|net| net.parse().unwrap()).collect());
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    Env::new(guard, Resolver::with_servers(&[nowhere]).unwrap(), &[], "Picket/test").unwrap()
}

fn local() -> Env {
    env(&["127.0.0.0/8", "::1/128"])
}

async fn check(spec: CheckSpec, env: &Env) -> Found {
    run(&spec, env, Duration::from_secs(5)).await
}

async fn get(url: &str, env: &Env) -> Found {
    check(CheckSpec::Http(HttpSpec::get(url)), env).await
}

fn kind(found: &Found) -> Option<FailureKind> {
    found.failure.as_ref().map(|failure| failure.kind)
}

/// A web server that answers every request by `answer(path)`, and tells what it was sent.
async fn web(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 8192];
            let size = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..size]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
            let _ = tell.send(head);
            let _ = stream.write_all(answer(&path).as_bytes()).await;
        }
    });
    (address, told)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn an_answer_is_up_with_every_phase_that_plain_http_has() {
    let (address, mut told) = web(|_| ok("hello")).await;
    let found = get(&format!("http://{address}/a?b#c"), &local()).await;
    assert_eq!((found.status, found.code, found.address), (Status::Up, Some(200), Some(address.ip())), "{found:?}");
    let reached: Vec<bool> = found.phases.in_order().iter().map(|(_, time)| time.is_some()).collect();
    assert_eq!(reached, [false, true, false, true, true, true], "{:?}", found.phases);
    assert!(found.hops.is_empty() && found.failure.is_none());
    let sent = told.recv().await.unwrap();
    assert!(sent.starts_with("GET /a?b HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("host: {address}\r\n")) && sent.contains("user-agent: Picket/test\r\n"), "{sent}");
}

#[tokio::test]
async fn texts_and_statuses_are_judged() {
    let (address, _told) =
        web(
            |path| {
                if path == "/gone" {
                    "HTTP/1.1 410 Gone\r\nContent-Length: 3\r\n\r\nbye".to_owned()
                } else {
                    ok("hello")
                }
            },
        )
        .await;
    let gone = get(&format!("http://{address}/gone"), &local()).await;
    assert_eq!((kind(&gone), gone.code), (Some(FailureKind::HttpStatus), Some(410)));
    assert_eq!(gone.failure.as_ref().and_then(|failure| failure.evidence.get("body")), Some("bye"));
    let mut spec = HttpSpec::get(format!("http://{address}/"));
    spec.contains = vec!["hell".to_owned()];
    assert_eq!(check(CheckSpec::Http(spec.clone()), &local()).await.status, Status::Up);
    spec.contains.push("heaven".to_owned());
    assert_eq!(kind(&check(CheckSpec::Http(spec.clone()), &local()).await), Some(FailureKind::HttpTextMissing));
    spec.must_not_contain = vec!["hell".to_owned()];
    assert_eq!(kind(&check(CheckSpec::Http(spec), &local()).await), Some(FailureKind::HttpTextForbidden));
}

#[tokio::test]
async fn secrets_stay_with_the_origin_they_were_given_for() {
    let (other, mut told_other) = web(|_| ok("there")).await;
    let away = format!("http://{other}/");
    let (home, mut told_home) = web(move |path| moved(if path == "/" { "/on" } else { &away })).await;
    let mut spec = HttpSpec::get(format!("http://{home}/"));
    spec.headers = vec![("X-Key".to_owned(), "canary".to_owned()), ("Cookie".to_owned(), "canary=1".to_owned())];
    spec.auth = Some(HttpAuth::Bearer { token: Secret::new("canary".to_owned()) });
    let found = check(CheckSpec::Http(spec), &local()).await;
    assert_eq!((found.status, found.hops.len()), (Status::Up, 3), "{found:?}");
    for _ in 0..2 {
        let sent = told_home.recv().await.unwrap();
        assert_eq!(sent.matches("canary").count(), 3, "{sent}");
    }
    let sent = told_other.recv().await.unwrap();
    assert!(!sent.contains("canary") && sent.contains("user-agent"), "{sent}");
    assert!(!format!("{found:?}").contains("canary"));
}

#[tokio::test]
async fn a_redirect_to_a_denied_address_reaches_nobody_and_tells_nothing() {
    let canary = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    for to in ["//[::ffff:127.0.0.2]", "http://127.0.0.2", "http://0x7f.2", "http://2130706434", "http://[::127.0.0.2]"]
    {
        let to = format!("{to}:{port}/");
        let (address, _told) = web(move |_| moved(&to)).await;
        let found = get(&format!("http://{address}/"), &env(&["127.0.0.1/32"])).await;
        let nothing =
            Found { failure: Some(blocked()), status: Status::Unmeasured, ..Found::from_trail(Trail::start(), Ok(())) };
        assert_eq!(found, Found { total_us: 0, ..nothing });
    }
    let silence = tokio::time::timeout(Duration::from_millis(100), canary.accept()).await;
    assert!(silence.is_err(), "the canary was contacted");
}

#[tokio::test]
async fn endless_redirects_and_broken_ones_fail_by_name() {
    let (address, _told) = web(|_| moved("/again")).await;
    let found = get(&format!("http://{address}/"), &local()).await;
    assert_eq!((kind(&found), found.hops.len()), (Some(FailureKind::HttpTooManyRedirects), 11));
    let (address, _told) = web(|_| moved("ftp://example.org/")).await;
    assert_eq!(kind(&get(&format!("http://{address}/"), &local()).await), Some(FailureKind::HttpBadRedirect));
}

#[tokio::test]
async fn what_is_not_http_and_what_never_answers_fail_by_name() {
    let (address, _told) = web(|_| "SSH-2.0-OpenSSH\r\n\r\n".to_owned()).await;
    assert_eq!(kind(&get(&format!("http://{address}/"), &local()).await), Some(FailureKind::HttpProtocol));
    let (address, _told) = web(|_| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000))).await;
    assert_eq!(kind(&get(&format!("http://{address}/"), &local()).await), Some(FailureKind::HttpTooLarge));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = CheckSpec::Http(HttpSpec::get(format!("http://{}/", silent.local_addr().unwrap())));
    let found = run(&spec, &local(), Duration::from_millis(150)).await;
    assert_eq!(kind(&found), Some(FailureKind::HttpTimeout));
    assert!(found.phases.wait.is_some() && found.phases.receive.is_none(), "{:?}", found.phases);
}

#[tokio::test]
async fn a_port_without_listener_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let found = check(CheckSpec::Tcp(TcpSpec { host: "127.0.0.1".to_owned(), port }), &local()).await;
    assert_eq!((kind(&found), found.status), (Some(FailureKind::ConnectRefused), Status::Down));
    assert!(found.phases.connect.is_some() && found.address.is_some());
}

#[tokio::test]
async fn a_fault_of_the_own_resolver_is_unmeasured() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut env = local();
    env.resolver = Resolver::with_servers(&[silent.local_addr().unwrap()]).unwrap();
    let found = run(&CheckSpec::Http(HttpSpec::get("http://example.org/")), &env, Duration::from_millis(200)).await;
    assert_eq!((kind(&found), found.status), (Some(FailureKind::ProbeFault), Status::Unmeasured));
}

/// A name server that answers every question with this code.
async fn name_server(code: ResponseCode) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (size, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut answer = Message::from_vec(&buffer[..size]).unwrap();
            answer.metadata.message_type = MessageType::Response;
            answer.metadata.response_code = code;
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

async fn ask(server: SocketAddr, env: &Env) -> Found {
    let mut spec = DnsSpec::ask("example.org", RecordType::A);
    spec.server = Some(server.ip().to_string());
    spec.port = server.port();
    run(&CheckSpec::Dns(spec), env, Duration::from_secs(1)).await
}

#[tokio::test]
async fn each_way_a_name_server_fails_has_its_kind() {
    for (code, expected) in [
        (ResponseCode::NXDomain, FailureKind::DnsNxdomain),
        (ResponseCode::ServFail, FailureKind::DnsServfail),
        (ResponseCode::Refused, FailureKind::DnsRefused),
        (ResponseCode::NoError, FailureKind::DnsNoData),
        (ResponseCode::NotImp, FailureKind::DnsError),
    ] {
        let found = ask(name_server(code).await, &local()).await;
        assert_eq!((kind(&found), found.code), (Some(expected), Some(code.into())), "{found:?}");
    }
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(kind(&ask(silent.local_addr().unwrap(), &local()).await), Some(FailureKind::DnsTimeout));
    let denied = ask(silent.local_addr().unwrap(), &env(&[])).await;
    assert_eq!((kind(&denied), denied.status), (Some(FailureKind::BlockedByPolicy), Status::Unmeasured));
}

struct Authority(Issuer<'static, KeyPair>, CertificateDer<'static>);

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let der = params.self_signed(&key).unwrap().der().clone();
    Authority(Issuer::new(params, key), der)
}

/// A TLS server with a certificate made by `shape`, signed by the authority, or by itself.
async fn tls_server(
    authority: Option<&Authority>,
    shape: impl FnOnce(&mut CertificateParams),
) -> (u16, Arc<AtomicUsize>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    shape(&mut params);
    let leaf = match authority {
        Some(authority) => params.signed_by(&key, &authority.0).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shaken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&shaken);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if acceptor.accept(stream).await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (port, shaken)
}

async fn shake(authority: &Authority, port: u16, verify: Verify) -> Found {
    let guard = EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    let env = Env::new(guard, local().resolver, std::slice::from_ref(&authority.1), "Picket/test").unwrap();
    let mut spec = TlsSpec::connect("localhost", port);
    spec.verify = verify;
    check(CheckSpec::Tls(spec), &env).await
}

#[tokio::test]
async fn each_certificate_at_fault_has_its_kind_and_is_shown() {
    let trusted = authority("Trial authority");
    let (stranger, namesake) = (authority("Stranger"), authority("Trial authority"));
    let good = tls_server(Some(&trusted), |_| {}).await.0;
    let found = shake(&trusted, good, Verify::On).await;
    assert_eq!(found.status, Status::Up, "{found:?}");
    assert!(found.phases.tls.is_some());
    let certificate = found.certificate.unwrap();
    assert_eq!((certificate.subject.as_str(), certificate.chain.len()), ("CN=localhost", 1));
    assert_eq!(certificate.names, ["localhost"]);

    let expired = tls_server(Some(&trusted), |it| it.not_after = date_time_ymd(2020, 1, 1)).await.0;
    let early = tls_server(Some(&trusted), |it| it.not_before = date_time_ymd(2900, 1, 1)).await.0;
    let other = tls_server(Some(&trusted), |it| {
        it.subject_alt_names = CertificateParams::new(vec!["example.com".to_owned()]).unwrap().subject_alt_names;
    });
    let other = other.await.0;
    let own = tls_server(None, |_| {}).await.0;
    let unknown = tls_server(Some(&stranger), |_| {}).await.0;
    let impostor = tls_server(Some(&namesake), |_| {}).await.0;
    for (port, expected) in [
        (expired, FailureKind::CertificateExpired),
        (early, FailureKind::CertificateNotYetValid),
        (other, FailureKind::CertificateWrongName),
        (own, FailureKind::CertificateSelfSigned),
        (unknown, FailureKind::CertificateUntrusted),
        (impostor, FailureKind::CertificateUntrusted),
    ] {
        let found = shake(&trusted, port, Verify::On).await;
        assert_eq!((kind(&found), found.status), (Some(expected), Status::Down), "{found:?}");
        let evidence = found.failure.unwrap().evidence;
        assert!(evidence.get("not_after").is_some() && evidence.get("issuer").is_some(), "{evidence:?}");
        assert!(found.certificate.is_some_and(|certificate| !certificate.chain.is_empty()));
    }
    assert_eq!(shake(&trusted, own, Verify::Off).await.status, Status::Up);
}

/// Shows the chain of a server, and has another key.
async fn impostor(chain: Vec<CertificateDer<'static>>) -> u16 {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KeyPair::generate().unwrap().serialize_der()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let shown = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain, key));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            assert!(acceptor.accept(stream).await.is_err(), "nobody may believe an impostor");
        }
    });
    port
}

#[tokio::test]
async fn a_chain_that_was_verified_helps_nobody_without_its_key_and_under_no_other_roots() {
    let trusted = authority("Trial authority");
    let port = tls_server(Some(&trusted), |_| {}).await.0;
    let ours = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(&trusted.1));
    let env = local();
    let shake = async |port: u16, extra_ca: Option<&String>| {
        let mut spec = TlsSpec::connect("localhost", port);
        spec.extra_ca = extra_ca.cloned();
        check(CheckSpec::Tls(spec), &env).await
    };
    let first = shake(port, Some(&ours)).await;
    assert_eq!(first.status, Status::Up, "{first:?}");
    let again = shake(port, Some(&ours)).await;
    assert_eq!((again.status, &again.certificate), (Status::Up, &first.certificate), "the facts are the same");
    let elsewhere = shake(port, None).await;
    assert_eq!(kind(&elsewhere), Some(FailureKind::CertificateUntrusted), "{elsewhere:?}");
    let chain = first.certificate.unwrap().chain.iter().map(|it| STANDARD.decode(it).unwrap().into()).collect();
    let found = shake(impostor(chain).await, Some(&ours)).await;
    assert_eq!(found.status, Status::Down, "{found:?}");
    assert!(matches!(kind(&found), Some(FailureKind::CertificateUntrusted | FailureKind::TlsHandshake)), "{found:?}");
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_degraded() {
    let trusted = authority("Trial authority");
    let in_days = |days: i64| {
        date_time_ymd(1970, 1, 1)
            + Duration::from_micros(local().roots.now().micros().unsigned_abs())
            + Duration::from_secs(days.unsigned_abs() * 86_400)
    };
    let port = tls_server(Some(&trusted), |it| it.not_after = in_days(5)).await.0;
    let found = shake(&trusted, port, Verify::On).await;
    assert_eq!((kind(&found), found.status), (Some(FailureKind::CertificateExpiresSoon), Status::Degraded));
}
