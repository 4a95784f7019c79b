//! A kind and a target, as people write them in a table -> a specification with every default.

use picket_shared::check::{CheckSpec, DnsSpec, HttpSpec, Kind, RecordType, TcpSpec, TlsSpec};

use crate::domain::written::host_port;

/// Without a kind a target with `://` is an http one.
///
/// # Errors
/// What would be right.
pub(super) fn spec(kind: Option<Kind>, target: &str) -> Result<CheckSpec, String> {
    if target.is_empty() {
        return Err("its target is empty: give a URL (http), a name (dns), HOST or HOST:PORT (tls, tcp)".to_owned());
    }
    match kind {
        Some(Kind::Http) => Ok(CheckSpec::Http(HttpSpec::get(target))),
        None if target.contains("://") => Ok(CheckSpec::Http(HttpSpec::get(target))),
        None => Err(format!("its target {target:?} is no URL: give one, or say in kind whether it is dns, tls or tcp")),
        Some(Kind::Dns) => Ok(CheckSpec::Dns(DnsSpec::ask(target, RecordType::A))),
        Some(Kind::Tls) => {
            let (host, port) = host_port(target)?;
            Ok(CheckSpec::Tls(TlsSpec::connect(host, port.unwrap_or(443))))
        }
        Some(Kind::Tcp) => {
            let (host, port) = host_port(target)?;
            // A port of 0 is none: it is refused unless another one is named.
            Ok(CheckSpec::Tcp(TcpSpec { host, port: port.unwrap_or(0) }))
        }
        Some(Kind::Other) => Err("its kind is none that can be checked: use http, dns, tls or tcp".to_owned()),
    }
}
