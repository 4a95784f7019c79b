//! What doctor asks of the database.

use picket_shared::time::Timestamp;
use sqlx::PgConnection;

use super::StoreError;

/// How the database is.
#[derive(Debug)]
pub struct Health {
    /// PostgreSQL's version.
    pub version: String,
    /// Its clock.
    pub now: Timestamp,
    /// Tables with an `org_id` on which row security is not both enabled and forced.
    pub without_row_security: Vec<String>,
}

/// Asks. This is the one statement that reads the database's clock: to compare it.
///
/// # Errors
/// When the database fails.
pub async fn database(conn: &mut PgConnection) -> Result<Health, StoreError> {
    let (version, now): (String, i64) = sqlx::query_as(
        "SELECT current_setting('server_version'), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    )
    .fetch_one(&mut *conn)
    .await?;
    let without: Vec<(String,)> = sqlx::query_as(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'probes'
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
         ORDER BY 1",
    )
    .fetch_all(conn)
    .await?;
    let without_row_security = without.into_iter().map(|(name,)| name).collect();
    Ok(Health { version, now: Timestamp::from_micros(now), without_row_security })
}

/// When PostgreSQL last handed a file of its WAL to the archive; `None` when it never did.
///
/// # Errors
/// When the database fails.
pub async fn last_archived(conn: &mut PgConnection) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> =
        sqlx::query_scalar("SELECT (extract(epoch FROM last_archived_time) * 1000000)::bigint FROM pg_stat_archiver")
            .fetch_one(conn)
            .await?;
    Ok(at.map(Timestamp::from_micros))
}
