//! `picket-probe check-once TARGET`: one check, now, for a person (a waterfall) or a program (`--json`).
//!
//! In comes what was typed, out goes what was found; nothing is sent to a collector. The exit code is 0 for up and
//! degraded, 1 for down, 2 when nothing could be measured or what was typed cannot be.

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use picket_shared::check::{CheckSpec, DnsSpec, HttpSpec, Kind, RecordType, StatusRange, TcpSpec, TlsSpec, Verify};
use picket_shared::egress::EgressGuard;
use picket_shared::egress::resolve::Resolver;
use picket_shared::outcome::{SelfCheck, Status};
use picket_shared::time::Clock;
use picket_shared::waterfall;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::checks::{Env, Found, run as run_check};
use crate::manual::outcome;

/// What `check-once` takes.
#[derive(Debug, Args)]
pub struct CheckOnceArgs {
    /// `https://example.org/`, dns:example.org/MX@9.9.9.9, tls:example.org:443 or tcp:example.org:22
    pub target: String,
    /// Take the target as one of this kind: http, dns, tls or tcp
    #[arg(long)]
    pub kind: Option<Kind>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=300))]
    pub timeout: u32,
    /// A text that the body must hold; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub contains: Vec<String>,
    /// A text that the body must not hold; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub must_not_contain: Vec<String>,
    /// A good status, such as 204 or 200-299; may be repeated
    #[arg(long, value_name = "STATUS")]
    pub accept: Vec<StatusRange>,
    /// A record that the answer must hold; may be repeated
    #[arg(long, value_name = "RECORD")]
    pub expect: Vec<String>,
    /// A range or address that may be contacted although it is private; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = range)]
    pub allow: Vec<IpNet>,
    /// A name server to use instead of the machine's own; may be repeated
    #[arg(long, value_name = "IP[:PORT]", value_parser = server)]
    pub resolver: Vec<SocketAddr>,
    /// Also trust the authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate
    #[arg(long)]
    pub insecure: bool,
}

/// Runs the check and prints what was found.
pub async fn run(args: CheckOnceArgs) -> ExitCode {
    let (spec, env) = match prepare(&args) {
        Ok(prepared) => prepared,
        Err(message) => {
            let _ = writeln!(std::io::stderr().lock(), "error: {message}");
            return ExitCode::from(2);
        }
    };
    let clock = Clock::system();
    let at = clock.now();
    let found = Box::pin(run_check(&spec, &env, Duration::from_secs(args.timeout.into()))).await;
    let status = found.status;
    let text = if args.json {
        format!("{}\n", json(&spec, &found))
    } else {
        let stdout = std::io::stdout();
        let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        waterfall::draw(&spec, &outcome(found, at, SelfCheck::Unverified), clock.now(), colour)
    };
    // A reader that went away (`| head`) is not an error of the check.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    match status {
        Status::Up | Status::Degraded => ExitCode::SUCCESS,
        Status::Down => ExitCode::from(1),
        Status::Unmeasured | Status::Other => ExitCode::from(2),
    }
}

fn prepare(args: &CheckOnceArgs) -> Result<(CheckSpec, Env), String> {
    let spec = spec(args)?;
    spec.validate().map_err(|error| error.to_string())?;
    let mut authorities = Vec::new();
    if let Some(path) = &args.ca_file {
        let cannot =
            |why: &dyn std::fmt::Display| format!("{} cannot be used as a file of authorities: {why}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| cannot(&error))? {
            authorities.push(certificate.map_err(|error| cannot(&error))?);
        }
        if authorities.is_empty() {
            return Err(cannot(&"it holds no certificate in PEM form"));
        }
    }
    let resolver = if args.resolver.is_empty() { Resolver::system() } else { Resolver::with_servers(&args.resolver) };
    let resolver = resolver.map_err(|error| error.to_string())?;
    let agent = concat!("Picket/", env!("CARGO_PKG_VERSION"), " (check-once)");
    let guard = EgressGuard::new(args.allow.clone());
    Env::new(guard, resolver, &authorities, agent).map(|env| (spec, env)).map_err(|error| error.to_string())
}

fn spec(args: &CheckOnceArgs) -> Result<CheckSpec, String> {
    let (kind, rest) = split(&args.target, args.kind)?;
    let verify = if args.insecure { Verify::Off } else { Verify::On };
    Ok(match kind {
        Kind::Http => {
            let mut spec = HttpSpec::get(rest);
            spec.contains.clone_from(&args.contains);
            spec.must_not_contain.clone_from(&args.must_not_contain);
            spec.accept_status.clone_from(&args.accept);
            spec.verify = verify;
            CheckSpec::Http(spec)
        }
        Kind::Dns => {
            let mut spec = dns(rest)?;
            spec.expect.clone_from(&args.expect);
            CheckSpec::Dns(spec)
        }
        Kind::Tls => {
            let (host, port) = host_port(rest, Some(443))?;
            let mut spec = TlsSpec::connect(host, port);
            spec.verify = verify;
            CheckSpec::Tls(spec)
        }
        Kind::Tcp => {
            let (host, port) = host_port(rest, None)?;
            CheckSpec::Tcp(TcpSpec { host, port })
        }
        Kind::Other => return Err("this version does not know that kind of check".to_owned()),
    })
}

