//! `[login]`: how people come to an account.

use serde::{Deserialize, Serialize};

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginMode {
    /// Nobody: only the first administrator is made, by the link that is printed.
    #[default]
    Closed,
    /// Who was invited by an owner.
    Invite,
    /// Everybody who has an address that mail reaches.
    Open,
}

/// How people come to an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Login {
    /// Who may make an account.
    pub mode: LoginMode,
}

impl Login {
    pub(super) fn validate(self, mail_is_set_up: bool) -> Result<(), super::ConfigError> {
        if self.mode == LoginMode::Open && !mail_is_set_up {
            let why =
                "\"open\" needs mail, which tells whose an address is: set [mail] host and from, or use \"closed\"";
            return Err(super::ConfigError::invalid("login.mode", why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_may_make_an_account_only_where_mail_can_be_sent() {
        let open: Login = toml::from_str("mode = \"open\"").unwrap();
        assert!(open.validate(true).is_ok());
        assert!(open.validate(false).unwrap_err().to_string().contains("[mail]"));
        assert!(Login::default().validate(false).is_ok());
        assert!(toml::from_str::<Login>("mode = \"everybody\"").is_err());
    }
}
