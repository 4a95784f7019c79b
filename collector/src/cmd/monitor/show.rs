//! `monitor show`: everything about one monitor, for a person or a program.

use std::collections::BTreeMap;
use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::render::{self, state, symbol};
use crate::cmd::{CmdError, print};
use crate::domain::gap::SILENT_AFTER;
use crate::domain::incident::Severity;
use crate::domain::uptime;
use crate::store::Scoped;
use crate::store::monitors::MonitorRow;
use crate::store::read::monitor::{self, Page, RegionRow};
use crate::store::read::telling::{self, Telling};
use crate::store::results::OutcomeRow;

const DAY: Duration = Duration::from_secs(86_400);
/// How many outcomes a person is shown.
const LINES: usize = 10;

pub(super) async fn run(scoped: &mut Scoped, row: &MonitorRow, as_json: bool, now: Timestamp) -> Result<(), CmdError> {
    let interval = Duration::from_secs(u64::try_from(row.settings.interval_s).unwrap_or(60));
    let recent = now - (interval * 40).max(Duration::from_secs(900));
    let page = monitor::page(scoped, row.key, now, recent, now - DAY * 30).await?;
    let telling = telling::of(scoped).await?;
    if as_json { print::json(&full(row, &page, telling, now)) } else { text(row, &page, telling, now) }
}

