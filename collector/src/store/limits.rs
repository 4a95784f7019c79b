//! What the operator lets an organization have. The database itself refuses monitors beyond it (`migrations/0069_members.sql`),
//! wherever they come from; here is how that refusal reads, and how the limits are set.

use picket_shared::time::Timestamp;
use serde_json::json;

use super::audit::{self, Author};
use super::{Auth, Conn, DeliveryKey, OrgKey, StoreError, Worker};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// How many monitors there are.
    Monitors,
    /// How short an interval may be, in seconds.
    Interval,
    /// How many checks there are a minute: of every monitor that runs, in each of its regions.
    ChecksPerMinute,
}

impl Limited {
    const ALL: [Self; 3] = [Self::Monitors, Self::Interval, Self::ChecksPerMinute];

    const fn constraint(self) -> &'static str {
        match self {
            Self::Monitors => "limit_monitors",
            Self::Interval => "limit_interval_s",
            Self::ChecksPerMinute => "limit_checks_per_minute",
        }
    }
}

/// A limit that a write would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub struct Exceeded {
    /// Which.
    pub what: Limited,
    /// What it is set to.
    pub limit: i64,
}

impl Exceeded {
    /// What the database refused, if it is this.
    pub(super) fn of(error: &sqlx::Error) -> Option<Self> {
        let sqlx::Error::Database(error) = error else { return None };
        let what = Limited::ALL.into_iter().find(|what| error.constraint() == Some(what.constraint()))?;
        let detail = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?.detail()?;
        Some(Self { what, limit: detail.parse().ok()? })
    }

    fn words(self) -> String {
        let limit = self.limit;
        let what = match self.what {
            Limited::Monitors => format!("at its limit of {limit} monitors: delete some"),
            Limited::Interval => format!("limited to intervals of {limit} s and more: choose a longer one"),
            Limited::ChecksPerMinute => format!(
                "at its limit of {limit} checks a minute (of every monitor, in each of its regions): choose a longer \
                 interval or fewer regions, or pause some"
            ),
        };
        format!("the organization is {what}, or ask whoever runs this Picket for more")
    }
}

/// The limits of an organization; none is as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Limits {
    /// Most monitors.
    pub monitors: Option<i32>,
    /// Shortest interval, in seconds.
    pub interval_s: Option<i32>,
    /// Most checks a minute.
    pub checks_per_minute: Option<i32>,
    /// Most SMS in 24 hours.
    pub sms_per_day: Option<i32>,
}

/// Those of an organization.
///
/// # Errors
/// When the database fails.
pub async fn get(auth: &mut Auth, org: OrgKey) -> Result<Limits, StoreError> {
    let found = sqlx::query_as(
        "SELECT monitors, interval_s, checks_per_minute, sms_per_day FROM organization_limits WHERE org_id = $1",
    );
    Ok(found.bind(org).fetch_optional(auth.conn()).await?.unwrap_or_default())
}

/// Sets them all; what is there already beyond them stays.
///
/// # Errors
/// When the database fails, or a limit cannot be.
pub async fn set(
    auth: &mut Auth,
    (org, id): (OrgKey, uuid::Uuid),
    limits: &Limits,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO organization_limits (org_id, monitors, interval_s, checks_per_minute, sms_per_day, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (org_id) DO UPDATE SET monitors = $2, interval_s = $3, checks_per_minute = $4, sms_per_day = $5,
             changed_at = $6",
    )
    .bind(org)
    .bind(limits.monitors)
    .bind(limits.interval_s)
    .bind(limits.checks_per_minute)
    .bind(limits.sms_per_day)
    .bind(now.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("organization_limits", 1, done.rows_affected())?;
    let detail = json!({
        "monitors": limits.monitors, "interval_s": limits.interval_s,
        "checks_per_minute": limits.checks_per_minute, "sms_per_day": limits.sms_per_day,
    });
    let author = Author { org: Some(org), ..Author::of_instance(actor) };
    audit::append(auth, &author.did("organization.limit", &id.to_string(), detail, now)).await
}

/// The limit of SMS a day, if an organization has used it up. Of those that are being sent at the same time the earlier ones
/// count. `kinds` are those of channels by which SMS are sent.
///
/// # Errors
/// When the database fails.
pub async fn sms_used_up(
    conn: &mut Worker,
    org: OrgKey,
    delivery: DeliveryKey,
    kinds: &[&str],
    now: Timestamp,
) -> Result<Option<i32>, StoreError> {
    const DAY_US: i64 = 86_400_000_000;
    Ok(sqlx::query_scalar(
        "SELECT l.sms_per_day FROM organization_limits l WHERE l.org_id = $1 AND l.sms_per_day <= (
            SELECT count(*) FROM deliveries d JOIN channels c ON c.id = d.channel_id
            WHERE d.org_id = $1 AND c.kind = ANY ($5) AND d.id <> $2 AND d.folded_into IS NULL
                AND ((d.state = 'sent' AND d.ended_at > $3)
                    OR (d.state = 'pending' AND d.leased_until > $4 AND d.id < $2)))",
    )
    .bind(org)
    .bind(delivery)
    .bind(now.micros() - DAY_US)
    .bind(now.micros())
    .bind(kinds)
    .fetch_optional(conn.conn())
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_named_with_what_to_do() {
        for (what, words) in [
            (Limited::Monitors, "limit of 7 monitors: delete some"),
            (Limited::Interval, "intervals of 7 s and more: choose a longer"),
            (Limited::ChecksPerMinute, "limit of 7 checks a minute"),
        ] {
            let text = Exceeded { what, limit: 7 }.to_string();
            assert!(text.contains(words) && text.contains("whoever runs this Picket"), "{text}");
        }
    }
}
