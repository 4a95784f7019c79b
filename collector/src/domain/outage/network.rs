//! A region whose own network is bad: its probes go on and carry no vote, and the operator is told once, and once more when
//! it is good.
//!
//! Both are told when they have lasted for a while, so that a self-check that wavers is not told each time. A region that is
//! silent says nothing of its network: it stays what it was.

use std::collections::BTreeMap;

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::draft::Draft;
use super::kind::NoticeKind;
use super::notice::tell;
use super::timing::NETWORK_TOLD_AFTER;
use super::vote::Vote;

/// What is known and what was told of a region's own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Whether it is bad.
    pub bad: bool,
    /// Since when it is what it is.
    pub since: Timestamp,
    /// Whether it was told to be bad, and not yet to be good.
    pub told: bool,
}

/// Tells what differs from what was told, when it has lasted.
pub(super) fn compare(draft: &mut Draft<'_>) {
    let mut known = std::mem::take(&mut draft.standing.memory.networks);
    let mut now: BTreeMap<Region, Network> = BTreeMap::new();
    let mut news = Vec::new();
    let as_of = draft.as_of();
    for ballot in &draft.ballots {
        let region = ballot.region().clone();
        let heard = ballot.facts.heard().is_some_and(|heard| draft.timing.is_fresh(heard, as_of));
        let before = known.remove(&region);
        let bad = if heard { ballot.vote == Vote::SelfCheckBad } else { before.is_some_and(|network| network.bad) };
        let told = before.is_some_and(|network| network.told);
        if !bad && !told {
            continue;
        }
        let since = before.filter(|network| network.bad == bad).map_or(as_of, |network| network.since);
        let mut network = Network { bad, since, told };
        if bad != told && as_of.since(since) >= NETWORK_TOLD_AFTER {
            network.told = bad;
            news.push(match bad {
                true => NoticeKind::RegionNetworkBad { region: region.clone(), since },
                false => NoticeKind::RegionNetworkGood { region: region.clone() },
            });
        }
        if network.bad || network.told {
            now.insert(region, network);
        }
    }
    let ends: Vec<_> = now.values().filter(|network| network.bad != network.told).map(|n| n.since).collect();
    draft.standing.memory.networks = now;
    ends.into_iter().for_each(|since| draft.wake_at(since + NETWORK_TOLD_AFTER));
    news.into_iter().for_each(|kind| tell(draft, kind, None));
}
