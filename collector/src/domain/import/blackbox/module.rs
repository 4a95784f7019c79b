//! One target and its module -> a candidate.

use picket_shared::check::{CheckSpec, DnsSpec, RecordType, TcpSpec, TlsSpec, Verify};
use serde_json::{Map, Value};

use super::super::candidate::{Candidate, Draft, Refused};
use super::http;
use crate::domain::written::{duration, host_port};

const IP_OPTIONS: [&str; 3] = ["preferred_ip_protocol", "ip_protocol_fallback", "source_ip_address"];

pub(super) fn candidate(target: &str, module: &Map<String, Value>, mut draft: Draft) -> Result<Candidate, Refused> {
    let prober = module.get("prober").and_then(Value::as_str).unwrap_or_default();
    if let Some(timeout) = module.get("timeout") {
        match timeout.as_str().map(duration) {
            Some(Ok(timeout)) => draft.timeout_s = Some(timeout.as_secs_f64()),
            _ => draft.lose("timeout", format!("{timeout} is no time that Picket knows, so the default stands")),
        }
    }
    for name in module.keys().filter(|name| !matches!(name.as_str(), "prober" | "timeout" | "http" | "tcp" | "dns")) {
        draft.lose(name, "Picket does not know it");
    }
    let empty = Map::new();
    let options = module.get(prober).and_then(Value::as_object).unwrap_or(&empty);
    match prober {
        "http" => http::candidate(target, options, draft),
        "tcp" => tcp(target, options, draft),
        "dns" => dns(target, options, draft),
        "icmp" => {
            Err(draft.refuse("Picket has no ping check; nearest is a tcp check of a port that is open, such as 443"))
        }
        "grpc" => Err(draft.refuse("Picket has no gRPC check; nearest is a tls or tcp check of its host and port")),
        other => Err(draft.refuse(format!("Picket does not know the prober {other:?}"))),
    }
}

fn tcp(target: &str, options: &Map<String, Value>, mut draft: Draft) -> Result<Candidate, Refused> {
    let (host, port) = host_port(target).map_err(|why| draft.refuse(why))?;
    let port = port.ok_or_else(|| draft.refuse("it names no port: a tcp check needs HOST:PORT"))?;
    let mut with_tls = false;
    for (name, value) in options {
        match name.as_str() {
            "tls" => with_tls = is_true(value),
            "tls_config" => {}
            "query_response" => draft.lose(name, "nothing is sent or expected: the check ends with the connection"),
            name if IP_OPTIONS.contains(&name) => lose_ip_option(name, value, &mut draft),
            _ => draft.lose(name, "Picket does not know it"),
        }
    }
    if !with_tls {
        return draft.finish(CheckSpec::Tcp(TcpSpec { host, port }), None);
    }
    let mut spec = TlsSpec::connect(host, port);
    if let Some(config) = options.get("tls_config") {
        let tls = tls_config(config, &mut draft).map_err(|why| draft.refuse(why))?;
        (spec.verify, spec.server_name, spec.extra_ca) = (tls.verify, tls.server_name, tls.ca);
    }
    draft.finish(CheckSpec::Tls(spec), None)
}

/// The target is the name server.
fn dns(target: &str, options: &Map<String, Value>, mut draft: Draft) -> Result<Candidate, Refused> {
    let (server, port) = host_port(target).map_err(|why| draft.refuse(why))?;
    let text = |name: &str| options.get(name).and_then(Value::as_str).unwrap_or_default();
    if options.get("dns_over_tls").is_some_and(is_true) {
        return Err(draft.refuse("it asks by DNS over TLS, which probes do not; nearest is a tls check of port 853"));
    }
    if !matches!(text("query_class"), "" | "IN") {
        return Err(draft.refuse("it asks for another class than IN, which probes do not"));
    }
    let record: RecordType = match text("query_type") {
        "" | "ANY" => {
            return Err(draft.refuse("it asks for records of ANY type, which probes do not: name one by query_type"));
        }
        named => named.parse().map_err(|error| draft.refuse(format!("{error}")))?,
    };
    for (name, value) in options {
        match name.as_str() {
            "query_name" | "query_type" | "query_class" | "dns_over_tls" | "tls_config" => {}
            "transport_protocol" if value == "udp" => {}
            "transport_protocol" => draft.lose(name, "probes ask by UDP first"),
            "recursion_desired" if value != &Value::Bool(false) => {}
            "recursion_desired" => draft.lose(name, "probes ask for recursion"),
            "valid_rcodes" if value == &serde_json::json!(["NOERROR"]) => {}
            "valid_rcodes" => draft.lose(name, "only NOERROR is good"),
            "validate_answer_rrs" | "validate_authority_rrs" | "validate_additional_rrs" => {
                draft.lose(name, "patterns of records are not compared, so any answer is good: see --expect");
            }
            name if IP_OPTIONS.contains(&name) => lose_ip_option(name, value, &mut draft),
            _ => draft.lose(name, "Picket does not know it"),
        }
    }
    let mut spec = DnsSpec::ask(text("query_name"), record);
    spec.server = Some(server);
    spec.port = port.unwrap_or(spec.port);
    draft.finish(CheckSpec::Dns(spec), None)
}

/// What a module says of TLS.
#[derive(Debug, Default)]
pub(super) struct Tls {
    pub(super) verify: Verify,
    pub(super) server_name: Option<String>,
    pub(super) ca: Option<String>,
}

/// # Errors
/// When the exporter shows a certificate of its own.
pub(super) fn tls_config(config: &Value, draft: &mut Draft) -> Result<Tls, String> {
    let mut tls = Tls::default();
    for (name, value) in config.as_object().into_iter().flatten() {
        let text = value.as_str().map(str::to_owned).filter(|text| !text.is_empty());
        match name.as_str() {
            "insecure_skip_verify" if is_true(value) => tls.verify = Verify::Off,
            "insecure_skip_verify" => {}
            "server_name" => tls.server_name = text,
            "ca" => tls.ca = text,
            "ca_file" => draft.lose("tls_config.ca_file", "the file lies at the exporter: give it by --ca-file"),
            "cert" | "cert_file" | "key" | "key_file" if text.is_some() => {
                return Err("it shows a certificate of its own (mTLS), which probes do not".to_owned());
            }
            _ => draft.lose(&format!("tls_config.{name}"), "probes take TLS 1.2 and 1.3, as they are set"),
        }
    }
    Ok(tls)
}

/// A probe decides by itself how it reaches a target.
pub(super) fn lose_ip_option(name: &str, value: &Value, draft: &mut Draft) {
    // The exporter's own defaults are nothing that is lost.
    if value != "ip6" && value != &Value::Bool(true) {
        draft.lose(name, "the probe decides between IPv4 and IPv6, and from which address it asks");
    }
}

pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        // As YAML 1.1 has them, which the exporter reads.
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "yes" | "on" | "y" | "true"),
        _ => false,
    }
}
