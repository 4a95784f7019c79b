//! One record -> one candidate, or a refusal.

use std::net::IpAddr;

use picket_shared::check::{CheckSpec, DnsMatch, DnsSpec, RecordType, TcpSpec};
use serde_json::Value as Json;

use super::super::candidate::{Candidate, Draft, Refused};
use super::record::Record;
use super::{Around, http, kinds};

/// How long Kuma 2 waits where nobody said how long; version 1 waits for 0.8 of the interval.
const TIMEOUT_S: f64 = 48.0;

pub(super) fn candidate(record: &Record, around: &Around) -> Result<Candidate, Refused> {
    let kind = record.kind();
    let draft = draft(record, around, &kind);
    if record.flag("upside_down") {
        return Err(draft.refuse("it is upside down (good while its target fails), and Picket has no such check"));
    }
    match kind.as_str() {
        "http" | "keyword" => web(record, draft),
        "dns" => dns(record, draft),
        "port" => port(record, draft),
        _ => Err(draft.refuse(kinds::refusal(&kind))),
    }
}

fn draft(record: &Record, around: &Around, kind: &str) -> Draft {
    let mut draft = Draft::new(key(record), format!("monitor {}", record.id), &record.text("name"), kind);
    draft.interval_s = record.number("interval");
    // 0 is what a Kuma that knew no timeout left behind.
    let share = draft.interval_s.map(|interval| (interval * 0.8).min(TIMEOUT_S));
    draft.timeout_s = record.number("timeout").filter(|timeout| *timeout > 0.0).or(share);
    draft.paused = !record.flag_or("active", true) || around.paused;
    let with_value = |(name, value): &(String, String)| {
        if value.is_empty() { name.clone() } else { format!("{name}:{value}") }
    };
    draft.tags = record.tags.iter().map(with_value).chain(around.names.iter().cloned()).collect();
    lose_what_has_no_counterpart(record, &mut draft);
    draft
}

/// The same monitor in each copy of its database; another Kuma's monitor of the same number was made at another time.
fn key(record: &Record) -> String {
    let made: String = record.text("created_date").chars().filter(char::is_ascii_digit).take(14).collect();
    if made.is_empty() { format!("kuma:{}", record.id) } else { format!("kuma:{}@{made}", record.id) }
}

fn lose_what_has_no_counterpart(record: &Record, draft: &mut Draft) {
    if record.integer("maxretries").is_some_and(|retries| retries > 0) {
        draft.lose("maxretries", "Picket confirms each failure itself: again 3 s later, and by a quorum of regions");
    }
    if record.integer("resend_interval").is_some_and(|every| every > 0) {
        draft.lose("resend_interval", "a monitor does not say how often an incident is told again");
    }
    if !record.text("description").trim().is_empty() {
        draft.lose("description", "monitors have none");
    }
    if record.integer("proxy_id").is_some() {
        draft.lose("proxy_id", "probes ask directly, not by the proxy");
    }
    if record.flag("domain_expiry_notification") {
        draft.lose("domain_expiry_notification", "the end of a domain's registration is not watched");
    }
    if record.flag("cache_bust") {
        draft.lose("cache_bust", "nothing random is added to the URL");
    }
    if !record.text("ip_family").is_empty() {
        draft.lose("ip_family", "the probe decides between IPv4 and IPv6");
    }
}

fn web(record: &Record, mut draft: Draft) -> Result<Candidate, Refused> {
    let (spec, auth) = http::spec(record, &mut draft).map_err(|why| draft.refuse(why))?;
    draft.finish(CheckSpec::Http(spec), auth)
}

fn port(record: &Record, draft: Draft) -> Result<Candidate, Refused> {
    if !matches!(record.text("expected_tls_alert").as_str(), "" | "none") {
        return Err(draft.refuse("it expects a TLS alert; nearest is a tls check of the port, with a good certificate"));
    }
    let Some(port) = record.integer("port").and_then(|port| u16::try_from(port).ok()) else {
        return Err(draft.refuse("it names no port"));
    };
    let host = record.text("hostname").trim().to_owned();
    draft.finish(CheckSpec::Tcp(TcpSpec { host, port }), None)
}

