//! What the record of processing says besides the classes of columns: on whose behalf, who receives, where probes run.

use picket_shared::time::Timestamp;

use crate::store::{Auth, Conn, StoreError, Worker};

/// Organizations with the addresses of their owners; and regions outside the EU in which probes are in force.
pub type Parties = (Vec<(String, Vec<String>)>, Vec<String>);

/// Reads them.
///
/// # Errors
/// When the database fails.
pub async fn parties(auth: &mut Auth, now: Timestamp) -> Result<Parties, StoreError> {
    let organizations = sqlx::query_as(
        "SELECT o.name, coalesce((SELECT array_agg(u.email ORDER BY u.email) FROM live_memberships($1) m
             JOIN users u ON u.id = m.user_id AND u.deleted_at IS NULL AND u.email IS NOT NULL
             WHERE m.org_id = o.id AND m.role = 'owner'), '{}')
         FROM organizations o WHERE o.deleted_at IS NULL ORDER BY o.name, o.id",
    )
    .bind(now.micros())
    .fetch_all(auth.conn())
    .await?;
    let regions = sqlx::query_scalar(
        "SELECT code FROM regions r WHERE NOT eu
           AND EXISTS (SELECT FROM probes p WHERE p.region_id = r.id AND p.revoked_at IS NULL) ORDER BY code",
    )
    .fetch_all(auth.conn())
    .await?;
    Ok((organizations, regions))
}

/// The kinds of channels that some organization uses.
///
/// # Errors
/// When the database fails.
pub async fn channels(worker: &mut Worker) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT DISTINCT kind FROM channels WHERE deleted_at IS NULL ORDER BY kind")
        .fetch_all(worker.conn())
        .await?)
}
