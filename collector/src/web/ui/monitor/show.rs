//! A monitor's page: what it is, how it was, and why.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use picket_shared::outcome::{Certificate, Trigger};
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::regional::MUTES;
use super::{find, shown};
use crate::domain::gap::SILENT_AFTER;
use crate::domain::uptime::{self, Sums};
use crate::store::StoreError;
use crate::store::monitors::{FailingFrom, MonitorRow};
use crate::store::read::monitor::{self as read, IncidentRow, RegionRow};
use crate::store::read::telling;
use crate::store::results::OutcomeRow;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::dashboard::overlays;
use crate::web::ui::frame::Frame;
use crate::web::ui::maintenance::{self, OfMonitor};
use crate::web::ui::policy::telling::{self as telling_of, Telling};
use crate::web::ui::shape::{self, Shape, When, duration_us, lasting, percent, when};
use crate::web::ui::{filters, page};

#[derive(Template)]
#[template(path = "monitor/page.html")]
struct Page {
    frame: Frame,
    id: String,
    shape: Shape,
    since: When,
    notes: Vec<String>,
    maintenance: Vec<OfMonitor>,
    telling: Option<Telling>,
    failing_from: Vec<(String, Option<When>)>,
    told_regional: bool,
    muted_until: Option<String>,
    /// For how many hours a mute may be chosen, in words.
    mutes: Vec<(u64, String)>,
    paused: bool,
    told: bool,
    /// How many seconds the chart shows at first: a day, or less for a young monitor.
    span: u32,
    kind: &'static str,
    target: String,
    every: String,
    availability: Option<String>,
    coverage: Option<String>,
    bar: Vec<Cell>,
    regions: Vec<Region>,
    incidents: Vec<Incident>,
    outcomes: Vec<Line>,
    gaps: Vec<Gap>,
    certificate: Option<Shown>,
    answers: Option<Vec<String>>,
}

/// One part of the availability bar: `class` over the whole height, and `down` of it from the bottom.
struct Cell {
    x: usize,
    class: &'static str,
    down: u32,
    says: String,
}

struct Region {
    code: String,
    network: String,
    eu: bool,
    shape: Shape,
    vote: &'static str,
    heard: Option<When>,
    why: String,
}

