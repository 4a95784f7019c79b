//! The operator's probes and regions, and how each is: for their page, `probe list` and `region list`.

use std::time::Duration;

use picket_shared::batch::{Confinement, Report};
use picket_shared::ids::{ProbeId, Region};
use picket_shared::outcome::SelfCheck;
use picket_shared::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use crate::domain::gap::SILENT_AFTER;
use crate::store::{Conn, ProbeKey, StoreError};

/// One probe, where it is, and what is known of it.
#[derive(Clone, Debug)]
pub struct ProbeRow {
    /// Who it is.
    pub id: ProbeId,
    /// What the operator calls it.
    pub name: String,
    /// Its region.
    pub region: Region,
    /// The provider or autonomous system that the region is in.
    pub network: String,
    /// Whether the region lies in the EU.
    pub eu: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// What it said of itself; `None` before its first hello.
    pub heard: Option<Heard>,
}

/// What a probe said of itself.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its version.
    pub version: String,
    /// When it said hello with the start that is in force.
    pub hello_at: Timestamp,
    /// When it was last heard, by whatever request.
    pub seen_at: Timestamp,
    /// When its last batch came.
    pub batch_at: Option<Timestamp>,
    /// Up to where its slots are accounted for.
    pub through: Option<Timestamp>,
    /// Its last batch's report; `None` before the first.
    pub report: Option<Report>,
}

/// How a probe stands with the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It reports.
    Heard,
    /// It was heard, and is not any more.
    Silent {
        /// When it was last heard.
        since: Timestamp,
    },
    /// It never said hello.
    Never,
    /// Nothing that it sends is taken.
    Revoked {
        /// Since when.
        at: Timestamp,
    },
}

impl Standing {
    /// The word for it, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heard => "heard",
            Self::Silent { .. } => "silent",
            Self::Never => "never_heard",
            Self::Revoked { .. } => "revoked",
        }
    }
}

impl ProbeRow {
    /// How it stands at `now`.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match (self.revoked_at, &self.heard) {
            (Some(at), _) => Standing::Revoked { at },
            (None, None) => Standing::Never,
            (None, Some(heard)) if now.since(heard.seen_at) > SILENT_AFTER => Standing::Silent { since: heard.seen_at },
            (None, Some(_)) => Standing::Heard,
        }
    }

    /// Its last batch's report.
    pub fn report(&self) -> Option<&Report> {
        self.heard.as_ref()?.report.as_ref()
    }

    /// How long ago its last batch came.
    pub fn batch_age(&self, now: Timestamp) -> Option<Duration> {
        Some(now.since(self.heard.as_ref()?.batch_at?))
    }

    /// How far behind now its slots are accounted for.
    pub fn lag(&self, now: Timestamp) -> Option<Duration> {
        Some(now.since(self.heard.as_ref()?.through?))
    }

    /// Its clock minus the collector's, in microseconds.
    pub fn clock_offset_us(&self) -> Option<i64> {
        self.report()?.clock_offset_us
    }

    /// What the kernel does not enforce on it, by name; `None` before its first batch, empty when it is wholly confined.
    pub fn unconfined(&self) -> Option<Vec<&'static str>> {
        Some(missing(&self.report()?.confinement))
    }

    /// What the kernel enforces on it, by name; `None` before its first batch.
    pub fn confined(&self) -> Option<Vec<String>> {
        let confinement = &self.report()?.confinement;
        let landlock = (confinement.landlock_abi > 0).then(|| format!("Landlock ABI {}", confinement.landlock_abi));
        let missing = missing(confinement);
        let others =
            ["seccomp", "no new privileges", "no core dumps"].into_iter().filter(|name| !missing.contains(name));
        Some(landlock.into_iter().chain(others.map(str::to_owned)).collect())
    }

    /// What its own network is to it: IPv4, IPv6 and DNS.
    pub fn self_checks(&self) -> Option<[(&'static str, SelfCheck); 3]> {
        self.report().map(|report| [("IPv4", report.ipv4), ("IPv6", report.ipv6), ("DNS", report.dns)])
    }
}

fn missing(confinement: &Confinement) -> Vec<&'static str> {
    let rows = [
        ("Landlock", confinement.landlock_abi > 0),
        ("seccomp", confinement.seccomp),
        ("no new privileges", confinement.no_new_privileges),
        ("no core dumps", confinement.no_core_dumps),
    ];
    rows.into_iter().filter(|(_, in_force)| !in_force).map(|(what, _)| what).collect()
}

