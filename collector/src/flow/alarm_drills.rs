//! Alarm drills begin each week where somebody wants that, and end when somebody acknowledges or nobody does for half an hour.

use picket_shared::time::Timestamp;

use crate::store::incidents::{self, drills};
use crate::store::{Pools, StoreError};

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Drills that began.
    pub begun: usize,
    /// Drills that ended.
    pub ended: usize,
}

/// Begins what is due, and ends what is over.
///
/// # Errors
/// When the database fails; what was committed stays.
pub async fn run(pools: &Pools, now: Timestamp) -> Result<Report, StoreError> {
    let mut worker = pools.worker().await?;
    let (due, over) = (drills::due(&mut worker, now).await?, drills::over(&mut worker, now).await?);
    drop(worker);
    for org in &due {
        let mut scoped = pools.scoped(*org).await?;
        drills::begin(&mut scoped, &[], true, now).await?;
        scoped.commit().await?;
    }
    for (org, id) in &over {
        let mut scoped = pools.scoped(*org).await?;
        if let Some(held) = incidents::hold(&mut scoped, *id).await? {
            incidents::resolve_by_hand(&mut scoped, &held, now).await?;
            scoped.commit().await?;
        }
    }
    Ok(Report { begun: due.len(), ended: over.len() })
}
