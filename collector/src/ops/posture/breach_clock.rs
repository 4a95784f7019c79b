//! No breach is open whose 72 hours are over.

use super::{Control, Facts, judged};
use crate::domain::breach::Clock;
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "breach-clock", promises: &["S75", "S76"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.papers, |papers| {
        let clocks = papers.breaches.iter().map(|one| one.facts.clock(one.told == one.organizations, facts.now));
        let clocks: Vec<Clock> = clocks.collect();
        let over = clocks.iter().filter(|clock| matches!(clock, Clock::Overdue(_))).count();
        match (clocks.len(), over) {
            (0, _) => Finding::pass("no breach is open"),
            (open, 0) => Finding::pass(format!("{open} open, each within 72 hours or told")),
            (open, over) => Finding::fail(format!("{over} of {open} open are not told after 72 hours")),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::super::facts::Papers;
    use super::*;
    use crate::domain::breach::Facts as Known;
    use crate::domain::posture::State;
    use crate::store::breaches::Breach;

    #[test]
    fn what_is_not_told_after_seventy_two_hours_is_found() {
        let now = Facts::blind().now;
        let with = |hours: u64, told: i64| {
            let facts = Known {
                title: "x".to_owned(),
                known_at: now - Duration::from_secs(hours * 3600),
                happened: String::new(),
                affected: String::new(),
                measures: String::new(),
                advice: String::new(),
                everyone: true,
                reported_at: Some(now),
                unreported_why: None,
            };
            let (opened_at, opened_by) = (now, "command:root".to_owned());
            let id = Uuid::nil();
            let one = Breach {
                key: 1,
                id,
                facts,
                telling_at: None,
                opened_at,
                opened_by,
                closed_at: None,
                organizations: 2,
                told,
            };
            let papers = Papers { breaches: vec![one], ..Papers::default() };
            check(&Facts { papers: Ok(papers), ..Facts::blind() }).state
        };
        assert_eq!((with(71, 0), with(73, 1), with(73, 2)), (State::Pass, State::Fail, State::Pass));
    }
}
