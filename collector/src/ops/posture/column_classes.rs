//! Of every column it is written down whose data it holds, what for, and for how long.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "column-classes", promises: &["S68", "S70"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.guarding, |seen| {
        if seen.columns == 0 {
            return Finding::not_measured("no column was found");
        }
        let evidence = format!("{} of {} columns are without a class", seen.unclassified.len(), seen.columns);
        let found = Finding::kept(seen.unclassified.is_empty(), evidence);
        if seen.unclassified.is_empty() { found } else { found.with(seen.unclassified.join(", ")) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Guarding;

    #[test]
    fn one_column_without_a_class_fails() {
        let with = |columns, unclassified: &[&str]| {
            let unclassified = unclassified.iter().map(ToString::to_string).collect();
            let guarding = Guarding { columns, unclassified, ..Guarding::default() };
            check(&Facts { guarding: Ok(guarding), ..Facts::blind() }).state
        };
        assert_eq!(
            (with(9, &[]), with(9, &["users.email"]), with(0, &[])),
            (State::Pass, State::Fail, State::NotMeasured)
        );
    }
}
