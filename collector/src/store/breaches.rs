//! Breaches of personal data, the organizations that each affects, and what their owners were told when.

use picket_shared::time::Timestamp;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::{Auth, Conn, OrgKey, Statement, StoreError};
use crate::domain::breach::Facts;

/// A breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its row.
    pub key: i64,
    /// Its name outside.
    pub id: Uuid,
    /// What is known of it.
    pub facts: Facts,
    /// Since when it is being told.
    pub telling_at: Option<Timestamp>,
    /// When it was written down.
    pub opened_at: Timestamp,
    /// By whom, as in the audit log.
    pub opened_by: String,
    /// When it was over.
    pub closed_at: Option<Timestamp>,
    /// How many organizations it affects, of those that are there.
    pub organizations: i64,
    /// How many of them were told.
    pub told: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    title: String,
    known_at: i64,
    happened: String,
    affected: String,
    measures: String,
    advice: String,
    everyone: bool,
    reported_at: Option<i64>,
    unreported_why: Option<String>,
    telling_at: Option<i64>,
    opened_at: i64,
    opened_by: String,
    closed_at: Option<i64>,
    organizations: i64,
    told: i64,
}

impl From<Row> for Breach {
    fn from(row: Row) -> Self {
        let at = Timestamp::from_micros;
        Self {
            key: row.id,
            id: row.uuid,
            facts: Facts {
                title: row.title,
                known_at: at(row.known_at),
                happened: row.happened,
                affected: row.affected,
                measures: row.measures,
                advice: row.advice,
                everyone: row.everyone,
                reported_at: row.reported_at.map(at),
                unreported_why: row.unreported_why,
            },
            telling_at: row.telling_at.map(at),
            opened_at: at(row.opened_at),
            opened_by: row.opened_by,
            closed_at: row.closed_at.map(at),
            organizations: row.organizations,
            told: row.told,
        }
    }
}

/// Every breach, those that are open first, then the newest; one of them where `id` says which.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut impl Conn, id: Option<Uuid>) -> Result<Vec<Breach>, StoreError> {
    read(conn.conn(), id).await
}

/// Those that are open, for who has no pool.
///
/// # Errors
/// When the database fails.
pub async fn open_by(conn: &mut PgConnection) -> Result<Vec<Breach>, StoreError> {
    let rows = read(conn, None).await?.into_iter();
    Ok(rows.filter(|breach| breach.closed_at.is_none()).collect())
}

async fn read(conn: &mut PgConnection, id: Option<Uuid>) -> Result<Vec<Breach>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT b.id, b.uuid, b.title, b.known_at, b.happened, b.affected, b.measures, b.advice, b.everyone, b.reported_at,
                b.unreported_why, b.telling_at, b.opened_at, b.opened_by, b.closed_at,
                (SELECT count(*) FROM organizations o WHERE o.deleted_at IS NULL AND (b.everyone
                     OR EXISTS (SELECT FROM breach_notices n WHERE n.breach_id = b.id AND n.org_id = o.id))) AS organizations,
                (SELECT count(*) FROM breach_notices n JOIN organizations o ON o.id = n.org_id AND o.deleted_at IS NULL
                     WHERE n.breach_id = b.id AND n.told_at IS NOT NULL) AS told
         FROM breaches b WHERE $1::uuid IS NULL OR b.uuid = $1 ORDER BY b.closed_at IS NOT NULL, b.known_at DESC, b.id DESC",
    )
    .bind(id)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Breach::from).collect())
}

/// With what is said of a breach as `$2` to `$10`.
fn said<'q>(statement: Statement<'q>, facts: &'q Facts) -> Statement<'q> {
    statement
        .bind(&facts.title)
        .bind(facts.known_at.micros())
        .bind(&facts.happened)
        .bind(&facts.affected)
        .bind(&facts.measures)
        .bind(&facts.advice)
        .bind(facts.everyone)
        .bind(facts.reported_at.map(Timestamp::micros))
        .bind(&facts.unreported_why)
}

