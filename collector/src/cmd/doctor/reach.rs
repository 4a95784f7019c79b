//! Whether the collector answers: where it listens, and where people and probes are told to find it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Finding, State};
use crate::config::Config;
use crate::notify::Client;

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
    Some(match tokio::time::timeout(PATIENCE * 2, by_name(&url, client)).await {
        Ok(finding) => finding,
        Err(_) => not_there(&url, "no answer within 20 s"),
    })
}

/// What a wildcard listens on is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(config: &Config, listen: SocketAddr, client: &Client) -> Finding {
    const NAME: &str = "collector";
    #[expect(clippy::disallowed_methods, reason = "the collector's own address, from its own settings")]
    let stream = match tokio::net::TcpStream::connect(listen).await {
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
    let answer = if config.http.certificate().is_none() {
        health(stream, &host).await
    } else {
        match client.wrap(stream, &host).await {
            Ok(stream) => health(stream, &host).await,
            Err(error) => {
                let why = format!(
                    "listens at {listen}, and its certificate is not good for {host} here ({error}). Probes that do not \
                     trust its authority either need `ca_file`"
                );
                return Finding::new(NAME, State::Warning, why);
            }
        }
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

async fn by_name(url: &url::Url, client: &Client) -> Finding {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let bare = host.trim_matches(['[', ']']);
    let stream = match client.open(bare, port).await {
        Ok(stream) => stream,
        Err(error) => return not_there(url, &error.to_string()),
    };
    let answer = if url.scheme() == "https" {
        match client.wrap(stream, host).await {
            Ok(stream) => health(stream, host).await,
            Err(error) => return not_there(url, &error.to_string()),
        }
    } else {
        health(stream, host).await
    };
    match answer {
        Ok(200) => Finding::new("public URL", State::Pass, format!("{url} answers")),
        Ok(status) => not_there(url, &format!("it answers {status}")),
        Err(error) => not_there(url, &error),
    }
}

/// A warning only: some networks do not let a machine reach its own public address.
fn not_there(url: &url::Url, why: &str) -> Finding {
    let help = "check its name, certificate and firewall, or [http] public_url; probes and people use it";
    Finding::new("public URL", State::Warning, format!("{url} cannot be reached from here ({why}): {help}"))
}

/// The status of `/healthz`.
async fn health<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, host: &str) -> Result<u16, String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = hyper::Request::get("/healthz")
        .header("host", host)
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async { sender.send_request(request).await.map(|answer| answer.status().as_u16()) };
    tokio::select! {
        status = answer => status.map_err(|error| error.to_string()),
        _ = connection => Err("the connection was closed".to_owned()),
    }
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
