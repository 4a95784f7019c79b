//! The correlated-failure guard: when many unrelated monitors fail at once in one region, the region is the suspect.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use picket_shared::ids::{MonitorId, Region};
use picket_shared::time::Timestamp;

/// Failures that began within this time are taken as one event.
pub const WITHIN: Duration = Duration::from_secs(60);
/// How long a region's failures are withheld at most, from the first of them that was noticed.
pub const HOLD: Duration = Duration::from_secs(90);
/// More than this share of a region's targets ...
pub const SHARE_PERCENT: usize = 30;
/// ... and more than this many of them make a correlated failure.
pub const LEAST: usize = 5;

/// One monitor that runs in a region.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Which one.
    pub monitor: MonitorId,
    /// Where it runs.
    pub region: Region,
    /// The registrable domain (or address) of its target.
    pub host: String,
    /// The network that the target is in.
    pub network: String,
    /// When it turned from good to failing here; `None` while it does not fail.
    pub failing_since: Option<Timestamp>,
}

/// A region whose failures are withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Where.
    pub region: Region,
    /// Until when.
    pub until: Timestamp,
    /// How many different targets turned to failing there.
    pub failing: usize,
    /// Of how many.
    pub of: usize,
}

/// Which regions to hold at `as_of`. `holds` are those that stand or stood: the same event never holds a region twice,
/// so that a hold delays an alarm by [`HOLD`] at most.
pub fn holds(watched: &[Watched], holds: &BTreeMap<Region, Timestamp>, as_of: Timestamp) -> Vec<Hold> {
    let mut regions: BTreeMap<&Region, Vec<&Watched>> = BTreeMap::new();
    for one in watched {
        regions.entry(&one.region).or_default().push(one);
    }
    let judged = regions.into_iter().filter_map(|(region, there)| hold(region, &there, holds.get(region), as_of));
    judged.collect()
}

fn hold(region: &Region, there: &[&Watched], last: Option<&Timestamp>, as_of: Timestamp) -> Option<Hold> {
    let recent = |since: Timestamp| since <= as_of && as_of.since(since) <= WITHIN;
    // What began before or in the last hold was held for its time already.
    let new = |since: Timestamp| last.is_none_or(|until| since > *until);
    let turned = there.iter().filter(|w| w.failing_since.is_some_and(|since| recent(since) && new(since)));
    let failing = distinct(turned);
    let of = distinct(there.iter());
    let is_shared = failing > LEAST && failing * 100 > of * SHARE_PERCENT;
    is_shared.then(|| Hold { region: region.clone(), until: as_of + HOLD, failing, of })
}

/// How many independent targets there are: different hosts in different networks, whichever is fewer.
fn distinct<'a>(watched: impl Iterator<Item = &'a &'a Watched> + Clone) -> usize {
    let hosts: BTreeSet<_> = watched.clone().map(|w| &w.host).collect();
    let networks: BTreeSet<_> = watched.map(|w| &w.network).collect();
    hosts.len().min(networks.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn region() -> Region {
        "us-east".parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + second)
    }

    fn watched(failing: usize, of: usize, same_network: bool) -> Vec<Watched> {
        let one = |i: usize| Watched {
            monitor: MonitorId(Uuid::from_u128(i as u128)),
            region: region(),
            host: format!("site{i}.example"),
            network: if same_network { "AS1".into() } else { format!("AS{i}") },
            failing_since: (i < failing).then(|| at(0)),
        };
        (0..of).map(one).collect()
    }

    #[test]
    fn many_unrelated_failures_at_once_hold_the_region_for_90_seconds() {
        let found = holds(&watched(6, 15, false), &BTreeMap::new(), at(10));
        assert_eq!(found, [Hold { region: region(), until: at(100), failing: 6, of: 15 }]);
    }

    #[test]
    fn five_or_thirty_percent_or_one_network_hold_nothing() {
        for (failing, of, same_network) in [(5, 5, false), (6, 20, false), (10, 12, true)] {
            assert_eq!(holds(&watched(failing, of, same_network), &BTreeMap::new(), at(10)), []);
        }
    }

    #[test]
    fn failures_that_began_long_ago_hold_nothing() {
        assert_eq!(holds(&watched(10, 10, false), &BTreeMap::new(), at(61)), []);
    }

    #[test]
    fn the_same_failures_hold_a_region_once() {
        let stands = BTreeMap::from([(region(), at(100))]);
        assert_eq!(holds(&watched(10, 10, false), &stands, at(20)), []);
    }
}
