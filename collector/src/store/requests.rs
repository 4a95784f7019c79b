//! Request tokens that were used; each is good for one request.

use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::{Conn, Intake, StoreError};

/// Marks a token as used; `false` when it was used before.
///
/// # Errors
/// When the database fails.
pub async fn use_once(conn: &mut Intake, jti: Uuid, expires: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("INSERT INTO probe_requests (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(jti)
        .bind(expires.micros())
        .execute(conn.conn())
        .await?;
    Ok(done.rows_affected() == 1)
}
