//! The age of a batch, by the time in its id: older than 72 hours is refused and becomes a gap.

use std::time::Duration;

use picket_shared::batch::MAX_AGE;
use picket_shared::signing::BatchClaims;
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use super::Refused;

/// How far ahead of the collector's clock a time may lie.
pub const AHEAD: Duration = Duration::from_secs(60);

/// When the batch was cut.
///
/// # Errors
/// When its id tells no time, or one that is to come.
pub fn cut_at(claims: &BatchClaims, now: Timestamp) -> Result<Timestamp, Refused> {
    match claims.jti.cut_at() {
        Some(cut_at) if cut_at > now + AHEAD => {
            Err(Refused::rule(RefusalCode::ClockSkew, "the batch was cut at a time that is to come"))
        }
        Some(cut_at) => Ok(cut_at),
        None => Err(Refused::rule(RefusalCode::BadToken, "the batch's id is no UUIDv7")),
    }
}

/// Whether it is refused for its age.
pub fn is_too_old(cut_at: Timestamp, now: Timestamp) -> bool {
    now.since(cut_at) > MAX_AGE
}