struct Incident {
    id: String,
    started: When,
    ended: Option<When>,
    lasted: String,
    kind: String,
    message: String,
    evidence: Vec<(String, String)>,
    events: Vec<(When, &'static str, String)>,
}

struct Line {
    at: When,
    region: String,
    shape: Shape,
    took: String,
    note: Option<&'static str>,
    why: Option<String>,
    evidence: Vec<(String, String)>,
    phases: Vec<Phase>,
    phases_say: String,
}

/// One part of a waterfall, in hundredths of the whole.
struct Phase {
    x: u32,
    width: u32,
    step: usize,
}

struct Gap {
    region: String,
    from: When,
    to: Option<When>,
    reason: &'static str,
}

struct Shown {
    certificate: Certificate,
    from: String,
    until: String,
    left: String,
    over: bool,
}

/// The failure of an incident that a person opened.
const DECLARED: &str = "declared";
/// How many parts the bar of 30 days has.
const CELLS: usize = 60;
const MONTH: Duration = Duration::from_secs(30 * 86_400);
/// How many outcomes the page lists.
const OUTCOMES: usize = 30;

/// `GET /monitors/{id}`.
pub async fn get_monitor(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    shown(gather(&site, &user, &id, &query).await.map(|found| found.map(|template| page(&template))))
}

async fn gather(
    site: &Site,
    user: &User,
    id: &str,
    query: &HashMap<String, String>,
) -> Result<Option<Page>, StoreError> {
    let now = site.clock.now();
    let mut scoped = user.scoped(site).await?;
    let Some(row) = find(&mut scoped, id).await? else { return Ok(None) };
    let interval = Duration::from_secs(u64::try_from(row.settings.interval_s).unwrap_or(60));
    let recent = now - (interval * 40).max(Duration::from_secs(900));
    let found = read::page(&mut scoped, row.key, now, recent, now - MONTH).await?;
    let mut page = build(user, &row, &found, telling::of(&mut scoped).await?.is_told(), now, query);
    page.maintenance = maintenance::of_monitor(&mut scoped, row.key, now).await?;
    drop(scoped);
    page.telling = telling_of::of_monitor(site, user, &row, now).await?;
    Ok(Some(page))
}

fn build(
    user: &User,
    row: &MonitorRow,
    found: &read::Page,
    told: bool,
    now: Timestamp,
    query: &HashMap<String, String>,
) -> Page {
    let paused = row.paused_at.is_some();
    let sums = uptime::of_monitor(&found.spans, (now - MONTH).max(row.created_at), now);
    let names: BTreeMap<i64, &str> = found.regions.iter().map(|region| (region.id, region.code.as_str())).collect();
    let newest = |has: fn(&OutcomeRow) -> bool| found.outcomes.iter().find(|outcome| has(outcome));
    Page {
        frame: Frame::of(user, "/", row.settings.name.clone()).noting(query),
        id: row.id.to_string(),
        shape: shape::shape(if paused { "paused" } else { &row.state }),
        since: when(row.paused_at.unwrap_or(row.since), now),
        notes: notes(row, found, now),
        maintenance: Vec::new(),
        telling: None,
        failing_from: row.failing_from.iter().map(|one| failing(one, now)).collect(),
        told_regional: row.regional.told,
        muted_until: row.regional.muted_until.filter(|until| *until > now).map(|until| format!("{until:.0}")),
        mutes: MUTES.iter().map(|hours| (*hours, mute_word(*hours))).collect(),
        paused,
        told,
        span: match now.since(row.created_at).as_secs() {
            0..3_600 => 3_600,
            3_600..21_600 => 21_600,
            _ => 86_400,
        },
        kind: row.settings.spec.kind().as_str(),
        target: row.settings.spec.target(),
        every: lasting(u64::try_from(row.settings.interval_s).unwrap_or(0)),
        availability: sums.availability().map(percent),
        coverage: sums.coverage().map(percent),
        bar: bar(row, found, now),
        regions: found.regions.iter().map(|region| says(region, now)).collect(),
        incidents: found.incidents.iter().map(|incident| told_of(incident, found, now)).collect(),
        outcomes: found.outcomes.iter().take(OUTCOMES).map(|outcome| line(outcome, &names, now)).collect(),
        gaps: found.gaps.iter().map(|gap| gap_of(gap, now)).collect(),
        certificate: newest(|outcome| outcome.detail.certificate.is_some())
            .and_then(|outcome| outcome.detail.certificate.clone())
            .map(|certificate| shown_certificate(certificate, now)),
        answers: newest(|outcome| outcome.detail.answers.is_some()).and_then(|outcome| outcome.detail.answers.clone()),
    }
}

/// What lies over the state, and what a person did to its incident.
fn notes(row: &MonitorRow, found: &read::Page, now: Timestamp) -> Vec<String> {
    let open = found.incidents.iter().find(|incident| incident.resolved_at.is_none() && incident.failure != DECLARED);
    let mut notes = Vec::new();
    if open.is_some_and(|open| open.acknowledged_at.is_some()) {
        notes.push(text("overlay.acknowledged").to_owned());
    }
    // Nothing but a person ends an incident while its monitor is down.
    if row.state == "down" && row.paused_at.is_none() && open.is_none() {
        notes.push(text("overlay.by_hand").to_owned());
    }
    let marks = (row.settings.spec.is_unverified(), row.muted_at.is_some());
    notes.extend(overlays(found.standing.get("overlays"), &row.failing_from, marks, now));
    notes
}

fn failing(from: &FailingFrom, now: Timestamp) -> (String, Option<When>) {
    (from.region.clone(), from.since.map(|since| when(Timestamp::from_micros(since), now)))
}

fn mute_word(hours: u64) -> String {
    if hours.is_multiple_of(24) {
        filled("monitor.regional_days", hours / 24)
    } else {
        filled("monitor.regional_hours", hours)
    }
}

fn bar(row: &MonitorRow, found: &read::Page, now: Timestamp) -> Vec<Cell> {
    let part = MONTH / u32::try_from(CELLS).unwrap_or(60);
    let cell = |n: usize| {
        let from = now - MONTH + part * u32::try_from(n).unwrap_or(0);
        let to = from + part;
        if to <= row.created_at {
            return Cell { x: n * 10, class: "none", down: 0, says: String::new() };
        }
        let sums = uptime::of_monitor(&found.spans, from.max(row.created_at), to);
        let (class, down) = colour(&sums);
        let says =
            format!("{from:.0}: {}", sums.availability().map_or_else(|| text("state.unknown").to_owned(), percent));
        Cell { x: n * 10, class, down, says }
    };
    (0..CELLS).map(cell).collect()
}

/// What a part of the bar shows: what it mostly was, and how much of it down (a sixth of the height at least).
fn colour(sums: &Sums) -> (&'static str, u32) {
    const HIGH: i64 = 34;
    let total = sums.total_us().max(1);
    let other = sums.maintenance_us + sums.paused_us;
    let mostly = [(sums.unknown_us, "unknown"), (other, "paused"), (sums.up_us + sums.down_us, "up")];
    let class = mostly.iter().max_by_key(|(us, _)| *us).map_or("unknown", |(_, class)| *class);
    let down = if sums.down_us > 0 { (sums.down_us.saturating_mul(HIGH) / total).max(6) } else { 0 };
    (class, u32::try_from(down).unwrap_or(0))
}

fn says(region: &RegionRow, now: Timestamp) -> Region {
    let heard = region.seen_at.map(Timestamp::from_micros);
    let silent = heard.is_none_or(|seen| now.since(seen) > SILENT_AFTER);
    let rechecked = region.last_trigger.as_deref() == Some("recheck");
    let vote = match (region.status.as_deref(), region.fails) {
        _ if silent => "monitor.vote_none",
        (Some("down"), Some(fails)) if fails >= 2 || rechecked => "monitor.vote_fail",
        (Some("down"), _) => "monitor.vote_unconfirmed",
        (Some("up" | "degraded"), _) => "monitor.vote_ok",
        _ => "monitor.vote_none",
    };
    Region {
        code: region.code.clone(),
        network: region.network.clone(),
        eu: region.eu,
        shape: shape::shape(if silent { "silent" } else { region.status.as_deref().unwrap_or("pending") }),
        vote: text(vote),
        heard: heard.map(|seen| when(seen, now)),
        why: region.message.clone().unwrap_or_default(),
    }
}

fn told_of(incident: &IncidentRow, found: &read::Page, now: Timestamp) -> Incident {
    let started = Timestamp::from_micros(incident.started_at);
    let ended = incident.resolved_at.map(Timestamp::from_micros);
    let events = found.events.iter().filter(|(id, ..)| *id == incident.id);
    let evidence = incident.detail.get("evidence").and_then(Value::as_object).into_iter().flatten();
    Incident {
        id: incident.uuid.to_string(),
        started: when(started, now),
        ended: ended.map(|at| when(at, now)),
        lasted: lasting(ended.unwrap_or(now).since(started).as_secs()),
        kind: incident.failure.replace('_', " "),
        message: incident.message.clone(),
        evidence: evidence.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        events: events
            .map(|(_, at, event, detail)| (when(Timestamp::from_micros(*at), now), event_text(event), more(detail)))
            .collect(),
    }
}

fn event_text(event: &str) -> &'static str {
    match event {
        "first_failure" => text("monitor.event_first_failure"),
        "confirmed" => text("monitor.event_confirmed"),
        "resolved" => text("monitor.event_resolved"),
        "no_data" => text("monitor.event_no_data"),
        "edited" => text("monitor.event_edited"),
        "failing_again" => text("incident.event_failing_again"),
        "opened" => text("incident.event_opened"),
        "acknowledged" => text("incident.event_acknowledged"),
        "assigned" | "unassigned" => text("incident.assign_title"),
        "commented" => text("incident.event_commented"),
        "reopened" => text("incident.event_reopened"),
        "post_mortem" => text("incident.post_mortem"),
        _ => text("incident.event_other"),
    }
}