/// Every probe that the connection may see, by region and name. A tenant sees the operator's and its own.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn page(conn: &mut impl Conn) -> Result<Vec<ProbeRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.id, p.uuid, p.name, r.code, r.network, r.eu, p.created_at, p.revoked_at,
                s.version, s.hello_at, s.seen_at, s.batch_at, s.through, s.report
         FROM probes p JOIN regions r ON r.id = p.region_id LEFT JOIN probe_status s ON s.probe_id = p.id
         ORDER BY r.code, p.name, p.id",
    )
    .fetch_all(conn.conn())
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<ProbeRow, StoreError> {
    let key: ProbeKey = row.try_get(0)?;
    let time = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    let code: String = row.try_get(3)?;
    let unreadable = |_| StoreError::Inconsistent { table: "regions", column: "code", row: key.0 };
    let heard = match row.try_get::<Option<String>, _>(8)? {
        Some(version) => {
            // A report is `{}` until the first batch.
            let report: Json<serde_json::Value> = row.try_get(13)?;
            Some(Heard {
                version,
                hello_at: Timestamp::from_micros(row.try_get(9)?),
                seen_at: Timestamp::from_micros(row.try_get(10)?),
                batch_at: time(row.try_get(11)?),
                through: time(row.try_get(12)?),
                report: serde_json::from_value(report.0).ok(),
            })
        }
        None => None,
    };
    Ok(ProbeRow {
        id: ProbeId(row.try_get(1)?),
        name: row.try_get(2)?,
        region: code.parse().map_err(unreadable)?,
        network: row.try_get(4)?,
        eu: row.try_get(5)?,
        created_at: Timestamp::from_micros(row.try_get(6)?),
        revoked_at: time(row.try_get(7)?),
        heard,
    })
}

/// One region, and what it has.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RegionRow {
    /// Its name.
    pub code: String,
    /// The provider or autonomous system that it is in.
    pub network: String,
    /// Whether it lies in the EU.
    pub eu: bool,
    /// Probes that may send.
    pub probes: i64,
    /// Those of them that were heard lately.
    pub heard: i64,
    /// Monitors that it runs, of those that the connection may see.
    pub monitors: i64,
}

/// Every region, by name.
///
/// # Errors
/// When the database fails.
pub async fn regions(conn: &mut impl Conn, now: Timestamp) -> Result<Vec<RegionRow>, StoreError> {
    let since = now - SILENT_AFTER;
    Ok(sqlx::query_as(
        "SELECT r.code, r.network, r.eu,
                (SELECT count(*) FROM probes p WHERE p.region_id = r.id AND p.revoked_at IS NULL) AS probes,
                (SELECT count(*) FROM probes p JOIN probe_status s ON s.probe_id = p.id
                 WHERE p.region_id = r.id AND p.revoked_at IS NULL AND s.seen_at >= $1) AS heard,
                (SELECT count(*) FROM monitor_regions mr JOIN monitors m ON m.id = mr.monitor_id
                 WHERE mr.region_id = r.id AND m.deleted_at IS NULL) AS monitors
         FROM regions r ORDER BY r.code",
    )
    .bind(since.micros())
    .fetch_all(conn.conn())
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn row(heard_ago: Option<u64>, revoked: bool) -> ProbeRow {
        let at = |ago: u64| NOW - Duration::from_secs(ago);
        ProbeRow {
            id: ProbeId::at(NOW),
            name: "eu".to_owned(),
            region: "eu".parse().unwrap(),
            network: "n".to_owned(),
            eu: true,
            created_at: at(9000),
            revoked_at: revoked.then_some(at(5)),
            heard: heard_ago.map(|ago| Heard {
                version: "0.1.0".to_owned(),
                hello_at: at(8000),
                seen_at: at(ago),
                batch_at: Some(at(ago)),
                through: Some(at(ago + 3)),
                report: Some(Report { clock_offset_us: Some(-1500), ..Report::default() }),
            }),
        }
    }

    #[test]
    fn a_probe_is_silent_once_it_was_not_heard_for_longer_than_its_lease() {
        let standing = |heard_ago, revoked| row(heard_ago, revoked).standing(NOW);
        assert_eq!(standing(Some(45), false), Standing::Heard);
        assert_eq!(standing(Some(46), false), Standing::Silent { since: NOW - Duration::from_secs(46) });
        assert_eq!(standing(None, false), Standing::Never);
        assert_eq!(standing(Some(1), true).as_str(), "revoked");
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let never = row(None, false);
        assert!(never.batch_age(NOW).is_none() && never.lag(NOW).is_none() && never.unconfined().is_none());
        let heard = row(Some(2), false);
        assert_eq!(heard.lag(NOW), Some(Duration::from_secs(5)));
        assert_eq!(heard.clock_offset_us(), Some(-1500));
        assert_eq!(heard.unconfined().unwrap().len(), 4, "what a report does not say is not in force");
    }
}
