//! The organizations that one manages: a row each, of `organization_summaries` and of the consent. No table is read here in which the
//! managed organization keeps anything of its own.

use picket_shared::time::Timestamp;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::store::{Conn, Scoped, StoreError};

/// A managed organization.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `organization_summaries` and `managements`")]
pub struct ManagedRow {
    pub org_id: i64,
    pub uuid: Uuid,
    pub name: String,
    /// The consent.
    pub management: Uuid,
    pub most: String,
    pub until_at: Option<i64>,
    #[sqlx(flatten)]
    pub counts: Counts,
    pub open_incidents: i32,
    pub untold: i32,
    pub failing_since: Option<i64>,
    pub changed_at: Option<i64>,
    pub updated_at: i64,
    rank: i32,
}

/// Monitors by the state that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "the states")]
pub struct Counts {
    pub down: i32,
    pub suspect: i32,
    pub recovering: i32,
    pub unknown: i32,
    pub pending: i32,
    pub up: i32,
    pub paused: i32,
}

impl Counts {
    /// Each state with how many are in it, what needs attention first.
    pub const fn named(self) -> [(&'static str, i32); 7] {
        [
            ("down", self.down),
            ("recovering", self.recovering),
            ("suspect", self.suspect),
            ("unknown", self.unknown),
            ("pending", self.pending),
            ("up", self.up),
            ("paused", self.paused),
        ]
    }
}

/// Where a page begins: the last organization of the page before, in the order of [`by_attention`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// How much attention it needs.
    pub rank: i32,
    /// What it is called.
    pub name: String,
    /// Its row.
    pub id: i64,
}

impl ManagedRow {
    /// Where the page after this one begins.
    pub fn place(&self) -> After {
        After { rank: self.rank, name: self.name.clone(), id: self.org_id }
    }
}

/// Organizations of a page.
pub const PAGE: usize = 50;

/// What needs attention comes first.
const RANK: &str = "CASE WHEN s.down > 0 THEN 0 WHEN s.recovering > 0 THEN 1 WHEN s.suspect > 0 THEN 2
    WHEN s.unknown > 0 THEN 3 ELSE 4 END";

/// The managed organizations, what needs attention first, then by name; `limit` at most, from the one after `after` on.
///
/// # Errors
/// When the database fails.
pub async fn by_attention(
    scoped: &mut Scoped,
    after: Option<&After>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<ManagedRow>, StoreError> {
    let mut query = select(scoped, now);
    if let Some(after) = after {
        query.push(" WHERE (rank, lower(name), org_id) > (").push_bind(after.rank);
        query.push(", lower(").push_bind(after.name.clone()).push("), ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY rank, lower(name), org_id LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(scoped.conn()).await?)
}

/// The same in the order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn by_id(
    scoped: &mut Scoped,
    after: Option<Uuid>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<ManagedRow>, StoreError> {
    let mut query = select(scoped, now);
    if let Some(after) = after {
        query.push(" WHERE uuid > ").push_bind(after);
    }
    query.push(" ORDER BY uuid LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(scoped.conn()).await?)
}

fn select(scoped: &Scoped, now: Timestamp) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(
        "SELECT * FROM (SELECT s.org_id, s.uuid, s.name, g.uuid AS management, g.most, g.until_at, s.down, s.suspect,
            s.recovering, s.unknown, s.pending, s.up, s.paused, s.open_incidents, s.untold, s.failing_since, s.changed_at,
            s.updated_at, ",
    );
    query.push(RANK).push(
        " AS rank FROM managements g JOIN organization_summaries s ON s.org_id = g.org_id
         WHERE g.accepted_at IS NOT NULL AND g.ended_at IS NULL AND g.manager_id = ",
    );
    query
        .push_bind(scoped.org())
        .push(" AND (g.until_at IS NULL OR g.until_at > ")
        .push_bind(now.micros())
        .push(")) x");
    query
}
