//! Guessing is slow: after some failures for an account or from an address, the next try has to wait. In memory: a
//! restart forgives.
//!
//! The waiting is for who asks, not a lock: it ends by itself, and doubles from 1 s to 15 min.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use picket_shared::time::Timestamp;

/// So many failures are free.
const FREE: u32 = 5;
/// The longest wait; after it a key is forgotten.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Most keys that are remembered; beyond it the oldest go.
const MOST: usize = 10_000;

/// What failures are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    last: Timestamp,
}

impl Count {
    fn until(self) -> Timestamp {
        let over = self.failures.saturating_sub(FREE).min(20);
        let wait = if over == 0 { Duration::ZERO } else { Duration::from_secs(1 << (over - 1)).min(LONGEST) };
        self.last + wait
    }
}

/// Counts failures by account and by address.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Key, Count>>);

impl Throttle {
    /// How long this account and this address have to wait before the next try; zero if not at all.
    pub fn wait(&self, account: &str, address: Option<IpAddr>, now: Timestamp) -> Duration {
        let counts = self.lock();
        let waits = keys(account, address).into_iter().filter_map(|key| counts.get(&key));
        waits.map(|count| count.until().since(now)).max().unwrap_or_default()
    }

    /// Counts a failure.
    pub fn failed(&self, account: &str, address: Option<IpAddr>, now: Timestamp) {
        let mut counts = self.lock();
        counts.retain(|_, count| now.since(count.last) < LONGEST * 2);
        if counts.len() >= MOST
            && let Some(oldest) = counts.iter().min_by_key(|(_, count)| count.last).map(|(key, _)| key.clone())
        {
            counts.remove(&oldest);
        }
        for key in keys(account, address) {
            let count = counts.entry(key).or_insert(Count { failures: 0, last: now });
            *count = Count { failures: count.failures.saturating_add(1), last: now };
        }
    }

    /// Forgets an account's failures: it got in.
    pub fn succeeded(&self, account: &str) {
        self.lock().remove(&Key::Account(account.trim().to_lowercase()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Count>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// An account is its address as typed; a network address of IPv6 is its /64, which one caller has for itself.
fn keys(account: &str, address: Option<IpAddr>) -> Vec<Key> {
    let account = Key::Account(account.trim().to_lowercase());
    std::iter::once(account).chain(address.map(network).map(Key::Address)).collect()
}

/// Where one caller can be: an address of IPv4, a /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_000 + second)
    }

    #[test]
    fn the_sixth_try_waits_and_each_failure_doubles_it() {
        let throttle = Throttle::default();
        let address = Some("192.0.2.1".parse().unwrap());
        for _ in 0..FREE {
            assert_eq!(throttle.wait("ada", address, at(0)), Duration::ZERO);
            throttle.failed("ada", address, at(0));
        }
        assert_eq!(throttle.wait("ada", address, at(0)), Duration::ZERO);
        throttle.failed("ada", address, at(0));
        assert_eq!(throttle.wait(" ADA ", None, at(0)), Duration::from_secs(1));
        throttle.failed("ada", None, at(1));
        assert_eq!(throttle.wait("ada", None, at(1)), Duration::from_secs(2));
        assert_eq!(throttle.wait("ada", None, at(3)), Duration::ZERO);
        for _ in 0..50 {
            throttle.failed("ada", None, at(3));
        }
        assert_eq!(throttle.wait("ada", None, at(3)), LONGEST);
        throttle.succeeded("ada");
        assert_eq!(throttle.wait("ada", None, at(3)), Duration::ZERO);
        assert_eq!(throttle.wait("eve", address, at(0)), Duration::from_secs(1), "the address has not got in");
    }

    #[test]
    fn one_caller_with_many_addresses_of_one_network_is_one() {
        let throttle = Throttle::default();
        for n in 0..8 {
            throttle.failed(&format!("user{n}"), Some(format!("2001:db8::{n}").parse().unwrap()), at(0));
        }
        assert!(throttle.wait("other", Some("2001:db8::ffff".parse().unwrap()), at(0)) > Duration::ZERO);
        assert_eq!(throttle.wait("other", Some("2001:db8:0:1::1".parse().unwrap()), at(0)), Duration::ZERO);
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..u32::try_from(MOST).unwrap() + 50 {
            throttle.failed("", Some(IpAddr::from(n.to_be_bytes())), at(i64::from(n) / 1000));
        }
        assert!(throttle.lock().len() <= MOST + 2);
    }
}