/// Writes a breach down; gives its row.
///
/// # Errors
/// When the database fails.
pub async fn insert(auth: &mut Auth, id: Uuid, facts: &Facts, by: &str, now: Timestamp) -> Result<i64, StoreError> {
    let insert = "INSERT INTO breaches (uuid, title, known_at, happened, affected, measures, advice, everyone, reported_at, unreported_why,
                               opened_at, opened_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id";
    let statement = said(sqlx::query(insert).bind(id), facts).bind(now.micros()).bind(by);
    Ok(statement.fetch_one(auth.conn()).await?.try_get(0)?)
}

/// Says something else of a breach that is open. False when it is not.
///
/// # Errors
/// When the database fails.
pub async fn change(auth: &mut Auth, key: i64, facts: &Facts) -> Result<bool, StoreError> {
    let update = "UPDATE breaches SET title = $2, known_at = $3, happened = $4, affected = $5, measures = $6, advice = $7, everyone = $8,
                reported_at = $9, unreported_why = $10
         WHERE id = $1 AND closed_at IS NULL";
    let done = said(sqlx::query(update).bind(key), facts).execute(auth.conn()).await?;
    Ok(done.rows_affected() == 1)
}

/// Says which organizations it affects, where not all; those that were told stay.
///
/// # Errors
/// When the database fails.
pub async fn choose(auth: &mut Auth, key: i64, orgs: &[OrgKey]) -> Result<(), StoreError> {
    let orgs: Vec<i64> = orgs.iter().map(|org| org.0).collect();
    sqlx::query("DELETE FROM breach_notices WHERE breach_id = $1 AND told_at IS NULL AND NOT org_id = ANY ($2)")
        .bind(key)
        .bind(&orgs)
        .execute(auth.conn())
        .await?;
    sqlx::query(
        "INSERT INTO breach_notices (breach_id, org_id) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING",
    )
    .bind(key)
    .bind(&orgs)
    .execute(auth.conn())
    .await?;
    Ok(())
}

/// The organizations that a breach affects, as chosen or told: row, name, and when told.
///
/// # Errors
/// When the database fails.
pub async fn affected(auth: &mut Auth, key: i64) -> Result<Vec<(OrgKey, String, Option<i64>)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT o.id, o.name, n.told_at FROM breaches b JOIN organizations o ON o.deleted_at IS NULL
         LEFT JOIN breach_notices n ON n.breach_id = b.id AND n.org_id = o.id
         WHERE b.id = $1 AND (b.everyone OR n.org_id IS NOT NULL) ORDER BY o.name, o.id",
    )
    .bind(key)
    .fetch_all(auth.conn())
    .await?)
}

/// Begins to tell. False when the breach is closed.
///
/// # Errors
/// When the database fails.
pub async fn begin(auth: &mut Auth, key: i64, now: Timestamp) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE breaches SET telling_at = coalesce(telling_at, $2) WHERE id = $1 AND closed_at IS NULL")
            .bind(key)
            .bind(now.micros())
            .execute(auth.conn())
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down that owners were told, with the mails in the same transaction. False when they had been.
///
/// # Errors
/// When the database fails.
pub async fn told(
    auth: &mut Auth,
    (key, org): (i64, OrgKey),
    message: &str,
    owners: usize,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO breach_notices AS n (breach_id, org_id, told_at, owners, message) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (breach_id, org_id) DO UPDATE SET told_at = $3, owners = $4, message = $5 WHERE n.told_at IS NULL",
    )
    .bind(key)
    .bind(org)
    .bind(now.micros())
    .bind(i32::try_from(owners).unwrap_or(i32::MAX))
    .bind(message)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes a breach. False when it is.
///
/// # Errors
/// When the database fails.
pub async fn close(auth: &mut Auth, key: i64, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE breaches SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL")
        .bind(key)
        .bind(now.micros())
        .execute(auth.conn())
        .await?;
    Ok(done.rows_affected() == 1)
}
