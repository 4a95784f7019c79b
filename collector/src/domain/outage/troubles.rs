//! What the checks of a simulated [`World`](super::world::World) meet, found in a time that does not grow with how much is
//! planned. Tests only.

use std::time::Duration;

use picket_shared::assignment::slot_after;
use picket_shared::time::Timestamp;

use super::world::{Plan, at, hash};

/// What one check meets, or how many met it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Met<T> {
    /// The target was down.
    pub(super) outages: T,
    /// The region could not reach it.
    pub(super) blips: T,
    /// The region's resolver was at fault, and the probe knew.
    pub(super) resolver: T,
    /// The name was not resolved, and the probe could not know why.
    pub(super) names: T,
    /// Packets were lost.
    pub(super) lost: T,
}

/// All that is planned.
pub(super) struct Troubles {
    outages: Ranges,
    blips: Vec<Ranges>,
    resolver: Vec<Ranges>,
    names: Vec<Ranges>,
    losses: Vec<Losses>,
}

impl Troubles {
    pub(super) fn new(plan: &Plan) -> Self {
        let of = |ranges: Vec<(usize, i64, i64)>| {
            let mine = |region| ranges.iter().filter(move |(r, ..)| *r == region).map(|(_, from, to)| (*from, *to));
            (0..plan.regions).map(|region| Ranges::new(mine(region))).collect::<Vec<_>>()
        };
        let dns =
            |known: bool| plan.dns.iter().filter(move |(.., k)| *k == known).map(|(r, from, to, _)| (*r, *from, *to));
        Self {
            outages: Ranges::new(plan.outages.iter().copied()),
            blips: of(plan.blips.clone()),
            resolver: of(dns(true).collect()),
            names: of(dns(false).collect()),
            losses: (0..plan.regions).map(|region| Losses::new(plan.seed, region as u64, plan.lost_ppm)).collect(),
        }
    }

    pub(super) fn at(&self, region: usize, time: Timestamp) -> Met<bool> {
        Met {
            outages: self.outages.covers(time),
            blips: self.blips[region].covers(time),
            resolver: self.resolver[region].covers(time),
            names: self.names[region].covers(time),
            lost: false,
        }
    }

    /// Whether the packets of the check of this slot are lost. To be asked in order of time.
    pub(super) fn loses_slot(&mut self, region: usize, slots: (u64, Duration), slot: Timestamp) -> bool {
        self.losses[region].loses(number(slots, slot))
    }

    /// The first slot from `slot` on, up to `horizon`, whose check meets something.
    pub(super) fn next_slot(
        &mut self,
        region: usize,
        (phase, interval): (u64, Duration),
        mut slot: Timestamp,
        horizon: Timestamp,
    ) -> Timestamp {
        let from = number((phase, interval), slot);
        let losses = &mut self.losses[region];
        losses.skip_to(from);
        let steps = u32::try_from(losses.next.saturating_sub(from)).unwrap_or(u32::MAX);
        let lost = slot + interval.saturating_mul(steps);
        let all = [&self.outages, &self.blips[region], &self.resolver[region], &self.names[region]];
        loop {
            if slot >= horizon || slot >= lost {
                return slot.min(lost);
            }
            if all.iter().any(|ranges| ranges.covers(slot)) {
                return slot;
            }
            let next = all.iter().filter_map(|ranges| ranges.next_after(slot)).min().unwrap_or(horizon);
            slot = slot_after(phase, interval, next.min(lost).min(horizon).shifted(-1));
        }
    }
}

fn number((phase, interval): (u64, Duration), slot: Timestamp) -> u64 {
    let phase = i64::try_from(phase).unwrap();
    u64::try_from((slot.micros() - phase) / i64::try_from(interval.as_micros()).unwrap()).unwrap()
}

/// Ranges of time in the order of their starts, with the latest end up to each.
struct Ranges {
    ranges: Vec<(Timestamp, Timestamp)>,
    latest: Vec<Timestamp>,
}

impl Ranges {
    fn new(seconds: impl Iterator<Item = (i64, i64)>) -> Self {
        let mut ranges: Vec<_> = seconds.map(|(from, to)| (at(from), at(to))).collect();
        ranges.sort_unstable();
        let mut end = at(0);
        let mut latest = Vec::with_capacity(ranges.len());
        for (_, to) in &ranges {
            end = end.max(*to);
            latest.push(end);
        }
        Self { ranges, latest }
    }

    fn covers(&self, time: Timestamp) -> bool {
        let mut begun = self.ranges.partition_point(|(from, _)| *from <= time);
        while begun > 0 && self.latest[begun - 1] > time {
            begun -= 1;
            if self.ranges[begun].1 > time {
                return true;
            }
        }
        false
    }

    fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        self.ranges.get(self.ranges.partition_point(|(from, _)| *from <= time)).map(|(from, _)| *from)
    }
}

/// Which slots are lost: the numbers between two are drawn, not each slot.
struct Losses {
    seed: u64,
    ppm: u64,
    drawn: u64,
    next: u64,
}

impl Losses {
    fn new(seed: u64, region: u64, ppm: u64) -> Self {
        Self { seed: hash(seed ^ 0x105e, region), ppm, drawn: 0, next: 0 }
    }

    fn loses(&mut self, slot: u64) -> bool {
        self.skip_to(slot);
        self.ppm > 0 && self.next == slot
    }

    fn skip_to(&mut self, slot: u64) {
        if self.ppm == 0 {
            self.next = u64::MAX;
        }
        if self.next == 0 {
            self.next = slot + self.draw();
        }
        while self.next < slot {
            self.next += 1 + self.draw();
        }
    }

    /// How many are not lost before the next one is.
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let uniform = (hash(self.seed, self.drawn) >> 11) as f64 / (1_u64 << 53) as f64;
        ((1.0 - uniform).ln() / (1.0 - self.ppm as f64 / 1e6).ln()) as u64
    }
}

#[test]
fn as_many_slots_are_lost_as_planned_and_skipping_finds_the_same() {
    let (mut each, mut jumps) = (Losses::new(1, 0, 50_000), Losses::new(1, 0, 50_000));
    let lost: Vec<u64> = (1000..101_000).filter(|slot| each.loses(*slot)).collect();
    assert!((4_700..5_300).contains(&lost.len()), "{}", lost.len());
    let mut found = Vec::new();
    jumps.skip_to(1000);
    while jumps.next < 101_000 {
        found.push(jumps.next);
        let next = jumps.next + 1;
        jumps.skip_to(next);
    }
    assert_eq!(found, lost);
}
