//! Mail leaves by TLS.

use super::{Control, Facts, judged};
use crate::config::MailTls;
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "mail-line", promises: &["S114"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.config, |config| {
        let mail = &config.mail;
        if mail.host.is_none() {
            return Finding::not_measured("no mail is sent here");
        }
        match mail.tls {
            MailTls::None => Finding::not_measured(
                "mail is handed to a server of the same machine; how that sends it on is not seen from here",
            ),
            _ => Finding::pass("mail is handed over by TLS alone, to a server whose certificate is checked"),
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
    fn what_another_server_does_with_it_is_not_measured() {
        let with = |mail: &str| {
            let config = Config { mail: toml::from_str(mail).unwrap(), ..Config::default() };
            check(&Facts { config: Ok(Arc::new(config)), ..Facts::blind() }).state
        };
        assert_eq!(with(""), State::NotMeasured);
        assert_eq!(with("host = \"mail.example\""), State::Pass);
        assert_eq!(with("host = \"localhost\"\ntls = \"none\""), State::NotMeasured);
    }
}
