//! What a probe is to run, when, and how it learns of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::CheckSpec;
use crate::ids::{MonitorId, RecheckId, Region};
use crate::manual::ManualCheck;
use crate::time::Timestamp;

/// The shortest interval of a monitor.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// The longest interval of a monitor.
pub const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// How long after a failure a probe runs its own confirm check.
pub const CONFIRM_AFTER: Duration = Duration::from_secs(3);

/// One monitor as a probe needs it: no name, no organization, no channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// What is watched.
    pub monitor: MonitorId,
    /// The monitor's version, repeated in each outcome.
    pub version: u32,
    /// Seconds from slot to slot, 5 to 86,400.
    pub interval_s: u32,
    /// Milliseconds after which a check is given up; below the interval.
    pub timeout_ms: u32,
    /// Where in the interval the slots lie, in microseconds; see [`phase_us`].
    pub phase_us: u64,
    /// What to ask.
    pub check: CheckSpec,
}

impl Assignment {
    /// From slot to slot.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval_s))
    }

    /// After which a check is given up.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms))
    }

    /// The first slot after `time`.
    pub fn slot_after(&self, time: Timestamp) -> Timestamp {
        slot_after(self.phase_us, self.interval(), time)
    }
}

/// Answer to `GET /probe/v1/assignments?since=V`: what changed since version V, or everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assignments {
    /// Ask with this next time.
    pub version: u64,
    /// Whether this replaces all that the probe holds.
    #[serde(default)]
    pub full: bool,
    /// New and changed monitors.
    #[serde(default)]
    pub monitors: Vec<Assignment>,
    /// Monitors to stop running.
    #[serde(default)]
    pub removed: Vec<MonitorId>,
    /// Checks to run at once; each is handed out once.
    #[serde(default)]
    pub rechecks: Vec<Recheck>,
    /// What people want checked now; each is handed out once, and only to a probe that says `takes=manual`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manual: Vec<ManualCheck>,
}

/// A check that is wanted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recheck {
    /// Which request this is.
    pub id: RecheckId,
    /// What to check.
    pub monitor: MonitorId,
}

/// Where in the interval the slots of a monitor lie in one region: a hash of both, so that checks spread evenly
/// and the slots do not depend on any clock. FNV-1a (64 bit) over the id's 16 bytes and the region's name.
pub fn phase_us(monitor: MonitorId, region: &Region, interval: Duration) -> u64 {
    let hash =
        monitor.0.as_bytes().iter().chain(region.as_str().as_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    // FNV's high bits are the well-mixed ones.
    let interval_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
    u64::try_from((u128::from(hash) * u128::from(interval_us)) >> 64).unwrap_or(0)
}

/// The first slot (`phase + n * interval`) after `time`.
pub fn slot_after(phase_us: u64, interval: Duration, time: Timestamp) -> Timestamp {
    let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let phase = i64::try_from(phase_us).unwrap_or(0).rem_euclid(interval);
    let n = (time.micros() - phase).div_euclid(interval) + 1;
    Timestamp::from_micros(phase + n * interval)
}

/// How many slots lie in `(from, to]`.
pub fn slots_between(phase_us: u64, interval: Duration, from: Timestamp, to: Timestamp) -> u64 {
    if to <= from {
        return 0;
    }
    let interval_us = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let phase = i64::try_from(phase_us).unwrap_or(0).rem_euclid(interval_us);
    let index = |time: Timestamp| (time.micros() - phase).div_euclid(interval_us);
    u64::try_from(index(to) - index(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn slots_follow_each_other_by_the_interval_whatever_the_time_asked() {
        let interval = Duration::from_secs(30);
        let first = slot_after(7_000_000, interval, Timestamp::from_seconds(1000));
        assert_eq!(first, Timestamp::from_seconds(1027));
        assert_eq!(slot_after(7_000_000, interval, first), Timestamp::from_seconds(1057));
        assert_eq!(slot_after(7_000_000, interval, Timestamp::from_seconds(1026)), first);
        assert_eq!(slots_between(7_000_000, interval, Timestamp::from_seconds(1000), Timestamp::from_seconds(1057)), 2);
        assert_eq!(slots_between(7_000_000, interval, first, first), 0);
    }

    #[test]
    fn phases_lie_within_the_interval_and_spread() {
        let interval = Duration::from_secs(60);
        let region: Region = "eu".parse().unwrap();
        let mut buckets = [0_u32; 6];
        for n in 0..6000_u128 {
            let phase = phase_us(MonitorId(Uuid::from_u128(n << 64 | 7)), &region, interval);
            buckets[usize::try_from(phase / 10_000_000).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (700..1300).contains(count)), "{buckets:?}");
    }
}
