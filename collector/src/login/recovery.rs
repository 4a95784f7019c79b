//! Recovery codes, for who has lost what makes codes: ten, shown once, stored as hashes, each of use once.

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::session::Member;
use super::{LoginError, Porter, note};
use crate::domain::account_mail::About;
use crate::store::audit::Author;
use crate::store::users::UserRow;
use crate::store::{Auth, UserKey, second_factors, users};
use crate::vault::VaultError;
use crate::vault::token::{recovery_code, recovery_hash};

/// So many are made.
const COUNT: usize = 10;

/// New codes and what is stored of them.
fn make() -> Result<(Vec<SecretString>, Vec<[u8; 32]>), VaultError> {
    let codes = (0..COUNT).map(|_| recovery_code()).collect::<Result<Vec<_>, _>>()?;
    let hashes = codes.iter().filter_map(|code| Some(recovery_hash(code.expose())?.0)).collect();
    Ok((codes, hashes))
}

/// Makes them in place of all others.
pub(super) async fn new_codes(auth: &mut Auth, user: UserKey, now: Timestamp) -> Result<Vec<SecretString>, LoginError> {
    let (codes, hashes) = make()?;
    second_factors::replace_recovery_codes(auth, user, &hashes, now).await?;
    Ok(codes)
}

impl Porter {
    /// Makes new ones in place of all others; none where there is no second factor.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn replace_recovery_codes(
        &self,
        member: &Member,
        by: &Author,
        now: Timestamp,
    ) -> Result<Option<Vec<SecretString>>, LoginError> {
        let mut auth = self.pools.auth().await?;
        let Some(user) = users::by_key(&mut auth, member.user).await? else { return Ok(None) };
        if !second_factors::is_wanted(&mut auth, user.id).await? {
            return Ok(None);
        }
        let codes = new_codes(&mut auth, user.id, now).await?;
        note(&mut auth, by, "user.replace_recovery_codes", user.uuid, json!({}), now).await?;
        self.tell(&mut auth, Some(user.id), &user.email, About::RecoveryCodesReplaced { at: now }, now).await?;
        auth.commit().await?;
        Ok(Some(codes))
    }

    /// Uses one up, and tells whose it was. False when the user has none like it.
    pub(super) async fn use_recovery_code(
        &self,
        auth: &mut Auth,
        user: &UserRow,
        typed: &str,
        by: &Author,
        now: Timestamp,
    ) -> Result<bool, LoginError> {
        let Some(hash) = recovery_hash(typed) else { return Ok(false) };
        if !second_factors::use_recovery_code(auth, user.id, &hash.0, now).await? {
            return Ok(false);
        }
        let left = second_factors::recovery_codes_left(auth, user.id).await?;
        note(auth, by, "user.use_recovery_code", user.uuid, json!({ "left": left }), now).await?;
        self.tell(auth, Some(user.id), &user.email, About::RecoveryCodeUsed { at: now, left }, now).await?;
        Ok(true)
    }
}
