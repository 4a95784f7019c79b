//! Secrets lie sealed in the database, and the key ring opens all of them.

use super::{Control, Facts};
use crate::domain::posture::{Finding, many};

pub(super) const CONTROL: Control = Control { id: "sealed-values", promises: &["S16", "S17", "S19"], check };

fn check(facts: &Facts) -> Finding {
    let seen = match &facts.keys {
        Ok(seen) => seen,
        Err(why) => return Finding::not_measured(why),
    };
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::Keys;

    #[test]
    fn a_value_whose_key_is_gone_is_found() {
        let with = |known: &[i64], used: &[i64]| {
            let now = Facts::blind().now;
            let keys = Keys { known: known.to_vec(), used: used.to_vec(), made_at: now };
            check(&Facts { keys: Ok(keys), ..Facts::blind() })
        };
        assert_eq!(with(&[1, 2], &[1]).state, State::Pass);
        let lost = with(&[2], &[1, 2]);
        assert_eq!((lost.state, lost.detail.as_deref()), (State::Fail, Some("00000001")));
    }
}
