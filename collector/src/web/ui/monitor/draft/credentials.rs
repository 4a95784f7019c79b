//! Credentials, as typed.

use picket_shared::check::{HttpAuth, Kind};
use picket_shared::secret::SecretString;

use super::{Draft, Faults};
use crate::web::texts::text;

impl Draft {
    pub(super) fn credentials(&self, faults: &mut Faults) -> Option<HttpAuth> {
        if self.kind != Kind::Http {
            return None;
        }
        let secret = || self.secret.clone();
        match self.auth.as_str() {
            "basic" if self.user.is_empty() => {
                faults.push(("user", text("form.no_user").to_owned()));
                None
            }
            "basic" => Some(HttpAuth::Basic { user: self.user.clone(), password: secret() }),
            "bearer" if self.secret.expose().trim().is_empty() => {
                faults.push(("secret", text("form.no_token").to_owned()));
                None
            }
            "bearer" => Some(HttpAuth::Bearer { token: SecretString::new(self.secret.expose().trim().to_owned()) }),
            _ => None,
        }
    }
}
