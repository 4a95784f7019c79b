//! Tokens: who this probe is, proved anew for every request. Keys are derived here and never leave.

use std::sync::{PoisonError, RwLock};

use picket_shared::daykeys::{self, DayKeyGrant, KeyId};
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{BatchId, BootId, CollectorId, ProbeId};
use picket_shared::secret::SecretBytes;
use picket_shared::signing::{self, BatchClaims, RequestClaims};
use picket_shared::time::Timestamp;
use picket_shared::wire::REQUEST_TOKEN_SECONDS;
use uuid::Uuid;

/// Signs as one probe, in one boot of it.
#[derive(Debug)]
pub struct Signer {
    probe: ProbeId,
    collector: CollectorId,
    boot: BootId,
    secret: SecretBytes,
    grants: RwLock<Vec<DayKeyGrant>>,
}

/// Why nothing could be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No day key holds now: fetch keys.
    #[error("no day key holds at this time")]
    NoDayKey,
    /// Secret or nonce are not of the right form.
    #[error("the key material is damaged: enrol this probe anew with `picket-collector probe add`")]
    Material,
}

impl Signer {
    /// For the probe that `token` names.
    pub fn new(token: &EnrolmentToken, boot: BootId) -> Self {
        Self {
            probe: token.probe,
            collector: token.collector,
            boot,
            secret: token.secret.clone(),
            grants: RwLock::new(Vec::new()),
        }
    }

    /// This start of the probe.
    pub fn boot(&self) -> BootId {
        self.boot
    }

    /// Which collector the tokens are for.
    pub fn collector(&self) -> CollectorId {
        self.collector
    }

    /// Replaces the day keys.
    pub fn set_keys(&self, grants: Vec<DayKeyGrant>) {
        *self.grants.write().unwrap_or_else(PoisonError::into_inner) = grants;
    }

    /// Whether keys should be fetched.
    pub fn wants_keys(&self, now: Timestamp) -> bool {
        daykeys::wants_refresh(&self.grants.read().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// The token of any request but a batch; the path is without the query.
    ///
    /// # Errors
    /// When the secret is damaged.
    pub fn request(&self, method: &str, path: &str, body: &[u8], now: Timestamp) -> Result<String, SignError> {
        let key = daykeys::request_key(&self.secret, self.probe).map_err(|_| SignError::Material)?;
        let claims = self.request_claims(method, path, body, now);
        signing::sign(&claims, KeyId { probe: self.probe, day: None }, &key).map_err(|_| SignError::Material)
    }

    /// What the token of any request but a batch claims.
    pub fn request_claims(&self, method: &str, path: &str, body: &[u8], now: Timestamp) -> RequestClaims {
        let iat = now.seconds();
        RequestClaims {
            iss: self.probe,
            sub: self.probe,
            aud: self.collector,
            iat,
            nbf: iat,
            exp: iat + REQUEST_TOKEN_SECONDS,
            jti: Uuid::new_v4(),
            boot: self.boot,
            method: method.to_owned(),
            path: path.to_owned(),
            bh: signing::body_hash(body),
        }
    }

    /// The token of a batch, with the day key of `now`; `jti`, `seq` and `bh` are the batch's own and never change.
    ///
    /// # Errors
    /// When no day key holds, or the secret is damaged.
    pub fn batch(&self, jti: BatchId, seq: u64, bh: &str, now: Timestamp) -> Result<String, SignError> {
        let (grant, claims) = self.batch_claims(jti, seq, bh, now)?;
        let key = daykeys::day_key(&self.secret, self.probe, &grant).map_err(|_| SignError::Material)?;
        let kid = KeyId { probe: self.probe, day: Some(grant.number) };
        signing::sign(&claims, kid, &key).map_err(|_| SignError::Material)
    }

    /// What the token of a batch claims, and what the key is derived from that signs it.
    ///
    /// # Errors
    /// When no day key holds.
    pub fn batch_claims(
        &self,
        jti: BatchId,
        seq: u64,
        bh: &str,
        now: Timestamp,
    ) -> Result<(DayKeyGrant, BatchClaims), SignError> {
        let grant = {
            let grants = self.grants.read().unwrap_or_else(PoisonError::into_inner);
            daykeys::current(&grants, now).cloned().ok_or(SignError::NoDayKey)?
        };
        let iat = now.seconds();
        let claims = BatchClaims {
            iss: self.probe,
            sub: self.probe,
            aud: self.collector,
            iat,
            nbf: iat,
            exp: grant.not_after.seconds().min(iat + <BatchClaims as signing::Claims>::MAX_LIFE).max(iat + 1),
            jti,
            boot: self.boot,
            seq,
            bh: bh.to_owned(),
        };
        Ok((grant, claims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::secret::Secret;
    use picket_shared::signing::{key_id, verify};

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn token() -> EnrolmentToken {
        EnrolmentToken {
            probe: ProbeId(Uuid::from_u128(1)),
            collector: CollectorId(Uuid::from_u128(2)),
            secret: Secret::new(vec![7; 32]),
            url: None,
            pin: None,
        }
    }

    #[test]
    fn a_batch_needs_a_day_key_and_is_signed_with_the_newest() {
        let signer = Signer::new(&token(), BootId(Uuid::from_u128(3)));
        let id = BatchId::at(NOW);
        assert_eq!(signer.batch(id, 1, "00", NOW), Err(SignError::NoDayKey));
        assert!(signer.wants_keys(NOW));
        let grant = |number, from: i64| DayKeyGrant {
            number,
            nonce: daykeys::hex(&[9; 32]),
            not_before: NOW.shifted(from),
            not_after: NOW.shifted(from + 86_400_000_000),
        };
        signer.set_keys(vec![grant(1, -80_000_000_000), grant(2, -1), grant(3, 1_000_000)]);
        let text = signer.batch(id, 1, "00", NOW).unwrap();
        assert_eq!(key_id::<BatchClaims>(&text).unwrap().day, Some(2));
        let key = daykeys::day_key(&token().secret, token().probe, &grant(2, -1)).unwrap();
        let kid = KeyId { probe: token().probe, day: Some(2) };
        let claims = verify::<BatchClaims>(&text, kid, &key, token().collector, NOW).unwrap();
        assert_eq!((claims.jti, claims.seq, claims.boot), (id, 1, signer.boot()));
        assert!(!signer.wants_keys(NOW));
    }
}
