//! Manual checks: how many may be asked for, whether a region can run one, and whether credentials that are kept may
//! go along.

use std::fmt;

use picket_shared::check::{CheckSpec, Kind};
use picket_shared::time::Timestamp;
use url::Url;

use super::gap::SILENT_AFTER;

/// Most that one organization may have under way in one region: a probe runs twice as many at once, so that no
/// organization keeps the others waiting.
pub const MOST_IN_REGION: i64 = 4;
/// Most that one organization may have under way in all regions before it asks for more.
pub const MOST_UNDER_WAY: i64 = 20;
/// How often one organization may ask in a minute, for any number of regions.
pub const MOST_A_MINUTE: i64 = 30;

/// A probe of a region, as far as a manual check needs it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The kinds of check that it knows.
    pub kinds: Vec<Kind>,
    /// It runs manual checks.
    pub takes_manual: bool,
    /// When it was last heard.
    pub heard: Timestamp,
}

/// Why a region cannot run a manual check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unable {
    /// It must stay in the EU, and the region lies outside.
    OutsideEu,
    /// The region has no probe.
    NoProbe,
    /// No probe of the region was heard of late.
    Silent,
    /// Its probes are of a version from before manual checks.
    Outdated,
    /// Its probes do not know this kind of check.
    UnknownKind,
    /// What was stored cannot be opened or read.
    Unreadable,
}

impl Unable {
    const ALL: [Self; 6] =
        [Self::OutsideEu, Self::NoProbe, Self::Silent, Self::Outdated, Self::UnknownKind, Self::Unreadable];

    /// Its name in tables and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutsideEu => "outside_eu",
            Self::NoProbe => "no_probe",
            Self::Silent => "silent",
            Self::Outdated => "outdated",
            Self::UnknownKind => "unknown_kind",
            Self::Unreadable => "unreadable",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unable| unable.as_str() == name)
    }
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutsideEu => {
                "the region lies outside the EU, and this check must stay inside: choose another region, or allow it \
                 outside the EU"
            }
            Self::NoProbe => "the region has no probe: add one with `picket-collector probe add`",
            Self::Silent => "no probe of the region was heard in the last 45 s: see whether it runs",
            Self::Outdated => "the probes of the region are too old to run manual checks: upgrade them",
            Self::UnknownKind => "the probes of the region do not know this kind of check: upgrade them",
            Self::Unreadable => "its credentials cannot be opened: the collector's log says more",
        })
    }
}

/// Why a region cannot run a manual check of this kind now; `None` when it can. `peers` are its probes, but for those
/// that are revoked and those of other organizations.
pub fn unable(kind: Kind, (eu, eu_only): (bool, bool), peers: &[Peer], as_of: Timestamp) -> Option<Unable> {
    let alive = |peer: &&Peer| as_of.since(peer.heard) <= SILENT_AFTER;
    let takes = |peer: &&Peer| alive(peer) && peer.takes_manual;
    if eu_only && !eu {
        Some(Unable::OutsideEu)
    } else if peers.is_empty() {
        Some(Unable::NoProbe)
    } else if !peers.iter().any(|peer| alive(&peer)) {
        Some(Unable::Silent)
    } else if !peers.iter().any(|peer| takes(&peer)) {
        Some(Unable::Outdated)
    } else if !peers.iter().any(|peer| takes(&peer) && peer.kinds.contains(&kind)) {
        Some(Unable::UnknownKind)
    } else {
        None
    }
}

/// Whether credentials that are kept for `kept` may go along with `new`: only at the very scheme, host and port that they
/// were given for, and with certificates verified no less.
pub fn same_place(kept: &CheckSpec, new: &CheckSpec) -> bool {
    let (CheckSpec::Http(kept), CheckSpec::Http(new)) = (kept, new) else { return false };
    let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
    let as_trusted =
        new.verify == kept.verify && new.extra_ca == kept.extra_ca || new.verify.is_on() && new.extra_ca.is_none();
    as_trusted && origin(&kept.url).is_some_and(|kept| origin(&new.url) == Some(kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::check::{HttpSpec, TcpSpec, Verify};

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn peer(heard: i64, takes_manual: bool, kinds: &[Kind]) -> Peer {
        Peer { kinds: kinds.to_vec(), takes_manual, heard: Timestamp::from_seconds(heard) }
    }

    #[test]
    fn a_region_says_at_once_why_it_cannot() {
        let http = |eu, eu_only, peers: &[Peer]| unable(Kind::Http, (eu, eu_only), peers, NOW);
        let good = peer(955, true, &[Kind::Http]);
        let cases = [
            (http(true, true, std::slice::from_ref(&good)), None),
            (http(false, false, std::slice::from_ref(&good)), None),
            (http(false, true, std::slice::from_ref(&good)), Some(Unable::OutsideEu)),
            (http(true, false, &[]), Some(Unable::NoProbe)),
            (http(true, false, &[peer(954, true, &[Kind::Http])]), Some(Unable::Silent)),
            (http(true, false, &[peer(999, false, &[Kind::Http])]), Some(Unable::Outdated)),
            (http(true, false, &[peer(999, true, &[Kind::Dns])]), Some(Unable::UnknownKind)),
            // Each of them lacks something else.
            (http(true, false, &[peer(1, true, &[Kind::Http]), peer(999, true, &[])]), Some(Unable::UnknownKind)),
            (
                http(true, false, &[peer(999, false, &[Kind::Http]), peer(1, true, &[Kind::Http])]),
                Some(Unable::Outdated),
            ),
        ];
        for (index, (found, expected)) in cases.into_iter().enumerate() {
            assert_eq!(found, expected, "case {index}");
            assert_eq!(expected.and_then(|unable| Unable::named(unable.as_str())), expected);
        }
    }

    #[test]
    fn kept_credentials_go_nowhere_but_where_they_were_given_for() {
        let http = |url: &str| CheckSpec::Http(HttpSpec::get(url));
        let kept = http("https://shop.example/login");
        for same in ["https://shop.example/other?x=1", "https://shop.example:443/", "https://SHOP.example/"] {
            assert!(same_place(&kept, &http(same)), "{same}");
        }
        for other in [
            "http://shop.example/login",
            "https://shop.example:8443/",
            "https://evil.example/",
            "https://shop.example.evil.example/",
            "https://shop.example@evil.example/",
            "no url",
        ] {
            assert!(!same_place(&kept, &http(other)), "{other}");
        }
        let tcp = CheckSpec::Tcp(TcpSpec { host: "shop.example".to_owned(), port: 443 });
        assert!(!same_place(&kept, &tcp) && !same_place(&tcp, &kept) && !same_place(&http("no url"), &http("no url")));
        let trusting = |verify, extra_ca: Option<&str>| {
            let mut spec = HttpSpec::get("https://shop.example/");
            (spec.verify, spec.extra_ca) = (verify, extra_ca.map(str::to_owned));
            CheckSpec::Http(spec)
        };
        assert!(!same_place(&kept, &trusting(Verify::Off, None)), "anybody could pose as the shop");
        assert!(!same_place(&kept, &trusting(Verify::On, Some("PEM"))));
        assert!(same_place(&trusting(Verify::Off, None), &trusting(Verify::Off, None)));
        assert!(same_place(&trusting(Verify::Off, None), &kept), "stricter is always right");
    }
}
