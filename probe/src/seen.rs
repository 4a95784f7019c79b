//! What was seen last of each monitor, so that certificates and answers travel only when they are new or at fault,
//! and so that a change is noticed at once. Pure, bounded; forgetting costs nothing but sending again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use picket_shared::ids::MonitorId;
use picket_shared::outcome::{FailureKind, Outcome, Status};

/// Most monitors remembered; all are forgotten when there are more.
const MOST_MONITORS: usize = 50_000;
/// Most certificates remembered; the oldest goes first.
const MOST_CHAINS: usize = 20_000;

/// The memory.
#[derive(Debug, Default)]
pub struct Seen {
    hasher: RandomState,
    monitors: HashMap<MonitorId, Last>,
    chains: HashSet<u64>,
    order: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    version: u32,
    status: Status,
    failure: Option<FailureKind>,
    certificate: Option<u64>,
    answers: Option<u64>,
}

impl Seen {
    /// Strips from `outcome` what the collector has, and says whether it should be told at once: a failure or a change.
    pub fn note(&mut self, outcome: &mut Outcome) -> bool {
        let before = self.monitors.get(&outcome.monitor).copied().filter(|last| last.version == outcome.version);
        let certificate = outcome.certificate.as_ref().map(|found| self.hasher.hash_one(&found.fingerprint));
        let answers = outcome.answers.as_ref().map(|found| self.hasher.hash_one(found));
        let now = Last {
            version: outcome.version,
            status: outcome.status,
            failure: outcome.failure.as_ref().map(|failure| failure.kind),
            // A check that did not get so far leaves what was known.
            certificate: certificate.or(before.and_then(|last| last.certificate)),
            answers: answers.or(before.and_then(|last| last.answers)),
        };
        self.strip(outcome, before, certificate, answers);
        if self.monitors.len() >= MOST_MONITORS && before.is_none() {
            self.monitors.clear();
        }
        self.monitors.insert(outcome.monitor, now);
        !outcome.status.is_good() || before != Some(now)
    }

    /// Forgets a monitor, because an outcome of it was lost on the way: what it carried must be sent again.
    pub fn forget(&mut self, monitor: MonitorId) {
        if let Some(certificate) = self.monitors.remove(&monitor).and_then(|last| last.certificate) {
            self.chains.remove(&certificate);
        }
    }

    fn strip(&mut self, outcome: &mut Outcome, before: Option<Last>, certificate: Option<u64>, answers: Option<u64>) {
        let at_fault = !outcome.status.is_good();
        let known = |last: Option<u64>, found: Option<u64>| !at_fault && found.is_some() && last == found;
        if known(before.and_then(|last| last.answers), answers) {
            outcome.answers = None;
        }
        if known(before.and_then(|last| last.certificate), certificate) {
            outcome.certificate = None;
        }
        let (Some(found), Some(hash)) = (&mut outcome.certificate, certificate) else { return };
        if !self.chains.insert(hash) {
            found.chain.clear();
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > MOST_CHAINS
            && let Some(oldest) = self.order.pop_front()
        {
            self.chains.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::outcome::{Certificate, Failure, Phases, SelfCheck, Trigger};
    use picket_shared::time::Timestamp;
    use uuid::Uuid;

    fn outcome(monitor: u128, fingerprint: &str) -> Outcome {
        Outcome {
            monitor: MonitorId(Uuid::from_u128(monitor)),
            version: 1,
            trigger: Trigger::Scheduled,
            at: Timestamp::from_seconds(1),
            late_us: 0,
            status: Status::Up,
            total_us: 1,
            phases: Phases::default(),
            address: None,
            code: None,
            failure: None,
            self_check: SelfCheck::Good,
            hops: Vec::new(),
            certificate: Some(Certificate {
                fingerprint: fingerprint.to_owned(),
                subject: String::new(),
                issuer: String::new(),
                names: Vec::new(),
                not_before: Timestamp::default(),
                not_after: Timestamp::default(),
                chain: vec!["MIIB".to_owned()],
            }),
            answers: Some(vec!["192.0.2.1".to_owned()]),
            fold: None,
        }
    }

    /// Whether certificate, chain and answers travel, and whether at once.
    fn sent(seen: &mut Seen, mut outcome: Outcome) -> (bool, bool, bool, bool) {
        let at_once = seen.note(&mut outcome);
        let chain = outcome.certificate.as_ref().is_some_and(|c| !c.chain.is_empty());
        (outcome.certificate.is_some(), chain, outcome.answers.is_some(), at_once)
    }

    #[test]
    fn what_is_known_is_not_sent_again_unless_it_is_at_fault() {
        let mut seen = Seen::default();
        assert_eq!(sent(&mut seen, outcome(1, "a")), (true, true, true, true));
        assert_eq!(sent(&mut seen, outcome(1, "a")), (false, false, false, false));
        assert_eq!(sent(&mut seen, outcome(2, "a")), (true, false, true, true), "another monitor, the same chain");
        assert_eq!(sent(&mut seen, outcome(1, "b")), (true, true, false, true));
        let failure = Some(Failure::new(FailureKind::CertificateExpired, "expired"));
        let expired = Outcome { status: Status::Down, failure, ..outcome(1, "b") };
        assert_eq!(sent(&mut seen, expired.clone()), (true, false, true, true));
        assert_eq!(sent(&mut seen, expired), (true, false, true, true), "a failure is urgent each time");
    }

    #[test]
    fn a_new_version_and_a_lost_outcome_are_told_anew() {
        let mut seen = Seen::default();
        sent(&mut seen, outcome(1, "a"));
        assert_eq!(sent(&mut seen, Outcome { version: 2, ..outcome(1, "a") }), (true, false, true, true));
        seen.forget(MonitorId(Uuid::from_u128(1)));
        assert_eq!(sent(&mut seen, Outcome { version: 2, ..outcome(1, "a") }), (true, true, true, true));
    }
}
