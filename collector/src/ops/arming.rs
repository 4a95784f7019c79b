//! Makes a restored copy fit to be armed: what ended after the time that it was restored to ends in it once more.
//!
//! In: a copy that nobody else uses, and the ledger of what ended. Out: every session and link that lets in is over, keys, memberships
//! and consents that had ended are over again, what was erased is erased, and what waited to be sent is not: it may have been.

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::erasure::{self, ErasureError};
use crate::domain::ended::{Ended, GRACE, Kind, still_ended};
use crate::privacy::erase::Receipts;
use crate::privacy::ledger::Ledger;
use crate::store::audit::{self, Author};
use crate::store::closures::{self, Closed, NewClosure, Was};
use crate::store::ended::{self, Counts};
use crate::store::{Auth, Pools, StoreError, managements, organizations, users};
use crate::vault::VaultError;
use crate::vault::password::Passwords;
use crate::vault::token::Token;

/// Why it did not end.
#[derive(Debug, thiserror::Error)]
pub enum ArmingError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger, or what is erased by it.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    /// No password could be made that nobody knows.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What ended once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Things that ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// Accounts and organizations that were closed, and wait again for what is left of their seven days.
    pub closed: usize,
    /// Accounts and organizations that were erased.
    pub erased: usize,
}

/// Ends everything once more; running it again changes nothing. `by` is who arms.
///
/// # Errors
/// When the ledger or the database fails: then the copy is not to be armed.
pub async fn run(pools: &Pools, ledger: &Ledger, by: &str, now: Timestamp) -> Result<Report, ArmingError> {
    let mut report = Report::default();
    let known = still_ended(ledger.read().map_err(ErasureError::from)?);
    let unknown = Passwords::new()?.hash(SecretString::new(Token::new()?.expose().to_owned())).await?;
    let mut auth = pools.auth().await?;
    ended::ways_in(&mut auth, &mut report.counts).await?;
    for ended in &known {
        ended::again(&mut auth, ended, &unknown, &mut report.counts).await?;
        report.closed += usize::from(close(&mut auth, ended, by).await?);
    }
    auth.commit().await?;
    let mut worker = pools.worker().await?;
    ended::waiting(&mut worker, &mut report.counts, now).await?;
    worker.commit().await?;
    let receipts = Receipts { sealer: None, copies_until: None };
    report.erased = erasure::replay(pools, ledger, &receipts, now).await?.erased;
    let mut auth = pools.auth().await?;
    let author = Author::of_instance(by);
    audit::append(&mut auth, &author.did("restore.arm", "", json!(report), now)).await?;
    auth.commit().await?;
    Ok(report)
}

/// Closes what was closed; false where it is not there, or closed already.
async fn close(auth: &mut Auth, ended: &Ended, by: &str) -> Result<bool, StoreError> {
    let erase_at = ended.at + GRACE;
    match ended.kind {
        Kind::ClosedAccount => {
            let Ok(id) = ended.subject.parse() else { return Ok(false) };
            let Some(user) = users::by_uuid(auth, id).await? else { return Ok(false) };
            let was: Vec<Was> = closures::belongings(auth, user.id).await?.iter().map(Was::from).collect();
            let new = NewClosure { of: Closed::Account(user.id), with: None, memberships: &was, owners: &[], erase_at };
            closures::insert(auth, &new, ended.at).await?;
            closures::close_user(auth, user.id, by, ended.at).await?;
        }
        Kind::ClosedOrganization => {
            let Ok(id) = ended.subject.parse() else { return Ok(false) };
            let Some(org) = organizations::by_id(auth, id).await? else { return Ok(false) };
            let owners = managements::owners(auth, org, ended.at).await?;
            let owners: Vec<_> = owners.into_iter().map(|(owner, _)| owner).collect();
            let of = Closed::Organization(org);
            let new = NewClosure { of, with: None, memberships: &[], owners: &owners, erase_at };
            closures::insert(auth, &new, ended.at).await?;
            closures::close_organization(auth, org, by, ended.at).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
