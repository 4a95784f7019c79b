//! The audit log as it is read: by pages and commands with a filter, by the verifier from its first entry to its last.

use picket_shared::daykeys::hex;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use sqlx::{Postgres, QueryBuilder};

use crate::domain::audit_chain::{Entry, Facts, Hash, Mark, Payload};
use crate::store::audit::append;
use crate::store::{Auth, Conn, OrgKey, Scoped, StoreError};

/// Which entries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this action, or all of `monitor` with `monitor.`; all when empty.
    pub action: String,
    /// Only actors that hold this, whatever its case; all when empty.
    pub actor: String,
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
}

/// In which direction a chain is read, and from which entry on, which itself is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// The oldest first.
    After(i64),
    /// The newest first.
    Before(i64),
}

/// An entry as it is stored; what was erased is `None`.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns of `audit`")]
pub struct AuditRow {
    pub seq: i64,
    pub at: i64,
    pub actor: Option<String>,
    pub action: String,
    pub subject: Option<String>,
    /// The very text.
    pub detail: Option<String>,
    pub origin: Option<String>,
    pub salt: Option<Vec<u8>>,
    pub commitment: Vec<u8>,
    pub link: Vec<u8>,
}

impl AuditRow {
    /// As the verifier takes it.
    pub fn entry(self) -> Entry {
        let payload = match (self.salt, self.actor, self.subject, self.detail) {
            (Some(salt), Some(actor), Some(subject), Some(detail)) => {
                Payload::Whole(Facts { salt, actor, subject, detail, origin: self.origin })
            }
            (None, None, None, None) if self.origin.is_none() => Payload::Erased,
            _ => Payload::Torn,
        };
        let (commitment, link) = (hash(&self.commitment), hash(&self.link));
        Entry { seq: self.seq, at: self.at, action: self.action, payload, commitment, link }
    }

    /// As it is exported, one JSON object; `organization` is `None` for the instance's.
    pub fn exported(&self, organization: Option<uuid::Uuid>) -> Value {
        let detail: Option<Value> = self.detail.as_deref().and_then(|text| serde_json::from_str(text).ok());
        json!({
            "organization": organization, "seq": self.seq, "at": Timestamp::from_micros(self.at).exact(),
            "actor": self.actor, "action": self.action, "subject": self.subject, "detail": detail,
            "origin": self.origin, "salt": self.salt.as_deref().map(hex), "commitment": hex(&self.commitment),
            "link": hex(&self.link),
        })
    }
}

/// What has not the length of a hash fits nothing.
fn hash(bytes: &[u8]) -> Hash {
    bytes.try_into().unwrap_or([0; 32])
}

/// Reads entries of one chain (`None` for the instance's).
///
/// # Errors
/// When the database fails.
pub async fn read(
    conn: &mut impl Conn,
    chain: Option<OrgKey>,
    filter: &Filter,
    walk: Walk,
    limit: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
        "SELECT seq, at, actor, action, subject, detail::text AS detail, origin, salt, commitment, link
         FROM audit WHERE org_id ",
    );
    match chain {
        Some(org) => query.push("= ").push_bind(org),
        None => query.push("IS NULL"),
    };
    match filter.action.as_str() {
        "" => {}
        group if group.ends_with('.') => {
            query.push(" AND starts_with(action, ").push_bind(group).push(")");
        }
        action => {
            query.push(" AND action = ").push_bind(action);
        }
    }
    if !filter.actor.is_empty() {
        query.push(" AND strpos(lower(actor), lower(").push_bind(&filter.actor).push(")) > 0");
    }
    if let Some(from) = filter.from {
        query.push(" AND at >= ").push_bind(from.micros());
    }
    if let Some(to) = filter.to {
        query.push(" AND at < ").push_bind(to.micros());
    }
    // Of the instance's chain the planner knows the order only where it is that of the index.
    match walk {
        Walk::After(seq) => query.push(" AND seq > ").push_bind(seq).push(" ORDER BY org_id, seq LIMIT "),
        Walk::Before(seq) => query.push(" AND seq < ").push_bind(seq).push(" ORDER BY org_id DESC, seq DESC LIMIT "),
    };
    Ok(query.push_bind(limit).build_query_as().fetch_all(conn.conn()).await?)
}

