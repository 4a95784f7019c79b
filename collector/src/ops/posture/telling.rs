//! Of every monitor that runs somebody would be told.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "telling", promises: &["S79"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.watching, |seen| {
        if seen.monitors == 0 {
            return Finding::not_measured("nothing is watched yet");
        }
        let evidence = format!(
            "of {} of {} monitors nobody would be told by a channel that was verified",
            seen.untold, seen.monitors
        );
        Finding::kept(seen.untold == 0, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Watching;

    #[test]
    fn one_of_which_nobody_is_told_fails() {
        let with = |monitors, untold| {
            let watching = Watching { monitors, untold, ..Watching::default() };
            check(&Facts { watching: Ok(watching), ..Facts::blind() }).state
        };
        assert_eq!((with(3, 0), with(3, 1), with(0, 0)), (State::Pass, State::Fail, State::NotMeasured));
    }
}
