//! Outcomes are deleted when they are as old as the operator says.

use super::{Control, Facts};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "outcome-age", promises: &["S59", "S73"], check };

const DAY_S: i64 = 86_400;
/// Whole days are dropped, by a task that runs every hour.
const GRACE_DAYS: i64 = 2;

fn check(facts: &Facts) -> Finding {
    let (seen, config) = match (&facts.watching, &facts.config) {
        (Ok(seen), Ok(config)) => (seen, config),
        (Err(why), _) | (_, Err(why)) => return Finding::not_measured(why),
    };
    let most = i64::from(config.retention.results_days);
    let Some(oldest) = seen.oldest_day else { return Finding::not_measured("there is no outcome yet") };
    let age = facts.now.seconds().div_euclid(DAY_S) - oldest;
    Finding::kept(age <= most + GRACE_DAYS, format!("the oldest outcome is {age} days old; {most} are the most"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::domain::posture::State;
    use crate::store::posture::Watching;

    #[test]
    fn an_outcome_that_should_be_gone_is_found() {
        let with = |age: Option<i64>| {
            let blind = Facts::blind();
            let oldest_day = age.map(|age| blind.now.seconds().div_euclid(DAY_S) - age);
            let watching = Ok(Watching { oldest_day, ..Watching::default() });
            check(&Facts { watching, config: Ok(Arc::new(Config::default())), ..blind }).state
        };
        assert_eq!((with(Some(92)), with(Some(93)), with(None)), (State::Pass, State::Fail, State::NotMeasured));
    }
}
