//! When channels are quiet and whose they are, and which policy a monitor names. Every change is audited.

use picket_shared::time::Timestamp;
use serde_json::json;
use sqlx::types::Json;

use crate::domain::telling::quiet::Quiet;
use crate::store::audit::{self, Author};
use crate::store::channels::ChannelRow;
use crate::store::{ChannelKey, Conn, MonitorKey, OrgKey, PolicyKey, Scoped, StoreError, UserKey, Worker};

/// How a channel is told.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Which channel.
    pub channel: ChannelKey,
    /// When it is quiet.
    pub quiet: Option<Quiet>,
    /// Whether it is a member's own, which is told by policies alone, and nothing once the member left.
    pub is_personal: bool,
    /// The member who is reached by it.
    pub member: Option<UserKey>,
}

/// How each channel of the organization is told.
///
/// # Errors
/// When the database fails.
pub async fn manners(conn: &mut Scoped) -> Result<Vec<Manner>, StoreError> {
    type Row = (ChannelKey, Option<Json<Quiet>>, bool, Option<UserKey>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.id, c.quiet, c.is_personal, o.user_id FROM channels c LEFT JOIN member_channels o ON o.channel_id = c.id
         WHERE c.deleted_at IS NULL ORDER BY c.id",
    )
    .fetch_all(conn.conn())
    .await?;
    let manner = |(channel, quiet, is_personal, member): Row| Manner {
        channel,
        quiet: quiet.map(|Json(quiet)| quiet),
        is_personal,
        member,
    };
    Ok(rows.into_iter().map(manner).collect())
}

/// Says when a channel is quiet, or that it never is. What is held already stays so. False when the channel was removed.
///
/// # Errors
/// When the database fails.
pub async fn set_quiet(
    conn: &mut Scoped,
    row: &ChannelRow,
    quiet: Option<&Quiet>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE channels SET quiet = $2 WHERE id = $1 AND deleted_at IS NULL")
        .bind(row.key)
        .bind(quiet.map(Json))
        .execute(conn.conn())
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    audit::note(conn, "channel.quiet", row.id.0, json!({ "name": row.name, "quiet": quiet }), now).await?;
    Ok(true)
}

/// Makes a channel a member's own, or nobody's: then it is the organization's. What names the member outside goes into the audit log.
/// False when the channel was removed.
///
/// # Errors
/// When the user is no member any more or the database fails.
pub async fn set_member(
    conn: &mut Scoped,
    row: &ChannelRow,
    member: Option<(UserKey, uuid::Uuid)>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE channels SET is_personal = $2 WHERE id = $1 AND deleted_at IS NULL")
        .bind(row.key)
        .bind(member.is_some())
        .execute(conn.conn())
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM member_channels WHERE channel_id = $1").bind(row.key).execute(conn.conn()).await?;
    if let Some((user, _)) = member {
        let done = sqlx::query(
            "INSERT INTO member_channels (org_id, user_id, channel_id, created_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(conn.org())
        .bind(user)
        .bind(row.key)
        .bind(now.micros())
        .execute(conn.conn())
        .await?;
        StoreError::expect_rows("member_channels", 1, done.rows_affected())?;
    }
    let detail = json!({ "name": row.name, "member": member.map(|(_, id)| id) });
    audit::note(conn, "channel.member", row.id.0, detail, now).await?;
    Ok(true)
}

/// Those of these users whom nothing would reach: without a verified channel of their own.
///
/// # Errors
/// When the database fails.
pub async fn without_a_way(scoped: &mut Scoped, users: &[UserKey]) -> Result<Vec<UserKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT u.id FROM unnest($1::bigint[]) WITH ORDINALITY u(id, nth)
         WHERE NOT EXISTS (SELECT FROM member_channels o JOIN channels c ON c.id = o.channel_id
             WHERE o.user_id = u.id AND c.deleted_at IS NULL AND c.unset_at IS NULL AND c.verified_at IS NOT NULL)
         ORDER BY u.nth",
    )
    .bind(users.iter().map(|user| user.0).collect::<Vec<_>>())
    .fetch_all(scoped.conn())
    .await?)
}

/// Removes the channels that were the own ones of members who left, and forgets where they lead; gives how many.
///
/// # Errors
/// When the database fails.
pub async fn forget_who_left(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    let gone: Vec<(ChannelKey, OrgKey, uuid::Uuid, String)> = sqlx::query_as(
        "UPDATE channels c SET deleted_at = $1, sealed_settings = '', sealed_hook = NULL, sealed_key = NULL, sealed_former_key = NULL,
             former_key_until = NULL
         WHERE c.is_personal AND c.deleted_at IS NULL AND c.unset_at IS NULL
             AND NOT EXISTS (SELECT FROM member_channels o WHERE o.channel_id = c.id)
         RETURNING c.id, c.org_id, c.uuid, c.name",
    )
    .bind(now.micros())
    .fetch_all(conn.conn())
    .await?;
    for (key, org, id, name) in &gone {
        for forget in
            ["DELETE FROM channel_proofs WHERE channel_id = $1", "DELETE FROM policy_targets WHERE channel_id = $1"]
        {
            sqlx::query(forget).bind(key).execute(conn.conn()).await?;
        }
        let author = Author { org: Some(*org), ..Author::of_instance("collector") };
        let detail = json!({ "name": name, "why": "its member left" });
        audit::append(conn, &author.did("channel.remove", &id.to_string(), detail, now)).await?;
    }
    Ok(gone.len() as u64)
}

/// Gives a monitor a policy of its own, or leaves it to its tags and the default. What of it is under way goes on as it began. False when
/// the monitor is gone.
///
/// # Errors
/// When the policy is of another organization or the database fails.
pub async fn assign(
    conn: &mut Scoped,
    monitor: MonitorKey,
    policy: Option<(PolicyKey, &str)>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found: Option<uuid::Uuid> =
        sqlx::query_scalar("UPDATE monitors SET policy_id = $2 WHERE id = $1 AND deleted_at IS NULL RETURNING uuid")
            .bind(monitor)
            .bind(policy.map(|(key, _)| key))
            .fetch_optional(conn.conn())
            .await?;
    let Some(id) = found else { return Ok(false) };
    audit::note(conn, "monitor.policy", id, json!({ "policy": policy.map(|(_, name)| name) }), now).await?;
    Ok(true)
}
