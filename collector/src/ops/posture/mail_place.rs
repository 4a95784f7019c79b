//! Mail is handed to a relay in the EU: one that says so, or of which a person says so.

use super::{Control, Facts, judged};
use crate::config::MailPlace;
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "mail-place", promises: &["S2"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.config, |config| {
        let host = config.mail.host.as_deref().unwrap_or_default();
        match config.mail.place() {
            MailPlace::Nowhere if host.is_empty() => Finding::not_measured("no mail is sent here"),
            MailPlace::Nowhere => Finding::not_measured("where the relay of mail lies is not known"),
            MailPlace::Own => Finding::not_measured(
                "mail is handed to a relay of the operator's; where that is, and hands it on to, cannot be seen from here",
            ),
            MailPlace::Known => Finding::pass("mail is handed to a relay that its provider runs in the EU").with(host),
            MailPlace::Attested(_) => {
                Finding::attested("a person said that the relay of mail lies in the EU").with(host)
            }
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
    fn an_address_of_ones_own_and_a_word_are_no_measurement() {
        let with = |mail: &str| {
            let config = Config { mail: toml::from_str(mail).unwrap(), ..Config::default() };
            check(&Facts { config: Ok(Arc::new(config)), ..Facts::blind() })
        };
        assert_eq!(with("").state, State::NotMeasured);
        assert_eq!(with("host = \"127.0.0.1\"").state, State::NotMeasured);
        assert_eq!(with("host = \"smtp.eu.mailgun.org\"").state, State::Pass);
        let attested = with("host = \"mail.example\"\neu_attested = \"Jane Doe, 2026-11-23, Falkenstein (DE)\"");
        assert!(attested.is_attested() && attested.state == State::NotMeasured, "{attested:?}");
        assert!(!attested.evidence.contains("Jane") && !attested.evidence.contains("mail.example"), "{attested:?}");
    }
}
