//! Who comes in comes by TLS, with a certificate that holds, and is told to come so for ever; pages run our scripts alone.

use std::time::Duration;

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "front-door", promises: &["S50", "S51", "S52", "S54"], check };

/// A certificate is renewed long before.
const LEAST: Duration = Duration::from_secs(14 * 86_400);
/// A year.
const LEAST_HSTS_S: u64 = 31_536_000;

fn check(facts: &Facts) -> Finding {
    judged(&facts.door, |seen| {
        let Some(version) = &seen.tls else { return Finding::fail("pages are served in the clear") };
        let days = seen.certificate_ends.map(|ends| ends.since(facts.now).as_secs() / 86_400);
        let lasts = seen.certificate_ends.is_some_and(|ends| ends > facts.now + LEAST);
        let hsts = seen.hsts_s.unwrap_or_default();
        let evidence = format!(
            "{version}; the certificate holds for {} more days; HTTPS is demanded for {} days; scripts and frames of others are {}kept out; types \
         are {}guessed",
            days.map_or_else(|| "an unknown number of".to_owned(), |days| days.to_string()),
            hsts / 86_400,
            if seen.policy { "" } else { "not " },
            if seen.nosniff { "not " } else { "" },
        );
        Finding::kept(lasts && hsts >= LEAST_HSTS_S && seen.policy && seen.nosniff, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::Door;

    #[test]
    fn each_part_of_the_door_is_wanted() {
        let now = Facts::blind().now;
        let good = Door {
            tls: Some("TLS 1.3".to_owned()),
            certificate_ends: Some(now + LEAST * 2),
            hsts_s: Some(LEAST_HSTS_S),
            policy: true,
            nosniff: true,
        };
        let with = |door| check(&Facts { door: Ok(door), ..Facts::blind() }).state;
        assert_eq!(with(good.clone()), State::Pass);
        for bad in [
            Door { tls: None, ..good.clone() },
            Door { certificate_ends: Some(now + LEAST), ..good.clone() },
            Door { certificate_ends: None, ..good.clone() },
            Door { hsts_s: Some(300), ..good.clone() },
            Door { policy: false, ..good.clone() },
            Door { nosniff: false, ..good },
        ] {
            assert_eq!(with(bad.clone()), State::Fail, "{bad:?}");
        }
    }
}
