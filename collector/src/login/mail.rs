//! Mails about accounts: sealed and put down here, in the transaction that did what they tell; `flow` sends them.

use std::time::Duration;

use picket_shared::ids::AccountMailId;
use picket_shared::time::Timestamp;

use super::{LoginError, Porter};
use crate::domain::account_mail::{About, AccountMail};
use crate::store::account_mails::{self, NewMail};
use crate::store::{Auth, UserKey};
use crate::vault::Class;

/// What could not be sent for so long is given up.
const GIVE_UP: Duration = Duration::from_secs(86_400);

impl Porter {
    /// Puts a mail down; where no mail can be sent, none.
    pub(super) async fn tell(
        &self,
        auth: &mut Auth,
        user: Option<UserKey>,
        to: &str,
        about: About,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        self.put(auth, None, user, to, about, now).await
    }

    /// The same, but not if the user was told the same within `every`, or there is no user: at the same cost.
    pub(super) async fn tell_once_in(
        &self,
        auth: &mut Auth,
        every: Duration,
        user: Option<UserKey>,
        to: &str,
        about: About,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        self.put(auth, Some(every), user, to, about, now).await
    }

    async fn put(
        &self,
        auth: &mut Auth,
        every: Option<Duration>,
        user: Option<UserKey>,
        to: &str,
        about: About,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        if !self.settings.mails {
            return Ok(());
        }
        let (template, gives_up) = (about.template(), about.link().map_or(now + GIVE_UP, |link| link.until));
        let id = AccountMailId::at(now);
        let plain = picket_shared::secret::SecretBytes::new(
            serde_json::to_vec(&AccountMail { to: to.to_owned(), about }).map_err(|_| LoginError::Unwritable)?,
        );
        let sealed = self.sealer.seal(Class::AccountMail, id.0.as_bytes(), plain.expose())?;
        let new = NewMail { id, user, template, sealed: &sealed, gives_up };
        match every {
            Some(every) => account_mails::insert_unless_told(auth, &new, now - every, now).await?,
            None => account_mails::insert(auth, &new, now).await?,
        }
        Ok(())
    }
}
