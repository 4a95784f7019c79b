//! Erases what was closed seven days ago, and again what a restored database has of what was erased before.
//!
//! In: closures that are due, and the ledger. Out: lines of the ledger, before anything goes; then `privacy::erase` for each.

use picket_shared::time::Timestamp;
use uuid::Uuid;

use crate::domain::ended::{Ended, Kind};
use crate::privacy::erase::{self, EraseError, Receipts};
use crate::privacy::ledger::{Ledger, LedgerError};
use crate::privacy::people::{self, PeopleError};
use crate::store::catalogue::Part;
use crate::store::erasures::{self, Due};
use crate::store::{Pools, StoreError};

/// What one run did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Accounts and organizations that were erased, and people without an account.
    pub erased: usize,
    /// Of these, what had been erased before and was there again.
    pub again: usize,
    /// Rows.
    pub rows: u64,
}

/// Why nothing, or not all, was erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// One erasure broke off; the next run goes on.
    #[error(transparent)]
    Erase(#[from] EraseError),
    /// Somebody without an account could not be erased again.
    #[error(transparent)]
    People(#[from] PeopleError),
}

/// Runs once; running it again changes nothing.
///
/// # Errors
/// When the ledger or the database fails; nothing goes that is not in the ledger.
pub async fn run(pools: &Pools, ledger: &Ledger, receipts: &Receipts, now: Timestamp) -> Result<Report, ErasureError> {
    let mut report = Report::default();
    let mut eraser = pools.eraser().await?;
    let due = erasures::begin_due(&mut eraser, now).await?;
    eraser.commit().await?;
    let entry = |due: &Due| Ended { kind: kind(due.part), subject: due.subject.to_string(), org: None, at: now };
    ledger.add(&due.iter().map(entry).collect::<Vec<_>>())?;
    for due in due {
        erase_one(pools, &due, receipts, &mut report, now).await?;
    }
    let again = replay(pools, ledger, receipts, now).await?;
    Ok(Report { erased: report.erased + again.erased, again: again.erased, rows: report.rows + again.rows })
}

/// Erases again what the ledger says is gone.
///
/// # Errors
/// When the ledger or the database fails.
pub async fn replay(
    pools: &Pools,
    ledger: &Ledger,
    receipts: &Receipts,
    now: Timestamp,
) -> Result<Report, ErasureError> {
    let (mut report, known) = (Report::default(), ledger.read()?);
    for part in [Part::Organization, Part::Account] {
        let erased = known.iter().filter(|ended| ended.kind == kind(part));
        let subjects: Vec<Uuid> = erased.filter_map(|ended| ended.subject.parse().ok()).collect();
        let mut eraser = pools.eraser().await?;
        let there = erasures::there_again(&mut eraser, part, &subjects, now).await?;
        eraser.commit().await?;
        for due in there {
            erase_one(pools, &due, receipts, &mut report, now).await?;
        }
    }
    let (erased, rows) = people::again(pools, ledger, receipts, now).await?;
    report.erased += erased;
    report.rows += rows;
    Ok(report)
}

async fn erase_one(
    pools: &Pools,
    due: &Due,
    receipts: &Receipts,
    report: &mut Report,
    now: Timestamp,
) -> Result<(), ErasureError> {
    let counts = erase::run(pools, due, receipts, now).await?;
    let rows: u64 = counts.values().sum();
    tracing::info!(
        erasure.subject = %due.subject, erasure.rows = rows,
        "Erased the {} {}: {rows} rows", due.part.as_str(), due.subject
    );
    report.erased += 1;
    report.rows += rows;
    Ok(())
}

const fn kind(part: Part) -> Kind {
    match part {
        Part::Account => Kind::ErasedAccount,
        Part::Organization => Kind::ErasedOrganization,
    }
}
