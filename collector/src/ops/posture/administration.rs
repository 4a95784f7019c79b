//! Who administers the instance does so for a time, with a second factor.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "administration", promises: &["S33", "S104", "S106"], check };

const LONGEST_DAYS: i64 = 30;

fn check(facts: &Facts) -> Finding {
    judged(&facts.entering, |seen| {
        if seen.grants == 0 {
            return Finding::pass("nobody administers the instance now");
        }
        let evidence = format!(
            "{} may administer the instance, the longest for {} days ({LONGEST_DAYS} are the most); {} of them have no second factor, and so see \
         nothing",
            seen.grants, seen.longest_grant_days, seen.grants_without_factor
        );
        Finding::kept(seen.longest_grant_days <= LONGEST_DAYS, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Entering;

    #[test]
    fn a_grant_of_more_than_thirty_days_fails() {
        let with = |grants, longest_grant_days| {
            let entering = Entering { grants, longest_grant_days, ..Entering::default() };
            check(&Facts { entering: Ok(entering), ..Facts::blind() }).state
        };
        assert_eq!((with(0, 0), with(1, 30), with(1, 31)), (State::Pass, State::Pass, State::Fail));
    }
}
