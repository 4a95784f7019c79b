//! The answer to a manual check into its row, once. It is in no batch and belongs to no monitor: nothing of it is judged.

use picket_shared::manual::ManualReceipt;
use picket_shared::time::Timestamp;

use crate::flow::verify::VerifiedManual;
use crate::store::{Intake, StoreError, manual_checks};

/// Stores an answer, if its probe was asked, somebody still waits, and nobody has answered.
///
/// # Errors
/// When the database fails.
pub async fn store(conn: &mut Intake, verified: VerifiedManual, now: Timestamp) -> Result<ManualReceipt, StoreError> {
    let id = verified.id;
    let rejected = match verified.outcome {
        Ok(outcome) => manual_checks::answer(conn, id, verified.source, &outcome, now).await?,
        Err(reason) => Some(reason),
    };
    Ok(ManualReceipt { id, rejected })
}
