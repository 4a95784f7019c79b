//! Asking for manual checks: what may be asked, how often, and whether each region can.

use std::time::Duration;

use picket_shared::check::{CheckSpec, InvalidSpec};
use picket_shared::ids::ManualId;
use picket_shared::manual::life;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use picket_shared::wire::TAKES_MANUAL;
use sqlx::types::Json;

use crate::domain::manual::{MOST_A_MINUTE, MOST_IN_REGION, MOST_UNDER_WAY, Peer, Unable, same_place, unable};
use crate::store::{Conn, MonitorKey, RegionKey, Scoped, StoreError};
use crate::wake::Bell;

/// What the target is logged in at with.
#[derive(Clone, Copy, Debug)]
pub enum Credentials<'a> {
    /// Nothing.
    None,
    /// JSON of `HttpAuth`, sealed as `Class::MonitorSecret` with the manual check's own uuid as context.
    Sealed(&'a Sealed),
    /// Those of a saved monitor at this version, if it has any. They go only to the scheme, host and port that they were given for,
    /// and to nobody once the monitor is edited.
    OfMonitor(MonitorKey, i32),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewManual<'a> {
    /// What to ask of the target, without credentials.
    pub spec: &'a CheckSpec,
    /// With what to log in.
    pub credentials: Credentials<'a>,
    /// Milliseconds after which the check is given up, 100 to 120,000.
    pub timeout_ms: i32,
    /// Only regions in the EU may run it: the rule is that of monitors.
    pub eu_only: bool,
    /// Where it is to run.
    pub regions: &'a [RegionKey],
}

/// What became of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is under way, or refused, in each region: see [`read`](super::read).
    Yes,
    /// A field cannot be; nothing was asked.
    Invalid(InvalidSpec),
    /// The organization has too many under way, or asked too often; a sentence. Nothing was asked.
    TooMany(String),
}

/// Asks for a check now in each of the regions; rings for the probes. What a region cannot run is refused there at once.
///
/// # Errors
/// When the database fails.
pub async fn ask(conn: &mut Scoped, id: ManualId, new: &NewManual<'_>, now: Timestamp) -> Result<Asked, StoreError> {
    if let Err(invalid) = validate(conn, new).await? {
        return Ok(Asked::Invalid(invalid));
    }
    // Two at the same moment must not both find room for the last one.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('manual_checks', $1))")
        .bind(conn.org())
        .execute(conn.conn())
        .await?;
    if let Some(why) = too_many(conn, new.regions, now).await? {
        return Ok(Asked::TooMany(why));
    }
    let standings = standings(conn, new, now).await?;
    if standings.is_empty() {
        return Ok(Asked::Invalid(InvalidSpec::new("region", "choose one region at least")));
    }
    let timeout = Duration::from_millis(u64::try_from(new.timeout_ms).unwrap_or(0));
    let (monitor, version, sealed) = match new.credentials {
        Credentials::None => (None, None, None),
        Credentials::Sealed(sealed) => (None, None, Some(sealed.0.as_slice())),
        Credentials::OfMonitor(monitor, version) => (Some(monitor), Some(version), None),
    };
    let (org, actor) = (conn.org(), conn.actor().to_owned());
    let done = sqlx::query(
        "INSERT INTO manual_checks (uuid, org_id, region_id, monitor_id, monitor_version, kind, spec, sealed_secret,
                eu_only, timeout_ms, asked_by, asked_at, expires_at, refused, ended_at)
         SELECT $1, $2, r, $3, $4, $5, $6, CASE WHEN why IS NULL THEN $7::bytea END, $8, $9, $10, $11, $12, why,
                CASE WHEN why IS NOT NULL THEN $11::bigint END
         FROM unnest($13::bigint[], $14::text[]) x (r, why)",
    )
    .bind(id.0)
    .bind(org)
    .bind(monitor)
    .bind(version)
    .bind(new.spec.kind().as_str())
    .bind(Json(new.spec))
    .bind(sealed)
    .bind(new.eu_only)
    .bind(new.timeout_ms)
    .bind(actor)
    .bind(now.micros())
    .bind((now + life(timeout)).micros())
    .bind(standings.iter().map(|(region, _)| region.0).collect::<Vec<_>>())
    .bind(standings.iter().map(|(_, why)| why.map(Unable::as_str)).collect::<Vec<_>>())
    .execute(conn.conn())
    .await?;
    StoreError::expect_rows("manual_checks", standings.len() as u64, done.rows_affected())?;
    if standings.iter().any(|(_, why)| why.is_none()) {
        conn.ring(Bell::Assignments).await?;
    }
    Ok(Asked::Yes)
}

