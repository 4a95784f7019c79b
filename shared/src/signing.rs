//! Tokens: how a probe proves who sent a request. JWT (RFC 7519) with HS256 (RFC 7518) and nothing else.
//!
//! `jsonwebtoken` verifies the signature; times are judged here against the caller's clock, because the crate reads
//! the machine's and because a skewed clock must be told from an expired token.

use aws_lc_rs::digest;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::daykeys::{DAY_KEY_LIFE, KeyId, SigningKey, hex};
use crate::ids::{BatchId, BootId, CollectorId, ProbeId};
use crate::time::Timestamp;
use crate::wire::{MAX_SKEW_SECONDS, REQUEST_TOKEN_SECONDS, RefusalCode};

/// The `typ` of a token that carries a batch.
pub const BATCH_TYPE: &str = "probe-batch+jwt";
/// The `typ` of a token of any other request.
pub const REQUEST_TYPE: &str = "probe-request+jwt";
/// No token is longer than this, in bytes.
pub const MAX_TOKEN: usize = 2048;

/// The claims of a batch's token. All are required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchClaims {
    /// The probe.
    pub iss: ProbeId,
    /// The probe again.
    pub sub: ProbeId,
    /// The collector.
    pub aud: CollectorId,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// From when it holds.
    pub nbf: i64,
    /// Until when it holds: at most a day, and at most the key's end.
    pub exp: i64,
    /// The batch; the same however often it is signed.
    pub jti: BatchId,
    /// The probe's start.
    pub boot: BootId,
    /// Counts the batches of this boot, from 1.
    pub seq: u64,
    /// SHA-256 of the body as sent, in lower-case hexadecimal.
    pub bh: String,
}

/// The claims of every other request's token. All are required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestClaims {
    /// The probe.
    pub iss: ProbeId,
    /// The probe again.
    pub sub: ProbeId,
    /// The collector.
    pub aud: CollectorId,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// From when it holds.
    pub nbf: i64,
    /// Until when it holds: at most 60 s.
    pub exp: i64,
    /// This one request.
    pub jti: Uuid,
    /// The probe's start.
    pub boot: BootId,
    /// The method of the request it is for.
    pub method: String,
    /// The path of the request it is for, without the query.
    pub path: String,
    /// SHA-256 of the body as sent, in lower-case hexadecimal; of nothing if there is none.
    pub bh: String,
}

/// What a token claims about when it holds and for whom.
pub trait Claims: Serialize + DeserializeOwned {
    /// The `typ` that its header must have.
    const TYPE: &'static str;
    /// The longest life, in seconds.
    const MAX_LIFE: i64;
    /// `(iss, sub, aud, iat, nbf, exp)`.
    fn common(&self) -> (ProbeId, ProbeId, CollectorId, i64, i64, i64);
}

impl Claims for BatchClaims {
    const TYPE: &'static str = BATCH_TYPE;
    const MAX_LIFE: i64 = DAY_KEY_LIFE.as_secs().cast_signed();

    fn common(&self) -> (ProbeId, ProbeId, CollectorId, i64, i64, i64) {
        (self.iss, self.sub, self.aud, self.iat, self.nbf, self.exp)
    }
}

impl Claims for RequestClaims {
    const TYPE: &'static str = REQUEST_TYPE;
    const MAX_LIFE: i64 = REQUEST_TOKEN_SECONDS;

    fn common(&self) -> (ProbeId, ProbeId, CollectorId, i64, i64, i64) {
        (self.iss, self.sub, self.aud, self.iat, self.nbf, self.exp)
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url and JSON, too long, or a required claim is missing.
    #[error("the token is malformed")]
    Malformed,
    /// An algorithm other than HS256.
    #[error("the token's algorithm is not HS256")]
    Algorithm,
    /// Made for another kind of request.
    #[error("the token is of another type")]
    Type,
    /// Not signed with this key.
    #[error("the token's signature is wrong")]
    Signature,
    /// Made for another collector, or `iss`, `sub` and `kid` name different probes.
    #[error("the token is for another collector or probe")]
    Parties,
    /// `iat` or `nbf` lies too far from the collector's time.
    #[error("the token's time is more than {MAX_SKEW_SECONDS} s off the collector's")]
    ClockSkew,
    /// Its life is over.
    #[error("the token has expired")]
    Expired,
    /// It claims a longer life than its kind may have.
    #[error("the token's life is longer than allowed")]
    Life,
}

impl TokenError {
    /// What the probe is told.
    pub const fn refusal(self) -> RefusalCode {
        match self {
            Self::ClockSkew => RefusalCode::ClockSkew,
            Self::Expired => RefusalCode::Expired,
            Self::Malformed | Self::Algorithm | Self::Type | Self::Signature | Self::Parties | Self::Life => {
                RefusalCode::BadToken
            }
        }
    }
}

/// Signs `claims` with `key`, which `kid` names.
///
/// # Errors
/// Only if the claims cannot be written as JSON, which no value of ours does.
pub fn sign<C: Claims>(claims: &C, kid: KeyId, key: &SigningKey) -> Result<String, TokenError> {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(C::TYPE.to_owned());
    header.kid = Some(kid.to_string());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(key.bytes())).map_err(|_| TokenError::Malformed)
}

/// Reads which key a token says it was signed with; nothing of it is to be believed before [`verify`].
///
/// # Errors
/// When the token cannot be one of type `C`, whatever its key.
pub fn key_id<C: Claims>(token: &str) -> Result<KeyId, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    if header.alg != Algorithm::HS256 {
        return Err(TokenError::Algorithm);
    }
    if header.typ.as_deref() != Some(C::TYPE) {
        return Err(TokenError::Type);
    }
    header.kid.and_then(|kid| kid.parse().ok()).ok_or(TokenError::Malformed)
}

