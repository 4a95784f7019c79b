//! Ends that the audit log tells of, and the same ends once more in a database that was restored to before them.

use picket_shared::time::Timestamp;
use sqlx::types::Uuid;

use super::{Auth, Conn, StoreError, Worker};
use crate::domain::ended::{Ended, Kind};

/// Most entries that one look takes.
const MOST: i64 = 10_000;

/// Ends that entries with a higher number than `after` tell of, none older than `since`, with the number of the last entry that was
/// looked at.
///
/// # Errors
/// When the database fails.
pub async fn after(worker: &mut Worker, after: i64, since: Timestamp) -> Result<(Vec<Ended>, i64), StoreError> {
    type Row = (i64, String, Option<String>, Option<Uuid>, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT a.id, a.action, CASE WHEN a.action = 'invitation.accept' THEN a.detail ->> 'invitation' ELSE a.subject END, o.uuid, a.at
         FROM audit a LEFT JOIN organizations o ON o.id = a.org_id
         WHERE a.id > $1 AND a.at >= $2 AND a.action = ANY ($3) ORDER BY a.id LIMIT $4",
    )
    .bind(after)
    .bind(since.micros())
    .bind(Kind::actions())
    .bind(MOST)
    .fetch_all(worker.conn())
    .await?;
    let last = rows.last().map_or(after, |(id, ..)| *id);
    // Of an entry that was erased nobody knows whom it is about.
    let ended = rows.into_iter().filter_map(|(_, action, subject, org, at)| {
        let subject = subject.filter(|subject| !subject.is_empty())?;
        Some(Ended { kind: Kind::of(&action)?, subject, org, at: Timestamp::from_micros(at) })
    });
    Ok((ended.collect(), last))
}

/// What ended once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Sessions of browsers; all of them end.
    pub sessions: u64,
    /// Links that were mailed or shown; all but those that bring something back.
    pub links: u64,
    /// Messages that waited.
    pub deliveries: u64,
    /// Mails to people that waited.
    pub mails: u64,
    /// API keys.
    pub keys: u64,
    /// Memberships.
    pub memberships: u64,
    /// Passwords that were changed later.
    pub passwords: u64,
    /// Grants to administer.
    pub grants: u64,
    /// Invitations.
    pub invitations: u64,
    /// Consents to be managed.
    pub managements: u64,
    /// Probes.
    pub probes: u64,
}

/// Ends every session, every first half of one, and every link that lets in.
///
/// # Errors
/// When the database fails.
pub async fn ways_in(auth: &mut Auth, counts: &mut Counts) -> Result<(), StoreError> {
    let run = async |auth: &mut Auth, statement: &'static str| {
        Ok::<u64, StoreError>(sqlx::query(statement).execute(auth.conn()).await?.rows_affected())
    };
    counts.sessions += run(auth, "DELETE FROM sessions").await?;
    for statement in ["DELETE FROM half_sign_ins", "DELETE FROM passkey_challenges", "DELETE FROM address_changes"] {
        run(auth, statement).await?;
    }
    counts.links += run(auth, "DELETE FROM account_links WHERE purpose <> 'restore'").await?;
    counts.links += run(auth, "DELETE FROM one_time_links").await?;
    Ok(())
}

/// Settles what waited to be sent: whether it was sent after the time that was restored to, nobody knows here.
///
/// # Errors
/// When the database fails.
pub async fn waiting(worker: &mut Worker, counts: &mut Counts, now: Timestamp) -> Result<(), StoreError> {
    let run = async |worker: &mut Worker, statement: &'static str| {
        let done = sqlx::query(statement).bind(now.micros()).execute(worker.conn()).await?;
        Ok::<u64, StoreError>(done.rows_affected())
    };
    run(worker, "UPDATE notices SET dispatched_at = $1 WHERE dispatched_at IS NULL").await?;
    let deliveries =
        "UPDATE deliveries SET state = 'superseded', ended_at = $1, leased_until = NULL WHERE state = 'pending'";
    counts.deliveries += run(worker, deliveries).await?;
    let mails =
        "UPDATE account_mails SET state = 'superseded', ended_at = $1, sealed_parameters = NULL, leased_until = NULL
                 WHERE state = 'pending'";
    counts.mails += run(worker, mails).await?;
    Ok(())
}

/// Ends one thing once more; nothing where it is not there, began later, or ended already. `password` is the hash of one that nobody
/// knows. Accounts and organizations are another's.
///
/// # Errors
/// When the database fails.
pub async fn again(auth: &mut Auth, ended: &Ended, password: &str, counts: &mut Counts) -> Result<(), StoreError> {
    let (statement, count) = match ended.kind {
        Kind::Key => (KEY, &mut counts.keys),
        Kind::Membership => (MEMBERSHIP, &mut counts.memberships),
        Kind::Password => (PASSWORD, &mut counts.passwords),
        Kind::Grant => (GRANT, &mut counts.grants),
        Kind::Invitation => (INVITATION, &mut counts.invitations),
        Kind::Management => (MANAGEMENT, &mut counts.managements),
        Kind::Probe => (PROBE, &mut counts.probes),
        Kind::ErasedAccount
        | Kind::ErasedOrganization
        | Kind::ErasedContact
        | Kind::ClosedAccount
        | Kind::ClosedOrganization
        | Kind::RestoredAccount
        | Kind::RestoredOrganization => return Ok(()),
    };
    let query = sqlx::query(statement);
    let query = match ended.subject.parse::<Uuid>() {
        _ if ended.kind == Kind::Key => query.bind(&ended.subject),
        Ok(subject) => query.bind(subject),
        Err(_) => return Ok(()),
    };
    let query = query.bind(ended.at.micros());
    let query = match ended.kind {
        Kind::Membership => query.bind(ended.org),
        Kind::Password => query.bind(password),
        _ => query,
    };
    *count += query.execute(auth.conn()).await?.rows_affected();
    Ok(())
}

const KEY: &str = "UPDATE api_keys SET revoked_at = $2 WHERE public_id = $1 AND revoked_at IS NULL";
/// The only owner stays: who owned the organization then is not known here.
const MEMBERSHIP: &str = "DELETE FROM memberships m USING users u, organizations o
    WHERE u.id = m.user_id AND u.uuid = $1 AND o.id = m.org_id AND o.uuid = $3 AND m.created_at <= $2
      AND (m.role <> 'owner' OR EXISTS (SELECT FROM memberships w
               WHERE w.org_id = m.org_id AND w.user_id <> m.user_id AND w.role = 'owner' AND w.until_at IS NULL))";
const PASSWORD: &str = "UPDATE users SET password_hash = $3
    WHERE uuid = $1 AND password_changed_at < $2 AND password_hash IS NOT NULL AND deleted_at IS NULL";
const GRANT: &str = "UPDATE admin_grants g SET revoked_at = $2, revoked_by = 'restore' FROM users u
    WHERE u.id = g.user_id AND u.uuid = $1 AND g.from_at <= $2 AND g.until_at > $2 AND g.revoked_at IS NULL";
const INVITATION: &str =
    "UPDATE invitations SET revoked_at = $2 WHERE uuid = $1 AND accepted_at IS NULL AND revoked_at IS NULL";
const MANAGEMENT: &str = "UPDATE managements SET ended_at = $2, ended_by = 'restore', ended_why = 'revoked' WHERE uuid = $1 AND ended_at IS NULL";
const PROBE: &str = "UPDATE probes SET revoked_at = $2 WHERE uuid = $1 AND revoked_at IS NULL";
