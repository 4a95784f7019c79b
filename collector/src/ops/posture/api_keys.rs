//! Of API keys there is a hash, which tenants' connections cannot read; each has scopes.

use super::{Control, Facts};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "api-keys", promises: &["S11", "S14"], check };

fn check(facts: &Facts) -> Finding {
    let (seen, guarding) = match (&facts.entering, &facts.guarding) {
        (Ok(seen), Ok(guarding)) => (seen, guarding),
        (Err(why), _) | (_, Err(why)) => return Finding::not_measured(why),
    };
    let reads = if guarding.hashes_are_read { "can" } else { "cannot" };
    let evidence = format!(
        "{} of {} keys are without a SHA-256 hash or without a scope; connections of tenants {reads} read hashes",
        seen.bad_keys, seen.keys
    );
    Finding::kept(seen.bad_keys == 0 && !guarding.hashes_are_read, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::{Entering, Guarding};

    #[test]
    fn a_bad_key_or_a_readable_hash_fails() {
        let with = |bad_keys, hashes_are_read| {
            let entering = Ok(Entering { keys: 2, bad_keys, ..Entering::default() });
            let guarding = Ok(Guarding { hashes_are_read, ..Guarding::default() });
            check(&Facts { entering, guarding, ..Facts::blind() }).state
        };
        assert_eq!((with(0, false), with(1, false), with(0, true)), (State::Pass, State::Fail, State::Fail));
    }
}
