//! Outcomes: the one family of tables that grows. Reached only through four functions: append a batch, the latest
//! outcomes of monitors, a monitor's series over a range at a resolution, and the raw outcomes of a range.
//!
//! No row is unique: readers keep the first stored of (monitor, region, at, trigger). Letters in rows: trigger
//! `s`cheduled, `c`onfirm, `r`echeck, `m`anual, `o`ther; status `u`p, de`g`raded, `d`own, u`n`measured; the probe's own
//! network `g`ood, `b`ad, `u`nverified.

mod exported;
mod letters;
mod page;

use std::net::IpAddr;
use std::time::Duration;

use picket_shared::outcome::{Certificate, Evidence, Fold, Hop, Outcome, Phases, SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Postgres, Row};

use self::letters::{self_check_letter, self_check_of, status_letter, status_of, trigger_letter, trigger_of};
pub use page::{Place, page};

use super::{Conn, Intake, MonitorKey, OrgKey, ProbeKey, RegionKey, StoreError};

/// What is not in every row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Why it is not up, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
    /// The address that answered, or was tried last. Stored in here only with what is at fault; else in a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The redirects followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// The target's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// The records found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
}

/// One outcome to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewRow<'a> {
    /// Whose monitor.
    pub org: OrgKey,
    /// Which monitor.
    pub monitor: MonitorKey,
    /// What was found.
    pub outcome: &'a Outcome,
    /// A [`Detail`] as JSON.
    pub detail: Option<&'a str>,
}

/// One outcome as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeRow {
    /// Which monitor.
    pub monitor: MonitorKey,
    /// Where it was checked from.
    pub region: RegionKey,
    /// By which probe.
    pub probe: ProbeKey,
    /// The slot of a scheduled check, the start of any other.
    pub at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// The version of the monitor that was run.
    pub version: u32,
    /// Why the check ran.
    pub trigger: Trigger,
    /// The result.
    pub status: Status,
    /// What the probe thought of its own network.
    pub self_check: SelfCheck,
    /// Why it is not up.
    pub failure: Option<String>,
    /// The last HTTP status, or the DNS response code.
    pub code: Option<u16>,
    /// How long after `at` it began, in microseconds.
    pub late_us: u32,
    /// How long it took, in microseconds.
    pub total_us: u32,
    /// Where the time went.
    pub phases: Phases,
    /// Present when this stands for several outcomes.
    pub fold: Option<Fold>,
    /// Whatever is not in every row.
    pub detail: Detail,
}

/// The outcomes of one region in one step of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Where they were checked from.
    pub region: RegionKey,
    /// The start of the step.
    pub at: Timestamp,
    /// How many were up, degraded, down and unmeasured; folded ones each counted.
    pub counts: [u64; 4],
    /// The shortest total of those that were good, in microseconds.
    pub min_us: Option<u32>,
    /// Their mean.
    pub avg_us: Option<u32>,
    /// Their longest.
    pub max_us: Option<u32>,
    /// The mean of each phase over those that reached it.
    pub phases: Phases,
}

/// One outcome as a strip of many shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Which monitor.
    pub monitor: MonitorKey,
    /// Where it was checked from.
    pub region: RegionKey,
    /// The slot.
    pub at: Timestamp,
    /// The result.
    pub status: Status,
    /// How long it took, in microseconds.
    pub total_us: u32,
}

/// Stores the outcomes of one batch.
///
/// # Errors
/// When the database fails.
pub async fn append(
    conn: &mut Intake,
    (probe, region): (ProbeKey, RegionKey),
    rows: &[NewRow<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "INSERT INTO results (org_id, monitor_id, region_id, probe_id, received_at, at, version, trigger, status,
                self_check, failure, code, late_us, total_us, resolve_us, connect_us, tls_us, send_us, wait_us,
                receive_us, fold_last, fold_count, fold_min_us, fold_avg_us, fold_max_us, detail, address)
         SELECT o, m, $1, $2, $3, at, v, tr::\"char\", st::\"char\", sc::\"char\", f, c, l, t, p1, p2, p3, p4, p5, p6,
                f1, f2, f3, f4, f5, d::jsonb, a::inet
         FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::text[], $9::text[], $10::text[],
                $11::text[], $12::smallint[], $13::int[], $14::int[], $15::int[], $16::int[], $17::int[], $18::int[],
                $19::int[], $20::int[], $21::bigint[], $22::int[], $23::int[], $24::int[], $25::int[], $26::text[],
                $27::text[])
                AS x (o, m, at, v, tr, st, sc, f, c, l, t, p1, p2, p3, p4, p5, p6, f1, f2, f3, f4, f5, d, a)",
    )
    .bind(region)
    .bind(probe)
    .bind(now.micros());
    let done = bind(query, rows).execute(conn.conn()).await?;
    StoreError::expect_rows("results", rows.len() as u64, done.rows_affected())
}

type Query<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

