//! Windows of maintenance and their occurrences. [`of_monitors`] is what the judge learns of them; what people do to them is in
//! [`deeds`], what the task does in [`edges`].

pub mod deeds;
pub mod edges;

use std::collections::BTreeSet;
use std::time::Duration;

use picket_shared::ids::{MaintenanceId, MonitorId};
use picket_shared::time::Timestamp;

use super::{Conn, MaintenanceKey, StoreError, Worker};
use crate::domain::maintenance::settings::{CountsAs, Effects, Scope, Settings};
use crate::domain::maintenance::{Window, plan};
use crate::domain::outage::Maintenance;

/// The columns of [`Row`], of a table `w`, and what follows them in the statement; with more columns, what is joined for them too.
macro_rules! select {
    ($rest:literal) => {
        $crate::store::maintenances::select!("", "", $rest)
    };
    ($more:literal, $joined:literal, $rest:literal) => {
        concat!("SELECT w.id, w.uuid, w.title, w.note, w.zone, w.start, w.duration_s, w.rule, w.exceptions, w.scope, w.tags,
    w.holds_alerts, w.shows_on_page, w.counts_as, w.announce_before_s, w.created_by, w.created_at, w.updated_at, w.deleted_at,
    ARRAY(SELECT m.uuid FROM maintenance_monitors mm JOIN monitors m ON m.id = mm.monitor_id
          WHERE mm.maintenance_id = w.id AND m.deleted_at IS NULL ORDER BY m.name) AS monitors", $more, " FROM maintenances w ", $joined, $rest)
    };
}
pub(in crate::store) use select;

#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct Row {
    id: i64,
    uuid: uuid::Uuid,
    title: String,
    note: String,
    zone: String,
    start: String,
    duration_s: i32,
    rule: Option<String>,
    exceptions: Vec<String>,
    scope: String,
    tags: Vec<String>,
    holds_alerts: bool,
    shows_on_page: bool,
    counts_as: String,
    announce_before_s: Option<i32>,
    created_by: String,
    created_at: i64,
    updated_at: i64,
    deleted_at: Option<i64>,
    monitors: Vec<uuid::Uuid>,
}

/// A window that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its row.
    pub key: MaintenanceKey,
    /// Its name outside.
    pub id: MaintenanceId,
    /// What was wanted.
    pub settings: Settings,
    /// Who made it, as the audit log names people.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

impl Row {
    fn key(&self) -> MaintenanceKey {
        MaintenanceKey(self.id)
    }

    pub(in crate::store) fn kept(self) -> Result<Kept, StoreError> {
        let lost = |column| StoreError::Inconsistent { table: "maintenances", column, row: self.id };
        let seconds = |seconds: i32| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let exceptions: Option<BTreeSet<_>> = self.exceptions.iter().map(|text| text.parse().ok()).collect();
        let window = Window {
            start: self.start.parse().map_err(|_| lost("start"))?,
            duration: seconds(self.duration_s),
            zone: self.zone.parse().map_err(|_| lost("zone"))?,
            rule: self.rule.as_deref().map(str::parse).transpose().map_err(|_| lost("rule"))?,
            exceptions: exceptions.ok_or_else(|| lost("exceptions"))?,
        };
        let scope = match self.scope.as_str() {
            "all" => Scope::All,
            "tags" => Scope::Tags(self.tags.clone()),
            _ => Scope::Monitors(self.monitors.iter().copied().map(MonitorId).collect()),
        };
        let counts_as = CountsAs::named(&self.counts_as);
        Ok(Kept {
            key: self.key(),
            id: MaintenanceId(self.uuid),
            settings: Settings {
                title: self.title,
                note: self.note,
                window,
                scope,
                effects: Effects { holds_alerts: self.holds_alerts, shows_on_page: self.shows_on_page, counts_as },
                announce_before: self.announce_before_s.map(seconds),
            },
            created_by: self.created_by,
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            deleted_at: self.deleted_at.map(Timestamp::from_micros),
        })
    }
}

/// Most windows of an organization.
pub const MOST: i64 = 200;

/// For so long the end of a window is told to the judge: whoever was not judged for longer has a gap anyway.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// Keeps what runs of a window at `now` and what is next. What is kept and has begun stays as it is: somebody may have ended it early.
///
/// # Errors
/// When the database fails.
pub async fn keep(conn: &mut impl Conn, id: MaintenanceId, window: &Window, now: Timestamp) -> Result<(), StoreError> {
    let (starts, ends): (Vec<_>, Vec<_>) =
        plan::to_keep(window, now).iter().map(|one| (one.start.micros(), one.end.micros())).unzip();
    sqlx::query(
        "INSERT INTO maintenance_occurrences (org_id, maintenance_id, starts_at, ends_at)
         SELECT w.org_id, w.id, x.starts_at, x.ends_at FROM maintenances w, unnest($2::bigint[], $3::bigint[]) x (starts_at, ends_at)
         WHERE w.uuid = $1 ON CONFLICT (maintenance_id, starts_at) WHERE NOT called_off DO UPDATE SET ends_at = excluded.ends_at
            WHERE NOT maintenance_occurrences.began AND maintenance_occurrences.starts_at > $4",
    )
    .bind(id.0)
    .bind(starts)
    .bind(ends)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(())
}

/// What the windows of these monitors say at `now`; of those that are in none and were in none lately, nothing.
///
/// # Errors
/// When the database fails.
pub async fn of_monitors(
    worker: &mut Worker,
    monitors: &[i64],
    now: Timestamp,
) -> Result<Vec<(i64, Maintenance)>, StoreError> {
    type Found = (i64, bool, bool, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Found> = sqlx::query_as(
        "SELECT m.id, coalesce(bool_or(o.starts_at <= $2 AND o.ends_at > $2), false),
            coalesce(bool_or(w.holds_alerts AND o.starts_at <= $2 AND o.ends_at > $2), false),
            min(o.starts_at) FILTER (WHERE w.counts_as = 'maintenance' AND o.starts_at <= $2 AND o.ends_at > $2),
            max(o.ends_at) FILTER (WHERE w.counts_as = 'maintenance' AND o.ends_at <= $2),
            min(CASE WHEN o.starts_at > $2 THEN o.starts_at ELSE o.ends_at END) FILTER (WHERE o.ends_at > $2)
         FROM monitors m JOIN maintenance_occurrences o ON o.org_id = m.org_id AND o.ends_at > $3 AND NOT o.called_off
         JOIN maintenances w ON w.id = o.maintenance_id AND maintains(w.id, w.scope, w.tags, m.id, m.tags)
         WHERE m.id = ANY ($1) GROUP BY m.id",
    )
    .bind(monitors)
    .bind(now.micros())
    .bind((now - REMEMBERED).micros())
    .fetch_all(worker.conn())
    .await?;
    let time = |at: Option<i64>| at.map(Timestamp::from_micros);
    let facts = |(id, runs, holds_alerts, since, until, edge): Found| {
        let (counts_since, counted_until, changes_at) = (time(since), time(until), time(edge));
        (id, Maintenance { runs, holds_alerts, counts_since, counted_until, changes_at })
    };
    Ok(rows.into_iter().map(facts).collect())
}
