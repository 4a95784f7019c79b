//! Keys by which webhooks sign, where they were given others than those of their settings. Nobody reads them here.

use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::channels::ChannelRow;
use super::{Conn, Scoped, StoreError, audit};

/// Gives a channel another key; messages are signed by the one before it too, `until` then. False when the channel was removed, or has no
/// destination.
///
/// # Errors
/// When the database fails.
pub async fn rotate(
    conn: &mut Scoped,
    row: &ChannelRow,
    key: &Sealed,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // The first key is that of the settings, which nothing takes away.
    let done = sqlx::query(
        "UPDATE channels SET sealed_former_key = sealed_key, sealed_key = $2, former_key_until = $3
         WHERE id = $1 AND deleted_at IS NULL AND unset_at IS NULL",
    )
    .bind(row.key)
    .bind(key.0.as_slice())
    .bind(until.micros())
    .execute(conn.conn())
    .await?;
    let rotated = done.rows_affected() == 1;
    if rotated {
        let detail = json!({ "name": row.name, "former_key_until": until.exact() });
        audit::note(conn, "channel.rotate_key", row.id.0, detail, now).await?;
    }
    Ok(rotated)
}
