//! Listeners that nobody may ever reach.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::net::Place;

/// Counts who connects at some addresses.
#[derive(Debug)]
pub struct Canary {
    hits: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Canary {
    /// Listens at each of `addresses` in `place`.
    pub fn listen(place: &Place, addresses: &[SocketAddr]) -> Self {
        let (hits, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let threads = addresses.iter().map(|&address| {
            let listener = place.listen(address);
            listener.set_nonblocking(true).unwrap();
            let (hits, over) = (Arc::clone(&hits), Arc::clone(&over));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok(_) => drop(hits.fetch_add(1, Ordering::SeqCst)),
                        Err(_) => thread::sleep(Duration::from_millis(20)),
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { hits, over, threads }
    }

    /// How many connections came.
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;

    #[test]
    fn a_canary_counts_what_reaches_it() {
        let place = Place::here();
        let address: SocketAddr = "127.77.255.1:8099".parse().unwrap();
        let canary = Canary::listen(&place, &[address]);
        assert_eq!(canary.hits(), 0);
        let _connection = place.connect(address).unwrap();
        wait::until("a hit", Duration::from_secs(5), || if canary.hits() == 1 { Ok(()) } else { Err(canary.hits()) });
    }
}
