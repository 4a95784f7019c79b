//! What happened to settings and keys, by whom. Only ever added to.

use picket_shared::time::Timestamp;
use serde_json::Value;

use super::{Conn, OrgKey, Scoped, StoreError};

/// One line of the audit log.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Whose settings; `None` for the instance's.
    pub org: Option<OrgKey>,
    /// When.
    pub at: Timestamp,
    /// Who: `command:USER`, `probe:ID`, `collector`.
    pub actor: &'a str,
    /// What was done: `monitor.add`, `probe.revoke`.
    pub action: &'a str,
    /// To what.
    pub subject: &'a str,
    /// Further facts, without secrets.
    pub detail: Value,
}

/// Adds a line, in the transaction that did what it tells.
///
/// # Errors
/// When the database fails.
pub async fn append(conn: &mut impl Conn, entry: &Entry<'_>) -> Result<(), StoreError> {
    let done =
        sqlx::query("INSERT INTO audit (org_id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(entry.org)
            .bind(entry.at.micros())
            .bind(entry.actor)
            .bind(entry.action)
            .bind(entry.subject)
            .bind(&entry.detail)
            .execute(conn.conn())
            .await?;
    StoreError::expect_rows("audit", 1, done.rows_affected())
}

/// Adds a line about something of the tenant's, done by who is behind the connection.
///
/// # Errors
/// When the database fails.
pub(super) async fn note(
    conn: &mut Scoped,
    action: &str,
    subject: uuid::Uuid,
    detail: Value,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (org, actor, subject) = (Some(conn.org()), conn.actor().to_owned(), subject.to_string());
    append(conn, &Entry { org, at, actor: &actor, action, subject: &subject, detail }).await
}
