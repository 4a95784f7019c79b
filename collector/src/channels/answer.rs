//! What came of a message without a notice, as soon as it is known.

use std::time::Duration;

use picket_shared::ids::DeliveryId;
use picket_shared::time::Stopwatch;

use crate::store::deliveries::{self, Progress};
use crate::store::{OrgKey, Pools, StoreError};

/// So often the row is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until a delivery was tried or ended, `within` at most; `None` when it was not, which is what happens when no
/// collector runs. A page that must not wait reads [`deliveries::progress`] instead.
///
/// # Errors
/// When the database fails.
pub async fn answer(
    pools: &Pools,
    org: OrgKey,
    id: DeliveryId,
    within: Duration,
) -> Result<Option<Progress>, StoreError> {
    let watch = Stopwatch::start();
    loop {
        let mut scoped = pools.scoped(org).await?;
        let progress = deliveries::progress(&mut scoped, id).await?;
        scoped.commit().await?;
        match progress {
            Some(progress) if progress.attempts > 0 || progress.state != "pending" => return Ok(Some(progress)),
            _ if watch.elapsed() >= within => return Ok(None),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}
