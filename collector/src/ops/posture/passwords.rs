//! Of passwords there is an Argon2id hash and nothing else.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "passwords", promises: &["S27"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.entering, |seen| {
        let evidence =
            format!("{} of {} passwords are kept otherwise than as an Argon2id hash", seen.weak_hashes, seen.passwords);
        Finding::kept(seen.weak_hashes == 0, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Entering;

    #[test]
    fn one_hash_of_another_kind_fails() {
        let with = |weak_hashes| {
            let entering = Entering { passwords: 5, weak_hashes, ..Entering::default() };
            check(&Facts { entering: Ok(entering), ..Facts::blind() }).state
        };
        assert_eq!((with(0), with(1)), (State::Pass, State::Fail));
    }
}
