//! Outages that are found in outcomes that came late: written as incidents of the past, told only while that is news.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::quorum::QuorumRule;
use super::timing::{IN_A_ROW, Timing};

/// The outcomes of one region over the replayed range.
#[derive(Clone, Debug)]
pub struct PastRegion {
    /// Start and result of each measured check, in order of time: true is good. Unmeasured ones are left out.
    pub outcomes: Vec<(Timestamp, bool)>,
}

/// An outage that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastIncident {
    /// The start of the first failing check.
    pub started_at: Timestamp,
    /// The start of the first check that made a quorum good again.
    pub ended_at: Timestamp,
    /// Whether it ended so lately (2 F) that it is told, as "was down from .. to ..".
    pub tell: bool,
}

/// The outages that began and ended within the outcomes given. One that has no end in them is not for replay: if it
/// goes on, the judge sees it by fresh votes.
pub fn replay(regions: &[PastRegion], rule: QuorumRule, timing: Timing, as_of: Timestamp) -> Vec<PastIncident> {
    let mut events: Vec<(Timestamp, usize, bool)> = Vec::new();
    for (index, region) in regions.iter().enumerate() {
        events.extend(region.outcomes.iter().map(|&(at, good)| (at, index, good)));
    }
    events.sort_unstable();
    let mut runs = vec![Run::default(); regions.len()];
    let mut open: Option<Timestamp> = None;
    let mut found = Vec::new();
    for (at, index, good) in events {
        if let Some(run) = runs.get_mut(index) {
            run.add(at, good);
        }
        let fresh: Vec<_> = runs.iter().filter(|run| run.length > 0 && timing.is_fresh(run.last, at)).collect();
        match open {
            None => open = down_since(&fresh, rule, regions.len()),
            Some(started_at) if good && recovered(&fresh, rule, regions.len()) => {
                let tell = as_of.since(at) < 2 * timing.freshness();
                found.push(PastIncident { started_at, ended_at: at, tell });
                open = None;
            }
            Some(_) => {}
        }
    }
    found
}

#[derive(Clone, Debug, Default)]
struct Run {
    good: bool,
    length: u8,
    since: Timestamp,
    last: Timestamp,
}

impl Run {
    fn add(&mut self, at: Timestamp, good: bool) {
        if self.length == 0 || self.good != good {
            *self = Self { good, length: 0, since: at, last: at };
        }
        self.length = self.length.saturating_add(1);
        self.last = at;
    }
}

fn down_since(fresh: &[&Run], rule: QuorumRule, assigned: usize) -> Option<Timestamp> {
    let q = rule.to_fail(fresh.len());
    let in_a_row = if q == 1 { IN_A_ROW } else { 2 };
    let fails = fresh.iter().filter(|run| !run.good && run.length >= in_a_row);
    let may_decide = fresh.len() >= super::quorum::least_voters(assigned);
    if !may_decide || fails.clone().count() < q { None } else { fails.map(|run| run.since).min() }
}

fn recovered(fresh: &[&Run], rule: QuorumRule, assigned: usize) -> bool {
    let may_decide = fresh.len() >= super::quorum::least_voters(assigned);
    may_decide && fresh.iter().filter(|run| run.good).count() >= rule.to_recover(fresh.len())
}

/// How far back outcomes must be read so that the first of a late batch are judged by full runs.
pub fn lead_in(timing: Timing) -> Duration {
    timing.freshness()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing { interval: Duration::from_secs(60), timeout: Duration::from_secs(10) };

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_seconds(60 * n)
    }

    fn region(text: &str) -> PastRegion {
        let outcomes = text.chars().enumerate().filter(|(_, c)| *c != ' ');
        PastRegion { outcomes: outcomes.map(|(n, c)| (minute(n as i64), c == '+')).collect() }
    }

    #[test]
    fn an_outage_that_is_over_is_found_with_start_and_end_and_told_while_it_is_news() {
        let regions = [region("++----+++"), region("++----+++"), region("+++++++++")];
        let expected = |tell| [PastIncident { started_at: minute(2), ended_at: minute(6), tell }];
        assert_eq!(replay(&regions, QuorumRule::Default, TIMING, minute(10)), expected(true));
        assert_eq!(replay(&regions, QuorumRule::Default, TIMING, minute(11)), expected(false));
    }

    #[test]
    fn what_one_region_alone_saw_or_what_never_ended_is_no_past_incident() {
        let alone = [region("++----+++"), region("+++++++++"), region("+++++++++")];
        assert_eq!(replay(&alone, QuorumRule::Default, TIMING, minute(10)), []);
        let endless = [region("++-------"), region("++-------")];
        assert_eq!(replay(&endless, QuorumRule::Default, TIMING, minute(10)), []);
        let silent = [region("++--     "), region("++--     "), region("++-      ")];
        assert_eq!(replay(&silent, QuorumRule::Default, TIMING, minute(10)), []);
    }
}
