//! Tenants see and touch their own rows alone, by the database itself.

use super::{Control, Facts, judged};
use crate::domain::posture::{Finding, many};

pub(super) const CONTROL: Control = Control { id: "isolation", promises: &["S42", "S43"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.guarding, |seen| {
        let tables = many(seen.tables, "table");
        if seen.tables == 0 {
            return Finding::not_measured("no table with rows of tenants was found");
        }
        if !seen.unsecured.is_empty() {
            let evidence = format!("{} of {tables} are without forced row security", seen.unsecured.len());
            return Finding::fail(evidence).with(seen.unsecured.join(", "));
        }
        if !seen.unbound.is_empty() {
            let evidence = format!("{} are not bound by row security", many(seen.unbound.len(), "role"));
            return Finding::fail(evidence).with(seen.unbound.join(", "));
        }
        Finding::pass(format!("row security is enabled and forced on {tables}, and binds every role of the collector"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Guarding;

    #[test]
    fn one_table_or_one_role_without_it_is_named_to_the_operator_alone() {
        let with = |guarding| check(&Facts { guarding: Ok(guarding), ..Facts::blind() });
        let good = Guarding { tables: 30, ..Guarding::default() };
        assert_eq!(with(good.clone()).state, State::Pass);
        for bad in [
            Guarding { unsecured: vec!["monitors".to_owned()], ..good.clone() },
            Guarding { unbound: vec!["monitors".to_owned()], ..good },
        ] {
            let found = with(bad);
            assert_eq!((found.state, found.detail.as_deref()), (State::Fail, Some("monitors")));
            assert!(!found.evidence.contains("monitors"), "{}", found.evidence);
        }
        assert_eq!(with(Guarding::default()).state, State::NotMeasured);
    }
}
