//! Who was told that something began: they, and nobody else, are told how it goes on and that it is over.

use picket_shared::time::Timestamp;

use super::reach::{ChannelRow, Hop};
use crate::store::notices::NoticeRow;
use crate::store::{ChannelKey, Conn, IncidentKey, NoticeKey, PolicyKey, StoreError, Worker};

/// A channel that was told, or is about to be.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which.
    pub hop: Hop,
    /// By which policy first; none where the organization had none.
    pub policy: Option<PolicyKey>,
    /// For which level of it, from 0.
    pub level: Option<usize>,
    /// Whether a message still waits, for quiet hours or for another try.
    pub waits: bool,
}

/// Keeps others from choosing whom to tell before this transaction ends: what is told here they must see.
///
/// # Errors
/// When the database fails.
pub async fn one_at_a_time(conn: &mut Worker) -> Result<(), StoreError> {
    // Any number will do that nothing else locks: the digits spell "tell".
    sqlx::query("SELECT pg_advisory_xact_lock(8355)").execute(conn.conn()).await?;
    Ok(())
}

/// The notices by which people heard of an incident since it was opened, or opened again for the `round`th time.
///
/// # Errors
/// When the database fails.
pub async fn of_incident(
    conn: &mut impl Conn,
    incident: IncidentKey,
    round: i32,
    kinds: &[&str],
) -> Result<Vec<NoticeKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT id FROM notices WHERE incident_id = $1 AND round = $2 AND kind = ANY ($3) ORDER BY id",
    )
    .bind(incident)
    .bind(round)
    .bind(kinds)
    .fetch_all(conn.conn())
    .await?)
}

/// The notices of `kinds` by which people heard of a trouble of a monitor or region that `over` tells the end of: those since its last
/// end.
///
/// # Errors
/// When the database fails.
pub async fn of_trouble(conn: &mut impl Conn, over: &NoticeRow, kinds: &[&str]) -> Result<Vec<NoticeKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "WITH of_it AS (
             SELECT id, kind, route FROM notices
             WHERE org_id = $1 AND id < $2 AND kind = ANY ($3 || $4)
                 AND coalesce(payload #>> '{notice,kind,region}', monitor_id::text) = (
                     SELECT coalesce(payload #>> '{notice,kind,region}', monitor_id::text) FROM notices WHERE id = $2))
         SELECT id FROM of_it WHERE kind = ANY ($3) AND id > coalesce((
             SELECT max(id) FROM of_it WHERE kind = $4 AND route ->> 'because' IS DISTINCT FROM 'told_already'), 0)
         ORDER BY id",
    )
    .bind(over.org)
    .bind(over.key)
    .bind(kinds)
    .bind(over.notice.kind.as_str())
    .fetch_all(conn.conn())
    .await?)
}

/// The channels that heard of the window of maintenance that a notice is about.
///
/// # Errors
/// When the database fails.
pub async fn of_maintenance(conn: &mut Worker, notice: NoticeKey) -> Result<Vec<ChannelKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT d.channel_id FROM notices n JOIN notices e ON e.occurrence_id = n.occurrence_id AND e.id <> n.id
         JOIN deliveries d ON d.notice_id = e.id WHERE n.id = $1",
    )
    .bind(notice)
    .fetch_all(conn.conn())
    .await?)
}

/// The channels that are to hear what a notice says of another: those that work; that it works again, those that heard that it did not.
///
/// # Errors
/// When the database fails.
pub async fn others_of_channel(conn: &mut Worker, notice: NoticeKey) -> Result<Vec<ChannelKey>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT c.id FROM notices n JOIN channels c ON c.org_id = n.org_id AND c.id <> n.channel_id
         WHERE n.id = $1 AND c.failing_since IS NULL AND (n.kind <> 'channel_works' OR EXISTS (
             SELECT FROM deliveries d WHERE d.channel_id = c.id AND d.notice_id = (
                 SELECT max(b.id) FROM notices b WHERE b.channel_id = n.channel_id AND b.id < n.id AND b.kind = 'channel_failing')))",
    )
    .bind(notice)
    .fetch_all(conn.conn())
    .await?)
}

