//! Which probe of a region runs which monitor.
//!
//! Rendezvous hashing: each monitor goes to the live probe with the highest score for it, so that a probe that comes or
//! goes moves only its own share.

use std::time::Duration;

use picket_shared::check::Kind;
use picket_shared::ids::{MonitorId, OrgId, ProbeId, Region};
use picket_shared::time::Timestamp;

/// How long a probe may run its monitors without being heard.
pub const LEASE: Duration = Duration::from_secs(30);
/// When a probe was not heard for so long, its monitors move: the lease has ended, whatever the clocks think.
pub const MOVED_AFTER: Duration = Duration::from_secs(45);

/// A recheck that nobody took for so long is of no use any more, and stands in the way of none.
pub const STALE_RECHECK: Duration = Duration::from_secs(60);

/// A probe that could run something.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which one.
    pub probe: ProbeId,
    /// Where it is.
    pub region: Region,
    /// Whether that is in the EU.
    pub in_eu: bool,
    /// The organization that it belongs to, if it is private.
    pub private_to: Option<OrgId>,
    /// The kinds of check that it can run.
    pub kinds: Vec<Kind>,
    /// When it was last heard.
    pub heard: Timestamp,
}

impl Candidate {
    /// Whether it may still be running what it was given.
    pub fn is_live(&self, as_of: Timestamp) -> bool {
        as_of.since(self.heard) <= MOVED_AFTER
    }

    fn may_run(&self, wanted: &Wanted, as_of: Timestamp) -> bool {
        self.region == wanted.region
            && self.is_live(as_of)
            && (self.in_eu || !wanted.eu_only)
            && self.private_to.is_none_or(|org| org == wanted.org)
            && self.kinds.contains(&wanted.kind)
    }
}

/// A monitor that is to run in a region.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which one.
    pub monitor: MonitorId,
    /// Whose it is.
    pub org: OrgId,
    /// What it asks.
    pub kind: Kind,
    /// Where it is to run.
    pub region: Region,
    /// It carries credentials that must not leave the EU.
    pub eu_only: bool,
}

/// The probe that runs it; `None` when no live probe of the region may.
pub fn owner(wanted: &Wanted, candidates: &[Candidate], as_of: Timestamp) -> Option<ProbeId> {
    let able = candidates.iter().filter(|candidate| candidate.may_run(wanted, as_of));
    able.map(|candidate| candidate.probe).max_by_key(|probe| (score(wanted.monitor, *probe), *probe))
}

/// FNV-1a (64 bit) over both ids, finished by MurmurHash3's mixer so that one changed byte changes every bit.
fn score(monitor: MonitorId, probe: ProbeId) -> u64 {
    let bytes = monitor.0.as_bytes().iter().chain(probe.0.as_bytes());
    let mut hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn probe(n: u128) -> Candidate {
        Candidate {
            probe: ProbeId(Uuid::from_u128(n)),
            region: "eu-1".parse().unwrap(),
            in_eu: true,
            private_to: None,
            kinds: Kind::ALL.to_vec(),
            heard: at(100),
        }
    }

    fn wanted(n: u128) -> Wanted {
        Wanted {
            monitor: MonitorId(Uuid::from_u128(n << 64)),
            org: OrgId(Uuid::from_u128(1)),
            kind: Kind::Http,
            region: "eu-1".parse().unwrap(),
            eu_only: false,
        }
    }

    #[test]
    fn monitors_spread_evenly_and_a_lost_probe_moves_only_its_own() {
        let probes: Vec<_> = (1..=4).map(probe).collect();
        let before: Vec<_> = (0..4000).map(|n| owner(&wanted(n), &probes, at(110))).collect();
        let after: Vec<_> = (0..4000).map(|n| owner(&wanted(n), &probes[1..], at(110))).collect();
        for candidate in &probes {
            let share = before.iter().filter(|owner| **owner == Some(candidate.probe)).count();
            assert!((850..1150).contains(&share), "{share}");
        }
        let lost = Some(probes[0].probe);
        assert!(before.iter().zip(&after).all(|(before, after)| before == after || *before == lost));
    }

    #[test]
    fn a_probe_keeps_its_monitors_for_45_seconds_of_silence() {
        assert!(owner(&wanted(1), &[probe(1)], at(145)).is_some());
        assert_eq!(owner(&wanted(1), &[probe(1)], at(146)), None);
    }

    #[test]
    fn region_residency_ownership_and_kind_are_respected() {
        let abroad = Candidate { in_eu: false, ..probe(1) };
        let foreign = Candidate { private_to: Some(OrgId(Uuid::from_u128(9))), ..probe(2) };
        let elsewhere = Candidate { region: "us-1".parse().unwrap(), ..probe(3) };
        let simple = Candidate { kinds: vec![Kind::Tcp], ..probe(4) };
        let eu_only = Wanted { eu_only: true, ..wanted(1) };
        assert_eq!(owner(&eu_only, std::slice::from_ref(&abroad), at(110)), None);
        assert_eq!(owner(&wanted(1), &[foreign, elsewhere, simple], at(110)), None);
        assert_eq!(owner(&wanted(1), std::slice::from_ref(&abroad), at(110)), Some(abroad.probe));
    }
}
