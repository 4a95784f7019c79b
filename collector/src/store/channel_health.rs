//! Whether messages to a channel arrive.

use serde_json::json;

use super::{ChannelKey, Conn, StoreError, Worker};
use crate::domain::outage::Notice;
use crate::wake::Bell;

/// Notes that messages to a channel do not arrive, or do again; writes the notice, and rings, where that is news.
///
/// # Errors
/// When the database fails.
pub async fn note(conn: &mut Worker, key: ChannelKey, failing: bool, notice: &Notice) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE channels SET failing_since = CASE WHEN $2 THEN $3 END
         WHERE id = $1 AND deleted_at IS NULL AND (failing_since IS NULL) = $2",
    )
    .bind(key)
    .bind(failing)
    .bind(notice.at.micros())
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    let done = sqlx::query(
        "INSERT INTO notices (org_id, channel_id, kind, at, payload) SELECT org_id, id, $2, $3, $4 FROM channels WHERE id = $1",
    )
    .bind(key)
    .bind(notice.kind.as_str())
    .bind(notice.at.micros())
    .bind(json!({ "notice": notice }))
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("notices", 1, done.rows_affected())?;
    conn.ring(Bell::Dispatch).await
}
