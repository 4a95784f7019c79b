//! Which policy is for what, and whom a level of it reaches at a time. The same for dispatch and for whoever asks who would be told.

use std::time::Duration;

use picket_shared::ids::{ChannelId, PolicyId};
use picket_shared::time::Timestamp;
use sqlx::types::Json;

use crate::domain::telling::policy::Policy;
use crate::domain::telling::quiet::Quiet;
use crate::store::{ChannelKey, Conn, MonitorKey, OrgKey, PolicyKey, ScheduleKey, StoreError, UserKey, schedules};

/// The policy that is for a monitor, or for what has none.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Its row.
    pub key: PolicyKey,
    /// Its id.
    pub id: PolicyId,
    /// What it is called.
    pub name: String,
    /// Why it is that one.
    pub by: By,
    /// When which level is told.
    pub policy: Policy,
    /// Whether people are told that it is over; pagers always are.
    pub tells_recovery: bool,
    /// How many SMS and calls it may send in 24 hours.
    pub sms_per_day: Option<i64>,
}

/// By what a policy was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The monitor names it.
    Monitor,
    /// The monitor has one of its tags.
    Tag,
    /// It is the organization's default.
    Default,
}

impl By {
    pub(super) const fn ranked(rank: i32) -> Self {
        match rank {
            0 => Self::Monitor,
            1 => Self::Tag,
            _ => Self::Default,
        }
    }

    /// Its name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Tag => "tag",
            Self::Default => "default",
        }
    }
}

/// A channel that is told.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Its row.
    pub key: ChannelKey,
    /// Its id.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Which of `notify::channels` it is.
    pub kind: String,
    /// Since when it is known to be wanted.
    pub verified_at: Timestamp,
    /// When it is quiet.
    pub quiet: Option<Quiet>,
    /// The member whose it is.
    pub member: Option<UserKey>,
    /// The schedule on which that member is on call.
    pub schedule: Option<ScheduleKey>,
}

/// Whom a policy tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A channel.
    Channel(ChannelKey),
    /// A member, by the channels that are their own.
    Member(UserKey),
    /// Who is on call on a schedule.
    Schedule(ScheduleKey),
}

/// A target that nobody is reached by, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Which.
    pub target: Target,
    /// Why.
    pub why: Why,
}

/// Why a target reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody is on call on the schedule.
    NobodyOnCall,
    /// The member has no channel of their own that is verified.
    NoChannel,
    /// The channel is not verified, or has no destination.
    NotVerified,
    /// So many SMS and calls a day were sent as the policy allows.
    SmsBudget,
    /// An earlier message about the same still waits for the channel's quiet hours, or for another try.
    Waits,
    /// The channel was quiet from the beginning to the end.
    QuietThroughout,
    /// The policy does not tell that something is over.
    NoRecovery,
}

impl Why {
    /// Its name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NobodyOnCall => "nobody_on_call",
            Self::NoChannel => "no_channel",
            Self::NotVerified => "not_verified",
            Self::SmsBudget => "sms_budget",
            Self::Waits => "waits",
            Self::QuietThroughout => "quiet_throughout",
            Self::NoRecovery => "no_recovery",
        }
    }
}

/// Whom a level reaches; each channel once.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Channels.
    pub hops: Vec<Hop>,
    /// Targets that reach nobody.
    pub misses: Vec<Miss>,
}

/// The policy that is for these monitors: what one of them names stands above what is for a tag of one, and both above the default; of
/// several the one that was made first. Without monitors it is the default. `None` where the organization has none for them: then
/// every channel is told.
///
/// # Errors
/// When the database fails.
pub async fn chosen(conn: &mut impl Conn, org: OrgKey, monitors: &[MonitorKey]) -> Result<Option<Chosen>, StoreError> {
    let row: Option<ChosenRow> = sqlx::query_as(
        "SELECT p.id, p.uuid, p.name, min(CASE WHEN p.id = m.policy_id THEN 0 WHEN p.tags && m.tags THEN 1 ELSE 2 END) AS rank,
                p.waits_s, p.repeats, p.repeat_after_s, p.reminder_s, p.tells_recovery, p.sms_per_day
         FROM policies p LEFT JOIN monitors m ON m.org_id = p.org_id AND m.id = ANY ($2)
         WHERE p.org_id = $1 AND p.deleted_at IS NULL AND (p.id = m.policy_id OR p.tags && m.tags OR p.is_default)
         GROUP BY p.id ORDER BY rank, p.id LIMIT 1",
    )
    .bind(org)
    .bind(monitors.iter().map(|monitor| monitor.0).collect::<Vec<_>>())
    .fetch_optional(conn.conn())
    .await?;
    Ok(row.map(Chosen::from))
}

