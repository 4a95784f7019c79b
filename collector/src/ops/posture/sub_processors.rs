//! Owners were told of other sub-processors so many days before those began as the settings say.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;
use crate::domain::sub_processors::days_ahead;

pub(super) const CONTROL: Control = Control { id: "sub-processors", promises: &["S111"], check };

/// So long telling may take.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// What was told too late is shown for a year.
const SHOWN: Duration = Duration::from_secs(365 * 86_400);

fn check(facts: &Facts) -> Finding {
    let listed = match &facts.config {
        Ok(config) => (config.privacy.sub_processors.len(), i64::from(config.privacy.notice_days)),
        Err(why) => return Finding::not_measured(why),
    };
    judged(&facts.papers, |papers| {
        let (many, days) = listed;
        let recent = |at: Timestamp| facts.now.since(at) < SHOWN;
        let late = papers.lists.iter().filter(|list| {
            recent(list.noted_at) && days_ahead(&list.changes, list.noted_at).is_some_and(|ahead| ahead < days)
        });
        let late = late.count();
        let waits = papers.untold > 0 && papers.lists.iter().any(|list| facts.now.since(list.noted_at) > PATIENCE);
        if late > 0 {
            return Finding::fail(format!("{late} changes of the last year were told less than {days} days ahead"));
        }
        if waits {
            return Finding::fail(format!("{} organizations wait to be told of a change", papers.untold));
        }
        Finding::pass(format!("{many} are listed; {} changes were told {days} days ahead", papers.lists.len()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::facts::Papers;
    use super::*;
    use crate::config::Config;
    use crate::domain::posture::State;
    use crate::domain::sub_processors::{Change, Step, SubProcessor, day};
    use crate::store::sub_processors::ListRow;

    fn with(since: &str, untold: usize) -> State {
        let text = |text: &str| text.to_owned();
        let of = SubProcessor {
            name: text("A"),
            purpose: text("hosting"),
            country: text("DE"),
            data: text("all"),
            url: None,
            since: text(since),
            until: None,
        };
        let changes = vec![Change { step: Step::Added, of }];
        let noted_at = day("2026-12-01").unwrap();
        let lists = vec![ListRow { number: 2, list: Vec::new(), changes, noted_at }];
        let papers = Papers { lists, untold, ..Papers::default() };
        let now = day("2026-12-02").unwrap();
        let config = Ok(Arc::new(Config::default()));
        check(&Facts { papers: Ok(papers), config, now, ..Facts::blind() }).state
    }

    #[test]
    fn who_begins_too_early_or_was_not_told_is_found() {
        assert_eq!(with("2026-12-31", 0), State::Pass);
        assert_eq!(with("2026-12-30", 0), State::Fail);
        assert_eq!(with("2026-12-31", 1), State::Fail);
    }
}
