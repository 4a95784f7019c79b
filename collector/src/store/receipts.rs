//! Whether a batch was answered before, and how. To read only: `store::batches` writes.

use picket_shared::batch::Receipt;
use picket_shared::ids::BatchId;
use picket_shared::time::Timestamp;
use sqlx::types::Json;

use super::{Conn, Intake, ProbeKey, StoreError};

/// The body's hash and the answer to a batch that was stored before.
///
/// # Errors
/// When the database fails.
pub async fn find(
    conn: &mut Intake,
    probe: ProbeKey,
    id: BatchId,
    cut_at: Timestamp,
) -> Result<Option<(String, Receipt)>, StoreError> {
    let row: Option<(String, Json<Receipt>)> = sqlx::query_as(
        "SELECT encode(body_hash, 'hex'), receipt FROM receipts WHERE probe_id = $1 AND jti = $2 AND cut_at = $3",
    )
    .bind(probe)
    .bind(id.0)
    .bind(cut_at.micros())
    .fetch_optional(conn.conn())
    .await?;
    Ok(row.map(|(hash, receipt)| (hash, receipt.0)))
}