/// Verifies signature, type, parties and times, and only then gives the claims out.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify<C: Claims>(
    token: &str,
    kid: KeyId,
    key: &SigningKey,
    collector: CollectorId,
    now: Timestamp,
) -> Result<C, TokenError> {
    if key_id::<C>(token)? != kid {
        return Err(TokenError::Parties);
    }
    let mut validation = Validation::new(Algorithm::HS256);
    // Everything but the signature is judged below, on the caller's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<C>(token, &DecodingKey::from_secret(key.bytes()), &validation)
        .map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        })?
        .claims;
    judge(&claims, kid, collector, now)?;
    Ok(claims)
}

/// Judges what a token with a good signature claims: parties and times.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn judge<C: Claims>(claims: &C, kid: KeyId, collector: CollectorId, now: Timestamp) -> Result<(), TokenError> {
    let (iss, sub, aud, iat, nbf, exp) = claims.common();
    if iss != kid.probe || sub != kid.probe || aud != collector {
        return Err(TokenError::Parties);
    }
    let now = now.seconds();
    if exp.saturating_sub(iat) > C::MAX_LIFE || exp <= iat {
        return Err(TokenError::Life);
    }
    if exp <= now {
        return Err(TokenError::Expired);
    }
    if iat.saturating_sub(now).saturating_abs() > MAX_SKEW_SECONDS || nbf.saturating_sub(now) > MAX_SKEW_SECONDS {
        return Err(TokenError::ClockSkew);
    }
    Ok(())
}

/// SHA-256 in lower-case hexadecimal: the `bh` of a body.
pub fn body_hash(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daykeys::request_key;
    use crate::secret::SecretBytes;
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn probe() -> ProbeId {
        ProbeId(Uuid::from_u128(1))
    }

    fn collector() -> CollectorId {
        CollectorId(Uuid::from_u128(2))
    }

    fn key(byte: u8) -> SigningKey {
        request_key(&SecretBytes::new(vec![byte; 32]), probe()).unwrap()
    }

    fn kid() -> KeyId {
        KeyId { probe: probe(), day: None }
    }

    fn claims() -> RequestClaims {
        RequestClaims {
            iss: probe(),
            sub: probe(),
            aud: collector(),
            iat: NOW.seconds(),
            nbf: NOW.seconds(),
            exp: NOW.seconds() + 60,
            jti: Uuid::from_u128(3),
            boot: BootId(Uuid::from_u128(4)),
            method: "GET".to_owned(),
            path: "/probe/v1/assignments".to_owned(),
            bh: body_hash(b""),
        }
    }

    #[track_caller]
    fn check(claims: &RequestClaims, at: Timestamp, expected: Result<(), TokenError>) {
        let token = sign(claims, kid(), &key(1)).unwrap();
        assert_eq!(verify::<RequestClaims>(&token, kid(), &key(1), collector(), at).map(drop), expected);
    }

    #[test]
    fn a_good_token_gives_its_claims_back() {
        let token = sign(&claims(), kid(), &key(1)).unwrap();
        assert_eq!(key_id::<RequestClaims>(&token), Ok(kid()));
        assert_eq!(verify::<RequestClaims>(&token, kid(), &key(1), collector(), NOW), Ok(claims()));
    }

    #[test]
    fn times_are_judged_on_the_callers_clock() {
        check(&claims(), NOW.shifted(59_000_000), Ok(()));
        check(&claims(), NOW.shifted(60_000_000), Err(TokenError::Expired));
        check(&claims(), NOW.shifted(-61_000_000), Err(TokenError::ClockSkew));
        check(&RequestClaims { exp: NOW.seconds() + 61, ..claims() }, NOW, Err(TokenError::Life));
        check(&RequestClaims { nbf: NOW.seconds() + 61, ..claims() }, NOW, Err(TokenError::ClockSkew));
        check(&RequestClaims { exp: i64::MAX, iat: i64::MIN, ..claims() }, NOW, Err(TokenError::Life));
    }

    #[test]
    fn other_parties_keys_and_types_are_refused() {
        check(&RequestClaims { aud: CollectorId(Uuid::nil()), ..claims() }, NOW, Err(TokenError::Parties));
        check(&RequestClaims { sub: ProbeId(Uuid::nil()), ..claims() }, NOW, Err(TokenError::Parties));
        let token = sign(&claims(), kid(), &key(2)).unwrap();
        assert_eq!(verify::<RequestClaims>(&token, kid(), &key(1), collector(), NOW), Err(TokenError::Signature));
        assert_eq!(key_id::<BatchClaims>(&token), Err(TokenError::Type));
        let other = KeyId { day: Some(1), ..kid() };
        assert_eq!(verify::<RequestClaims>(&token, other, &key(2), collector(), NOW), Err(TokenError::Parties));
    }

    #[test]
    fn no_algorithm_but_hs256_is_taken() {
        let body = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap());
        for alg in ["none", "HS384", "RS256", "hs256"] {
            let header = format!(r#"{{"alg":"{alg}","typ":"{REQUEST_TYPE}","kid":"{}"}}"#, kid());
            let token = format!("{}.{body}.", BASE64_URL_SAFE_NO_PAD.encode(header));
            assert!(key_id::<RequestClaims>(&token).is_err(), "{alg}");
            assert!(verify::<RequestClaims>(&token, kid(), &key(1), collector(), NOW).is_err(), "{alg}");
        }
    }
}
