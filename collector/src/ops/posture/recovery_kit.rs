//! After the loss of the machine everything can be brought back from a kit and the store alone, and that was shown.

use super::{Control, Facts};
use crate::domain::posture::Finding;
use crate::domain::recovery::{Missing, missing};

pub(super) const CONTROL: Control = Control { id: "recovery-kit", promises: &["S8", "S10"], check };

fn check(facts: &Facts) -> Finding {
    let (seen, config, keys) = match (&facts.recovery, &facts.config, &facts.keys) {
        (Ok(seen), Ok(config), Ok(keys)) => (seen, config, keys),
        (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => return Finding::not_measured(why),
    };
    let known = seen.standing.recovery(&config.archive, Some(keys.newest));
    let missing: Vec<&str> = missing(&known, seen.at).into_iter().map(says).collect();
    if missing.is_empty() {
        return Finding::pass(
            "a recovery kit was proven, and a restore from it and the store alone passed in the last 90 days",
        );
    }
    Finding::fail(format!("not recoverable, as far as was shown: {}", missing.join("; ")))
}

fn says(missing: Missing) -> &'static str {
    match missing {
        Missing::Archive => "there is no archive",
        Missing::Elsewhere => "the archive lies on the same machine",
        Missing::Proof => "no recovery kit was proven",
        Missing::Key => "the kit that was proven lacks the newest key",
        Missing::Drill => "no restore from a kit alone was tried",
        Missing::NewDrill => "the last restore from a kit alone is more than 90 days ago",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::{Keys, Recovery};
    use crate::store::drills::Standing;

    #[test]
    fn what_was_not_shown_is_said() {
        let blind = Facts::blind();
        let with = |archive: &str, standing| {
            let config = Config { archive: toml::from_str(archive).unwrap(), ..Config::default() };
            let recovery = Recovery { at: blind.now, standing, point: None };
            let keys = Keys { newest: 7, ..Keys::of(&[7], blind.now) };
            check(&Facts { recovery: Ok(recovery), keys: Ok(keys), config: Ok(Arc::new(config)), ..blind.clone() })
        };
        let shown = Standing {
            by_kit: Some(blind.now),
            proof: Some((blind.now, vec!["00000007".to_owned()])),
            ..Standing::default()
        };
        let here = "directory = \"/srv/archive\"";
        let found = with(here, shown.clone());
        assert_eq!(found.state, State::Fail);
        assert!(found.evidence.ends_with("the archive lies on the same machine"), "{}", found.evidence);
        let elsewhere = format!("{here}\nelsewhere_attested = \"Ada, 2026-11-01, Graz\"");
        assert_eq!(with(&elsewhere, shown.clone()).state, State::Pass);
        let other = Standing { proof: Some((blind.now, vec!["00000008".to_owned()])), ..shown };
        assert!(with(&elsewhere, other).evidence.ends_with("lacks the newest key"));
        assert!(
            with(&elsewhere, Standing::default())
                .evidence
                .contains("no recovery kit was proven; no restore from a kit")
        );
    }
}
