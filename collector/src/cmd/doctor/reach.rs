//! Whether the collector answers: where it listens, and where people and probes are told to find it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Finding, State};
use crate::cmd::certificates::host_of;
use crate::cmd::reachable;
use crate::config::{Config, Served};
use crate::notify::Client;
use crate::notify::client::exchange;
use crate::probes::place::leads_to;
use crate::vault::Authority;

/// How long each answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks for `/healthz` where the collector listens.
pub(super) async fn listener(config: &Config, client: &Client) -> Finding {
    let listen = reachable(config.http.listen);
    match tokio::time::timeout(PATIENCE, ask(config, listen, client)).await {
        Ok(finding) => finding,
        Err(_) => Finding::new("collector", State::Fail, format!("no answer at {listen} within 10 s: see its log")),
    }
}

/// Asks for `/healthz` by the public URL, as people and probes would; nothing where that is this very machine's name.
pub(super) async fn public_url(config: &Config, client: &Client) -> Option<Finding> {
    let url = url::Url::parse(&config.http.public_url()).ok().filter(|url| url.host_str() != Some("localhost"))?;
    Some(match tokio::time::timeout(PATIENCE * 2, by_name(config, &url, client)).await {
        Ok(finding) => finding,
        Err(_) => not_there(&url, "no answer within 20 s"),
    })
}

async fn ask(config: &Config, listen: SocketAddr, client: &Client) -> Finding {
    const NAME: &str = "collector";
    #[expect(clippy::disallowed_methods, reason = "the collector's own address, from its own settings")]
    let stream = match TcpStream::connect(listen).await {
        Ok(stream) => stream,
        Err(error) => {
            let why = format!("nothing answers at {listen} ({error}): start it with `picket-collector serve`");
            return Finding::new(NAME, State::Fail, why);
        }
    };
    let host = url::Url::parse(&config.http.public_url())
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    let answer = match config.http.served() {
        Served::Plain | Served::BehindProxies => health(stream, &host).await,
        Served::OwnAuthority => match own(config, stream, &host).await {
            Ok(stream) => health(stream, &host).await,
            Err(error) => return Finding::new(NAME, State::Fail, format!("listens at {listen}, but {error}")),
        },
        Served::Certificate => match client.wrap(stream, &host).await {
            Ok(stream) => health(stream, &host).await,
            Err(error) => {
                let why = format!(
                    "listens at {listen}, and its certificate is not good for {host} here ({error}). Probes that do not \
                     trust its authority either need `ca_file`"
                );
                return Finding::new(NAME, State::Warning, why);
            }
        },
    };
    match answer {
        Ok(200) => Finding::new(NAME, State::Pass, format!("answers at {listen}")),
        Ok(status) => {
            Finding::new(NAME, State::Fail, format!("answers {status} at {listen}: it runs, but not well; see its log"))
        }
        Err(error) => Finding::new(
            NAME,
            State::Fail,
            format!("what listens at {listen} gives no answer ({error}): is it something else? See [http] listen"),
        ),
    }
}

async fn by_name(config: &Config, url: &url::Url, client: &Client) -> Finding {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let bare = host.trim_matches(['[', ']']);
    let stream = match client.open(bare, port).await {
        Ok(stream) => stream,
        Err(error) => return not_there(url, &error.to_string()),
    };
    let answer = match (url.scheme(), config.http.served()) {
        ("https", Served::OwnAuthority) => match own(config, stream, host).await {
            Ok(stream) => health(stream, host).await,
            Err(error) => return not_there(url, &error),
        },
        ("https", _) => match client.wrap(stream, host).await {
            Ok(stream) => health(stream, host).await,
            Err(error) => return not_there(url, &error.to_string()),
        },
        _ => health(stream, host).await,
    };
    match answer {
        Ok(200) => Finding::new("public URL", State::Pass, format!("{url} answers")),
        Ok(status) => not_there(url, &format!("it answers {status}")),
        Err(error) => not_there(url, &error),
    }
}

/// Shakes hands at the door for probes of other machines, as soon as one was told to call there.
pub(super) async fn door(config: &Config, told: &[String]) -> Option<Finding> {
    const NAME: &str = "probe door";
    let door = config.http.probe_door().filter(|door| told.iter().any(|url| leads_to(url, door.port())))?;
    let host = told.iter().filter(|url| leads_to(url, door.port())).find_map(|url| host_of(url))?;
    let shake = async {
        #[expect(clippy::disallowed_methods, reason = "the collector's own address, from its own settings")]
        let stream = TcpStream::connect(reachable(door)).await.map_err(|error| error.to_string())?;
        own(config, stream, &host).await.map(drop)
    };
    Some(
        match tokio::time::timeout(PATIENCE, shake).await.unwrap_or_else(|_| Err("no answer within 10 s".to_owned())) {
            Ok(()) => Finding::new(NAME, State::Pass, format!("probes of other machines are let in at {door}")),
            Err(error) => {
                let help = "start the collector; if it runs, see its log, or set [http] probe_listen";
                Finding::new(
                    NAME,
                    State::Fail,
                    format!("probes were told to call at {door}, and there {error}: {help}"),
                )
            }
        },
    )
}

/// Shakes hands by TLS with a collector that shows a certificate of its own authority.
async fn own(config: &Config, stream: TcpStream, name: &str) -> Result<TlsStream<TcpStream>, String> {
    let authority = Authority::load(config.keys.directory()).map_err(|error| error.to_string())?;
    let authority = authority.ok_or("the collector's own authority is missing")?;
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes());
    roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).map_err(|error| error.to_string())?;
    TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .map_err(|error| format!("its certificate is not that of its own authority ({error})"))
}

/// A warning only: some networks do not let a machine reach its own public address.
fn not_there(url: &url::Url, why: &str) -> Finding {
    let help = "check its name, certificate and firewall, or [http] public_url; probes and people use it";
    Finding::new("public URL", State::Warning, format!("{url} cannot be reached from here ({why}): {help}"))
}

/// The status of `/healthz`.
async fn health<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, host: &str) -> Result<u16, String> {
    let request = hyper::Request::get("/healthz").header("host", host).body(Full::default());
    let request = request.map_err(|error| error.to_string())?;
    exchange(stream, request).await.map(|reply| reply.status.as_u16()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:8080".parse().unwrap()), "127.0.0.1:8080".parse().unwrap());
        assert_eq!(reachable("[::]:8080".parse().unwrap()), "[::1]:8080".parse().unwrap());
        assert_eq!(reachable("192.0.2.1:80".parse().unwrap()), "192.0.2.1:80".parse().unwrap());
    }
}
