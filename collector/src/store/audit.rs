//! What happened to settings and keys, by whom, from where. Only ever added to: the database numbers and links each entry
//! (`domain::audit_chain`) whoever inserts it. Reading is in [`super::read::audit`].

use picket_shared::time::Timestamp;
use serde_json::Value;

use super::{Conn, OrgKey, Scoped, Statement, StoreError, Worker};
use crate::domain::audit_chain::Mark;

/// Who does something, from where, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The organization in whose log it goes; `None` for the instance's.
    pub org: Option<OrgKey>,
    /// `user:EMAIL`, `key:ID user:EMAIL`, `key:ID service:NAME`, `command:USER`, `probe:ID`, `collector`, `web` for who is not known.
    pub actor: String,
    /// The client's address, where there is one.
    pub origin: Option<String>,
}

impl Author {
    /// Somebody who acts on the instance itself.
    pub fn of_instance(actor: impl Into<String>) -> Self {
        Self { org: None, actor: actor.into(), origin: None }
    }

    /// An entry about what was done.
    pub fn did<'a>(&'a self, action: &'a str, subject: &'a str, detail: Value, at: Timestamp) -> Entry<'a> {
        Entry { org: self.org, at, actor: &self.actor, action, subject, detail, origin: self.origin.as_deref() }
    }
}

/// One entry of the audit log.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Whose settings; `None` for the instance's.
    pub org: Option<OrgKey>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: &'a str,
    /// What was done: `monitor.add`, `probe.revoke`. `docs/audit.md` lists them.
    pub action: &'a str,
    /// To what.
    pub subject: &'a str,
    /// Further facts, without secrets.
    pub detail: Value,
    /// The client's address, where there is one.
    pub origin: Option<&'a str>,
}

impl<'q> Entry<'q> {
    /// With its parts as `$1` to `$7`.
    fn bound(&'q self, statement: Statement<'q>) -> Statement<'q> {
        statement
            .bind(self.org)
            .bind(self.at.micros())
            .bind(self.actor)
            .bind(self.action)
            .bind(self.subject)
            .bind(self.detail.to_string())
            .bind(self.origin)
    }
}

/// Adds an entry, in the transaction that did what it tells. Until that ends, nobody else adds to the same chain: do it last.
///
/// # Errors
/// When the database fails.
pub async fn append(conn: &mut impl Conn, entry: &Entry<'_>) -> Result<(), StoreError> {
    let insert = "INSERT INTO audit (org_id, at, actor, action, subject, detail, origin)
         VALUES ($1, $2, $3, $4, $5, $6::text::json, $7)";
    let done = entry.bound(sqlx::query(insert)).execute(conn.conn()).await?;
    StoreError::expect_rows("audit", 1, done.rows_affected())
}

/// Adds an entry of an organization unless the same was said of the same by the same since; false where it was. Only entries since then
/// are read: this is on the way of requests that are refused.
///
/// # Errors
/// When the database fails.
pub async fn append_once(conn: &mut impl Conn, entry: &Entry<'_>, since: Timestamp) -> Result<bool, StoreError> {
    let insert = "INSERT INTO audit (org_id, at, actor, action, subject, detail, origin)
         SELECT $1, $2, $3, $4, $5, $6::text::json, $7
         WHERE NOT EXISTS (SELECT FROM audit WHERE org_id = $1 AND at > $8 AND action = $4 AND actor = $3 AND subject = $5)";
    let done = entry.bound(sqlx::query(insert)).bind(since.micros()).execute(conn.conn()).await?;
    Ok(done.rows_affected() == 1)
}

/// Adds an entry about something of the tenant's, done by who is behind the connection.
///
/// # Errors
/// When the database fails.
pub async fn note(
    conn: &mut Scoped,
    action: &str,
    subject: uuid::Uuid,
    detail: Value,
    at: Timestamp,
) -> Result<(), StoreError> {
    let author = conn.author().clone();
    append(conn, &author.did(action, &subject.to_string(), detail, at)).await
}