/// The channels that were told by these notices and may still be told. One of which that failed counts only where it is of `holding`
/// kinds: those may hold an alarm all the same.
///
/// # Errors
/// When the database fails.
pub async fn by(conn: &mut impl Conn, notices: &[NoticeKey], holding: &[&str]) -> Result<Vec<Told>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.id, c.uuid, c.name, c.kind, c.verified_at, c.quiet, c.is_personal, o.user_id AS member, t.policy_id, t.level, t.waits
         FROM (SELECT d.channel_id, (array_agg(d.policy_id ORDER BY d.id))[1] AS policy_id,
                   (array_agg(d.level ORDER BY d.id))[1] AS level, bool_or(d.state = 'pending') AS waits
               FROM deliveries d JOIN channels k ON k.id = d.channel_id
               WHERE d.notice_id = ANY ($1) AND (d.state IN ('pending', 'sent') OR d.state = 'failed' AND k.kind = ANY ($2))
               GROUP BY d.channel_id) t
         JOIN channels c ON c.id = t.channel_id LEFT JOIN member_channels o ON o.channel_id = c.id
         WHERE c.deleted_at IS NULL AND c.verified_at IS NOT NULL AND c.unset_at IS NULL
             AND (NOT c.is_personal OR o.channel_id IS NOT NULL)
         ORDER BY c.id",
    )
    .bind(keys(notices))
    .bind(holding)
    .fetch_all(conn.conn())
    .await?;
    Ok(rows.into_iter().filter_map(Row::told).collect())
}

/// The channels for which a message of this notice was made, whatever became of it.
///
/// # Errors
/// When the database fails.
pub async fn had(conn: &mut impl Conn, notice: NoticeKey) -> Result<Vec<ChannelKey>, StoreError> {
    Ok(sqlx::query_scalar("SELECT channel_id FROM deliveries WHERE notice_id = $1")
        .bind(notice)
        .fetch_all(conn.conn())
        .await?)
}

/// Takes back what was not sent yet of these notices and is of no use any more: reminders, and, where it `is_over`, what quiet hours
/// hold. Gives the channels of the latter.
///
/// # Errors
/// When the database fails.
pub async fn take_back(
    conn: &mut Worker,
    notices: &[NoticeKey],
    is_over: bool,
    now: Timestamp,
) -> Result<Vec<ChannelKey>, StoreError> {
    let taken: Vec<(ChannelKey, bool)> = sqlx::query_as(
        "UPDATE deliveries d SET state = 'superseded', ended_at = $2, leased_until = NULL FROM notices n
         WHERE d.notice_id = ANY ($1) AND n.id = d.notice_id AND d.state = 'pending' AND d.leased_until IS NULL
             AND (n.kind = 'reminder' OR $3 AND d.attempts = 0 AND d.held_until > $2)
         RETURNING d.channel_id, coalesce(d.held_until > $2, false)",
    )
    .bind(keys(notices))
    .bind(now.micros())
    .bind(is_over)
    .fetch_all(conn.conn())
    .await?;
    Ok(taken.into_iter().filter(|(_, is_held)| *is_held).map(|(channel, _)| channel).collect())
}

fn keys(notices: &[NoticeKey]) -> Vec<i64> {
    notices.iter().map(|notice| notice.0).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    channel: ChannelRow,
    policy_id: Option<PolicyKey>,
    level: Option<i16>,
    waits: bool,
}

impl Row {
    fn told(self) -> Option<Told> {
        let level = self.level.and_then(|level| usize::try_from(level).ok());
        Some(Told { hop: self.channel.hop()?, policy: self.policy_id, level, waits: self.waits })
    }
}
