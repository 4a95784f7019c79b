//! Who sends: a token signed with a key in force, of a probe that is neither revoked nor superseded.
//!
//! The row of the probe is read for every request, so that a revocation holds from the next one on.

use picket_shared::daykeys::{self, DayKeyGrant, KeyId};
use picket_shared::ids::{BootId, CollectorId};
use picket_shared::secret::SecretBytes;
use picket_shared::signing::{self, BatchClaims, RequestClaims, TokenError};
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use super::{Gate, Refused};
use crate::store::probes::{self, CallerRow};
use crate::store::{Intake, requests};
use crate::vault::Class;

/// How far ahead of the collector's time a hello may be signed that is to take over from another start.
const MOST_AHEAD_SECONDS: i64 = 5;

/// A probe that proved who it is.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The probe.
    pub row: CallerRow,
    /// The start that it speaks for.
    pub boot: BootId,
}

/// What a request's token must be made for.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// As sent; empty if there is none.
    pub body: &'a [u8],
    /// The request puts a boot in force: it need not be yet.
    pub is_hello: bool,
}

/// Verifies the token of a batch.
///
/// # Errors
/// The first thing that is wrong.
pub async fn batch(
    conn: &mut Intake,
    gate: &Gate,
    token: &str,
    now: Timestamp,
) -> Result<(Caller, BatchClaims), Refused> {
    let kid = signing::key_id::<BatchClaims>(token).map_err(token_error)?;
    let row = sender(conn, kid).await?;
    let claims = check_batch(&row, kid, |row| secret(gate, row), (token, gate.collector), now)?;
    in_force(conn, &row, claims.boot).await?;
    Ok((Caller { boot: claims.boot, row }, claims))
}

/// Verifies the token of a batch against the row of its sender. Pure.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_batch(
    row: &CallerRow,
    kid: KeyId,
    secret: impl FnOnce(&CallerRow) -> Result<SecretBytes, Refused>,
    (token, collector): (&str, CollectorId),
    now: Timestamp,
) -> Result<BatchClaims, Refused> {
    let grant = grant_in_force(row, kid, now)?;
    let key = daykeys::day_key(&secret(row)?, row.id, grant).map_err(|_| Refused::Vault(row.id))?;
    signing::verify(token, kid, &key, collector, now).map_err(token_error)
}

/// The grant of the day key that a batch was signed with.
///
/// # Errors
/// When no key of that number is in force.
pub fn grant_in_force(row: &CallerRow, kid: KeyId, now: Timestamp) -> Result<&DayKeyGrant, Refused> {
    row.grant.as_ref().filter(|grant| grant.accepted_at(now)).ok_or_else(|| unknown_key(kid))
}

/// Verifies the token of any other request, and uses it up.
///
/// # Errors
/// The first thing that is wrong.
pub async fn request(
    conn: &mut Intake,
    gate: &Gate,
    token: &str,
    facts: RequestFacts<'_>,
    now: Timestamp,
) -> Result<Caller, Refused> {
    let kid = signing::key_id::<RequestClaims>(token).map_err(token_error)?;
    if kid.day.is_some() {
        return Err(unknown_key(kid));
    }
    let row = sender(conn, kid).await?;
    let claims = check_request(&row, kid, |row| secret(gate, row), (token, gate.collector), facts, now)?;
    if !requests::use_once(conn, claims.jti, Timestamp::from_seconds(claims.exp)).await? {
        return Err(used_before());
    }
    if facts.is_hello {
        not_superseded(conn, &row, claims.boot).await?;
        is_said_later(&row, &claims, now)?;
    } else {
        in_force(conn, &row, claims.boot).await?;
    }
    Ok(Caller { boot: claims.boot, row })
}

/// Verifies the token of any request but a batch against the row of its sender. Pure.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_request(
    row: &CallerRow,
    kid: KeyId,
    secret: impl FnOnce(&CallerRow) -> Result<SecretBytes, Refused>,
    (token, collector): (&str, CollectorId),
    facts: RequestFacts<'_>,
    now: Timestamp,
) -> Result<RequestClaims, Refused> {
    let key = daykeys::request_key(&secret(row)?, row.id).map_err(|_| Refused::Vault(row.id))?;
    let claims: RequestClaims = signing::verify(token, kid, &key, collector, now).map_err(token_error)?;
    if claims.method != facts.method || claims.path != facts.path {
        return Err(Refused::rule(RefusalCode::BadToken, "the token is for another method or path"));
    }
    if claims.bh != signing::body_hash(facts.body) {
        return Err(Refused::rule(RefusalCode::BodyMismatch, "the body is not the one that was signed"));
    }
    Ok(claims)
}

