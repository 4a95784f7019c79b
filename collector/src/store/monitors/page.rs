//! Monitors page by page in a fixed order, and those that hold certain names.

use picket_shared::ids::MonitorId;
use sqlx::{Postgres, QueryBuilder};

use super::{GROUP, MonitorRow, Row, SELECT};
use crate::store::{Conn, Scoped, StoreError};

/// Which monitors are wanted; each field that is there narrows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen<'a> {
    /// With this tag.
    pub tag: Option<&'a str>,
    /// Of this kind.
    pub kind: Option<&'a str>,
    /// In this state, as it is shown: paused hides what the judge holds.
    pub state: Option<&'a str>,
}

/// Monitors in the order of their ids, `limit` at most, from the one after `after` on.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn page(
    conn: &mut Scoped,
    chosen: Chosen<'_>,
    after: Option<MonitorId>,
    limit: i64,
) -> Result<Vec<MonitorRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    if let Some(tag) = chosen.tag {
        query.push(" AND m.tags @> ARRAY[").push_bind(tag).push("]::text[]");
    }
    if let Some(kind) = chosen.kind {
        query.push(" AND m.kind = ").push_bind(kind);
    }
    if let Some(state) = chosen.state {
        query.push(" AND CASE WHEN m.paused_at IS NOT NULL THEN 'paused' ELSE s.state END = ").push_bind(state);
    }
    if let Some(after) = after {
        query.push(" AND m.uuid > ").push_bind(after.0);
    }
    query.push(" GROUP BY m.id, s.monitor_id ORDER BY m.uuid LIMIT ").push_bind(limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn.conn()).await?;
    rows.into_iter().map(MonitorRow::try_from).collect()
}

/// The monitors that have one of these external keys or one of these names.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn named(conn: &mut Scoped, keys: &[String], names: &[String]) -> Result<Vec<MonitorRow>, StoreError> {
    let sql = format!("{SELECT} AND (m.external_key = ANY($1) OR m.name = ANY($2)) {GROUP}");
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(keys).bind(names).fetch_all(conn.conn()).await?;
    rows.into_iter().map(MonitorRow::try_from).collect()
}
