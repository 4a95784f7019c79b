//! Regions: the places from which checks run. They belong to the operator.

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;

use super::{Auth, Conn, RegionKey, StoreError};

/// One region.
#[derive(Clone, Debug)]
pub struct RegionRow {
    /// Its row.
    pub key: RegionKey,
    /// Its name.
    pub code: Region,
    /// The autonomous system or provider that it is in.
    pub network: String,
    /// Whether it lies in the EU.
    pub eu: bool,
}

/// The region of that name.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut impl Conn, code: &Region) -> Result<Option<RegionRow>, StoreError> {
    let row: Option<(RegionKey, String, bool)> = sqlx::query_as("SELECT id, network, eu FROM regions WHERE code = $1")
        .bind(code.as_str())
        .fetch_optional(conn.conn())
        .await?;
    Ok(row.map(|(key, network, eu)| RegionRow { key, code: code.clone(), network, eu }))
}

/// Makes a region.
///
/// # Errors
/// When the database fails or the name is taken.
pub async fn insert(
    conn: &mut Auth,
    code: &Region,
    network: &str,
    eu: bool,
    now: Timestamp,
) -> Result<RegionRow, StoreError> {
    let key =
        sqlx::query_scalar("INSERT INTO regions (code, network, eu, created_at) VALUES ($1, $2, $3, $4) RETURNING id")
            .bind(code.as_str())
            .bind(network)
            .bind(eu)
            .bind(now.micros())
            .fetch_one(conn.conn())
            .await?;
    Ok(RegionRow { key, code: code.clone(), network: network.to_owned(), eu })
}

/// Every region, by name.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(conn: &mut impl Conn) -> Result<Vec<RegionRow>, StoreError> {
    let rows: Vec<(RegionKey, String, String, bool)> =
        sqlx::query_as("SELECT id, code, network, eu FROM regions ORDER BY code").fetch_all(conn.conn()).await?;
    let read = |(key, code, network, eu): (RegionKey, String, String, bool)| {
        let code =
            code.parse().map_err(|_| StoreError::Inconsistent { table: "regions", column: "code", row: key.0 })?;
        Ok(RegionRow { key, code, network, eu })
    };
    rows.into_iter().map(read).collect()
}