async fn validate(conn: &mut Scoped, new: &NewManual<'_>) -> Result<Result<(), InvalidSpec>, StoreError> {
    let invalid = |field, message: &str| Ok(Err(InvalidSpec::new(field, message)));
    if let Err(error) = new.spec.validate() {
        return Ok(Err(error));
    }
    if matches!(new.spec, CheckSpec::Http(http) if http.auth.is_some()) {
        return invalid("auth", "credentials are kept sealed, and never in the specification");
    }
    if !(100..=120_000).contains(&new.timeout_ms) {
        return invalid("timeout", "use 100 ms to 120 s");
    }
    let Credentials::OfMonitor(monitor, version) = new.credentials else { return Ok(Ok(())) };
    let kept: Option<(Json<CheckSpec>, bool)> = sqlx::query_as(
        "SELECT spec, sealed_secret IS NOT NULL FROM monitors WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
    )
    .bind(monitor)
    .bind(version)
    .fetch_optional(conn.conn())
    .await?;
    match kept {
        None => invalid("monitor", "somebody else changed or deleted it meanwhile: look at it, and try again"),
        Some((spec, true)) if !same_place(&spec.0, new.spec) => invalid(
            "auth",
            "the credentials that are kept go nowhere but where they were given for: give them again to try them there",
        ),
        Some(_) => Ok(Ok(())),
    }
}

async fn too_many(conn: &mut Scoped, regions: &[RegionKey], now: Timestamp) -> Result<Option<String>, StoreError> {
    let (under_way, most_in_one, in_a_minute): (i64, i64, i64) = sqlx::query_as(
        "WITH recent AS (SELECT uuid, region_id, asked_at, ended_at, expires_at FROM manual_checks
                         WHERE asked_at > $1 - 3600000000),
              waiting AS (SELECT region_id FROM recent WHERE ended_at IS NULL AND expires_at > $1)
         SELECT (SELECT count(*) FROM waiting),
                (SELECT coalesce(max(n), 0) FROM (SELECT count(*) n FROM waiting WHERE region_id = ANY($2)
                                                  GROUP BY region_id) x),
                (SELECT count(DISTINCT uuid) FROM recent WHERE asked_at > $1 - 60000000)",
    )
    .bind(now.micros())
    .bind(regions.iter().map(|region| region.0).collect::<Vec<_>>())
    .fetch_one(conn.conn())
    .await?;
    Ok(if in_a_minute >= MOST_A_MINUTE {
        Some(format!("{in_a_minute} manual checks were asked for within a minute: wait for the next one"))
    } else if under_way >= MOST_UNDER_WAY || most_in_one >= MOST_IN_REGION {
        Some(format!("{under_way} manual checks are under way: wait for them, a minute at most"))
    } else {
        None
    })
}

/// Whether each of the regions can run it, and if not, why.
async fn standings(
    conn: &mut Scoped,
    new: &NewManual<'_>,
    now: Timestamp,
) -> Result<Vec<(RegionKey, Option<Unable>)>, StoreError> {
    let keys: Vec<i64> = new.regions.iter().map(|region| region.0).collect();
    let regions: Vec<(RegionKey, bool)> = sqlx::query_as("SELECT id, eu FROM regions WHERE id = ANY($1) ORDER BY code")
        .bind(&keys)
        .fetch_all(conn.conn())
        .await?;
    // Row security leaves out the private probes of others.
    let peers: Vec<(RegionKey, Vec<String>, Vec<String>, i64)> = sqlx::query_as(
        "SELECT p.region_id, s.kinds, s.takes, s.seen_at FROM probes p JOIN probe_status s ON s.probe_id = p.id
         WHERE p.region_id = ANY($1) AND p.revoked_at IS NULL",
    )
    .bind(&keys)
    .fetch_all(conn.conn())
    .await?;
    let of = |region: RegionKey| -> Vec<Peer> {
        let here = peers.iter().filter(|(key, ..)| *key == region);
        here.map(|(_, kinds, takes, seen_at)| Peer {
            kinds: kinds.iter().filter_map(|name| name.parse().ok()).collect(),
            takes_manual: takes.iter().any(|name| name == TAKES_MANUAL),
            heard: Timestamp::from_micros(*seen_at),
        })
        .collect()
    };
    let kind = new.spec.kind();
    Ok(regions.into_iter().map(|(key, eu)| (key, unable(kind, (eu, new.eu_only), &of(key), now))).collect())
}
