//! No session lasts longer than 30 days.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "sessions", promises: &["S22", "S24"], check };

const LONGEST_DAYS: i64 = 30;

fn check(facts: &Facts) -> Finding {
    judged(&facts.entering, |seen| {
        let evidence = match seen.sessions {
            0 => "nobody is signed in".to_owned(),
            _ => format!(
                "the longest of {} sessions ends {} days after it began at the latest; {LONGEST_DAYS} are the most",
                seen.sessions, seen.longest_session_days
            ),
        };
        Finding::kept(seen.longest_session_days <= LONGEST_DAYS, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Entering;

    #[test]
    fn a_session_of_more_than_thirty_days_fails() {
        let with = |longest_session_days| {
            let entering = Entering { sessions: 1, longest_session_days, ..Entering::default() };
            check(&Facts { entering: Ok(entering), ..Facts::blind() }).state
        };
        assert_eq!((with(30), with(31)), (State::Pass, State::Fail));
    }
}
