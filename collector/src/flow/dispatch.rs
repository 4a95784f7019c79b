//! Notices to deliveries: whom to tell. Before it the judge, after it [`super::deliver`].
//!
//! A notice is for the channels that the policy of its monitor names: one that begins an incident for the levels that are due at once
//! (the others are [`mod@escalate`]d when nobody acknowledges), one without an incident for the first level that reaches somebody. Where an
//! organization has no policy for it, every channel is told that is not a member's own. The operator, who has no channels, is told by
//! those of each organization.
//!
//! What tells that something is over, or that somebody looks after it, goes to those who were told of it and to nobody else. Of a region
//! that falls silent or returns, one message is made for all its monitors.

mod escalate;
mod tell;

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use self::escalate::{Course, told_by};
use self::tell::{Line, Telling};
use crate::domain::outage::{Audience, NoticeKind, OF_INCIDENT};
use crate::domain::telling::escalation::Progress;
use crate::notify::Kind;
use crate::store::escalations::{self, Due};
use crate::store::notices::{self, NoticeRow};
use crate::store::policies::reach::{self, Chosen, Hop, Miss, Target, Why};
use crate::store::policies::told::{self, Told};
use crate::store::{ChannelKey, IncidentKey, NoticeKey, Pools, StoreError, Worker};

pub use escalate::{Escalated, escalate};

/// So many notices a transaction.
const BATCH: i64 = 100;
/// For so long one message about a region stands for all its monitors.
const SAME_REGION: Duration = Duration::from_secs(600);

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many notices were dispatched.
    pub notices: u64,
    /// How many deliveries were made of them.
    pub deliveries: u64,
}

/// Makes deliveries of each notice that was not dispatched yet, for whoever is to be told of it.
///
/// # Errors
/// When the database fails; what was committed stays.
pub async fn run(pools: &Pools, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report::default();
    loop {
        let mut conn = pools.worker().await?;
        told::one_at_a_time(&mut conn).await?;
        // Whoever acknowledged in time is not told that nobody did.
        escalations::end_settled(&mut conn).await?;
        let waiting = notices::waiting(&mut conn, BATCH).await?;
        if waiting.is_empty() {
            return Ok(report);
        }
        for notice in &waiting {
            report.notices += 1;
            let (route, made) = Box::pin(dispatch(&mut conn, notice, now)).await?;
            report.deliveries += made;
            notices::mark_dispatched(&mut conn, notice.key, &route, now).await?;
        }
        conn.commit().await?;
    }
}

/// Makes what is due at once of a notice; gives how that came about, and how many deliveries it is.
async fn dispatch(conn: &mut Worker, notice: &NoticeRow, now: Timestamp) -> Result<(Value, u64), StoreError> {
    if is_told_already(conn, notice, now).await? {
        return Ok((json!({ "because": "told_already" }), 0));
    }
    let kind = &notice.notice.kind;
    match kind.audience() {
        Audience::MembersNotPaged => return announce(conn, notice, now).await,
        Audience::OtherChannels => return through_others(conn, notice, now).await,
        _ => {}
    }
    let before = match (kind.follows(), notice.incident) {
        (Some(OF_INCIDENT), Some(incident)) => told::of_incident(conn, incident, notice.round, OF_INCIDENT).await?,
        // What was over before anybody knew of it is news.
        (Some(OF_INCIDENT), None) => Vec::new(),
        (Some(kinds), _) => {
            let before = told::of_trouble(conn, notice, kinds).await?;
            return follow(conn, notice, &before, now).await;
        }
        (None, Some(incident)) if kind.begins_incident() => return begin(conn, notice, incident, now).await,
        (None, _) => return news(conn, notice, now).await,
    };
    match kind {
        NoticeKind::Up { .. } if before.is_empty() => news(conn, notice, now).await,
        _ => follow(conn, notice, &before, now).await,
    }
}

