//! The dns kind: one question to one name server, and whether the answer is the one expected.

use picket_shared::check::{DnsMatch, DnsSpec, RecordType};
use picket_shared::egress::connect::name_server;
use picket_shared::egress::resolve::{self, Answer, LookupError};
use picket_shared::outcome::{Failure, FailureKind};

use super::deadline::Deadline;
use super::reach::{Trail, addresses_of, connect_failure, host_of, lookup_failure};
use super::{Env, Found};

/// Asks, and compares the answer.
pub(super) async fn run(spec: &DnsSpec, env: &Env, deadline: Deadline) -> Found {
    let mut trail = Trail::start();
    match ask(spec, env, deadline, &mut trail).await {
        Err(failure) => Found::from_trail(trail, Err(failure)),
        Ok(Err(error)) => {
            let failure = lookup_failure(&error, &spec.name).seen("asked", &format!("{} {}", spec.name, spec.record));
            Found { code: error.code(), ..Found::from_trail(trail, Err(failure)) }
        }
        Ok(Ok(answer)) => {
            let verdict = compare(spec, &answer.records);
            Found { code: Some(0), answers: Some(answer.records), ..Found::from_trail(trail, verdict) }
        }
    }
}

/// The outer error is of the way to the server, the inner one is the server's answer.
async fn ask(
    spec: &DnsSpec,
    env: &Env,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Result<Answer, LookupError>, Failure> {
    let Some(server) = &spec.server else {
        let answer = Box::pin(env.resolver.lookup(&spec.name, spec.record, deadline.left())).await;
        trail.phases.resolve = Some(trail.watch.lap_us());
        return Ok(answer);
    };
    let host = host_of(server)?;
    let addresses = addresses_of(&host, spec.port, env, deadline, trail).await?;
    let server = name_server(&env.guard, &addresses).map_err(|error| connect_failure(&error, spec.port))?;
    trail.address = Some(server.address().ip());
    trail.watch.lap_us();
    let answer = resolve::ask(server, &spec.name, spec.record, deadline.left()).await;
    trail.phases.wait = Some(trail.watch.lap_us());
    Ok(answer)
}

fn compare(spec: &DnsSpec, records: &[String]) -> Result<(), Failure> {
    if spec.expect.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = records.iter().map(|record| plain(record, spec.record)).collect();
    let expected: Vec<String> = spec.expect.iter().map(|record| plain(record, spec.record)).collect();
    let all = expected.iter().all(|record| found.contains(record));
    let good = match spec.matching {
        DnsMatch::All => all,
        DnsMatch::Any => expected.iter().any(|record| found.contains(record)),
        DnsMatch::Exact => all && found.iter().all(|record| expected.contains(record)),
    };
    if good {
        return Ok(());
    }
    let how = match spec.matching {
        DnsMatch::All => "lacks a record that was expected",
        DnsMatch::Any => "holds none of the records expected",
        DnsMatch::Exact => "is not the set of records expected",
    };
    Err(Failure::new(FailureKind::DnsWrongAnswer, format!("the answer for {} {} {how}", spec.name, spec.record))
        .seen("answer", &records.join("\n"))
        .seen("expected", &spec.expect.join("\n")))
}

/// A record as it is compared: names without case and final dot, addresses in their shortest form, texts without the quotes that
/// only divide them.
fn plain(record: &str, kind: RecordType) -> String {
    match kind {
        RecordType::Txt if record.starts_with('"') => {
            record.trim_matches('"').replace("\" \"", "").replace("\\\"", "\"").replace("\\\\", "\\")
        }
        RecordType::Txt => record.to_owned(),
        RecordType::Caa => record.to_ascii_lowercase().replace('"', ""),
        RecordType::A | RecordType::Aaaa => {
            record.trim().parse::<std::net::IpAddr>().map_or_else(|_| record.to_owned(), |ip| ip.to_string())
        }
        _ => record
            .split_whitespace()
            .map(|part| part.strip_suffix('.').unwrap_or(part).to_ascii_lowercase())
            .collect::<Vec<_>>()
            .join(" "),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[track_caller]
    fn verdict(record: RecordType, matching: DnsMatch, expect: &[&str], found: &[&str], good: bool) {
        let mut spec = DnsSpec::ask("example.org", record);
        spec.matching = matching;
        spec.expect = expect.iter().map(ToString::to_string).collect();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(compare(&spec, &found).is_ok(), good, "{expect:?} in {found:?}");
    }

    #[test]
    fn answers_are_compared_as_records_not_as_texts() {
        use DnsMatch::{All, Any, Exact};
        verdict(RecordType::A, All, &["192.0.2.1"], &["192.0.2.1", "192.0.2.2"], true);
        verdict(RecordType::A, Exact, &["192.0.2.1"], &["192.0.2.1", "192.0.2.2"], false);
        verdict(RecordType::A, Any, &["192.0.2.9", "192.0.2.2"], &["192.0.2.2"], true);
        verdict(RecordType::A, All, &["192.0.2.9", "192.0.2.2"], &["192.0.2.2"], false);
        verdict(RecordType::Aaaa, Exact, &["2001:DB8:0::1"], &["2001:db8::1"], true);
        verdict(RecordType::Mx, Exact, &["10 Mail.Example.org"], &["10 mail.example.org."], true);
        verdict(RecordType::Txt, All, &["v=spf1 -all"], &["\"v=spf1 -all\""], true);
        verdict(RecordType::Txt, All, &["\"v=DKIM1; p=AB\" \"CD\""], &["\"v=DKIM1; p=\" \"ABCD\""], true);
    }
}