/// The policy of that row; `None` when it was removed.
///
/// # Errors
/// When the database fails.
pub async fn by_key(conn: &mut impl Conn, key: PolicyKey) -> Result<Option<Chosen>, StoreError> {
    let row: Option<ChosenRow> = sqlx::query_as(
        "SELECT id, uuid, name, 2 AS rank, waits_s, repeats, repeat_after_s, reminder_s, tells_recovery, sms_per_day
         FROM policies WHERE id = $1 AND deleted_at IS NULL",
    )
    .bind(key)
    .fetch_optional(conn.conn())
    .await?;
    Ok(row.map(Chosen::from))
}

#[derive(sqlx::FromRow)]
struct ChosenRow {
    id: PolicyKey,
    uuid: uuid::Uuid,
    name: String,
    rank: i32,
    waits_s: Vec<i32>,
    repeats: i16,
    repeat_after_s: i32,
    reminder_s: Option<i32>,
    tells_recovery: bool,
    sms_per_day: Option<i32>,
}

impl From<ChosenRow> for Chosen {
    fn from(row: ChosenRow) -> Self {
        Self {
            key: row.id,
            id: PolicyId(row.uuid),
            name: row.name,
            by: By::ranked(row.rank),
            policy: escalation(&row.waits_s, row.repeats, row.repeat_after_s, row.reminder_s),
            tells_recovery: row.tells_recovery,
            sms_per_day: row.sms_per_day.map(i64::from),
        }
    }
}

/// What a row says of a policy's course.
pub(super) fn escalation(waits: &[i32], repeats: i16, repeat_after: i32, reminder: Option<i32>) -> Policy {
    let seconds = |s: i32| Duration::from_secs(u64::try_from(s).unwrap_or(0));
    Policy {
        waits: waits.iter().copied().map(seconds).collect(),
        repeats: u8::try_from(repeats).unwrap_or(0),
        repeat_after: seconds(repeat_after),
        reminder: reminder.map(seconds),
    }
}

/// Every verified channel that is not a member's own: who is told where no policy says it.
///
/// # Errors
/// When the database fails.
pub async fn everyone(conn: &mut impl Conn, org: OrgKey) -> Result<Reach, StoreError> {
    let rows = channels(conn, org, false, &[], &[]).await?.into_iter();
    let hops = rows.filter(|row| !row.is_personal).filter_map(ChannelRow::hop);
    Ok(Reach { hops: hops.collect(), misses: Vec::new() })
}

/// Whom a level of a policy reaches at `at`.
///
/// # Errors
/// When the database fails or a schedule cannot be read.
pub async fn level(
    conn: &mut impl Conn,
    org: OrgKey,
    policy: PolicyKey,
    level: usize,
    at: Timestamp,
) -> Result<Reach, StoreError> {
    let targets = targets(conn, &[policy]).await?.into_iter().filter(|(_, of, _)| *of == level);
    let mut reach = Reach::default();
    // Whose channels are asked for, by which target.
    let mut wanted: Vec<(Target, Option<UserKey>)> = Vec::new();
    for (_, _, target) in targets {
        match target {
            Target::Channel(_) => wanted.push((target, None)),
            Target::Member(user) => wanted.push((target, Some(user))),
            Target::Schedule(key) => match schedules::on_call(conn, key, at).await? {
                Some(user) => wanted.push((target, Some(user))),
                None => reach.misses.push(Miss { target, why: Why::NobodyOnCall }),
            },
        }
    }
    let named: Vec<i64> = wanted
        .iter()
        .filter_map(|(target, _)| if let Target::Channel(key) = target { Some(key.0) } else { None })
        .collect();
    let users: Vec<i64> = wanted.iter().filter_map(|(_, user)| user.map(|user| user.0)).collect();
    let rows = channels(conn, org, true, &named, &users).await?;
    for (target, user) in wanted {
        let mut is_reached = false;
        for row in &rows {
            let is_meant = match (target, user) {
                (Target::Channel(key), _) => row.id == key,
                (_, user) => user.is_some() && row.member == user,
            };
            let Some(mut hop) = row.clone().hop().filter(|_| is_meant) else { continue };
            is_reached = true;
            if let Target::Schedule(key) = target {
                hop.schedule = Some(key);
            }
            if !reach.hops.iter().any(|other| other.key == hop.key) {
                reach.hops.push(hop);
            }
        }
        if !is_reached {
            let why = if user.is_some() { Why::NoChannel } else { Why::NotVerified };
            reach.misses.push(Miss { target, why });
        }
    }
    Ok(reach)
}

