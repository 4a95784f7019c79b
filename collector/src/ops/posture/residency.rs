//! What keeps to the EU runs in the EU and tells nobody by way of elsewhere, and so do monitors with credentials unless somebody said otherwise.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "residency", promises: &["S1", "S4"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.watching, |seen| {
        if seen.regions == 0 && seen.channels_abroad == 0 {
            return Finding::not_measured("there is no region yet");
        }
        let evidence = format!(
            "{} monitors and {} channels of organizations that keep to the EU go elsewhere; {} of {} monitors that run keep to the EU and run elsewhere; {} with credentials run elsewhere because somebody said so; {} of {} \
         regions lie outside the EU, as the operator says",
            seen.monitors_abroad,
            seen.channels_abroad,
            seen.strays,
            seen.monitors,
            seen.secrets_elsewhere,
            seen.regions_elsewhere,
            seen.regions
        );
        Finding::kept(seen.strays + seen.monitors_abroad + seen.channels_abroad == 0, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::store::posture::Watching;

    #[test]
    fn one_that_strays_is_too_many() {
        let with = |watching| check(&Facts { watching: Ok(watching), ..Facts::blind() }).state;
        let good =
            Watching { monitors: 3, regions: 2, regions_elsewhere: 1, secrets_elsewhere: 1, ..Watching::default() };
        assert_eq!(with(good), State::Pass);
        assert_eq!(with(Watching { strays: 1, ..good }), State::Fail);
        assert_eq!(with(Watching { monitors_abroad: 1, ..good }), State::Fail);
        assert_eq!(with(Watching { channels_abroad: 1, ..good }), State::Fail);
        assert_eq!(with(Watching { channels_abroad: 1, ..Watching::default() }), State::Fail);
        assert_eq!(with(Watching::default()), State::NotMeasured);
    }
}
