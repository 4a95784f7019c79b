//! Holds a restored copy against the database that runs: what was acknowledged is there, and nothing later.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::Book;
use crate::domain::drill::{self, MARGIN};
use crate::store::read::drill as read;
use crate::store::{Pools, StoreError, Worker, clock};

/// Results of this time before the end are counted.
const COUNTED: Duration = Duration::from_secs(3600);

/// What the copy is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// What was acknowledged by then is in it.
    pub(super) by: Timestamp,
    /// Nothing later is; `None` when it was restored to the latest.
    pub(super) end: Option<Timestamp>,
}

/// Compares, and notes each step.
///
/// # Errors
/// When either database does not answer.
pub(super) async fn with_live(book: &mut Book, live: &Pools, copy: &Pools, bounds: Bounds) -> Result<(), StoreError> {
    let (mut live, mut copy) = (live.worker().await?, copy.worker().await?);
    let (known, held) = (read::beats(&mut live).await?, read::beats(&mut copy).await?);
    let compared = drill::beats(&known, &held, bounds.by, bounds.end);
    book.note(
        "beats",
        compared.map(|count| format!("{count} beats that were acknowledged by then are there, and none that is later")),
    );
    if stepped(&mut live, bounds.by).await? {
        let why = "the collector's clock is or was not its machine's since then: not compared";
        book.skip("audit log", why);
        book.skip("results", why);
        return Ok(());
    }
    let settled = bounds.by - MARGIN;
    let heads = read::heads(&mut live, settled).await?;
    let entries = read::entries(&mut copy, &heads).await?;
    let compared = drill::heads(&heads, &entries);
    book.note("audit log", compared.map(|count| format!("{count} chains are as long as they were then, and the same")));
    let from = settled - COUNTED;
    let later = bounds.end.map_or(Timestamp::from_micros(i64::MAX), |end| end + MARGIN);
    let ran = read::results(&mut live, from, settled, later).await?;
    let held = read::results(&mut copy, from, settled, later).await?;
    book.note("results", results(ran.within, held.within, held.later));
    Ok(())
}

/// Without a database that runs: only that nothing later is there.
///
/// # Errors
/// When the copy does not answer.
pub(super) async fn alone(book: &mut Book, copy: &Pools, end: Option<Timestamp>) -> Result<(), StoreError> {
    let mut copy = copy.worker().await?;
    let held = read::beats(&mut copy).await?;
    let last = held.last().map(|(_, at, _)| Timestamp::from_micros(*at).exact());
    let compared = drill::beats(&[], &held, Timestamp::from_micros(0), end);
    book.note(
        "beats",
        compared.map(|_| format!("{} beats are there, the last of {}", held.len(), last.unwrap_or_default())),
    );
    book.skip("audit log", "no collector runs here, against which it could be held");
    book.skip("results", "no collector runs here, against which they could be held");
    Ok(())
}

/// Retention may have removed some from the database that runs, never from the copy.
fn results(ran: i64, held: i64, later: i64) -> Result<String, String> {
    if held < ran {
        return Err(format!("of {ran} results of the hour before, {} are missing in the copy", ran - held));
    }
    if later > 0 {
        return Err(format!("{later} results and entries of the audit log in the copy are later"));
    }
    Ok(format!("{held} results of the hour before are there, and none that is later"))
}

/// Whether the times in the tables are of another clock than PostgreSQL's commits.
async fn stepped(live: &mut Worker, by: Timestamp) -> Result<bool, StoreError> {
    let row = clock::read(live).await?;
    Ok(row.is_some_and(|row| row.clock_held_us != 0 || row.clock_stepped_at.is_some_and(|at| at >= by.micros())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_may_hold_more_of_the_hour_and_never_less_or_later() {
        assert!(results(5, 5, 0).is_ok() && results(5, 6, 0).is_ok());
        assert!(results(5, 4, 0).unwrap_err().contains("1 are missing"));
        assert!(results(5, 5, 2).unwrap_err().contains("2 results"));
    }
}
