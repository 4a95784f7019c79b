//! Puts a mail down that no person of the site asked for: sealed, in the transaction of what it tells.

use std::time::Duration;

use picket_shared::ids::AccountMailId;
use picket_shared::secret::SecretBytes;
use picket_shared::time::Timestamp;

use crate::domain::account_mail::{About, AccountMail};
use crate::store::account_mails::{self, NewMail};
use crate::store::{Conn, StoreError, UserKey};
use crate::vault::{Class, Sealer, VaultError};

/// How long a mail is tried that tells somebody of their data.
pub(super) const GIVE_UP: Duration = Duration::from_secs(7 * 86_400);

/// Why it was not put down.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Puts it down for an address, to be tried for `life`; `user` is whose the address is, where it is somebody's.
///
/// # Errors
/// When it cannot be sealed or the database fails.
pub async fn put(
    conn: &mut impl Conn,
    sealer: &Sealer,
    (user, to): (Option<UserKey>, &str),
    about: &About,
    (now, life): (Timestamp, Duration),
) -> Result<(), MailError> {
    let id = AccountMailId::at(now);
    // Writing it cannot fail: every part is text or a number.
    let plain = serde_json::to_vec(&AccountMail { to: to.to_owned(), about: about.clone() }).unwrap_or_default();
    let sealed = sealer.seal(Class::AccountMail, id.0.as_bytes(), SecretBytes::new(plain).expose())?;
    let new = NewMail { id, user, template: about.template(), sealed: &sealed, gives_up: now + life };
    Ok(account_mails::insert(conn, &new, now).await?)
}
