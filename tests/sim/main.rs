//! Seeded simulation of the pure cores, in virtual time: probes with the real schedule, buffer, batches, retries and keys;
//! a network that loses, doubles, delays and reorders; a collector that decides by the product's own functions and keeps
//! what was committed. Crashes, partitions and jumps of clocks come as the seed says; a ledger that knows the truth looks
//! on. See "The simulation" in CONTRIBUTING.md.
//!
//! [`plan`] is what a seed means, [`world`] runs it, [`ledger`] says what must hold.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a simulation fails as a test does: at once, and saying where")]

mod collector;
mod ledger;
mod plan;
mod probe;
mod rng;
mod run;
mod seeds;
mod tables;
mod trace;
mod verdicts;
mod wire;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use run::{Failure, run};
use trace::Figures;

/// Seeds of the normal run and of `tests/run --full`.
const SCHEDULES: u64 = 20_000;
const SCHEDULES_FULL: u64 = 1_000_000;

fn schedules() -> u64 {
    let asked = std::env::var("PICKET_SCHEDULES").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(if std::env::var_os("PICKET_FULL").is_some() { SCHEDULES_FULL } else { SCHEDULES })
}

#[test]
fn nothing_acknowledged_is_lost_nothing_comes_twice_and_every_gap_has_its_reason() {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let total: Mutex<(Figures, Vec<Box<Failure>>)> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all = schedules();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut figures = Figures::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= all || failed.load(Ordering::Relaxed) {
                        break;
                    }
                    match run(seed) {
                        Ok((ran, _)) => figures += ran,
                        Err(failure) => {
                            failed.store(std::env::var_os("PICKET_ALL").is_none(), Ordering::Relaxed);
                            total.lock().unwrap().1.push(failure);
                        }
                    }
                }
                total.lock().unwrap().0 += figures;
            });
        }
    });
    let (figures, failures) = total.into_inner().unwrap();
    let mut out = std::io::stderr();
    std::io::Write::write_all(&mut out, format!("\nsimulated seeds 0 to {}: {figures}\n", all - 1).as_bytes()).unwrap();
    if std::env::var_os("PICKET_ALL").is_some() {
        for failure in &failures {
            std::io::Write::write_all(&mut out, format!("{} {}\n", failure.seed, failure.why).as_bytes()).unwrap();
        }
    }
    assert!(failures.is_empty(), "{} of {all} failed, for one\n{}", failures.len(), failures[0]);
}

#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("PICKET_SEED") else { return };
    if let Err(failure) = run(seed.parse().unwrap()) {
        panic!("{failure}");
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 0..40 {
        let digest = |ran: Result<(Figures, u64), Box<Failure>>| ran.map(|(_, digest)| digest).map_err(|f| f.why);
        assert_eq!(digest(run(seed)), digest(run(seed)), "seed {seed}");
    }
}
