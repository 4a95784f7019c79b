//! The audit log says what was written into it, from its beginning to its end.

use super::{Control, Facts, judged};
use crate::domain::posture::{Finding, many};

pub(super) const CONTROL: Control = Control { id: "audit-chain", promises: &["S40", "S57"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.audit, |seen| {
        let verdict = &seen.verdict;
        if !verdict.broken.is_empty() {
            let says: Vec<String> = verdict.broken.iter().map(crate::ops::audit::Broken::says).collect();
            let evidence = format!("{} of {} are broken", verdict.broken.len(), many(verdict.chains, "chain"));
            return Finding::fail(evidence).with(says.join("; "));
        }
        let whole = format!("{} entries of {} are whole", verdict.whole.entries, many(verdict.chains, "chain"));
        if seen.anchors == 0 {
            return Finding::not_measured(format!(
                "{whole}; no head lies outside the database yet, so that nobody can tell whether its end is missing"
            ));
        }
        Finding::pass(format!("{whole}, and fit {} signed outside the database", many(seen.anchors, "head")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit_chain::{Break, Fault, Whole};
    use crate::domain::posture::State;
    use crate::ops::audit::{Broken, Verdict, Why};
    use crate::ops::posture::facts::Audit;

    #[test]
    fn a_broken_chain_fails_and_without_heads_outside_nobody_knows() {
        let whole = Verdict { chains: 2, whole: Whole { entries: 9, ..Whole::default() }, broken: Vec::new() };
        let with = |verdict, anchors| check(&Facts { audit: Ok(Audit { verdict, anchors }), ..Facts::blind() }).state;
        assert_eq!((with(whole.clone(), 3), with(whole.clone(), 0)), (State::Pass, State::NotMeasured));
        let broken = Broken {
            chain: uuid::Uuid::nil(),
            name: "acme".to_owned(),
            why: Why::Entry(Break { fault: Fault::Changed, seq: 4, through: 4 }),
        };
        assert_eq!(with(Verdict { broken: vec![broken], ..whole }, 3), State::Fail);
    }
}