/// The kind of a target and what follows its prefix; a bare name is asked by https.
fn split(target: &str, kind: Option<Kind>) -> Result<(Kind, &str), String> {
    let prefixed = [Kind::Dns, Kind::Tls, Kind::Tcp].into_iter().find_map(|it| {
        target.strip_prefix(it.as_str())?.strip_prefix(':').map(|rest| (it, rest.trim_start_matches("//")))
    });
    match (prefixed, kind) {
        (Some((found, _)), Some(wanted)) if found != wanted => {
            Err(format!("{target:?} is of kind {found}, and --kind says {wanted}: leave one of them away"))
        }
        (Some(found), _) => Ok(found),
        (None, Some(kind)) => Ok((kind, target)),
        (None, None) if target.contains("://") => Ok((Kind::Http, target)),
        (None, None) => Err(format!(
            "{target:?} is not a target: use https://example.org/, dns:example.org/MX, tls:example.org:443 or tcp:example.org:22"
        )),
    }
}

/// `NAME[/TYPE][@SERVER[:PORT]]`.
fn dns(text: &str) -> Result<DnsSpec, String> {
    let (question, asked) = text.split_once('@').map_or((text, None), |(question, server)| (question, Some(server)));
    let (name, record) = question.split_once('/').unwrap_or((question, "A"));
    let record: RecordType = record.parse().map_err(|error: picket_shared::check::InvalidSpec| error.to_string())?;
    let mut spec = DnsSpec::ask(name, record);
    if let Some(asked) = asked {
        let (host, port) = host_port(asked, Some(53))?;
        spec.server = Some(host);
        spec.port = port;
    }
    Ok(spec)
}

/// `HOST:PORT`, IPv6 addresses in brackets, or alone where there is a port to assume.
fn host_port(text: &str, assumed: Option<u16>) -> Result<(String, u16), String> {
    let text = text.trim_end_matches('/');
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let alone = text.parse::<IpAddr>().is_ok() || text.ends_with(']') || !text.contains(':');
    match (alone, assumed, text.rsplit_once(':')) {
        (true, Some(port), _) => Ok((bare(text), port)),
        (false, _, Some((host, port))) => {
            let port = port.parse().map_err(|_| format!("{port:?} is not a port: use 1 to 65535"))?;
            Ok((bare(host), port))
        }
        _ => Err(format!("{text:?} names no port: use HOST:PORT, such as example.org:22")),
    }
}

fn range(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text:?} is not a range: use 10.20.0.0/16 or an address"))
}

fn server(text: &str) -> Result<SocketAddr, String> {
    text.parse::<SocketAddr>()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
        .map_err(|_| format!("{text:?} is not a name server: use an address such as 9.9.9.9 or [2620:fe::fe]:53"))
}

fn json(spec: &CheckSpec, found: &Found) -> serde_json::Value {
    serde_json::json!({
        "target": spec.target(),
        "kind": spec.kind(),
        "status": found.status,
        "total_us": found.total_us,
        "phases": found.phases,
        "address": found.address,
        "code": found.code,
        "failure": found.failure,
        "hops": found.hops,
        "certificate": found.certificate,
        "certificate_verified": found.certificate.as_ref().map(|_| !spec.is_unverified()),
        "answers": found.answers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(target: &str, as_target: &str) {
        let args = CheckOnceArgs {
            target: target.to_owned(),
            kind: None,
            json: false,
            timeout: 10,
            contains: Vec::new(),
            must_not_contain: Vec::new(),
            accept: Vec::new(),
            expect: Vec::new(),
            allow: Vec::new(),
            resolver: Vec::new(),
            ca_file: None,
            insecure: false,
        };
        assert_eq!(
            spec(&args).map_or_else(|error| error, |spec| format!("{} {}", spec.kind(), spec.target())),
            as_target
        );
    }

    #[test]
    fn targets_of_every_kind_are_read_as_typed() {
        reads("https://example.org/x?y", "http https://example.org/x?y");
        reads("dns:example.org", "dns example.org A");
        reads("dns:example.org/mx@9.9.9.9", "dns example.org MX @9.9.9.9:53");
        reads("dns:example.org/TXT@[2620:fe::fe]:5353", "dns example.org TXT @[2620:fe::fe]:5353");
        reads("tls:example.org", "tls example.org:443");
        reads("tls:[2001:db8::1]:8443", "tls [2001:db8::1]:8443");
        reads("tcp:192.0.2.1:22", "tcp 192.0.2.1:22");
        reads("tcp:example.org", "\"example.org\" names no port: use HOST:PORT, such as example.org:22");
        reads(
            "example.org",
            "\"example.org\" is not a target: use https://example.org/, dns:example.org/MX, tls:example.org:443 or tcp:example.org:22",
        );
    }
}
