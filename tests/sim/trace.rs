//! What happened: counted for all runs, and the last of it kept for the one that fails.

use std::collections::VecDeque;
use std::fmt;
use std::ops::AddAssign;

/// How many events a failure prints; `PICKET_EVENTS` asks for more.
const KEPT: usize = 40;

/// Counts over many runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) schedules: u64,
    pub(crate) on_the_wire: u64,
    pub(crate) outcomes: u64,
    pub(crate) batches: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    pub(crate) given_up: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) delayed: u64,
    pub(crate) partitions: u64,
    pub(crate) probe_crashes: u64,
    pub(crate) collector_crashes: u64,
    pub(crate) clock_jumps: u64,
    pub(crate) freezes: u64,
    pub(crate) blips: u64,
    pub(crate) refusals: u64,
    pub(crate) revocations: u64,
    pub(crate) keys_granted: u64,
    pub(crate) slots: u64,
    pub(crate) slots_offline: u64,
    pub(crate) slots_collector_down: u64,
    pub(crate) slots_not_scheduled: u64,
    pub(crate) slots_overflown: u64,
    pub(crate) slots_clock_set: u64,
    pub(crate) slots_given_up: u64,
    pub(crate) judged: u64,
    pub(crate) incidents: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        let pairs = self.numbers_mut().into_iter().zip(other.numbers());
        pairs.for_each(|((_, mine), (_, other))| *mine += other);
    }
}

macro_rules! numbers {
    ($($field:ident),+) => {
        impl Figures {
            fn numbers(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field)),+]
            }

            fn numbers_mut(&mut self) -> Vec<(&'static str, &mut u64)> {
                vec![$((stringify!($field), &mut self.$field)),+]
            }
        }
    };
}

numbers!(
    schedules,
    on_the_wire,
    outcomes,
    batches,
    repeated,
    rejected,
    given_up,
    lost,
    doubled,
    delayed,
    partitions,
    probe_crashes,
    collector_crashes,
    clock_jumps,
    freezes,
    blips,
    refusals,
    revocations,
    keys_granted,
    slots,
    slots_offline,
    slots_collector_down,
    slots_not_scheduled,
    slots_overflown,
    slots_clock_set,
    slots_given_up,
    judged,
    incidents
);

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.numbers().into_iter().map(|(name, n)| format!("{n} {}", name.replace('_', " ")));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// The last events of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    last: VecDeque<(i64, Note)>,
    kept: usize,
    /// Of all events, so that two runs can be compared.
    pub(crate) digest: u64,
}

/// Something that happened; `probe` is also the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Fault(usize, bool),
    Started { probe: usize },
    Hello { probe: usize },
    Assigned { probe: usize, monitors: usize },
    Checked { probe: usize, monitor: usize, at: i64, good: bool, why: char },
    Cut { probe: usize, seq: u64 },
    Stored { probe: usize, seq: u64, through: i64 },
    Repeated { probe: usize, seq: u64 },
    Refused { probe: usize, code: &'static str },
    Lost { probe: usize, up: bool },
    Receipt { probe: usize, seq: u64 },
    GivenUp { probe: usize, seq: u64 },
    Stopped { probe: usize },
    Silent { probe: usize },
    Crashed,
    Up,
    Judged { monitor: usize, state: &'static str },
    Opened { monitor: usize, started_at: i64 },
    Resolved { monitor: usize },
    Told { monitor: usize, kind: &'static str },
}

impl Trace {
    pub(crate) fn new() -> Self {
        let kept = std::env::var("PICKET_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(KEPT);
        Self { last: VecDeque::with_capacity(KEPT), kept, digest: 0xcbf2_9ce4_8422_2325 }
    }

    pub(crate) fn note(&mut self, time: i64, note: Note) {
        if self.last.len() >= self.kept {
            self.last.pop_front();
        }
        self.last.push_back((time, note));
        self.digest = (self.digest ^ time.cast_unsigned()).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (time, note) in &self.last {
            let (s, ms) = (time.div_euclid(1_000_000), time.rem_euclid(1_000_000) / 1000);
            writeln!(f, "  {s:>6}.{ms:03} {note:?}")?;
        }
        Ok(())
    }
}
