//! The same batch again: the same answer for the same body, a refusal for another.

use picket_shared::batch::Receipt;
use picket_shared::signing::BatchClaims;
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use super::{Caller, Refused};
use crate::store::probes::{self, Standing};
use crate::store::{Intake, StoreError, receipts};

/// Whether a batch came before.
#[derive(Debug)]
pub enum Seen {
    /// It did not.
    Never,
    /// It did, and was answered so.
    Same(Receipt),
    /// Its id did, with another body.
    Other,
}

/// Locks the probe, so that the same batch on two connections is stored once, and looks at its boot again.
///
/// # Errors
/// When the probe was superseded in between.
pub async fn lock(conn: &mut Intake, caller: &Caller, claims: &BatchClaims) -> Result<Standing, Refused> {
    still_stands(probes::lock(conn, caller.row.key).await?, claims)
}

/// Where the probe stands, if it still speaks in the boot of the batch.
///
/// # Errors
/// When it was superseded in between.
pub fn still_stands(standing: Option<Standing>, claims: &BatchClaims) -> Result<Standing, Refused> {
    match standing {
        Some(standing) if standing.boot == claims.boot => Ok(standing),
        _ => Err(Refused::rule(RefusalCode::Superseded, "a newer start of this probe has taken over")),
    }
}

/// Looks for the batch among those that were answered.
///
/// # Errors
/// When the database fails.
pub async fn seen(
    conn: &mut Intake,
    caller: &Caller,
    claims: &BatchClaims,
    cut_at: Timestamp,
) -> Result<Seen, StoreError> {
    Ok(compare(receipts::find(conn, caller.row.key, claims.jti, cut_at).await?, claims))
}

/// Compares a batch with what was answered under its id: hash of the body, and receipt.
pub fn compare(answered: Option<(String, Receipt)>, claims: &BatchClaims) -> Seen {
    match answered {
        None => Seen::Never,
        Some((hash, receipt)) if hash == claims.bh => Seen::Same(receipt),
        Some(_) => Seen::Other,
    }
}
