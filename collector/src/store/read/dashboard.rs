//! The list of monitors: a page of them as filtered and sorted, how many there are in each state, and which tags.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};

use crate::store::monitors::FailingFrom;
use crate::store::results::{self, Mark};
use crate::store::{Conn, MonitorKey, Scoped, StoreError};

/// In which order monitors are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// What needs attention first.
    #[default]
    Attention,
    /// By name.
    Name,
    /// What changed last first.
    Since,
}

/// Which monitors are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A part of the name or the target, whatever its case.
    pub search: String,
    /// Only those in this state, as it is shown.
    pub state: String,
    /// Only this kind of check.
    pub kind: String,
    /// Only those with this tag.
    pub tag: String,
    /// The order.
    pub sort: Sort,
}

/// Where a page begins: the last monitor of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Its sort key.
    pub rank: i64,
    /// Its name.
    pub name: String,
    /// Its row.
    pub id: i64,
}

/// A monitor in the list.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `monitors` and `states`")]
pub struct ItemRow {
    pub id: MonitorKey,
    pub uuid: uuid::Uuid,
    pub name: String,
    pub kind: String,
    pub target: String,
    pub tags: Vec<String>,
    pub interval_s: i32,
    pub paused_at: Option<i64>,
    /// As it is shown: paused hides what the judge last held.
    pub state: String,
    pub since: i64,
    pub overlays: Option<Value>,
    pub unverified: bool,
    pub muted: bool,
    pub failing_from: Json<Vec<FailingFrom>>,
    /// The incident that is open.
    pub incident: Option<uuid::Uuid>,
    pub acknowledged: bool,
    rank: i64,
}

/// What one region says of a listed monitor.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `regions`, `region_states` and `probe_status`")]
pub struct VoteRow {
    pub monitor_id: MonitorKey,
    pub code: String,
    pub status: Option<String>,
    pub fails: Option<i16>,
    pub last_trigger: Option<String>,
    pub seen_at: Option<i64>,
}

/// What the page shows.
#[derive(Debug)]
pub struct Page {
    /// The monitors of this page, in order.
    pub items: Vec<ItemRow>,
    /// Where the next page begins, if there is one.
    pub next: Option<After>,
    /// What each region says of them.
    pub votes: Vec<VoteRow>,
    /// Their last scheduled outcomes, newest first for each.
    pub marks: Vec<Mark>,
    /// How many match the rest of the filter in each state.
    pub counts: Vec<(String, i64)>,
    /// Every tag there is.
    pub tags: Vec<String>,
    /// Whether there is any monitor at all.
    pub any: bool,
}

/// How many monitors a page holds.
pub const PAGE: usize = 50;
/// How many outcomes a strip shows.
pub const MARKS: i64 = 30;
/// How far back a strip looks.
const STRIP: Duration = Duration::from_secs(2 * 86_400);

/// The state as it is shown.
const SHOWN: &str = "CASE WHEN m.paused_at IS NOT NULL THEN 'paused' ELSE s.state END";
/// What needs attention comes first.
const ATTENTION: &str = "CASE WHEN m.paused_at IS NOT NULL THEN 7 WHEN s.state = 'down' THEN 0
    WHEN s.state = 'recovering' THEN 1 WHEN s.state = 'suspect' THEN 2
    WHEN s.data->'overlays'->'regional' <> '[]' THEN 3 WHEN s.data->'overlays'->>'degraded' = 'true' THEN 3
    WHEN s.state = 'unknown' THEN 4 WHEN s.state = 'pending' THEN 5 ELSE 6 END::bigint";
const SINCE: &str = "-coalesce(m.paused_at, s.since)";

/// Gathers a page.
///
/// # Errors
/// When the database fails.
pub async fn page(
    scoped: &mut Scoped,
    filter: &Filter,
    after: Option<&After>,
    now: Timestamp,
) -> Result<Page, StoreError> {
    let mut items = items(scoped, filter, after).await?;
    let next = items.get(PAGE - 1).filter(|_| items.len() > PAGE).map(|last| After {
        rank: last.rank,
        name: last.name.clone(),
        id: last.id.0,
    });
    items.truncate(PAGE);
    let keys: Vec<MonitorKey> = items.iter().map(|item| item.id).collect();
    Ok(Page {
        votes: votes(scoped, &keys).await?,
        marks: results::marks(scoped, &keys, now - STRIP, MARKS).await?,
        counts: counts(scoped, filter).await?,
        tags: tags(scoped).await?,
        any: any(scoped).await?,
        items,
        next,
    })
}

