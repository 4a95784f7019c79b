//! Erases what was closed seven days ago, table by table in pieces (`store::erasures`): what breaks off goes on at the next run.
//!
//! In: a closure that is due, and is in the ledger already. Out: fewer rows, a receipt, and the mail that brings it.

use std::collections::BTreeMap;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::mail::{self, GIVE_UP, MailError};
use crate::domain::account_mail::About;
use crate::store::audit::{self, Author};
use crate::store::catalogue::Part;
use crate::store::erasures::{self, Due, Step, Whose};
use crate::store::{Eraser, Pools, StoreError};
use crate::vault::Sealer;

/// Why it broke off.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The receipt could not be put down.
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// How receipts are sent.
#[derive(Clone, Debug)]
pub struct Receipts {
    /// Seals what they say; none where no mail can be sent.
    pub sealer: Option<Sealer>,
    /// When the last backup is gone that is made now.
    pub copies_until: Option<Timestamp>,
}

/// Erases one.
///
/// # Errors
/// When the database fails; what was committed before stays done.
pub async fn run(
    pools: &Pools,
    due: &Due,
    receipts: &Receipts,
    now: Timestamp,
) -> Result<BTreeMap<String, u64>, EraseError> {
    let mut eraser = pools.eraser().await?;
    let plan = erasures::plan(&mut eraser, due.part).await?;
    let whose = Whose { part: due.part, key: due.key, names: erasures::names(&mut eraser, due).await? };
    drop(eraser);
    // What was closed itself goes last, with its closure: until then it is known whose rows these are.
    let (last, steps): (Vec<&Step>, Vec<&Step>) = plan.iter().partition(|step| is_last(step, due.part));
    let mut counts = BTreeMap::new();
    for step in steps {
        loop {
            let mut eraser = pools.eraser().await?;
            let done = erasures::piece(&mut eraser, step, &whose, due.closure).await?;
            eraser.commit().await?;
            if done == 0 {
                break;
            }
            *counts.entry(step.table.clone()).or_default() += done;
        }
    }
    let mut eraser = pools.eraser().await?;
    let to = erasures::addresses(&mut eraser, due).await?;
    let counts = erasures::finish(&mut eraser, due, &counts, (now, receipts.copies_until)).await?;
    for step in last {
        erasures::piece(&mut eraser, step, &whose, None).await?;
    }
    let by = Author::of_instance("collector");
    let action = if due.part == Part::Account { "user.erase" } else { "organization.erase" };
    audit::append(&mut eraser, &by.did(action, &due.subject.to_string(), json!({ "rows": counts }), now)).await?;
    for to in to {
        tell(&mut eraser, &to, due, (&counts, receipts), now).await?;
    }
    eraser.commit().await?;
    Ok(counts)
}

fn is_last(step: &Step, part: Part) -> bool {
    step.table == if part == Part::Account { "users" } else { "organizations" }
}

async fn tell(
    eraser: &mut Eraser,
    to: &str,
    due: &Due,
    (counts, receipts): (&BTreeMap<String, u64>, &Receipts),
    now: Timestamp,
) -> Result<(), EraseError> {
    let Some(sealer) = &receipts.sealer else { return Ok(()) };
    let about = About::Erased {
        at: now,
        organization: due.part == Part::Organization,
        counts: counts.iter().map(|(table, rows)| (table.clone(), *rows)).collect(),
        copies_until: receipts.copies_until,
    };
    mail::put(eraser, sealer, (None, to), &about, (now, GIVE_UP)).await?;
    Ok(())
}
