//! The newest master key is not older than 90 days.

use std::time::Duration;

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "key-age", promises: &["S93"], check };

const DAY: Duration = Duration::from_secs(86_400);
const OLDEST_DAYS: u64 = 90;

fn check(facts: &Facts) -> Finding {
    judged(&facts.keys, |seen| {
        let days = facts.now.since(seen.made_at).as_secs() / DAY.as_secs();
        Finding::kept(
            days <= OLDEST_DAYS,
            format!("the key ring was last changed {days} days ago; {OLDEST_DAYS} are the most"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::Keys;

    #[test]
    fn ninety_days_are_the_most() {
        let with = |days: u32| {
            let blind = Facts::blind();
            let keys = Keys::of(&[1], blind.now - DAY * days);
            check(&Facts { keys: Ok(keys), ..blind }).state
        };
        assert_eq!((with(90), with(91)), (State::Pass, State::Fail));
    }
}
