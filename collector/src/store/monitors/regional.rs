//! Failures from some regions while the others see the monitor up: from where and since when, and whether members are told.

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{MonitorRow, mark_dirty, place};
use crate::domain::outage::RegionalAlert;
use crate::store::{Conn, MonitorKey, Scoped, StoreError, audit};

/// A region from which a monitor fails alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingFrom {
    /// The region's name.
    pub region: String,
    /// The start of the first check of those that fail there, in microseconds; not known while none can be made.
    pub since: Option<i64>,
}

/// From where a monitor fails while it is up from elsewhere.
///
/// # Errors
/// When the database fails.
pub async fn failing_from(conn: &mut Scoped, key: MonitorKey) -> Result<Vec<FailingFrom>, StoreError> {
    let found: Option<Json<Vec<FailingFrom>>> =
        sqlx::query_scalar("SELECT failing_from(monitor_id, data) FROM states WHERE monitor_id = $1")
            .bind(key)
            .fetch_optional(conn.conn())
            .await?;
    Ok(found.map(|found| found.0).unwrap_or_default())
}

/// Says whether members are told, and until when not all the same. False when it was so already. It is no edit: what is watched stays
/// what it was.
///
/// # Errors
/// When the database fails.
pub async fn set_regional_alert(
    conn: &mut Scoped,
    row: &MonitorRow,
    wanted: RegionalAlert,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if row.regional == wanted {
        return Ok(false);
    }
    let done = sqlx::query(
        "UPDATE monitors SET tells_regional = $2, regional_muted_until = $3 WHERE id = $1 AND deleted_at IS NULL",
    )
    .bind(row.key)
    .bind(wanted.told)
    .bind(wanted.muted_until.map(Timestamp::micros))
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("monitors", 1, done.rows_affected())?;
    mark_dirty(conn, row.key, now).await?;
    let said = |alert: RegionalAlert| -> Value {
        json!({ "told": alert.told, "muted_until": alert.muted_until.map(|until| until.to_string()) })
    };
    let detail = json!({ "name": place(&row.settings.name), "before": said(row.regional), "after": said(wanted) });
    audit::note(conn, "monitor.regional_alert", row.id.0, detail, now).await?;
    Ok(true)
}
