//! Maintenance for pages: the windows of an organization with what runs and comes of each, what concerns one monitor, and what a
//! status page is to show.

use picket_shared::ids::MaintenanceId;
use picket_shared::time::Timestamp;

use serde_json::{Value, json};

use crate::domain::maintenance::settings::{Effects, Scope, Settings};
use crate::domain::zone::Zone;
use crate::store::maintenances::{Kept, Row, select};
use crate::store::{Conn, MonitorKey, Scoped, StoreError};

/// A window, and where it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The window.
    pub kept: Kept,
    /// From when to when it runs, where it does.
    pub running: Option<(Timestamp, Timestamp)>,
    /// When it begins next.
    pub next: Option<Timestamp>,
    /// When it ended last, where it did.
    pub last: Option<Timestamp>,
    /// The names of its monitors, where it is of some by their ids.
    pub named: Vec<String>,
}

/// How many times to come are shown.
pub const SHOWN: usize = 10;

impl Standing {
    /// The same for programs, but for who made it.
    pub fn exported(&self, now: Timestamp) -> Value {
        let Settings { title, note, window, scope, effects, announce_before } = &self.kept.settings;
        let (monitors, tags): (&[_], &[String]) = match scope {
            Scope::All => (&[], &[]),
            Scope::Monitors(ids) => (ids, &[]),
            Scope::Tags(tags) => (&[], tags),
        };
        let next = window.after(now).filter(|time| time.start > now).take(SHOWN).map(|time| {
            json!({
                "local": time.local.to_string(), "starts_at": time.start.to_string(), "ends_at": time.end.to_string(),
            })
        });
        json!({
            "id": self.kept.id,
            "title": title,
            "note": note,
            "start": window.start.to_string(),
            "duration_s": window.duration.as_secs(),
            "zone": window.zone,
            "rule": window.rule.as_ref().map(|rule| rule.text()),
            "exceptions": window.exceptions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "scope": scope.as_str(),
            "monitors": monitors,
            "tags": tags,
            "holds_alerts": effects.holds_alerts,
            "shows_on_page": effects.shows_on_page,
            "counts_as": effects.counts_as,
            "announce_before_s": announce_before.map(|before| before.as_secs()),
            "in_words": window.words(),
            "running": self.running.map(|(from, to)| json!({ "starts_at": from.to_string(), "ends_at": to.to_string() })),
            "next": next.collect::<Vec<_>>(),
            "last_ended_at": self.last.map(|at| at.to_string()),
            "created_at": self.kept.created_at.to_string(),
            "updated_at": self.kept.updated_at.to_string(),
        })
    }
}

/// A window with what runs of it and what was over last.
#[derive(sqlx::FromRow)]
struct StandingRow {
    #[sqlx(flatten)]
    row: Row,
    runs_from: Option<i64>,
    runs_to: Option<i64>,
    last: Option<i64>,
    named: Vec<String>,
}

/// [`select`] with the columns of [`StandingRow`] and what follows in the statement; `$1` is now.
macro_rules! standing {
    ($rest:literal) => {
        select!(
            ", s.runs_from, s.runs_to, s.last, ARRAY(SELECT m.name FROM maintenance_monitors mm JOIN monitors m ON m.id = mm.monitor_id
                  WHERE mm.maintenance_id = w.id AND m.deleted_at IS NULL ORDER BY m.name) AS named",
            "CROSS JOIN LATERAL (SELECT min(o.starts_at) FILTER (WHERE o.starts_at <= $1 AND o.ends_at > $1) AS runs_from,
                 max(o.ends_at) FILTER (WHERE o.starts_at <= $1 AND o.ends_at > $1) AS runs_to,
                 max(o.ends_at) FILTER (WHERE o.ends_at <= $1) AS last
                 FROM maintenance_occurrences o WHERE o.maintenance_id = w.id AND NOT o.called_off) s ",
            $rest
        )
    };
}

impl StandingRow {
    fn standing(self, now: Timestamp) -> Result<Standing, StoreError> {
        let time = Timestamp::from_micros;
        let running = self.runs_from.zip(self.runs_to).map(|(from, to)| (time(from), time(to)));
        let kept = self.row.kept()?;
        let next = kept.settings.window.after(now).find(|one| one.start > now).map(|one| one.start);
        Ok(Standing { kept, running, next, last: self.last.map(time), named: self.named })
    }
}

/// All windows that are not deleted, the newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(scoped: &mut Scoped, now: Timestamp) -> Result<Vec<Standing>, StoreError> {
    let sql = standing!("WHERE w.deleted_at IS NULL ORDER BY w.uuid DESC");
    let rows: Vec<StandingRow> = sqlx::query_as(sql).bind(now.micros()).fetch_all(scoped.conn()).await?;
    rows.into_iter().map(|row| row.standing(now)).collect()
}

/// The window of that id, unless it was deleted.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn one(scoped: &mut Scoped, id: MaintenanceId, now: Timestamp) -> Result<Option<Standing>, StoreError> {
    let sql = standing!("WHERE w.uuid = $2 AND w.deleted_at IS NULL");
    let row: Option<StandingRow> =
        sqlx::query_as(sql).bind(now.micros()).bind(id.0).fetch_optional(scoped.conn()).await?;
    row.map(|row| row.standing(now)).transpose()
}

/// A time of maintenance that a monitor or a page is concerned by.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The window.
    pub id: MaintenanceId,
    /// What it is called.
    pub title: String,
    /// What is to be known of it.
    pub note: String,
    /// By whose clocks it is told.
    pub zone: Zone,
    /// What follows from it.
    pub effects: Effects,
    /// When it begins or began.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// What runs or comes next of each window that one of `monitors` is in, the earliest first: what a status page with these monitors
/// shows where [`Effects::shows_on_page`] says so, and what the page of a monitor shows.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of_monitors(
    scoped: &mut Scoped,
    monitors: &[MonitorKey],
    now: Timestamp,
) -> Result<Vec<Shown>, StoreError> {
    let keys: Vec<i64> = monitors.iter().map(|key| key.0).collect();
    let sql = standing!(
        "WHERE w.deleted_at IS NULL AND EXISTS (SELECT FROM monitors m WHERE m.id = ANY ($2) AND m.deleted_at IS NULL
            AND maintains(w.id, w.scope, w.tags, m.id, m.tags)) ORDER BY w.uuid"
    );
    let rows: Vec<StandingRow> = sqlx::query_as(sql).bind(now.micros()).bind(keys).fetch_all(scoped.conn()).await?;
    let mut shown = Vec::new();
    for row in rows {
        let Standing { kept, running, next, .. } = row.standing(now)?;
        let next = next.map(|start| (start, start + kept.settings.window.duration));
        for (starts_at, ends_at) in running.into_iter().chain(next) {
            let settings = kept.settings.clone();
            let (zone, effects) = (settings.window.zone, settings.effects);
            let (title, note) = (settings.title, settings.note);
            shown.push(Shown { id: kept.id, title, note, zone, effects, starts_at, ends_at });
        }
    }
    shown.sort_by_key(|one| one.starts_at);
    Ok(shown)
}