fn dns(record: &Record, mut draft: Draft) -> Result<Candidate, Refused> {
    let kind: RecordType = match record.text("dns_resolve_type").as_str() {
        "" => RecordType::A,
        kind => kind.parse().map_err(|error| draft.refuse(format!("{error}")))?,
    };
    let host = record.text("hostname").trim().to_owned();
    let name = match host.parse() {
        Ok(address) if kind == RecordType::Ptr => reverse(address),
        _ => host,
    };
    let mut spec = DnsSpec::ask(name, kind);
    let servers = record.text("dns_resolve_server");
    let mut servers = servers.split(',').map(str::trim).filter(|server| !server.is_empty());
    spec.server = servers.next().map(|server| server.trim_start_matches('[').trim_end_matches(']').to_owned());
    if servers.next().is_some() {
        draft.lose("dns_resolve_server", "only the first name server is asked");
    }
    if let Some(port) = record.integer("port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) {
        spec.port = port;
    }
    conditions(&record.text("conditions"), &mut spec, &mut draft);
    draft.finish(CheckSpec::Dns(spec), None)
}

/// What the answer must be. Kuma 2 compares each record by itself: one of several texts, or one text, can be said here too,
/// of the types where Kuma compares the whole record.
fn conditions(text: &str, spec: &mut DnsSpec, draft: &mut Draft) {
    let conditions: Vec<Json> = serde_json::from_str(text).unwrap_or_default();
    if conditions.is_empty() {
        return;
    }
    let whole = !matches!(spec.record, RecordType::Mx | RecordType::Srv | RecordType::Caa | RecordType::Soa);
    let is = |condition: &Json, name: &str, wanted: &str| condition[name].as_str() == Some(wanted);
    let equals = |condition: &Json| {
        let plain = is(condition, "type", "expression") && is(condition, "operator", "equals");
        (plain && is(condition, "variable", "record")).then(|| condition["value"].as_str().map(str::to_owned)).flatten()
    };
    let any = conditions.iter().skip(1).all(|condition| is(condition, "andOr", "or"));
    let texts: Option<Vec<String>> = conditions.iter().map(equals).collect();
    match texts.filter(|_| whole && any) {
        Some(texts) => {
            spec.matching = if texts.len() > 1 { DnsMatch::Any } else { DnsMatch::All };
            spec.expect = texts;
        }
        None => draft.lose("conditions", "its conditions cannot be said here, so any answer is good: see --expect"),
    }
}

/// The name under which the address's PTR record stands (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let digits = v6.octets().into_iter().rev().map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4));
            format!("{}ip6.arpa", digits.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reversed() {
        assert_eq!(reverse("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
        let v6 = reverse("2001:db8::567:89ab".parse().unwrap());
        assert_eq!(v6, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }

    #[track_caller]
    fn condition(text: &str, kind: RecordType, expect: &[&str], matching: DnsMatch, lost: usize) {
        let mut spec = DnsSpec::ask("example.org", kind);
        let mut draft = Draft::new("k".to_owned(), "p".to_owned(), "n", "dns");
        conditions(text, &mut spec, &mut draft);
        assert_eq!(
            (spec.expect.iter().map(String::as_str).collect::<Vec<_>>(), spec.matching),
            (expect.to_vec(), matching)
        );
        assert_eq!(draft.lost.len(), lost);
    }

    #[test]
    fn only_conditions_that_mean_the_same_here_are_taken() {
        let one = r#"{"type": "expression", "variable": "record", "operator": "equals", "value": "192.0.2.1", "andOr": "and"}"#;
        let or = one.replace("\"and\"", "\"or\"").replace("2.1", "2.2");
        let starts = one.replace("equals", "starts_with");
        condition("[]", RecordType::A, &[], DnsMatch::All, 0);
        condition("", RecordType::A, &[], DnsMatch::All, 0);
        condition(&format!("[{one}]"), RecordType::A, &["192.0.2.1"], DnsMatch::All, 0);
        condition(&format!("[{one}, {or}]"), RecordType::A, &["192.0.2.1", "192.0.2.2"], DnsMatch::Any, 0);
        condition(&format!("[{one}, {one}]"), RecordType::A, &[], DnsMatch::All, 1);
        condition(&format!("[{starts}]"), RecordType::A, &[], DnsMatch::All, 1);
        condition(&format!("[{one}]"), RecordType::Mx, &[], DnsMatch::All, 1);
    }
}
