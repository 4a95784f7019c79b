//! It is said whom to tell of a weakness.

use super::{Control, Facts, judged};
use crate::domain::posture::{Finding, many};

pub(super) const CONTROL: Control = Control { id: "security-contact", promises: &["S107", "S108"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.config, |config| {
        let security = &config.security;
        match security.contacts.len() {
            0 => Finding::fail("nobody is named to be told of a weakness"),
            count => Finding::pass(format!(
                "{} named in /.well-known/security.txt, {} to encrypt to",
                if count == 1 { "1 contact is".to_owned() } else { format!("{count} contacts are") },
                many(security.encryption_keys.len(), "key")
            )),
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
    fn nobody_is_too_few() {
        let mut config = Config::default();
        let with = |config: &Config| check(&Facts { config: Ok(Arc::new(config.clone())), ..Facts::blind() });
        assert_eq!(with(&config).state, State::Fail);
        config.security.contacts = vec!["mailto:security@example.org".to_owned()];
        assert_eq!(with(&config).state, State::Pass);
    }
}
