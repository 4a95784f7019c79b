//! Seals again by the newest key what older ones sealed, so that these are needed by backups and signatures alone.
//!
//! In: sealed values. Out: the same, sealed by the newest key. A value that changed meanwhile is left to the next run.

use picket_shared::secret::Sealed;

use crate::privacy::people::class;
use crate::store::sealed::{self, Place, Value};
use crate::store::{Conn, Pools, StoreError};
use crate::vault::{Class, Opener, Sealer, VaultError};

/// What one run did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Values that were sealed again.
    pub again: usize,
    /// Values that no key of the ring opens.
    pub stuck: usize,
}

/// Why it broke off.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cryptographic library.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Runs once over everything.
///
/// # Errors
/// When the database fails; what was committed before stays done.
pub async fn run(pools: &Pools, sealer: &Sealer, opener: &Opener) -> Result<Report, RotationError> {
    let (mut report, beginning) = (Report::default(), sealer.beginning());
    for place in Place::ALL {
        let mut after = 0;
        loop {
            let last = if place.is_of_auth() {
                let mut auth = pools.auth().await?;
                let last = piece(&mut auth, (place, after), &beginning, (sealer, opener), &mut report).await?;
                auth.commit().await?;
                last
            } else {
                let mut worker = pools.worker().await?;
                let last = piece(&mut worker, (place, after), &beginning, (sealer, opener), &mut report).await?;
                worker.commit().await?;
                last
            };
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
    }
    if report.stuck > 0 {
        tracing::error!(
            "{} sealed values are opened by no key of the ring: put back the keys that are missing",
            report.stuck
        );
    }
    Ok(report)
}

/// Some of them; gives the last row, or none when there were no more.
async fn piece(
    conn: &mut impl Conn,
    (place, after): (Place, i64),
    beginning: &[u8],
    (sealer, opener): (&Sealer, &Opener),
    report: &mut Report,
) -> Result<Option<i64>, RotationError> {
    let values = sealed::others(conn, place, beginning, after).await?;
    for value in &values {
        match again(value, class(place), sealer, opener)? {
            Some(new) => report.again += usize::from(sealed::put(conn, place, value, &new.0).await?),
            None => report.stuck += 1,
        }
    }
    Ok(values.last().map(|value| value.row))
}

fn again(value: &Value, class: Class, sealer: &Sealer, opener: &Opener) -> Result<Option<Sealed>, VaultError> {
    let context = value.context.as_bytes();
    match opener.open(class, context, &Sealed(value.sealed.clone())) {
        Ok(secret) => sealer.seal(class, context, secret.expose()).map(Some),
        Err(_) => Ok(None),
    }
}
