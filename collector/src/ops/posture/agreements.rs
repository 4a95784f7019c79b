//! Every organization has its data processing agreement, in the newest version.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "agreements", promises: &["S67"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.papers, |papers| {
        let (with, all) = papers.agreements;
        let evidence = format!("{with} of {all} organizations have the newest agreement");
        if with < all { Finding::fail(evidence) } else { Finding::pass(evidence) }
    })
}

#[cfg(test)]
mod tests {
    use super::super::facts::Papers;
    use super::*;
    use crate::domain::posture::State;

    #[test]
    fn one_without_is_too_many() {
        let with = |agreements| {
            let papers = Papers { agreements, ..Papers::default() };
            check(&Facts { papers: Ok(papers), ..Facts::blind() }).state
        };
        assert_eq!((with((3, 3)), with((2, 3)), with((0, 0))), (State::Pass, State::Fail, State::Pass));
    }
}