/// What belongs to an event, in words: its regions, or how it was resolved.
fn more(detail: &Value) -> String {
    let regions = detail.get("regions").and_then(Value::as_array);
    let list: Vec<&str> = regions.into_iter().flatten().filter_map(Value::as_str).collect();
    if list.is_empty() {
        detail.get("resolution").and_then(Value::as_str).unwrap_or_default().to_owned()
    } else {
        list.join(", ")
    }
}

fn line(outcome: &OutcomeRow, names: &BTreeMap<i64, &str>, now: Timestamp) -> Line {
    let why = outcome.failure.as_deref().map(|kind| match &outcome.detail.message {
        Some(message) => message.clone(),
        None => kind.replace('_', " "),
    });
    let whole = outcome.phases.in_order().iter().filter_map(|(_, us)| *us).sum::<u32>().max(1);
    let (mut phases, mut words, mut x) = (Vec::new(), Vec::new(), 0_u64);
    for (step, (name, us)) in outcome.phases.in_order().into_iter().enumerate() {
        let Some(us) = us else { continue };
        let part = |us: u64| u32::try_from(us * 1_000 / u64::from(whole)).unwrap_or(0);
        phases.push(Phase { x: part(x), width: part(u64::from(us)).max(2), step });
        words.push(format!("{name} {}", duration_us(us)));
        x += u64::from(us);
    }
    Line {
        at: when(outcome.at, now),
        region: names.get(&outcome.region.0).copied().unwrap_or("?").to_owned(),
        shape: shape::shape(outcome.status.as_str()),
        took: duration_us(outcome.total_us),
        note: match outcome.trigger {
            Trigger::Confirm => Some(text("monitor.trigger_confirm")),
            Trigger::Recheck => Some(text("monitor.trigger_recheck")),
            Trigger::Manual => Some(text("monitor.trigger_manual")),
            Trigger::Scheduled | Trigger::Other => None,
        },
        why,
        evidence: outcome.detail.evidence.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        phases,
        phases_say: words.join(" · "),
    }
}

fn gap_of((region, from, to, reason): &read::GapRow, now: Timestamp) -> Gap {
    let reason = match reason.as_str() {
        "probe_offline" => text("monitor.gap_probe_offline"),
        "buffer_overflow" => text("monitor.gap_buffer_overflow"),
        "not_scheduled" => text("monitor.gap_not_scheduled"),
        "self_check_failed" => text("monitor.gap_self_check_failed"),
        "collector_down" => text("monitor.gap_collector_down"),
        "paused" => text("monitor.gap_paused"),
        "too_old" => text("monitor.gap_too_old"),
        _ => text("monitor.gap_other"),
    };
    Gap {
        region: region.clone(),
        from: when(Timestamp::from_micros(*from), now),
        to: to.map(|to| when(Timestamp::from_micros(to), now)),
        reason,
    }
}

fn shown_certificate(certificate: Certificate, now: Timestamp) -> Shown {
    let over = certificate.not_after <= now;
    let left = certificate.not_after.since(now).as_secs();
    Shown {
        from: format!("{:.0}", certificate.not_before),
        until: format!("{:.0}", certificate.not_after),
        left: if over { text("monitor.over").to_owned() } else { filled("monitor.left", lasting(left)) },
        over,
        certificate,
    }
}
