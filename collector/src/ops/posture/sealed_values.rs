//! Secrets lie sealed in the database, and the key ring opens all of them.

use super::{Control, Facts, judged};
use crate::domain::posture::{Finding, many};

pub(super) const CONTROL: Control = Control { id: "sealed-values", promises: &["S16", "S17", "S19"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.keys, |seen| {
        if seen.strange > 0 {
            return Finding::fail("values are there that are sealed in no form that is known");
        }
        let lost: Vec<String> =
            seen.used.iter().filter(|key| !seen.known.contains(key)).map(|key| format!("{key:08x}")).collect();
        if !lost.is_empty() {
            let evidence = format!("values are sealed by {} that the key ring does not hold", many(lost.len(), "key"));
            return Finding::fail(evidence).with(lost.join(", "));
        }
        Finding::pass(format!(
            "values are sealed by AES-256-GCM under {}, all of them in the key ring, which lies outside the data and is readable to its owner alone",
            many(seen.used.len(), "key")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::Keys;

    #[test]
    fn a_value_whose_key_is_gone_is_found() {
        let with = |known: &[u32], used: &[u32], strange| {
            let keys = Keys { used: used.iter().copied().collect(), strange, ..Keys::of(known, Facts::blind().now) };
            check(&Facts { keys: Ok(keys), ..Facts::blind() })
        };
        assert_eq!(with(&[1, 2], &[1], 0).state, State::Pass);
        assert_eq!(with(&[1, 2], &[1], 1).state, State::Fail);
        let lost = with(&[2], &[1, 2], 0);
        assert_eq!((lost.state, lost.detail.as_deref()), (State::Fail, Some("00000001")));
    }
}
