//! Passkeys: a challenge is drawn for a browser and a purpose, its authenticator signs it, and that is judged here, once.
//!
//! [`add`] makes and takes away passkeys of who is signed in; [`present`] uses one: to sign in with nothing else, as the
//! second of two factors, and to prove again who it is. [`allowance`] keeps visitors from filling the table of challenges.

pub mod add;
pub(super) mod allowance;
pub mod present;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::caller::Caller;
use super::session::Ticket;
use super::{LoginError, Porter, note};
use crate::domain::account_mail::About;
use crate::domain::passkey::{self, Fault, Proof, PublicKey, RelyingParty};
use crate::store::audit::Author;
use crate::store::passkeys::{self, Challenge, PasskeyRow, Purpose};
use crate::store::users::UserRow;
use crate::store::{Auth, StoreError, UserKey, users};
use crate::vault::token::{fingerprint, random_bytes};

pub use crate::store::passkeys::CHALLENGE_LIFE;

/// What a browser's authenticator is to sign, and with which passkeys.
#[derive(Clone, Debug)]
pub struct Request {
    /// The challenge, as base64url.
    pub challenge: String,
    /// The passkeys that may; any, where nobody knows yet who it is.
    pub passkeys: Vec<Vec<u8>>,
    /// Whether it must know who is there: so it is where nothing else is asked for.
    pub must_verify: bool,
}

/// For what a passkey is used, and by whom as far as that is known.
#[derive(Clone, Copy, Debug)]
struct Use<'a> {
    purpose: Purpose,
    /// The cookie that the challenge is bound to.
    binding: &'a Ticket,
    user: Option<UserKey>,
}

impl Use<'_> {
    /// Nothing else is asked for but beside the first of two factors.
    fn must_verify(self) -> bool {
        self.purpose != Purpose::SecondStep
    }
}

/// What came of judging a passkey.
enum Judged {
    Right(UserRow),
    /// Why not, and whose it is if it is anybody's.
    Wrong(&'static str, Option<UserRow>),
}

impl Porter {
    /// Draws a challenge.
    async fn challenge(&self, auth: &mut Auth, it: Use<'_>, now: Timestamp) -> Result<String, LoginError> {
        let drawn: passkey::Challenge = random_bytes()?;
        let (hash, binding) = (hash(&drawn), it.binding.hash());
        let challenge = Challenge { hash: &hash, purpose: it.purpose, binding: &binding };
        passkeys::insert_challenge(auth, &challenge, it.user, now).await?;
        Ok(URL_SAFE_NO_PAD.encode(drawn))
    }

    /// A challenge for passkeys of this user that work here; none where there are none.
    async fn request(
        &self,
        auth: &mut Auth,
        it: Use<'_>,
        user: UserKey,
        party: &RelyingParty,
        now: Timestamp,
    ) -> Result<Option<Request>, LoginError> {
        let rows = passkeys::list(auth, user).await?.into_iter().filter(|row| row.party == party.id());
        let passkeys: Vec<_> = rows.map(|row| row.credential_id).collect();
        if passkeys.is_empty() {
            return Ok(None);
        }
        let challenge = self.challenge(auth, it, now).await?;
        Ok(Some(Request { challenge, passkeys, must_verify: it.must_verify() }))
    }

    /// Judges a passkey that was used; the challenge is used up either way, once this is committed.
    async fn judge(
        &self,
        auth: &mut Auth,
        it: Use<'_>,
        party: &RelyingParty,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Judged, LoginError> {
        let challenge = match taken(auth, it, &proof.client_data, now).await? {
            Ok(challenge) => challenge,
            Err(fault) => return Ok(Judged::Wrong(fault.as_str(), None)),
        };
        let Some(row) = passkeys::by_credential(auth, &proof.id).await? else {
            return Ok(Judged::Wrong("unknown", None));
        };
        let Some(user) = users::by_key(auth, row.user_id).await? else { return Ok(Judged::Wrong("unknown", None)) };
        if let Err(why) = belongs(it, &user, proof) {
            return Ok(Judged::Wrong(why, Some(user)));
        }
        let key = PublicKey::parse(&row.public_key).map_err(|_| unreadable(&row))?;
        let known = (&key, row.backup_eligible);
        let seen = match passkey::prove(party, &challenge, known, proof, it.must_verify()) {
            Ok(seen) => seen,
            Err(fault) => return Ok(Judged::Wrong(fault.as_str(), Some(user))),
        };
        if passkeys::used(auth, row.id, seen.count, seen.backed_up, now).await? {
            Ok(Judged::Right(user))
        } else {
            Ok(Judged::Wrong(COPIED, Some(user)))
        }
    }

    /// Writes down that a passkey was not taken; of a copy its user is told.
    async fn refused(
        &self,
        auth: &mut Auth,
        (by, action): (&Author, &str),
        (why, user): (&str, Option<&UserRow>),
        now: Timestamp,
    ) -> Result<(), LoginError> {
        let subject = user.map_or(uuid::Uuid::nil(), |user| user.uuid);
        note(auth, by, action, subject, json!({ "by": "passkey", "why": why }), now).await?;
        if let Some(user) = user.filter(|_| why == COPIED) {
            self.tell(auth, Some(user.id), &user.email, About::PasskeyCopied { at: now }, now).await?;
        }
        Ok(())
    }
}

/// Its count did not go up: there is a copy of the authenticator.
const COPIED: &str = "sign_count";

/// The challenge that is answered, taken away.
async fn taken(
    auth: &mut Auth,
    it: Use<'_>,
    client_data: &[u8],
    now: Timestamp,
) -> Result<Result<passkey::Challenge, Fault>, StoreError> {
    let challenge = match passkey::challenge(client_data) {
        Ok(challenge) => challenge,
        Err(fault) => return Ok(Err(fault)),
    };
    let (hash, binding) = (hash(&challenge), it.binding.hash());
    let asked = Challenge { hash: &hash, purpose: it.purpose, binding: &binding };
    let ours = passkeys::take_challenge(auth, &asked, it.user, now).await?;
    Ok(if ours { Ok(challenge) } else { Err(Fault::Challenge) })
}

/// Whether a passkey may be used so by its user, who is named where nobody else says who it is.
fn belongs(it: Use<'_>, user: &UserRow, proof: &Proof) -> Result<(), &'static str> {
    let named = !proof.user_handle.is_empty();
    let right = match it.user {
        Some(wanted) => wanted == user.id && (!named || proof.user_handle == user.uuid.as_bytes()),
        None => proof.user_handle == user.uuid.as_bytes(),
    };
    if right { Ok(()) } else { Err("user") }
}

fn hash(challenge: &passkey::Challenge) -> [u8; 32] {
    fingerprint(&[b"passkey challenge", challenge]).0
}

const fn unreadable(row: &PasskeyRow) -> StoreError {
    StoreError::Inconsistent { table: "passkeys", column: "public_key", row: row.id }
}

/// What wrong passkeys are counted by, in memory: where they come from. Nobody guesses one, but each is written down.
fn counted(caller: &Caller) -> String {
    format!("passkey {}", caller.origin().unwrap_or_default())
}
