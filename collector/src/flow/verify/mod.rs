//! From bytes to a [`VerifiedBatch`], which is built nowhere else. One control a file, in the order of the calls:
//!
//! 1. [`signature`]: who sends, signed with a key that is in force, not revoked, not superseded; before the body is read;
//! 2. [`freshness`]: not older than 72 hours;
//! 3. [`limits`]: how much and how often; the body as signed, decompressed and read within bounds;
//! 4. [`replay`]: the same batch again gets the same answer;
//! 5. [`entitlement`]: outcome by outcome, whether the probe may send it.
//!
//! [`manual`] reads the answer to a manual check, which is in no batch.

pub mod entitlement;
pub mod freshness;
pub mod limits;
pub mod manual;
pub mod replay;
pub mod signature;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use picket_shared::batch::{Batch, Receipt, Rejected};
use picket_shared::ids::{BatchId, CollectorId, MonitorId};
use picket_shared::signing::BatchClaims;
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

pub use entitlement::Judged;
pub use limits::Limits;
pub use manual::VerifiedManual;
pub use signature::{Caller, RequestFacts};

use crate::store::assignments::KnownRow;
use crate::store::probes::Standing;
use crate::store::{Intake, StoreError};
use crate::vault::Opener;

/// Why a request of a probe was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// By a rule that the probe can know.
    #[error("{}: {message}", code.as_str())]
    Rule {
        /// What the probe should act on.
        code: RefusalCode,
        /// What happened, for a person.
        message: String,
        /// When to come again.
        retry_after: Option<Duration>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret of ours cannot be opened.
    #[error("the secret of probe {0} cannot be opened: is its key missing from the key ring?")]
    Vault(picket_shared::ids::ProbeId),
    /// The key by which the credentials of a monitor are sealed is missing.
    #[error("the credentials of monitor {0} cannot be opened: their key is missing from the key ring")]
    Credentials(MonitorId),
}

impl Refused {
    /// By a rule, without a time to come again.
    pub fn rule(code: RefusalCode, message: impl Into<String>) -> Self {
        Self::Rule { code, message: message.into(), retry_after: None }
    }
}

/// What every verification needs to know about this collector.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The audience of every token.
    pub collector: CollectorId,
    /// Opens the secrets of probes.
    pub opener: Opener,
}

/// A batch whose sender is known; its body has not been read.
#[derive(Debug)]
pub struct Announced {
    caller: Caller,
    claims: BatchClaims,
    cut_at: Timestamp,
}

impl Announced {
    /// Who sends it.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What its token claims.
    pub fn claims(&self) -> &BatchClaims {
        &self.claims
    }

    /// Which batch.
    pub fn id(&self) -> BatchId {
        self.claims.jti
    }

    /// When it was cut, when it is too old to be taken.
    pub fn too_old(&self, now: Timestamp) -> Option<Timestamp> {
        freshness::is_too_old(self.cut_at, now).then_some(self.cut_at)
    }
}

/// A batch that is what its probe signed, within every bound, with each outcome judged. Only [`conclude`] makes one.
#[derive(Debug)]
pub struct VerifiedBatch {
    pub(super) caller: Caller,
    pub(super) claims: BatchClaims,
    pub(super) cut_at: Timestamp,
    pub(super) standing: Standing,
    pub(super) batch: Batch,
    pub(super) details: Vec<Option<String>>,
    pub(super) known: HashMap<MonitorId, KnownRow>,
    pub(super) rejected: Vec<Rejected>,
}

/// A body after verification.
#[derive(Debug)]
pub enum Opened {
    /// To be stored.
    New(Box<VerifiedBatch>),
    /// It was stored before; this was answered.
    Repeated(Receipt),
    /// Another body under an id that was used: to be refused, and written down.
    Conflict,
}

/// Verifies who sends a batch, before its body is read.
///
/// # Errors
/// The first thing that is wrong.
pub async fn announce(conn: &mut Intake, gate: &Gate, token: &str, now: Timestamp) -> Result<Announced, Refused> {
    let (caller, claims) = signature::batch(conn, gate, token, now).await?;
    announced(caller, claims, now)
}

/// A batch of a caller whose token was verified. Pure.
///
/// # Errors
/// When its id tells no time that can be.
pub fn announced(caller: Caller, claims: BatchClaims, now: Timestamp) -> Result<Announced, Refused> {
    let cut_at = freshness::cut_at(&claims, now)?;
    Ok(Announced { caller, claims, cut_at })
}

/// Reads the body within bounds; does not touch the database.
///
/// # Errors
/// When it is not what was signed, or cannot be read within bounds.
pub fn read(announced: &Announced, body: &Bytes) -> Result<Batch, Refused> {
    limits::same_body(&announced.claims.bh, body)?;
    limits::parse(&limits::decompress(body)?)
}

/// Finds out whether the batch is new, and which of its outcomes the probe may send. Its probe is locked from then on.
///
/// # Errors
/// When it must be refused as a whole.
pub async fn open(conn: &mut Intake, announced: Announced, batch: Batch, now: Timestamp) -> Result<Opened, Refused> {
    let Announced { caller, claims, cut_at } = &announced;
    let standing = replay::lock(conn, caller, claims).await?;
    match replay::seen(conn, caller, claims, *cut_at).await? {
        replay::Seen::Never => {}
        replay::Seen::Same(receipt) => return Ok(Opened::Repeated(receipt)),
        replay::Seen::Other => return Ok(Opened::Conflict),
    }
    let known = entitlement::known(conn, caller, &batch).await?;
    Ok(Opened::New(Box::new(conclude(announced, batch, standing, known, now))))
}

/// A batch that never came before, with each outcome judged. `known` are the monitors that it speaks of. Pure.
pub fn conclude(
    announced: Announced,
    batch: Batch,
    standing: Standing,
    known: HashMap<MonitorId, KnownRow>,
    now: Timestamp,
) -> VerifiedBatch {
    let Announced { caller, claims, cut_at } = announced;
    let Judged { known, details, rejected } = entitlement::judge(known, &caller, &batch, now);
    VerifiedBatch { caller, claims, cut_at, standing, batch, details, known, rejected }
}
