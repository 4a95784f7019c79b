//! Making an account, where the operator lets everybody: a link in a mail first, then a password and an organization of
//! one's own.

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::link::{Look, Purpose, use_up};
use super::session::Ticket;
use super::{Identity, LoginError, Porter, Unfit, fit_password, note};
use crate::config::LoginMode;
use crate::store::audit::Author;
use crate::store::{organizations, users};

/// Most characters of an organization's name.
pub const MAX_NAME: usize = 100;

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignUp {
    /// There is an account now.
    Done(Identity),
    /// The password cannot be.
    Unfit(Unfit),
    /// The organization's name is empty, too long, or another's.
    Name,
    /// The link does not work (any more), not here, or nobody may make an account.
    Over,
}

impl Porter {
    /// Makes an account and its organization by a link.
    ///
    /// # Errors
    /// When the database or the hashing fails.
    pub async fn sign_up(
        &self,
        link: &str,
        asker: Option<&Ticket>,
        organization: &str,
        password: SecretString,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SignUp, LoginError> {
        let Look::Ready(found) = self.look_at(link, asker, now).await? else { return Ok(SignUp::Over) };
        if self.settings.mode != LoginMode::Open || found.purpose != Purpose::SignUp {
            return Ok(SignUp::Over);
        }
        if let Err(unfit) = fit_password(password.expose(), &found.email) {
            return Ok(SignUp::Unfit(unfit));
        }
        let fits =
            (1..=MAX_NAME).contains(&organization.chars().count()) && !organization.chars().any(char::is_control);
        if !fits {
            return Ok(SignUp::Name);
        }
        let hash = self.passwords.hash(password).await?;
        let mut auth = self.pools.auth().await?;
        let Some(link) = use_up(&mut auth, link, asker, &[Purpose::SignUp], now).await? else {
            return Ok(SignUp::Over);
        };
        if users::by_email(&mut auth, &link.email).await?.is_some() {
            return Ok(SignUp::Over);
        }
        // Without a commit the link stays as it was: another name can be tried.
        let Some((org, id)) = organizations::insert(&mut auth, organization, now).await? else {
            return Ok(SignUp::Name);
        };
        let (user, uuid) = users::insert_owner(&mut auth, org, &link.email, &hash, now).await?;
        users::confirm_email(&mut auth, user, now).await?;
        let by = Author { org: Some(org), actor: format!("user:{}", link.email), origin: caller.origin() };
        note(&mut auth, &by, "user.sign_up", uuid, json!({ "role": "owner" }), now).await?;
        let by = Author { org: None, ..by };
        note(&mut auth, &by, "organization.add", id.0, json!({ "name": organization }), now).await?;
        auth.commit().await?;
        Ok(SignUp::Done(Identity { user, proven: true, new: true }))
    }
}
