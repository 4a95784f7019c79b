//! The raw outcomes of a range page by page.

use picket_shared::outcome::Trigger;
use picket_shared::time::Timestamp;

use super::letters::trigger_letter;
use super::{COLUMNS, OutcomeRow, outcome};
use crate::store::{Conn, MonitorKey, RegionKey, StoreError};

/// Where a page begins: the last outcome of the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When.
    pub at: Timestamp,
    /// Where it was checked from.
    pub region: RegionKey,
    /// Why it ran.
    pub trigger: Trigger,
}

/// The outcomes of a monitor that lie in `from..to` and after `after`, in order of time, `limit` at most.
///
/// # Errors
/// When the database fails.
pub async fn page(
    conn: &mut impl Conn,
    monitor: MonitorKey,
    (from, to): (Timestamp, Timestamp),
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<OutcomeRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT DISTINCT ON (at, region_id, results.trigger) {COLUMNS} FROM results
         WHERE monitor_id = $1 AND at >= $2 AND at < $3
           AND ($5::bigint IS NULL OR (at, region_id, results.trigger) > ($5, $6::bigint, $7::text::\"char\"))
         ORDER BY at, region_id, results.trigger, received_at LIMIT $4"
    )))
    .bind(monitor)
    .bind(after.map_or(from, |place| place.at.max(from)).micros())
    .bind(to.micros())
    .bind(limit)
    .bind(after.map(|place| place.at.micros()))
    .bind(after.map(|place| place.region))
    .bind(after.map(|place| trigger_letter(place.trigger)))
    .fetch_all(conn.conn())
    .await?;
    rows.iter().map(outcome).collect()
}
