//! Nobody who writes into the audit log can change or remove what stands there.

use super::{Control, Facts};
use crate::domain::posture::{Finding, many};

pub(super) const CONTROL: Control = Control { id: "audit-writers", promises: &["S57"], check };

fn check(facts: &Facts) -> Finding {
    match &facts.guarding {
        Err(why) => Finding::not_measured(why),
        Ok(seen) if seen.may_rewrite.is_empty() => {
            Finding::pass("no role of the collector may change, remove or chain anew an entry of the audit log")
        }
        Ok(seen) => Finding::fail(format!("{} may change or remove entries", many(seen.may_rewrite.len(), "role")))
            .with(seen.may_rewrite.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Guarding;

    #[test]
    fn a_role_that_may_is_named_to_the_operator() {
        let with = |may_rewrite| {
            let guarding = Guarding { may_rewrite, ..Guarding::default() };
            check(&Facts { guarding: Ok(guarding), ..Facts::blind() })
        };
        assert_eq!(with(Vec::new()).state, State::Pass);
        let found = with(vec!["picket_app".to_owned()]);
        assert_eq!((found.state, found.detail.as_deref()), (State::Fail, Some("picket_app")));
    }
}