/// Adds an entry about each of several things of the tenant's, in this order.
///
/// # Errors
/// When the database fails.
pub(super) async fn note_all(
    conn: &mut Scoped,
    action: &str,
    subjects: &[(uuid::Uuid, Value)],
    at: Timestamp,
) -> Result<(), StoreError> {
    let author = conn.author().clone();
    let (ids, details): (Vec<String>, Vec<String>) =
        subjects.iter().map(|(id, detail)| (id.to_string(), detail.to_string())).unzip();
    let done = sqlx::query(
        "INSERT INTO audit (org_id, at, actor, action, subject, detail, origin)
         SELECT $1, $2, $3, $4, x.subject, x.detail::json, $7
         FROM unnest($5::text[], $6::text[]) WITH ORDINALITY AS x (subject, detail, place) ORDER BY x.place",
    )
    .bind(author.org)
    .bind(at.micros())
    .bind(author.actor)
    .bind(action)
    .bind(&ids)
    .bind(&details)
    .bind(author.origin)
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("audit", subjects.len() as u64, done.rows_affected())
}

/// The beginning of a chain whose entries are all older than some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Whose chain; `None` for the instance's.
    pub org: Option<OrgKey>,
    /// Its name outside; nil for the instance.
    pub chain: uuid::Uuid,
    /// How many entries it is.
    pub entries: i64,
    /// The last of them.
    pub last: Mark,
}

#[derive(sqlx::FromRow)]
struct ExpiredRow {
    id: i64,
    org_id: Option<OrgKey>,
    chain: uuid::Uuid,
    entries: i64,
    seq: i64,
    link: Vec<u8>,
}

/// The beginnings of chains that are older than `cutoff`, `most` entries of each. Where that is all of a
/// chain, an entry must be added before it is removed: the last one stays.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn expired(conn: &mut Worker, cutoff: Timestamp, most: i64) -> Result<Vec<Expired>, StoreError> {
    let rows: Vec<ExpiredRow> = sqlx::query_as(
        "SELECT a.id, old.org_id, coalesce(o.uuid, '00000000-0000-0000-0000-000000000000') AS chain, old.entries, a.seq, a.link
         FROM (SELECT org_id, least(coalesce(min(seq) FILTER (WHERE at >= $1), max(seq) + 1), min(seq) + $2) - 1 AS last,
                      least(coalesce(min(seq) FILTER (WHERE at >= $1), max(seq) + 1) - min(seq), $2) AS entries
               FROM audit GROUP BY org_id HAVING min(at) < $1) old
         JOIN audit a ON a.org_id IS NOT DISTINCT FROM old.org_id AND a.seq = old.last
         LEFT JOIN organizations o ON o.id = old.org_id
         WHERE old.entries > 0 ORDER BY old.org_id NULLS FIRST",
    )
    .bind(cutoff.micros())
    .bind(most)
    .fetch_all(conn.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let unread = |_| StoreError::Inconsistent { table: "audit", column: "link", row: row.id };
            let last = Mark { seq: row.seq, link: row.link.try_into().map_err(unread)? };
            Ok(Expired { org: row.org_id, chain: row.chain, entries: row.entries, last })
        })
        .collect()
}

/// Removes the beginning of a chain and leaves in its place what the rest follows, signed. The database refuses what is not
/// all older than `cutoff`, or not older than twelve months.
///
/// # Errors
/// When the database fails or refuses.
pub async fn remove(
    conn: &mut Worker,
    expired: &Expired,
    (cutoff, now): (Timestamp, Timestamp),
    (key, signature): (u32, &[u8]),
) -> Result<u64, StoreError> {
    let removed: i64 = sqlx::query_scalar("SELECT audit_remove($1, $2, $3, $4, $5, $6)")
        .bind(expired.org)
        .bind(expired.last.seq)
        .bind(cutoff.micros())
        .bind(now.micros())
        .bind(i64::from(key))
        .bind(signature)
        .fetch_one(conn.conn())
        .await?;
    Ok(removed.unsigned_abs())
}
