//! The comparison after a fault: what the [`ledger`](crate::ledger) saw, against what PostgreSQL holds.
//!
//! Every acknowledged outcome is stored once, nothing is stored that was not sent, nothing twice, and every slot of every
//! monitor and region has an outcome or lies in a gap whose reason fits what the test did.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use picket_shared::assignment::{phase_us, slot_after};
use picket_shared::ids::MonitorId;
use picket_shared::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::ledger::{Ledger, Outcome, Sending};
use crate::postgres::Postgres;

/// Gaps with this reason and in this region are what the test has caused, between these times.
#[derive(Clone, Debug)]
pub struct Excuse {
    /// In which region.
    pub region: String,
    /// With which reason.
    pub reason: &'static str,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

/// What was compared, for the test's output, and everything that is wrong.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Outcomes for which a receipt was given; each once, however often it was sent.
    pub acknowledged: usize,
    /// Rows of outcomes.
    pub stored: usize,
    /// Batches that were sent more than once.
    pub repeated: usize,
    /// Slots that were due.
    pub slots: usize,
    /// Slots without an outcome of which the probe itself said that it had no time for them.
    pub had_no_time: usize,
    /// Slots without an outcome that lie in another gap.
    pub in_gaps: usize,
    /// Everything that is wrong; a few of each kind.
    pub complaints: Vec<String>,
}

/// An outcome: monitor, region, time, and the first letter of its trigger.
type Key = (Uuid, String, i64, String);

#[derive(Deserialize)]
struct StoredRow {
    monitor: Uuid,
    region: String,
    at: i64,
    trigger: String,
    rows: i64,
    fold_last: Option<i64>,
}

#[derive(Deserialize)]
struct GapRow {
    monitor: Option<Uuid>,
    region: String,
    from_at: i64,
    to_at: Option<i64>,
    reason: String,
}

#[derive(Deserialize)]
struct WatchedRow {
    monitor: Uuid,
    region: String,
    interval_s: u64,
}

/// The reason that a busy machine alone may give.
const NO_TIME: &str = "not_scheduled";

const STORED: &str = "SELECT m.uuid AS monitor, r.code AS region, x.at, x.trigger::text AS trigger, count(*) AS rows, \
     max(x.fold_last) AS fold_last FROM results x JOIN monitors m ON m.id = x.monitor_id JOIN regions r ON r.id = x.region_id \
     GROUP BY m.uuid, r.code, x.at, x.trigger";
const GAPS: &str = "SELECT m.uuid AS monitor, r.code AS region, g.from_at, g.to_at, g.reason \
     FROM gaps g JOIN regions r ON r.id = g.region_id LEFT JOIN monitors m ON m.id = g.monitor_id";
const WATCHED: &str = "SELECT m.uuid AS monitor, r.code AS region, m.interval_s \
     FROM monitors m JOIN monitor_regions mr ON mr.monitor_id = m.id JOIN regions r ON r.id = mr.region_id";

/// Compares everything that was sent so far, and the slots after `from` up to `to`, which must be accounted for by now.
#[track_caller]
pub fn compare(ledger: &Ledger, postgres: &Postgres, (from, to): (Timestamp, Timestamp), excuses: &[Excuse]) -> Found {
    // Whatever is acknowledged before the rows are read is among them, and whatever is among them is sent before the end.
    let acknowledged = keys(&ledger.sendings(), |sending| sending.acknowledged().collect());
    let stored: Vec<StoredRow> = read(postgres, STORED);
    let gaps: Vec<GapRow> = read(postgres, GAPS);
    let watched: Vec<WatchedRow> = read(postgres, WATCHED);
    let sendings = ledger.sendings();
    let mut found = Found::default();
    outcomes(&sendings, &acknowledged, &stored, &mut found);
    receipts(&sendings, &mut found);
    slots(&watched, &stored, &gaps, (from, to), &mut found);
    reasons(&sendings, &gaps, (from, to), excuses, &mut found);
    found
}