/// The refusal of a token that was used before.
pub fn used_before() -> Refused {
    Refused::rule(RefusalCode::BadToken, "the token was used before: sign anew")
}

async fn sender(conn: &mut Intake, kid: KeyId) -> Result<CallerRow, Refused> {
    may_call(probes::caller(conn, kid.probe, kid.day).await?)
}

/// The row of a probe that exists and was not revoked.
///
/// # Errors
/// When there is none, or it was.
pub fn may_call(row: Option<CallerRow>) -> Result<CallerRow, Refused> {
    match row {
        Some(row) if row.revoked_at.is_none() => Ok(row),
        _ => Err(Refused::rule(RefusalCode::Revoked, "this probe does not exist or was revoked: stop it")),
    }
}

async fn in_force(conn: &mut Intake, row: &CallerRow, boot: BootId) -> Result<(), Refused> {
    not_superseded(conn, row, boot).await?;
    speaks_in_force(row, boot)
}

async fn not_superseded(conn: &mut Intake, row: &CallerRow, boot: BootId) -> Result<(), Refused> {
    let known = row.boot != Some(boot) && probes::boot_known(conn, row.key, boot).await?;
    is_newest(row, boot, known)
}

/// A boot that said hello (`known`) and is not in force any more has been superseded.
///
/// # Errors
/// When it was.
pub fn is_newest(row: &CallerRow, boot: BootId, known: bool) -> Result<(), Refused> {
    if row.boot != Some(boot) && known {
        return Err(Refused::rule(
            RefusalCode::Superseded,
            "a newer start of this probe has taken over: run each probe once",
        ));
    }
    Ok(())
}

/// A hello that was signed before the boot in force said its own is one that was long on its way, of a start that is over:
/// it must not take over. Of one that was signed by a clock that is ahead nobody knows. A probe whose clock is off corrects
/// it by this answer and says hello once more.
///
/// # Errors
/// When it was.
pub fn is_said_later(row: &CallerRow, claims: &RequestClaims, now: Timestamp) -> Result<(), Refused> {
    let Some(hello_at) = row.hello_at.filter(|_| row.boot != Some(claims.boot)) else { return Ok(()) };
    let why = if claims.iat < hello_at.seconds() {
        "another start of this probe said hello after this was signed"
    } else if claims.iat > now.seconds() + MOST_AHEAD_SECONDS {
        "this was signed by a clock that is ahead, so that nobody knows which start of this probe is the later"
    } else {
        return Ok(());
    };
    Err(Refused::rule(RefusalCode::ClockSkew, why))
}

/// Only the boot in force may speak.
///
/// # Errors
/// When this one did not say hello.
pub fn speaks_in_force(row: &CallerRow, boot: BootId) -> Result<(), Refused> {
    if row.boot == Some(boot) {
        return Ok(());
    }
    Err(Refused::rule(RefusalCode::UnknownKey, "this start of the probe has not said hello: say it"))
}

fn secret(gate: &Gate, row: &CallerRow) -> Result<SecretBytes, Refused> {
    gate.opener.open(Class::ProbeSecret, row.id.0.as_bytes(), &row.secret).map_err(|_| Refused::Vault(row.id))
}

fn unknown_key(kid: KeyId) -> Refused {
    Refused::rule(RefusalCode::UnknownKey, format!("key {kid} is not in force: fetch keys, sign anew"))
}

/// The refusal of a token that is not right.
pub fn token_error(error: TokenError) -> Refused {
    Refused::rule(error.refusal(), error.to_string())
}

/// The same caller again, for a request that lasts: revoked and superseded are looked at anew.
///
/// # Errors
/// When it is either, or the database fails.
pub async fn still_in_force(conn: &mut Intake, caller: Caller) -> Result<Caller, Refused> {
    let row = sender(conn, KeyId { probe: caller.row.id, day: None }).await?;
    in_force(conn, &row, caller.boot).await?;
    Ok(Caller { row, ..caller })
}
