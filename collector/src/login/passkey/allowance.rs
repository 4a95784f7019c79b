//! How many challenges may be drawn from a network: each is a row, and who draws one to sign in is nobody yet. In memory: a
//! restart forgives.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use picket_shared::time::Timestamp;

use super::CHALLENGE_LIFE;
use crate::login::throttle::network;

/// So many a network while one lasts: an office behind one address signs in within them.
const EACH: u32 = 300;
/// Most networks that are remembered; beyond it the oldest goes.
const MOST: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Timestamp,
    drawn: u32,
}

/// Counts challenges by network, from its first one on.
#[derive(Debug, Default)]
pub(in crate::login) struct Allowance(Mutex<HashMap<Option<IpAddr>, Count>>);

impl Allowance {
    /// Counts one; how long to wait if it is one too many.
    pub(super) fn take(&self, address: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins anew: nobody waits longer than a challenge lasts.
        let is_open = |count: &Count| count.since <= now && now.since(count.since) < CHALLENGE_LIFE;
        let network = address.map(network);
        if counts.len() >= MOST && !counts.contains_key(&network) {
            counts.retain(|_, count| is_open(count));
            if counts.len() >= MOST
                && let Some(oldest) = counts.iter().min_by_key(|(_, count)| count.since).map(|(key, _)| *key)
            {
                counts.remove(&oldest);
            }
        }
        let count = counts.entry(network).or_insert(Count { since: now, drawn: 0 });
        if !is_open(count) {
            *count = Count { since: now, drawn: 0 };
        }
        count.drawn = count.drawn.saturating_add(1);
        (count.drawn > EACH).then(|| CHALLENGE_LIFE.saturating_sub(now.since(count.since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_000 + second)
    }

    #[test]
    fn a_network_waits_after_three_hundred_and_no_other_does() {
        let allowance = Allowance::default();
        let from = |text: &str| Some(text.parse().unwrap());
        for _ in 0..EACH {
            assert_eq!(allowance.take(from("2001:db8::1"), at(0)), None);
        }
        assert_eq!(allowance.take(from("2001:db8::2"), at(60)), Some(Duration::from_secs(240)));
        assert_eq!(allowance.take(from("2001:db8:0:1::1"), at(60)), None);
        assert_eq!(allowance.take(None, at(60)), None);
        assert_eq!(allowance.take(from("2001:db8::1"), at(300)), None, "a challenge lasts no longer");
        assert_eq!(allowance.take(from("2001:db8::1"), at(0)), None, "a clock that was set back");
    }

    #[test]
    fn however_many_networks_ask_memory_has_an_end() {
        let allowance = Allowance::default();
        for number in 0..u32::try_from(MOST).unwrap() + 50 {
            allowance.take(Some(IpAddr::from(number.to_be_bytes())), at(0));
        }
        assert_eq!(allowance.0.lock().unwrap().len(), MOST);
    }
}