/// Every action in the organization's log, in order.
///
/// # Errors
/// When the database fails.
pub async fn actions(scoped: &mut Scoped) -> Result<Vec<String>, StoreError> {
    let org = scoped.org();
    Ok(sqlx::query_scalar("SELECT DISTINCT action FROM audit WHERE org_id = $1 ORDER BY action")
        .bind(org)
        .fetch_all(scoped.conn())
        .await?)
}

/// Audits that the tenant's log is taken out: commit before it is.
///
/// # Errors
/// When the database fails.
pub async fn note_export(scoped: &mut Scoped, filter: &Filter, now: Timestamp) -> Result<(), StoreError> {
    let author = scoped.author().clone();
    append(scoped, &author.did("audit.export", "", filter.told(), now)).await
}

impl Filter {
    /// What was asked for, for the log.
    pub fn told(&self) -> Value {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({ "action": self.action, "actor": self.actor, "from": time(self.from), "to": time(self.to) })
    }
}

/// One chain of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whose; `None` for the instance's.
    pub org: Option<OrgKey>,
    /// Its name outside; nil for the instance.
    pub id: uuid::Uuid,
    /// The organization's name.
    pub name: Option<String>,
    /// Its newest entry; `None` when there is none.
    pub head: Option<Mark>,
    /// What it begins after, and who signed that, where entries were removed for their age.
    pub base: Option<Base>,
}

/// What a chain begins after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The last entry that was removed.
    pub mark: Mark,
    /// When.
    pub removed_at: Timestamp,
    /// The key that signed it.
    pub key: u32,
    /// The signature.
    pub signature: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct ChainRow {
    org_id: Option<OrgKey>,
    uuid: Option<uuid::Uuid>,
    name: Option<String>,
    head_seq: Option<i64>,
    head_link: Option<Vec<u8>>,
    base_seq: Option<i64>,
    base_link: Option<Vec<u8>>,
    removed_at: Option<i64>,
    key_id: Option<i64>,
    signature: Option<Vec<u8>>,
}

/// Every chain: the instance's first, then one for each organization that there ever was.
///
/// # Errors
/// When the database fails.
pub async fn chains(conn: &mut Auth) -> Result<Vec<Chain>, StoreError> {
    let rows: Vec<ChainRow> = sqlx::query_as(
        "WITH chain AS (
             SELECT NULL::bigint AS org_id, NULL::uuid AS uuid, NULL::text AS name, h.seq, h.link
             FROM (VALUES (1)) one LEFT JOIN LATERAL
                 (SELECT seq, link FROM audit WHERE org_id IS NULL ORDER BY org_id DESC, seq DESC LIMIT 1) h ON true
             UNION ALL
             SELECT o.id, o.uuid, o.name, h.seq, h.link FROM organizations o LEFT JOIN LATERAL
                 (SELECT seq, link FROM audit WHERE org_id = o.id ORDER BY seq DESC LIMIT 1) h ON true)
         SELECT c.org_id, c.uuid, c.name, c.seq AS head_seq, c.link AS head_link, b.seq AS base_seq, b.link AS base_link,
                b.removed_at, b.key_id, b.signature
         FROM chain c LEFT JOIN audit_bases b ON b.org_id IS NOT DISTINCT FROM c.org_id ORDER BY c.org_id NULLS FIRST",
    )
    .fetch_all(conn.conn())
    .await?;
    let mark =
        |seq: Option<i64>, link: Option<Vec<u8>>| seq.zip(link).map(|(seq, link)| Mark { seq, link: hash(&link) });
    let chain = |row: ChainRow| Chain {
        org: row.org_id,
        id: row.uuid.unwrap_or_default(),
        name: row.name,
        head: mark(row.head_seq, row.head_link),
        base: mark(row.base_seq, row.base_link).map(|mark| Base {
            mark,
            removed_at: Timestamp::from_micros(row.removed_at.unwrap_or_default()),
            key: row.key_id.and_then(|key| u32::try_from(key).ok()).unwrap_or_default(),
            signature: row.signature.unwrap_or_default(),
        }),
    };
    Ok(rows.into_iter().map(chain).collect())
}
