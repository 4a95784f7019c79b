//! Who else works on the data, list by list as the settings had it, and which organizations were told of what changed.

use picket_shared::time::Timestamp;
use sqlx::types::Json;

use super::{Auth, Conn, OrgKey, StoreError};
use crate::domain::sub_processors::{Change, SubProcessor};

/// A list as it was noted.
#[derive(Clone, Debug)]
pub struct ListRow {
    /// Its number; the first is 1.
    pub number: i32,
    /// Who was in it.
    pub list: Vec<SubProcessor>,
    /// What differs from the one before.
    pub changes: Vec<Change>,
    /// When it was noted.
    pub noted_at: Timestamp,
}

type Row = (i32, Json<Vec<SubProcessor>>, Json<Vec<Change>>, i64);

fn list((number, list, changes, noted_at): Row) -> ListRow {
    ListRow { number, list: list.0, changes: changes.0, noted_at: Timestamp::from_micros(noted_at) }
}

/// The newest list, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn newest(conn: &mut impl Conn) -> Result<Option<ListRow>, StoreError> {
    let query = "SELECT number, list, changes, noted_at FROM sub_processor_lists ORDER BY number DESC LIMIT 1";
    let row: Option<Row> = sqlx::query_as(query).fetch_optional(conn.conn()).await?;
    Ok(row.map(list))
}

/// Lists with changes, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn history(conn: &mut impl Conn, most: i64) -> Result<Vec<ListRow>, StoreError> {
    let query = "SELECT number, list, changes, noted_at FROM sub_processor_lists WHERE number > 1 ORDER BY number DESC LIMIT $1";
    let rows: Vec<Row> = sqlx::query_as(query).bind(most).fetch_all(conn.conn()).await?;
    Ok(rows.into_iter().map(list).collect())
}

/// Notes a list; two who note the next one at once cannot both.
///
/// # Errors
/// When the database fails or somebody else noted it.
pub async fn insert(auth: &mut Auth, row: &ListRow) -> Result<(), StoreError> {
    let done = sqlx::query("INSERT INTO sub_processor_lists (number, list, changes, noted_at) VALUES ($1, $2, $3, $4)")
        .bind(row.number)
        .bind(Json(&row.list))
        .bind(Json(&row.changes))
        .bind(row.noted_at.micros())
        .execute(auth.conn())
        .await?;
    StoreError::expect_rows("sub_processor_lists", 1, done.rows_affected())
}

/// An organization that is to be told of a list.
#[derive(Clone, Debug)]
pub struct Untold {
    /// Which organization.
    pub org: OrgKey,
    /// What it is called.
    pub name: String,
    /// Of which list.
    pub number: i32,
    /// What changed.
    pub changes: Vec<Change>,
}

/// What is to be told still: to organizations that were there when a list was noted; the first one tells nothing.
///
/// # Errors
/// When the database fails.
pub async fn untold(auth: &mut Auth) -> Result<Vec<Untold>, StoreError> {
    let rows: Vec<(OrgKey, String, i32, Json<Vec<Change>>)> = sqlx::query_as(
        "SELECT o.id, o.name, l.number, l.changes FROM sub_processor_lists l
         JOIN organizations o ON o.created_at <= l.noted_at AND o.deleted_at IS NULL
         WHERE l.number > 1 AND NOT EXISTS (SELECT FROM sub_processor_notices n WHERE n.org_id = o.id AND n.list = l.number)
         ORDER BY l.number, o.id",
    )
    .fetch_all(auth.conn())
    .await?;
    Ok(rows.into_iter().map(|(org, name, number, changes)| Untold { org, name, number, changes: changes.0 }).collect())
}

/// Writes down that owners were told, with the mails in the same transaction. False when they had been.
///
/// # Errors
/// When the database fails.
pub async fn told(
    auth: &mut Auth,
    (org, number): (OrgKey, i32),
    message: &str,
    owners: usize,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO sub_processor_notices (org_id, list, told_at, owners, message) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(org)
    .bind(number)
    .bind(now.micros())
    .bind(i32::try_from(owners).unwrap_or(i32::MAX))
    .bind(message)
    .execute(auth.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many organizations were told of each list, and when last: number, organizations, time.
///
/// # Errors
/// When the database fails.
pub async fn notices(auth: &mut Auth) -> Result<Vec<(i32, i64, i64)>, StoreError> {
    let query = "SELECT list, count(*), max(told_at) FROM sub_processor_notices GROUP BY list ORDER BY list DESC";
    Ok(sqlx::query_as(query).fetch_all(auth.conn()).await?)
}