async fn items(scoped: &mut Scoped, filter: &Filter, after: Option<&After>) -> Result<Vec<ItemRow>, StoreError> {
    let rank = match filter.sort {
        Sort::Attention => ATTENTION,
        Sort::Name => "0::bigint",
        Sort::Since => SINCE,
    };
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT * FROM (SELECT m.id, m.uuid, m.name, m.kind, m.target, m.tags,
        m.interval_s, m.paused_at, coalesce(m.paused_at, s.since) AS since, s.data->'overlays' AS overlays,
        coalesce(m.spec->>'verify' = 'off', false) AS unverified, m.muted_at IS NOT NULL AS muted,
        failing_from(m.id, s.data) AS failing_from, i.uuid AS incident, i.acknowledged_at IS NOT NULL AS acknowledged, ",
    );
    query.push(SHOWN).push(" AS state, ").push(rank);
    query.push(
        " AS rank FROM monitors m JOIN states s ON s.monitor_id = m.id
        LEFT JOIN incidents i ON i.monitor_id = m.id AND i.resolved_at IS NULL WHERE m.deleted_at IS NULL",
    );
    narrow(&mut query, filter, true);
    query.push(") x");
    if let Some(after) = after {
        query.push(" WHERE (rank, lower(name), id) > (").push_bind(after.rank);
        query.push(", lower(").push_bind(after.name.clone()).push("), ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY rank, lower(name), id LIMIT ").push_bind(i64::try_from(PAGE + 1).unwrap_or(i64::MAX));
    Ok(query.build_query_as().fetch_all(scoped.conn()).await?)
}

fn narrow(query: &mut QueryBuilder<Postgres>, filter: &Filter, by_state: bool) {
    if !filter.search.is_empty() {
        let pattern = format!("%{}%", filter.search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        query.push(" AND (m.name ILIKE ").push_bind(pattern.clone());
        query.push(" OR m.target ILIKE ").push_bind(pattern).push(")");
    }
    if !filter.kind.is_empty() {
        query.push(" AND m.kind = ").push_bind(filter.kind.clone());
    }
    if !filter.tag.is_empty() {
        query.push(" AND m.tags @> ARRAY[").push_bind(filter.tag.clone()).push("]::text[]");
    }
    if by_state && !filter.state.is_empty() {
        query.push(" AND ").push(SHOWN).push(" = ").push_bind(filter.state.clone());
    }
}

async fn counts(scoped: &mut Scoped, filter: &Filter) -> Result<Vec<(String, i64)>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query
        .push(SHOWN)
        .push(" AS shown, count(*) FROM monitors m JOIN states s ON s.monitor_id = m.id WHERE m.deleted_at IS NULL");
    narrow(&mut query, filter, false);
    query.push(" GROUP BY 1 ORDER BY 1");
    Ok(query.build_query_as().fetch_all(scoped.conn()).await?)
}

async fn tags(scoped: &mut Scoped) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT DISTINCT unnest(tags) FROM monitors WHERE deleted_at IS NULL ORDER BY 1 LIMIT 200")
        .fetch_all(scoped.conn())
        .await?)
}

async fn any(scoped: &mut Scoped) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM monitors WHERE deleted_at IS NULL)")
        .fetch_one(scoped.conn())
        .await?)
}

async fn votes(scoped: &mut Scoped, monitors: &[MonitorKey]) -> Result<Vec<VoteRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT mr.monitor_id, r.code, s.status, s.fails, s.last_trigger, h.seen_at
         FROM monitor_regions mr JOIN regions r ON r.id = mr.region_id
         LEFT JOIN region_states s ON s.monitor_id = mr.monitor_id AND s.region_id = mr.region_id
         LEFT JOIN (SELECT p.region_id, max(ps.seen_at) AS seen_at FROM probes p
                    JOIN probe_status ps ON ps.probe_id = p.id WHERE p.revoked_at IS NULL GROUP BY 1) h
                ON h.region_id = mr.region_id
         WHERE mr.monitor_id = ANY($1) ORDER BY mr.monitor_id, r.code",
    )
    .bind(monitors.iter().map(|monitor| monitor.0).collect::<Vec<_>>())
    .fetch_all(scoped.conn())
    .await?)
}