/// Every target of these policies, by level from 0.
///
/// # Errors
/// When the database fails.
pub async fn targets(
    conn: &mut impl Conn,
    policies: &[PolicyKey],
) -> Result<Vec<(PolicyKey, usize, Target)>, StoreError> {
    type Row = (PolicyKey, i16, Option<ChannelKey>, Option<UserKey>, Option<ScheduleKey>);
    let policies: Vec<i64> = policies.iter().map(|key| key.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT policy_id, level, channel_id, user_id, schedule_id FROM policy_targets WHERE policy_id = ANY ($1) ORDER BY level, id",
    )
    .bind(policies)
    .fetch_all(conn.conn())
    .await?;
    let target = |(policy, level, channel, user, schedule): Row| {
        let target = channel.map(Target::Channel).or(user.map(Target::Member)).or(schedule.map(Target::Schedule))?;
        Some((policy, usize::try_from(level).ok()?, target))
    };
    Ok(rows.into_iter().filter_map(target).collect())
}

/// How many messages by channels of `kinds` a policy sent after `since`.
///
/// # Errors
/// When the database fails.
pub async fn sent_by(
    conn: &mut impl Conn,
    policy: PolicyKey,
    kinds: &[&str],
    since: Timestamp,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM deliveries d JOIN channels c ON c.id = d.channel_id
         WHERE d.policy_id = $1 AND d.created_at > $3 AND c.kind = ANY ($2) AND d.state <> 'superseded'",
    )
    .bind(policy)
    .bind(kinds)
    .bind(since.micros())
    .fetch_one(conn.conn())
    .await?)
}

/// The channels that are told: all, or those that are named and those of members.
async fn channels(
    conn: &mut impl Conn,
    org: OrgKey,
    is_narrow: bool,
    named: &[i64],
    users: &[i64],
) -> Result<Vec<ChannelRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT c.id, c.uuid, c.name, c.kind, c.verified_at, c.quiet, c.is_personal, o.user_id AS member
         FROM channels c LEFT JOIN member_channels o ON o.channel_id = c.id
         WHERE c.org_id = $1 AND c.deleted_at IS NULL AND c.verified_at IS NOT NULL AND c.unset_at IS NULL
            AND (NOT c.is_personal OR o.channel_id IS NOT NULL)
            AND (NOT $2 OR c.id = ANY ($3) OR o.user_id = ANY ($4)) ORDER BY c.id",
    )
    .bind(org)
    .bind(is_narrow)
    .bind(named)
    .bind(users)
    .fetch_all(conn.conn())
    .await?)
}

/// A channel as a row says it.
#[derive(Clone, sqlx::FromRow)]
pub(super) struct ChannelRow {
    id: ChannelKey,
    uuid: uuid::Uuid,
    name: String,
    kind: String,
    verified_at: Option<i64>,
    quiet: Option<Json<Quiet>>,
    is_personal: bool,
    member: Option<UserKey>,
}

impl ChannelRow {
    /// Where it is told; nowhere without proof that it is wanted.
    pub(super) fn hop(self) -> Option<Hop> {
        Some(Hop {
            key: self.id,
            id: ChannelId(self.uuid),
            name: self.name,
            kind: self.kind,
            verified_at: Timestamp::from_micros(self.verified_at?),
            quiet: self.quiet.map(|Json(quiet)| quiet),
            member: self.member,
            schedule: None,
        })
    }
}