#[track_caller]
fn read<T: DeserializeOwned>(postgres: &Postgres, query: &str) -> Vec<T> {
    let rows = postgres.rows(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect()
}

fn keys<'a>(sendings: &'a [Sending], of: impl Fn(&'a Sending) -> Vec<&'a Outcome>) -> HashSet<Key> {
    let key = |sending: &Sending, o: &Outcome| (o.monitor, sending.region.clone(), o.at, o.trigger[..1].to_owned());
    sendings.iter().flat_map(|sending| of(sending).into_iter().map(move |o| key(sending, o))).collect()
}

fn outcomes(sendings: &[Sending], acknowledged: &HashSet<Key>, stored: &[StoredRow], found: &mut Found) {
    let rows: HashMap<Key, i64> = stored.iter().map(|row| (row.key(), row.rows)).collect();
    let sent = keys(sendings, |sending| sending.body.outcomes.iter().collect());
    let lost = acknowledged.iter().filter(|key| !rows.contains_key(*key));
    let twice = rows.iter().filter(|(_, count)| **count != 1);
    let unknown = rows.keys().filter(|key| !sent.contains(*key));
    let shown = |key: &Key| format!("{} in {} at {} ({})", key.0, key.1, Timestamp::from_micros(key.2), key.3);
    let (lost, unknown): (Vec<_>, Vec<_>) = (lost.map(shown).collect(), unknown.map(shown).collect());
    found.say("acknowledged outcomes are lost", &lost);
    found.say("outcomes are stored more than once", &twice.map(|(key, _)| shown(key)).collect::<Vec<_>>());
    found.say("outcomes are stored that nobody sent", &unknown);
    (found.acknowledged, found.stored) = (acknowledged.len(), rows.len());
}

/// The same batch gets the same receipt, and nothing that a probe of ours sends is rejected.
fn receipts(sendings: &[Sending], found: &mut Found) {
    let mut batches: HashMap<Uuid, Vec<&Sending>> = HashMap::new();
    for sending in sendings {
        batches.entry(sending.batch).or_default().push(sending);
    }
    let (mut differ, mut rejected) = (Vec::new(), Vec::new());
    for (batch, tries) in &batches {
        let mut receipts = tries.iter().filter_map(|sending| sending.receipt());
        let first = receipts.next();
        if receipts.any(|receipt| Some(receipt) != first) {
            differ.push(batch.to_string());
        }
        rejected.extend(first.filter(|receipt| !receipt.rejected.is_empty()).map(|receipt| format!("{receipt:?}")));
    }
    found.repeated = batches.values().filter(|tries| tries.len() > 1).count();
    found.say("batches got two different receipts", &differ);
    found.say("batches had outcomes rejected", &rejected);
}

fn slots(
    watched: &[WatchedRow],
    stored: &[StoredRow],
    gaps: &[GapRow],
    span: (Timestamp, Timestamp),
    found: &mut Found,
) {
    let mut told: HashMap<(Uuid, &str), Vec<(i64, i64)>> = HashMap::new();
    for row in stored.iter().filter(|row| row.trigger == "s") {
        told.entry((row.monitor, &row.region)).or_default().push((row.at, row.fold_last.unwrap_or(row.at)));
    }
    let mut unexplained = Vec::new();
    for row in watched {
        let interval = std::time::Duration::from_secs(row.interval_s);
        let phase = phase_us(MonitorId(row.monitor), &row.region.parse().unwrap(), interval);
        let mine = told.get(&(row.monitor, row.region.as_str())).map(Vec::as_slice).unwrap_or_default();
        let exact: HashSet<i64> = mine.iter().map(|(at, _)| *at).collect();
        let mut slot = slot_after(phase, interval, span.0);
        while slot <= span.1 {
            let at = slot.micros();
            found.slots += 1;
            if !exact.contains(&at) && !mine.iter().any(|(first, last)| (*first..=*last).contains(&at)) {
                let explains = |gap: &&GapRow| gap.region == row.region && gap.holds(row.monitor, at);
                match gaps.iter().filter(explains).map(|gap| gap.reason == NO_TIME).max() {
                    Some(true) => found.had_no_time += 1,
                    Some(false) => found.in_gaps += 1,
                    None => unexplained.push(format!("{} in {} at {slot}", row.monitor, row.region)),
                }
            }
            slot = slot + interval;
        }
    }
    found.say("slots have neither outcome nor gap", &unexplained);
}

/// Every gap is what a probe said it missed for want of time, or what the test did.
fn reasons(sendings: &[Sending], gaps: &[GapRow], span: (Timestamp, Timestamp), excuses: &[Excuse], found: &mut Found) {
    let told: HashSet<(Uuid, &str, i64, &str)> = sendings
        .iter()
        .flat_map(|s| s.body.missed.iter().map(|m| (m.monitor, s.region.as_str(), m.to, m.reason.as_str())))
        .filter(|(_, _, _, reason)| *reason == NO_TIME)
        .collect();
    let wrong = gaps.iter().filter(|gap| {
        let Some(to_at) = gap.to_at else { return true };
        let (from, to) = (gap.from_at.max(span.0.micros()), to_at.min(span.1.micros()));
        let missed = gap.monitor.is_some_and(|monitor| told.contains(&(monitor, &gap.region, to_at, &gap.reason)));
        let excused = excuses.iter().any(|excuse| {
            let fits = excuse.region == gap.region && excuse.reason == gap.reason;
            fits && excuse.from.micros() <= from && to <= excuse.to.micros()
        });
        from < to && !missed && !excused
    });
    let wrong: Vec<String> = wrong.map(ToString::to_string).collect();
    found.say("gaps fit nothing that the test did", &wrong);
}

impl StoredRow {
    fn key(&self) -> Key {
        (self.monitor, self.region.clone(), self.at, self.trigger.clone())
    }
}

impl GapRow {
    fn holds(&self, monitor: Uuid, at: i64) -> bool {
        self.monitor.is_none_or(|own| own == monitor) && self.from_at < at && self.to_at.is_none_or(|to| at <= to)
    }
}

impl Display for GapRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = self.monitor.map_or_else(|| "every monitor".to_owned(), |monitor| monitor.to_string());
        let to = self.to_at.map_or_else(|| "now".to_owned(), |to| Timestamp::from_micros(to).to_string());
        let from = Timestamp::from_micros(self.from_at);
        write!(f, "{} in {} from {from} to {to}: {}", whose, self.region, self.reason)
    }
}

impl Found {
    fn say(&mut self, what: &str, cases: &[String]) {
        const SHOWN: usize = 5;
        if !cases.is_empty() {
            let shown = cases[..cases.len().min(SHOWN)].join("\n  ");
            self.complaints.push(format!("{} {what}:\n  {shown}", cases.len()));
        }
    }
}
