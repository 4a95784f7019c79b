//! What goes to the database is encrypted, or does not leave the machine.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "database-line", promises: &["S55"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.guarding, |seen| {
        let checksums = if seen.checksums { "with checksums" } else { "without checksums" };
        match (&seen.tls, seen.is_local) {
            (_, true) => Finding::pass(format!(
                "the database is reached by a socket of the same machine; its pages are kept {checksums}"
            )),
            (Some(version), false) => {
                Finding::pass(format!("the database is reached by {version}; its pages are kept {checksums}"))
            }
            (None, false) => Finding::fail("the database is reached over a network in the clear"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Guarding;

    #[test]
    fn a_network_in_the_clear_fails() {
        let with = |tls: Option<&str>, is_local| {
            let guarding = Guarding { tls: tls.map(str::to_owned), is_local, ..Guarding::default() };
            check(&Facts { guarding: Ok(guarding), ..Facts::blind() }).state
        };
        assert_eq!((with(None, true), with(Some("TLSv1.3"), false)), (State::Pass, State::Pass));
        assert_eq!(with(None, false), State::Fail);
    }
}
