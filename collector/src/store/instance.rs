//! The one row that says what this installation is, and when it was last alive.

use picket_shared::ids::CollectorId;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, Worker};

/// What this installation is.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    /// Its name towards probes.
    pub collector: CollectorId,
    /// When the collector was last known to run, before this start.
    pub last_alive_at: Timestamp,
}

/// Reads the row, and makes it at the first start.
///
/// # Errors
/// When the database fails.
pub async fn starting(auth: &mut Auth, now: Timestamp) -> Result<Instance, StoreError> {
    sqlx::query(
        "INSERT INTO instance (collector_id, created_at, last_alive_at, last_started_at) VALUES ($1, $2, $2, $2)
         ON CONFLICT (singleton) DO NOTHING",
    )
    .bind(CollectorId::at(now).0)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    let instance = read(auth).await?;
    instance.ok_or(StoreError::RowCount { table: "instance", expected: 1, touched: 0 })
}

/// Reads the row; `None` before the first start.
///
/// # Errors
/// When the database fails.
pub async fn read(conn: &mut impl Conn) -> Result<Option<Instance>, StoreError> {
    let row: Option<(uuid::Uuid, i64)> =
        sqlx::query_as("SELECT collector_id, last_alive_at FROM instance").fetch_optional(conn.conn()).await?;
    Ok(row.map(|(id, alive)| Instance { collector: CollectorId(id), last_alive_at: Timestamp::from_micros(alive) }))
}

/// Whether any row holds a sealed value.
///
/// # Errors
/// When the database fails.
pub async fn has_sealed_rows(worker: &mut Worker, auth: &mut Auth) -> Result<bool, StoreError> {
    let (channels,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM channels) OR EXISTS (SELECT FROM monitors WHERE sealed_secret IS NOT NULL)",
    )
    .fetch_one(worker.conn())
    .await?;
    let (probes,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT FROM probes) OR EXISTS (SELECT FROM totp_secrets)")
        .fetch_one(auth.conn())
        .await?;
    Ok(channels || probes)
}
