//! Chains of certificates that were found good, so that the next handshake with the same one need not verify it again. Pure.
//!
//! What is remembered is that these very certificates, in this order, vouch for this name under these roots. It holds
//! for an hour, and only while every one of them is in its time; that is looked at each time. The signature that a
//! server makes in a handshake is never remembered: it proves that the server has the key.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use picket_shared::outcome::Certificate;
use picket_shared::time::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName};

use super::certificate;

/// For so long a chain need not be verified again.
const HOLDS: Duration = Duration::from_secs(3600);
/// At most this many chains are remembered; others are verified each time.
const MOST: usize = 8192;
/// A full memory is searched for what has ended at most this often.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What a chain is remembered by: a hash of roots, name and every certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Verified {
    known: HashMap<Key, Entry>,
    swept: Timestamp,
}

#[derive(Debug)]
struct Entry {
    from: Timestamp,
    until: Timestamp,
    /// The facts of its first certificate, without the chain.
    facts: Certificate,
}

impl Key {
    /// Of a chain for a name under the roots of that number; `None` if the name is of a kind that is not known.
    pub(super) fn of(roots: u64, name: &ServerName<'_>, chain: &[CertificateDer<'_>]) -> Option<Self> {
        let mut hash = Context::new(&SHA256);
        let mut add = |bytes: &[u8]| {
            // Lengths first, so that no two chains read the same.
            hash.update(&bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        add(&roots.to_be_bytes());
        match name {
            ServerName::DnsName(name) => add(name.as_ref().as_bytes()),
            ServerName::IpAddress(address) => add(std::net::IpAddr::from(*address).to_string().as_bytes()),
            _ => return None,
        }
        chain.iter().for_each(|certificate| add(certificate));
        hash.finish().as_ref().try_into().ok().map(Self)
    }
}

impl Verified {
    /// The facts of the first certificate of a chain that is known to be good at `now`.
    pub(super) fn find(&self, key: &Key, now: Timestamp) -> Option<&Certificate> {
        self.known.get(key).filter(|entry| entry.from <= now && now < entry.until).map(|entry| &entry.facts)
    }

    /// Remembers a chain that was verified at `now`, if each of its certificates can be read.
    pub(super) fn remember(&mut self, key: Key, chain: &[CertificateDer<'_>], now: Timestamp) {
        if self.known.len() >= MOST && !self.known.contains_key(&key) {
            if now.since(self.swept) < SWEEP_EVERY {
                return;
            }
            self.swept = now;
            self.known.retain(|_, entry| now < entry.until);
            if self.known.len() >= MOST {
                return;
            }
        }
        let Some((not_before, not_after)) = certificate::common_validity(chain) else { return };
        let Some(facts) = certificate::facts(chain) else { return };
        let facts = Certificate { chain: Vec::new(), ..facts };
        // A certificate is good up to and with the second that it names.
        let until = (now + HOLDS).min(not_after + Duration::from_secs(1));
        self.known.insert(key, Entry { from: not_before.max(now - HOLDS), until, facts });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    /// A certificate of that name, good in these years.
    fn certificate(name: &str, from: i32, until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn name(text: &str) -> ServerName<'static> {
        ServerName::try_from(text.to_owned()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_chain_is_remembered_for_these_certificates_this_name_and_these_roots_only() {
        let (a, b) = (certificate("a.test", 2020, 2040), certificate("b.test", 2020, 2040));
        let key = |roots, of: &str, chain: &[&CertificateDer<'static>]| {
            let chain: Vec<_> = chain.iter().map(|it| (*it).clone()).collect();
            Key::of(roots, &name(of), &chain).unwrap()
        };
        let known = key(1, "a.test", &[&a, &b]);
        let mut memory = Verified::default();
        let now = at("2026-01-01T00:00:00Z");
        memory.remember(known, &[a.clone(), b.clone()], now);
        assert!(memory.find(&key(1, "a.test", &[&a, &b]), now).is_some());
        for other in [
            key(2, "a.test", &[&a, &b]),
            key(1, "b.test", &[&a, &b]),
            key(1, "192.0.2.1", &[&a, &b]),
            key(1, "a.test", &[&b, &a]),
            key(1, "a.test", &[&a]),
        ] {
            assert_eq!(memory.find(&other, now), None);
        }
    }

    #[test]
    fn it_is_forgotten_after_an_hour_and_when_the_first_certificate_of_the_chain_ends() {
        let hour = Duration::from_secs(3600);
        let chain = [certificate("a.test", 2020, 2040), certificate("ca.test", 2021, 2027)];
        let key = Key::of(1, &name("a.test"), &chain).unwrap();
        let mut memory = Verified::default();
        let now = at("2026-06-01T00:00:00Z");
        memory.remember(key, &chain, now);
        assert!(memory.find(&key, now + hour - Duration::from_secs(1)).is_some());
        assert_eq!(memory.find(&key, now + hour), None);
        let end = at("2027-01-01T00:00:00Z");
        let before_the_end = end - Duration::from_secs(600);
        memory.remember(key, &chain, before_the_end);
        assert!(memory.find(&key, end).is_some(), "the last second counts");
        assert_eq!(memory.find(&key, end + Duration::from_secs(1)), None);
        let start = at("2021-01-01T00:00:00Z");
        memory.remember(key, &chain, start);
        assert_eq!(memory.find(&key, start - Duration::from_secs(1)), None, "a clock may be set back");
    }

    #[test]
    fn the_memory_is_bounded_and_makes_room_for_new_chains_once_old_ones_have_ended() {
        let chain = [certificate("a.test", 2020, 2040)];
        let key = |n: u64| Key::of(n, &name("a.test"), &chain).unwrap();
        let mut memory = Verified::default();
        let now = at("2026-06-01T00:00:00Z");
        (0..=MOST as u64).for_each(|n| memory.remember(key(n), &chain, now));
        assert_eq!((memory.known.len(), memory.find(&key(MOST as u64), now)), (MOST, None));
        let later = now + HOLDS;
        memory.remember(key(MOST as u64), &chain, later);
        assert_eq!(memory.known.len(), 1);
        assert!(memory.find(&key(MOST as u64), later).is_some());
    }
}
