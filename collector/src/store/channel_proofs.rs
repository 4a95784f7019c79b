//! Proofs under way that the owner of a channel wants its messages: one a channel, ended by use, by time, by five wrong
//! tries, by a newer one, or by other settings of the channel.

use std::time::Duration;

use picket_shared::ids::{ChannelId, DeliveryId};
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::channels::{self, ChannelRow};
use super::deliveries::{self, Leased, WithoutNotice};
use super::{ChannelKey, Conn, Scoped, StoreError, Worker, audit};

/// For so long a code works.
pub const LIFE: Duration = Duration::from_secs(15 * 60);
/// So many wrong codes end a proof.
pub const TRIES: i32 = 5;

/// A code, as it is stored.
#[derive(Clone, Debug)]
pub struct StoredCode {
    /// The code, for the message.
    pub sealed: Sealed,
    /// Its keyed hash, for the comparison.
    pub mark: [u8; 32],
}

/// Begins a proof in place of any before it; gives the message that carries it. `delivery` is that message's id; without a
/// code the provider's acceptance of it proves.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    conn: &mut Scoped,
    channel: &ChannelRow,
    delivery: DeliveryId,
    code: Option<&StoredCode>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let org = conn.org();
    channels::lock(conn, channel.key).await?;
    let key = deliveries::insert_without_notice(conn, channel.key, delivery, WithoutNotice::Proof, now).await?;
    sqlx::query("DELETE FROM channel_proofs WHERE channel_id = $1").bind(channel.key).execute(conn.conn()).await?;
    let done = sqlx::query(
        "INSERT INTO channel_proofs (org_id, channel_id, delivery_id, sealed_code, code_mark, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(org)
    .bind(channel.key)
    .bind(key)
    .bind(code.map(|code| code.sealed.0.as_slice()))
    .bind(code.map(|code| code.mark.as_slice()))
    .bind(now.micros())
    .bind((now + LIFE).micros())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("channel_proofs", 1, done.rows_affected())?;
    audit::note(conn, "channel.prove", channel.id.0, json!({ "name": channel.name }), now).await
}

/// What a code that was entered turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// The one that was sent.
    Right,
    /// Another; so many tries are left.
    Wrong {
        /// How many.
        left: i32,
    },
    /// There is none that still works: none was sent, it ran out, or too many were wrong.
    NoneWorks,
}

/// Compares a code by its mark, and counts the try: commit also when it was wrong.
///
/// # Errors
/// When the database fails.
pub async fn guess(
    conn: &mut Scoped,
    channel: ChannelKey,
    marks: &[[u8; 32]],
    now: Timestamp,
) -> Result<Guess, StoreError> {
    channels::lock(conn, channel).await?;
    let tried: Option<(bool, i32)> = sqlx::query_as(
        "UPDATE channel_proofs SET tries = tries + 1
         WHERE channel_id = $1 AND expires_at > $3 AND tries < $4 AND code_mark IS NOT NULL
         RETURNING code_mark = ANY ($2), tries",
    )
    .bind(channel)
    .bind(marks.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    .bind(now.micros())
    .bind(TRIES)
    .fetch_optional(conn.conn())
    .await?;
    Ok(match tried {
        Some((true, _)) => Guess::Right,
        Some((false, tries)) => Guess::Wrong { left: TRIES - tries },
        None => Guess::NoneWorks,
    })
}

/// Until when the proof of a channel that is under way works; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn under_way(
    conn: &mut Scoped,
    channel: ChannelKey,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let until: Option<i64> = sqlx::query_scalar(
        "SELECT expires_at FROM channel_proofs WHERE channel_id = $1 AND expires_at > $2 AND tries < $3",
    )
    .bind(channel)
    .bind(now.micros())
    .bind(TRIES)
    .fetch_optional(conn.conn())
    .await?;
    Ok(until.map(Timestamp::from_micros))
}

/// Its message has ended: forgets the code, and where acceptance proves and it was `accepted`, marks the channel verified.
/// Does nothing to a proof that was replaced meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn settle(conn: &mut Worker, leased: &Leased, accepted: bool, now: Timestamp) -> Result<(), StoreError> {
    channels::lock(conn, leased.channel.key).await?;
    sqlx::query("UPDATE channel_proofs SET sealed_code = NULL WHERE delivery_id = $1")
        .bind(leased.key)
        .execute(conn.conn())
        .await?;
    if !accepted {
        return Ok(());
    }
    let verified: Option<(uuid::Uuid, String)> = sqlx::query_as(
        "WITH proven AS (DELETE FROM channel_proofs WHERE delivery_id = $1 AND code_mark IS NULL RETURNING channel_id)
         UPDATE channels c SET verified_at = $2, verified_by = 'acceptance' FROM proven
         WHERE c.id = proven.channel_id AND c.deleted_at IS NULL AND c.verified_at IS NULL RETURNING c.uuid, c.name",
    )
    .bind(leased.key)
    .bind(now.micros())
    .fetch_optional(conn.conn())
    .await?;
    let Some((id, name)) = verified else { return Ok(()) };
    let subject = ChannelId(id).to_string();
    let author = audit::Author { org: Some(leased.org), ..audit::Author::of_instance("collector") };
    let detail = json!({ "name": name, "by": "acceptance" });
    audit::append(conn, &author.did("channel.verify", &subject, detail, now)).await
}

/// Notes that its owner wants messages, for what proved it (`code` or `operator`), and ends any proof under way. False when
/// that is known already, or it was removed.
///
/// # Errors
/// When the database fails.
pub async fn mark_verified(
    conn: &mut Scoped,
    row: &ChannelRow,
    by: &'static str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE channels SET verified_at = $2, verified_by = $3
         WHERE id = $1 AND deleted_at IS NULL AND verified_at IS NULL AND unset_at IS NULL",
    )
    .bind(row.key)
    .bind(now.micros())
    .bind(by)
    .execute(conn.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM channel_proofs WHERE channel_id = $1").bind(row.key).execute(conn.conn()).await?;
    audit::note(conn, "channel.verify", row.id.0, json!({ "name": row.name, "by": by }), now).await?;
    Ok(true)
}