/// An incident begins its way through the policy that is for it.
async fn begin(
    conn: &mut Worker,
    notice: &NoticeRow,
    incident: IncidentKey,
    now: Timestamp,
) -> Result<(Value, u64), StoreError> {
    let Some(chosen) = reach::chosen(conn, notice.org, &notice.monitors).await? else {
        return everyone(conn, notice, now).await;
    };
    let course = Course { first: notice, incident, chosen: &chosen, now };
    let progress = Progress::begin(&chosen.policy, notice.notice.at);
    let (progress, lines, made) = course.go_on(conn, progress).await?;
    if !notice.is_settled {
        let due = Due { incident, org: notice.org, policy: chosen.key, notice: notice.key, progress };
        escalations::keep(conn, &due, now).await?;
    }
    Ok((route(Some(&chosen), &lines, now), made))
}

/// What is told once: to the first level that reaches somebody.
async fn news(conn: &mut Worker, notice: &NoticeRow, now: Timestamp) -> Result<(Value, u64), StoreError> {
    let chosen = match notice.notice.kind.audience() {
        // It is of no monitor in particular.
        Audience::Operator => reach::chosen(conn, notice.org, &[]).await?,
        _ => reach::chosen(conn, notice.org, &notice.monitors).await?,
    };
    let Some(chosen) = chosen else { return everyone(conn, notice, now).await };
    let (mut lines, mut made) = (Vec::new(), 0);
    for level in 0..chosen.policy.waits.len() {
        let reach = reach::level(conn, notice.org, chosen.key, level, now).await?;
        let line = Line { level: Some(level), misses: reach.misses, ..Line::default() };
        let (line, more) = tell(conn, notice, Some(&chosen), reach.hops, line, now).await?;
        made += more;
        lines.push(line);
        if made > 0 {
            break;
        }
    }
    Ok((route(Some(&chosen), &lines, now), made))
}

/// Without a policy: every channel that was known to be wanted when the notice was written.
async fn everyone(conn: &mut Worker, notice: &NoticeRow, now: Timestamp) -> Result<(Value, u64), StoreError> {
    let mut reach = reach::everyone(conn, notice.org).await?;
    reach.hops.retain(|hop| hop.verified_at <= notice.notice.at);
    let (line, made) = tell(conn, notice, None, reach.hops, Line::default(), now).await?;
    Ok((route(None, &[line], now), made))
}

/// What is no alarm: to every channel that knows messages; that it will not be, to those who heard of it.
async fn announce(conn: &mut Worker, notice: &NoticeRow, now: Timestamp) -> Result<(Value, u64), StoreError> {
    let mut reach = reach::everyone(conn, notice.org).await?;
    reach.hops.retain(|hop| hop.verified_at <= notice.notice.at && !is_kind(hop, Kind::is_paged));
    if notice.notice.kind == NoticeKind::MaintenanceCalledOff {
        let heard = told::of_maintenance(conn, notice.key).await?;
        reach.hops.retain(|hop| heard.contains(&hop.key));
    }
    let (line, made) = tell(conn, notice, None, reach.hops, Line::default(), now).await?;
    Ok((route(None, &[line], now), made))
}

/// What is about a channel: to every other one that works; that it works again, to those who heard that it did not.
async fn through_others(conn: &mut Worker, notice: &NoticeRow, now: Timestamp) -> Result<(Value, u64), StoreError> {
    let mut reach = reach::everyone(conn, notice.org).await?;
    let others = told::others_of_channel(conn, notice.key).await?;
    reach.hops.retain(|hop| others.contains(&hop.key));
    let (line, made) = tell(conn, notice, None, reach.hops, Line::default(), now).await?;
    Ok((route(None, &[line], now), made))
}

