//! The judge's waits, all derived from a monitor's interval and timeout.

use std::time::Duration;

use picket_shared::assignment::CONFIRM_AFTER;
use picket_shared::time::Timestamp;

/// How far apart the three failures lie that one voter alone needs.
pub const APART: Duration = CONFIRM_AFTER;
/// After how many rounds a failing minority is called regional.
pub const REGIONAL_ROUNDS: u32 = 2;
/// After how many rounds without an answer a region leaves the vote.
pub const ANSWER_ROUNDS: u32 = 3;
/// How many good rounds end an incident.
pub const RECOVERY_ROUNDS: u8 = 2;
/// How many results in a row one voter alone needs; the length at which run lengths are capped.
pub const IN_A_ROW: u8 = 3;
/// After how long a monitor without a verdict is told to have never come up.
pub const NEVER_UP_AFTER: Duration = Duration::from_secs(600);

/// An outcome that came so long after its check had ended is late: the way to the collector was bad, and so perhaps was the
/// way to the target. A failure is shipped at once, and one that waits for a collector's restart comes within this time.
pub const LATE_AFTER: Duration = Duration::from_secs(15);

/// While the collector warms up, it looks so often whether every region was heard.
pub const WARM_UP_LOOK: Duration = Duration::from_secs(5);
/// A region's own network is told to be bad, or good again, when it has been so for so long.
pub const NETWORK_TOLD_AFTER: Duration = Duration::from_secs(60);
/// While a region is silent, it is looked so often whether it is heard again: nothing else may ring for that.
pub const SILENCE_LOOK: Duration = Duration::from_secs(60);

const LONGEST_ROUND: Duration = Duration::from_secs(30);
const SHORTEST_FRESHNESS: Duration = Duration::from_secs(90);

/// A monitor's interval and timeout, and what follows from them.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From slot to slot.
    pub interval: Duration,
    /// After which a check is given up.
    pub timeout: Duration,
}

impl Timing {
    /// F: a region that was not heard for longer has no vote. 2 intervals, a timeout and 15 s; 90 s at least.
    pub fn freshness(self) -> Duration {
        (self.interval * 2 + self.timeout + Duration::from_secs(15)).max(SHORTEST_FRESHNESS)
    }

    /// How long a round of rechecks may take before the next: an interval, 30 s at most.
    pub fn round(self) -> Duration {
        self.interval.min(LONGEST_ROUND)
    }

    /// From the start of a failing recheck until it counts though it was not repeated: a timeout and 7 s, in which a target
    /// that is up has answered a repetition. It starts a timeout after the first failure at the latest, so that 3 s of the
    /// promise (interval + 2 timeouts + 10 s) are left for the ways.
    pub fn patience(self) -> Duration {
        self.timeout + Duration::from_secs(7)
    }

    /// From round to round while recovering: half an interval, 30 s at most.
    pub fn recovery_round(self) -> Duration {
        (self.interval / 2).min(LONGEST_ROUND)
    }

    /// Whether something heard at `heard` still counts at `as_of`.
    pub fn is_fresh(self, heard: Timestamp, as_of: Timestamp) -> bool {
        as_of.since(heard) <= self.freshness()
    }
}
