//! What must hold of verdicts: an incident ends with a good check, down and up are told by turns, and the sums of the spans
//! are the time that has passed.

use std::collections::HashMap;

use picket_collector::domain::outage::{Notice, NoticeKind, Verdict};
use picket_collector::domain::uptime;
use picket_shared::time::Timestamp;

use super::ledger::seconds;
use super::tables::{Monitor, Stored, Tables};

/// An incident ends when a region truly saw the target good since.
pub(crate) fn may_resolve(monitor: usize, at: Timestamp, tables: &Tables) -> Result<(), String> {
    let good = |row: &Stored| row.status.is_good() && row.last.max(row.began) >= at;
    if tables.monitors[monitor].results.iter().flatten().any(good) {
        return Ok(());
    }
    Err(format!("the incident of monitor {monitor} was resolved at {:.3} s and nobody saw it good", seconds(at)))
}

/// Down and up are told by turns.
pub(crate) fn alternate(monitor: usize, notices: &[Notice]) -> Result<(), String> {
    let mut down = false;
    for notice in notices {
        match notice.kind {
            NoticeKind::Down if down => return Err(format!("monitor {monitor} was told as down twice")),
            NoticeKind::Up { .. } if !down => return Err(format!("monitor {monitor} was told as up and was not down")),
            NoticeKind::Down => down = true,
            NoticeKind::Up { .. } => down = false,
            _ => {}
        }
    }
    Ok(())
}

/// Up, down, unknown and maintenance add up to the time since the monitor was made.
pub(crate) fn sums(index: usize, monitor: &Monitor, now: Timestamp) -> Result<(), String> {
    let mut own = HashMap::new();
    let mut add = |verdict: Verdict, us: i64| *own.entry(verdict).or_insert(0) += us;
    let mut from = (monitor.created_at, Verdict::Unknown);
    for span in &monitor.spans {
        let start = span.start.min(now).max(monitor.created_at);
        if span.start < from.0 {
            return Err(format!("the spans of monitor {index} run backwards"));
        }
        add(from.1, start.micros_since(from.0));
        from = (start, span.verdict);
    }
    add(from.1, now.micros_since(from.0));
    let sums = uptime::of_monitor(&monitor.spans, monitor.created_at, now);
    let of = |verdict| own.get(&verdict).copied().unwrap_or(0);
    let wall = now.micros_since(monitor.created_at);
    let expected =
        (of(Verdict::Up), of(Verdict::Down), of(Verdict::Unknown) + of(Verdict::Pending), of(Verdict::Maintenance));
    if (sums.up_us, sums.down_us, sums.unknown_us, sums.maintenance_us) != expected || sums.total_us() != wall {
        return Err(format!("the sums of monitor {index} are {sums:?} of {wall} us, and should be {expected:?}"));
    }
    Ok(())
}