fn full(row: &MonitorRow, page: &Page, telling: Telling, now: Timestamp) -> Value {
    let mut shown = render::summary(row, telling);
    let names: BTreeMap<i64, &str> = page.regions.iter().map(|region| (region.id, region.code.as_str())).collect();
    let more = json!({
        "overlays": overlays(page),
        "regions": page.regions.iter().map(|region| region_json(region, now)).collect::<Vec<_>>(),
        "availability": availability(row, page, now),
        "incidents": page.incidents.iter().map(|incident| incident_json(incident, page)).collect::<Vec<_>>(),
        "gaps": page.gaps.iter().map(|(region, from, to, reason)| json!({
            "region": region, "from": micros(*from), "to": to.map(micros), "reason": reason,
        })).collect::<Vec<_>>(),
        "outcomes": page.outcomes.iter().map(|outcome| outcome.exported(names.get(&outcome.region.0).copied())).collect::<Vec<_>>(),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

/// `degraded`, `regional(eu,us)`, `flapping`, `maintenance`, `paused`, `held`.
fn overlays(page: &Page) -> Vec<String> {
    let overlay = |name: &str| page.standing.pointer(&format!("/overlays/{name}"));
    let mut names = Vec::new();
    for name in ["degraded", "flapping", "maintenance", "paused"] {
        if overlay(name) == Some(&Value::Bool(true)) {
            names.push(name.to_owned());
        }
    }
    let regional: Vec<_> =
        overlay("regional").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !regional.is_empty() {
        names.push(format!("regional({})", regional.join(",")));
    }
    if overlay("held_until").is_some_and(|until| !until.is_null()) {
        names.push("held".to_owned());
    }
    names
}

fn is_silent(region: &RegionRow, now: Timestamp) -> bool {
    region.seen_at.is_none_or(|seen| now.since(Timestamp::from_micros(seen)) > SILENT_AFTER)
}

/// Its probe did not reach its own reference targets around its last check.
fn has_bad_network(region: &RegionRow) -> bool {
    region.self_check.as_deref() == Some("bad")
}

/// What the region's last results amount to as a vote.
fn vote(region: &RegionRow, now: Timestamp) -> &'static str {
    let rechecked = region.last_trigger.as_deref() == Some("recheck");
    match (region.status.as_deref(), region.fails) {
        _ if is_silent(region, now) || has_bad_network(region) => "none",
        (Some("down"), Some(fails)) if fails >= 2 || rechecked => "fail",
        (Some("down"), _) => "unconfirmed",
        (Some("up" | "degraded"), _) => "ok",
        _ => "none",
    }
}

fn region_json(region: &RegionRow, now: Timestamp) -> Value {
    json!({
        "region": region.code,
        "network": region.network,
        "eu": region.eu,
        "status": region.status,
        "failure": region.failure,
        "message": region.message,
        "since": region.since.map(micros),
        "last_at": region.last_at.map(micros),
        "self_check": region.self_check,
        "through": region.through.map(micros),
        "heard_at": region.seen_at.map(micros),
        "silent": is_silent(region, now),
        "vote": vote(region, now),
        "held_until": region.hold_until.filter(|until| *until > now.micros()).map(micros),
    })
}

fn incident_json(incident: &monitor::IncidentRow, page: &Page) -> Value {
    let events = page.events.iter().filter(|(id, ..)| *id == incident.id);
    let evidence = incident.detail.get("evidence").cloned().unwrap_or_else(|| json!({}));
    json!({
        "id": incident.uuid,
        "started_at": micros(incident.started_at),
        "confirmed_at": micros(incident.confirmed_at),
        "resolved_at": incident.resolved_at.map(micros),
        "resolution": incident.resolution,
        "failure": { "kind": incident.failure, "message": incident.message, "evidence": evidence },
        "regions": incident.detail.get("regions"),
        "events": events.map(|(_, at, event, detail)| json!({ "at": micros(*at), "event": event, "detail": detail })).collect::<Vec<_>>(),
    })
}

/// Shares of the last day, week and month; the time before the monitor was made counts as none of it.
fn availability(row: &MonitorRow, page: &Page, now: Timestamp) -> Value {
    let over = |days: u32| {
        let from = (now - DAY * days).max(row.created_at);
        let sums = uptime::of_monitor(&page.spans, from, now);
        json!({
            "from": from.exact(), "to": now.exact(),
            "availability": sums.availability(), "coverage": sums.coverage(),
            "up_s": seconds(sums.up_us), "down_s": seconds(sums.down_us), "unknown_s": seconds(sums.unknown_us),
            "maintenance_s": seconds(sums.maintenance_us), "paused_s": seconds(sums.paused_us),
        })
    };
    json!({ "1d": over(1), "7d": over(7), "30d": over(30) })
}

fn seconds(us: i64) -> f64 {
    // Exact below 2^53 microseconds, which is 285 years.
    #[expect(clippy::cast_precision_loss, reason = "a month has 2.6e12 microseconds")]
    let us = us as f64;
    us / 1e6
}

fn micros(at: i64) -> String {
    Timestamp::from_micros(at).exact()
}

fn text(row: &MonitorRow, page: &Page, telling: Telling, now: Timestamp) -> Result<(), CmdError> {
    let overlays = overlays(page);
    let beside = if overlays.is_empty() { String::new() } else { format!(" [{}]", overlays.join(", ")) };
    let since = row.paused_at.unwrap_or(row.since);
    print::line(&format!(
        "{} {}  {}{beside} since {since:.0} ({})",
        symbol(state(row)),
        row.settings.name,
        state(row).to_uppercase(),
        ago(now, since)
    ))?;
    print::line(&format!(
        "  {} {} every {} s, timeout {} s, version {}",
        row.settings.spec.kind(),
        row.settings.spec.target(),
        row.settings.interval_s,
        f64::from(row.settings.timeout_ms) / 1000.0,
        row.version
    ))?;
    remarks(row, telling)?;
    let sums = uptime::of_monitor(&page.spans, (now - DAY * 30).max(row.created_at), now);
    let share =
        |share: Option<f64>| share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.3} %", share * 100.0));
    print::line(&format!(
        "  availability {} at a coverage of {} (30 days)",
        share(sums.availability()),
        share(sums.coverage())
    ))?;
    print::line("\nRegions")?;
    print::table(
        &["  ", "REGION", "NETWORK", "SAYS", "VOTE", "LAST HEARD", "WHY"],
        &page.regions.iter().map(|region| region_row(region, now)).collect::<Vec<_>>(),
    )?;
    section(
        "Incidents",
        page.incidents
            .iter()
            .map(|incident| {
                let end = incident.resolved_at.map_or_else(
                    || "open".to_owned(),
                    |at| format!("{} ({})", second(at), incident.resolution.as_deref().unwrap_or("resolved")),
                );
                format!("  {} - {end}  {}: {}", second(incident.started_at), incident.failure, plain(&incident.message))
            })
            .collect(),
    )?;
    section(
        "Gaps",
        page.gaps
            .iter()
            .map(|(region, from, to, reason)| {
                format!(
                    "  {region:<12} {} - {}  {reason}",
                    second(*from),
                    to.map_or_else(|| "still".to_owned(), second)
                )
            })
            .collect(),
    )?;
    let names: BTreeMap<i64, &str> = page.regions.iter().map(|region| (region.id, region.code.as_str())).collect();
    section("Last outcomes", page.outcomes.iter().take(LINES).map(|outcome| outcome_line(outcome, &names)).collect())
}

/// What a person must know beside the state.
fn remarks(row: &MonitorRow, telling: Telling) -> Result<(), CmdError> {
    if let Some(muted) = row.muted_at {
        print::line(&format!(
            "  muted since {muted:.0}: nobody is told before picket-collector monitor release {}",
            row.id
        ))?;
    }
    if row.settings.spec.is_unverified() {
        print::line("  NOT VERIFIED: any certificate is accepted (--verify off)")?;
    }
    if row.settings.sealed_secret.is_some() {
        print::line(if row.settings.eu_only {
            "  holds credentials; runs in the EU only"
        } else {
            "  holds credentials; may run outside the EU"
        })?;
    }
    let briefing = &row.settings.briefing;
    if briefing.severity != Severity::Critical {
        print::line(&format!("  severity: {}", briefing.severity))?;
    }
    if let Some(owner) = &briefing.owner {
        print::line(&format!("  owner: {owner}"))?;
    }
    if let Some(url) = &briefing.runbook_url {
        print::line(&format!("  runbook: {url}"))?;
    }
    match telling.why() {
        Some(why) => print::line(&format!("  {why}")),
        None => Ok(()),
    }
}

/// As a person reads it; JSON has the microseconds.
fn second(at: i64) -> String {
    format!("{:.0}", Timestamp::from_micros(at))
}

fn section(title: &str, lines: Vec<String>) -> Result<(), CmdError> {
    if lines.is_empty() {
        return Ok(());
    }
    print::line(&format!("\n{title}"))?;
    lines.iter().try_for_each(|line| print::line(line))
}

fn region_row(region: &RegionRow, now: Timestamp) -> Vec<String> {
    let status = if is_silent(region, now) { "silent" } else { region.status.as_deref().unwrap_or("pending") };
    let heard = region.seen_at.map_or_else(|| "never".to_owned(), |seen| ago(now, Timestamp::from_micros(seen)));
    let said = plain(region.message.as_deref().unwrap_or_default());
    let why = if has_bad_network(region) { format!("its own network is bad; {said}") } else { said };
    vec![
        format!(" {}", symbol(if status == "degraded" { "up" } else { status })),
        region.code.clone(),
        region.network.clone(),
        status.to_owned(),
        vote(region, now).to_owned(),
        heard,
        why.trim_end_matches("; ").to_owned(),
    ]
}

fn outcome_line(outcome: &OutcomeRow, names: &BTreeMap<i64, &str>) -> String {
    let phases = outcome
        .phases
        .in_order()
        .into_iter()
        .filter_map(|(name, us)| us.map(|us| format!("{name} {:.1}", f64::from(us) / 1000.0)));
    let why = match (&outcome.failure, &outcome.detail.message) {
        (Some(kind), Some(message)) => format!("{kind}: {}", plain(message)),
        (Some(kind), None) => kind.clone(),
        (None, _) => phases.collect::<Vec<_>>().join(" · "),
    };
    let folded = outcome.fold.map_or_else(String::new, |fold| format!(" x{}", fold.count));
    format!(
        "  {:.0}  {} {:<10} {:<12}{folded} {:>9.1} ms  {why}",
        outcome.at,
        symbol(outcome.status.as_str()),
        outcome.status.as_str(),
        names.get(&outcome.region.0).copied().unwrap_or("?"),
        f64::from(outcome.total_us) / 1000.0,
    )
}

fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// What a target wrote, without anything that moves a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