fn bind<'q>(query: Query<'q>, rows: &[NewRow<'q>]) -> Query<'q> {
    fn column<'a, T>(rows: &[NewRow<'a>], of: impl Fn(&'a Outcome) -> T) -> Vec<T> {
        rows.iter().map(|row| of(row.outcome)).collect()
    }
    query
        .bind(rows.iter().map(|row| row.org.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.monitor.0).collect::<Vec<_>>())
        .bind(column(rows, |o| o.at.micros()))
        .bind(column(rows, |o| int(o.version)))
        .bind(column(rows, |o| trigger_letter(o.trigger)))
        .bind(column(rows, |o| status_letter(o.status)))
        .bind(column(rows, |o| self_check_letter(o.self_check)))
        .bind(column(rows, |o| o.failure.as_ref().map(|failure| failure.kind.as_str())))
        .bind(column(rows, |o| o.code.map(|code| i16::try_from(code).unwrap_or(i16::MAX))))
        .bind(column(rows, |o| int(o.late_us)))
        .bind(column(rows, |o| int(o.total_us)))
        .bind(column(rows, |o| o.phases.resolve.map(int)))
        .bind(column(rows, |o| o.phases.connect.map(int)))
        .bind(column(rows, |o| o.phases.tls.map(int)))
        .bind(column(rows, |o| o.phases.send.map(int)))
        .bind(column(rows, |o| o.phases.wait.map(int)))
        .bind(column(rows, |o| o.phases.receive.map(int)))
        .bind(column(rows, |o| o.fold.map(|fold| fold.last.micros())))
        .bind(column(rows, |o| o.fold.map(|fold| int(fold.count))))
        .bind(column(rows, |o| o.fold.map(|fold| int(fold.min_us))))
        .bind(column(rows, |o| o.fold.map(|fold| int(fold.avg_us))))
        .bind(column(rows, |o| o.fold.map(|fold| int(fold.max_us))))
        .bind(rows.iter().map(|row| row.detail).collect::<Vec<_>>())
        .bind(column(rows, |o| o.address.map(|address| address.to_string())))
}

const COLUMNS: &str = "monitor_id, region_id, probe_id, at, received_at, version, trigger::text AS trigger,
    status::text AS status, self_check::text AS self_check, failure, code, late_us, total_us, resolve_us, connect_us,
    tls_us, send_us, wait_us, receive_us, fold_last, fold_count, fold_min_us, fold_avg_us, fold_max_us, detail,
    host(address) AS address";

/// The newest scheduled outcome of each monitor in each region since `since`.
///
/// # Errors
/// When the database fails.
pub async fn latest(
    conn: &mut impl Conn,
    monitors: &[MonitorKey],
    since: Timestamp,
) -> Result<Vec<OutcomeRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT DISTINCT ON (monitor_id, region_id) {COLUMNS} FROM results
         WHERE monitor_id = ANY($1) AND at >= $2 AND trigger = 's'
         ORDER BY monitor_id, region_id, at DESC, received_at"
    )))
    .bind(monitors.iter().map(|monitor| monitor.0).collect::<Vec<_>>())
    .bind(since.micros())
    .fetch_all(conn.conn())
    .await?;
    rows.iter().map(outcome).collect()
}

/// The last scheduled outcomes of each monitor since `since`, `limit` at most for each, newest first.
///
/// # Errors
/// When the database fails.
pub async fn marks(
    conn: &mut impl Conn,
    monitors: &[MonitorKey],
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Mark>, StoreError> {
    let rows: Vec<(MonitorKey, RegionKey, i64, String, i32)> = sqlx::query_as(
        "SELECT m.id, x.region_id, x.at, x.status::text, x.total_us
         FROM unnest($1::bigint[]) WITH ORDINALITY AS m (id, place)
         CROSS JOIN LATERAL (SELECT region_id, at, status, total_us FROM results
             WHERE monitor_id = m.id AND at >= $2 AND trigger = 's' ORDER BY at DESC LIMIT $3) x
         ORDER BY m.place, x.at DESC",
    )
    .bind(monitors.iter().map(|monitor| monitor.0).collect::<Vec<_>>())
    .bind(since.micros())
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    let mark = |(monitor, region, at, status, total): (MonitorKey, RegionKey, i64, String, i32)| Mark {
        monitor,
        region,
        at: Timestamp::from_micros(at),
        status: status_of(&status),
        total_us: u32::try_from(total).unwrap_or(0),
    };
    Ok(rows.into_iter().map(mark).collect())
}

/// The outcomes of a monitor that lie in `from..to`, in order of time, `limit` at most.
///
/// # Errors
/// When the database fails.
pub async fn raw(
    conn: &mut impl Conn,
    monitor: MonitorKey,
    (from, to): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<OutcomeRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT DISTINCT ON (at, region_id, results.trigger) {COLUMNS} FROM results
         WHERE monitor_id = $1 AND at >= $2 AND at < $3 ORDER BY at, region_id, results.trigger, received_at LIMIT $4"
    )))
    .bind(monitor)
    .bind(from.micros())
    .bind(to.micros())
    .bind(limit)
    .fetch_all(conn.conn())
    .await?;
    rows.iter().map(outcome).collect()
}