/// Tells those who were told `before`.
async fn follow(
    conn: &mut Worker,
    notice: &NoticeRow,
    before: &[NoticeKey],
    now: Timestamp,
) -> Result<(Value, u64), StoreError> {
    let kind = &notice.notice.kind;
    let is_over = *kind != NoticeKind::Acknowledged;
    let held = told::take_back(conn, before, is_over, now).await?;
    let holding: Vec<_> = Kind::ALL.iter().filter(|kind| kind.holds()).map(|kind| kind.as_str()).collect();
    let mut told = told::by(conn, before, &holding).await?;
    let mut line = Line { misses: quiet_throughout(&held, &told), ..Line::default() };
    if !is_over {
        told.retain(|told| is_kind(&told.hop, Kind::acknowledges));
    }
    let (mut made, mut first) = (0, None);
    while let Some(policy) = told.first().map(|told| told.policy) {
        let (own, others): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.policy == policy);
        told = others;
        let chosen = match policy {
            Some(key) => reach::by_key(conn, key).await?,
            None => None,
        };
        let keeps_it = kind.is_recovery() && chosen.as_ref().is_some_and(|chosen| !chosen.tells_recovery);
        let (hops, unwilling): (Vec<Hop>, Vec<Hop>) =
            own.into_iter().map(|told| told.hop).partition(|hop| !keeps_it || is_kind(hop, Kind::holds));
        unwilling.iter().for_each(|hop| line.misses(hop, Why::NoRecovery));
        let more;
        (line, more) = tell(conn, notice, chosen.as_ref(), hops, line, now).await?;
        made += more;
        first = first.or(chosen);
    }
    let mut route = route(first.as_ref(), &[line], now);
    route["because"] = json!("told_before");
    Ok((route, made))
}

/// Channels that were to be told of the beginning when it was over already.
fn quiet_throughout(held: &[ChannelKey], told: &[Told]) -> Vec<Miss> {
    let untold = held.iter().filter(|channel| !told.iter().any(|told| told.hop.key == **channel));
    let mut misses: Vec<_> =
        untold.map(|channel| Miss { target: Target::Channel(*channel), why: Why::QuietThroughout }).collect();
    misses.sort_by_key(|miss| miss.target);
    misses.dedup();
    misses
}

fn is_kind(hop: &Hop, of: impl Fn(Kind) -> bool) -> bool {
    Kind::parse(&hop.kind).is_some_and(of)
}

/// Makes a notice's messages for these channels, within the policy's budget.
async fn tell(
    conn: &mut Worker,
    notice: &NoticeRow,
    policy: Option<&Chosen>,
    hops: Vec<Hop>,
    mut line: Line,
    now: Timestamp,
) -> Result<(Line, u64), StoreError> {
    let hops = tell::within_budget(conn, policy, hops, &mut line, now).await?;
    let telling = Telling { notice: notice.key, of: notice, policy, now };
    let level = line.level;
    let made = tell::make(conn, &telling, level, hops, &mut line).await?;
    Ok((line, made))
}

fn route(policy: Option<&Chosen>, lines: &[Line], now: Timestamp) -> Value {
    let mut route = tell::by(policy);
    route["levels"] = told_by(lines, now);
    route
}

async fn is_told_already(conn: &mut Worker, notice: &NoticeRow, now: Timestamp) -> Result<bool, StoreError> {
    match &notice.notice.kind {
        NoticeKind::RegionSilent { region, .. } | NoticeKind::RegionHeard { region } => {
            let kinds = ["region_silent", "region_heard"];
            notices::told_of_region(conn, notice, region.as_str(), &kinds, now - SAME_REGION).await
        }
        // Monitors that are checked rarely learn of it late: what the operator was told last stands, however old it is.
        NoticeKind::RegionNetworkBad { region, .. } | NoticeKind::RegionNetworkGood { region } => {
            let kinds = ["region_network_bad", "region_network_good"];
            notices::told_of_region(conn, notice, region.as_str(), &kinds, Timestamp::from_micros(0)).await
        }
        _ => Ok(false),
    }
}
