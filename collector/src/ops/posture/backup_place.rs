//! Backups lie in the EU: in a store that says so, or where a person says so.

use super::{Control, Facts, judged};
use crate::config::DatabaseMode;
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "backup-place", promises: &["S2"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.config, |config| {
        if config.database.mode == DatabaseMode::External && !config.archive.is_on() {
            return Finding::not_measured("whoever runs the database backs it up");
        }
        if config.archive.directory().is_some() {
            return Finding::not_measured(
                "backups lie in a folder of the operator's; where its disk is cannot be seen from here",
            );
        }
        let Some(s3) = config.archive.s3() else {
            return Finding::not_measured("there is no archive of the database here");
        };
        let place = s3.url.host_str().unwrap_or_default();
        match config.archive.attested() {
            None => Finding::pass("backups lie in a store that its provider runs in the EU").with(place),
            Some(_) => Finding::attested("a person said that the store of backups lies in the EU").with(place),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::domain::posture::State;

    #[test]
    fn a_folder_and_a_word_are_no_measurement() {
        let mut config = Config::default();
        let with = |config: &Config| check(&Facts { config: Ok(Arc::new(config.clone())), ..Facts::blind() });
        assert_eq!(with(&config).state, State::NotMeasured);
        config.archive = toml::from_str("directory = \"/srv/archive\"").unwrap();
        assert_eq!(with(&config).state, State::NotMeasured);
        assert!(with(&config).evidence.contains("folder"));
    }
}