/// The scheduled outcomes of a monitor that lie in `from..to`, summed up by region in steps that begin at `from`.
///
/// # Errors
/// When the database fails.
pub async fn series(
    conn: &mut impl Conn,
    monitor: MonitorKey,
    (from, to): (Timestamp, Timestamp),
    step: Duration,
) -> Result<Vec<Bucket>, StoreError> {
    let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    let rows = sqlx::query(
        "SELECT region_id, $2 + (at - $2) / $4 * $4 AS step,
                sum(n) FILTER (WHERE status = 'u')::bigint, sum(n) FILTER (WHERE status = 'g')::bigint,
                sum(n) FILTER (WHERE status = 'd')::bigint, sum(n) FILTER (WHERE status = 'n')::bigint,
                min(coalesce(fold_min_us, total_us)) FILTER (WHERE status IN ('u', 'g')),
                (sum(coalesce(fold_avg_us, total_us)::float8 * n) FILTER (WHERE status IN ('u', 'g'))
                    / sum(n) FILTER (WHERE status IN ('u', 'g')))::int,
                max(coalesce(fold_max_us, total_us)) FILTER (WHERE status IN ('u', 'g')),
                avg(resolve_us)::int, avg(connect_us)::int, avg(tls_us)::int, avg(send_us)::int, avg(wait_us)::int,
                avg(receive_us)::int
         FROM (SELECT DISTINCT ON (at, region_id) at, region_id, status, total_us, fold_min_us, fold_avg_us, fold_max_us,
                      resolve_us, connect_us, tls_us, send_us, wait_us, receive_us, coalesce(fold_count, 1) AS n
               FROM results WHERE monitor_id = $1 AND at >= $2 AND at < $3 AND trigger = 's' ORDER BY at, region_id, received_at) x
         GROUP BY 1, 2 ORDER BY 2, 1",
    )
    .bind(monitor)
    .bind(from.micros())
    .bind(to.micros())
    .bind(step)
    .fetch_all(conn.conn())
    .await?;
    rows.iter()
        .map(|row| {
            let mut counts = [0; 4];
            for (index, count) in counts.iter_mut().enumerate() {
                *count = unsigned(row.try_get::<Option<i64>, _>(index + 2)?.unwrap_or(0));
            }
            Ok(Bucket {
                region: row.try_get(0)?,
                at: Timestamp::from_micros(row.try_get(1)?),
                counts,
                min_us: micros(row, 6)?,
                avg_us: micros(row, 7)?,
                max_us: micros(row, 8)?,
                phases: Phases {
                    resolve: micros(row, 9)?,
                    connect: micros(row, 10)?,
                    tls: micros(row, 11)?,
                    send: micros(row, 12)?,
                    wait: micros(row, 13)?,
                    receive: micros(row, 14)?,
                },
            })
        })
        .collect()
}

fn outcome(row: &PgRow) -> Result<OutcomeRow, StoreError> {
    let mut detail = row.try_get::<Option<Json<Detail>>, _>("detail")?.map(|json| json.0).unwrap_or_default();
    let address = row.try_get::<Option<&str>, _>("address")?.and_then(|text| text.parse().ok());
    detail.address = address.or(detail.address);
    let fold = match row.try_get::<Option<i64>, _>("fold_last")? {
        Some(last) => Some(Fold {
            last: Timestamp::from_micros(last),
            count: micros(row, "fold_count")?.unwrap_or(1),
            min_us: micros(row, "fold_min_us")?.unwrap_or(0),
            avg_us: micros(row, "fold_avg_us")?.unwrap_or(0),
            max_us: micros(row, "fold_max_us")?.unwrap_or(0),
        }),
        None => None,
    };
    Ok(OutcomeRow {
        monitor: row.try_get("monitor_id")?,
        region: row.try_get("region_id")?,
        probe: row.try_get("probe_id")?,
        at: Timestamp::from_micros(row.try_get("at")?),
        received_at: Timestamp::from_micros(row.try_get("received_at")?),
        version: micros(row, "version")?.unwrap_or(0),
        trigger: trigger_of(row.try_get("trigger")?),
        status: status_of(row.try_get("status")?),
        self_check: self_check_of(row.try_get("self_check")?),
        failure: row.try_get("failure")?,
        code: row.try_get::<Option<i16>, _>("code")?.and_then(|code| u16::try_from(code).ok()),
        late_us: micros(row, "late_us")?.unwrap_or(0),
        total_us: micros(row, "total_us")?.unwrap_or(0),
        phases: Phases {
            resolve: micros(row, "resolve_us")?,
            connect: micros(row, "connect_us")?,
            tls: micros(row, "tls_us")?,
            send: micros(row, "send_us")?,
            wait: micros(row, "wait_us")?,
            receive: micros(row, "receive_us")?,
        },
        fold,
        detail,
    })
}

fn micros<I: sqlx::ColumnIndex<PgRow>>(row: &PgRow, column: I) -> Result<Option<u32>, StoreError> {
    Ok(row.try_get::<Option<i32>, _>(column)?.and_then(|number| u32::try_from(number).ok()))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
