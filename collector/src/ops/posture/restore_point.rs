//! A lost disk costs no more than the last five minutes.

use std::time::Duration;

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "restore-point", promises: &["S9"], check };

const MOST: Duration = Duration::from_secs(300);

fn check(facts: &Facts) -> Finding {
    judged(&facts.recovery, |seen| {
        let Some(point) = seen.point.filter(|point| point.is_archived) else {
            return Finding::not_measured("nothing is known to be archived yet");
        };
        let behind = seen.at.since(point.at);
        let evidence = format!(
            "a disk lost now would cost the last {} s, measured every ten seconds; the most in the last day was {} s, and {} are promised",
            behind.as_secs(),
            point.worst.as_secs(),
            MOST.as_secs()
        );
        Finding::kept(behind.max(point.worst) <= MOST, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::Recovery;
    use crate::store::drills::Standing;
    use crate::store::heartbeats::Point;

    #[test]
    fn more_than_five_minutes_now_or_in_the_last_day_fail() {
        let blind = Facts::blind();
        let with = |behind: u64, worst: u64, is_archived| {
            let point =
                Point { at: blind.now - Duration::from_secs(behind), is_archived, worst: Duration::from_secs(worst) };
            let recovery = Recovery { at: blind.now, standing: Standing::default(), point: Some(point) };
            check(&Facts { recovery: Ok(recovery), ..blind.clone() }).state
        };
        assert_eq!(
            (with(40, 60, true), with(301, 60, true), with(40, 301, true)),
            (State::Pass, State::Fail, State::Fail)
        );
        assert_eq!(with(1, 1, false), State::NotMeasured);
    }
}
