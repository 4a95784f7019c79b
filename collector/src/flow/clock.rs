//! The machine's clock -> the collector's, where it is to be followed; and the times in all tables with it.
//!
//! In: how far the machine is ahead, and what the machines of the probes say of it. Out: `instance`, and after a step `spans`
//! (forwards: nothing is known of the time leapt over) or every time that lies ahead (backwards). `domain::clock` decides.

use std::time::Duration;

use picket_shared::time::{Clock, Stopwatch, Timestamp};

use crate::domain::clock::{LATELY, Step, Watch};
use crate::domain::gap::SILENT_AFTER;
use crate::domain::retention::{LEAP, WAIT_AFTER_LEAP};
use crate::store::{Pools, StoreError, Worker, clock, gaps};
use crate::wake::Standstill;

/// A probe that reported within this time is a witness.
const WITNESS: Duration = Duration::from_secs(30);
/// How long a step waits for what runs; then it is tried again.
const PATIENCE: Duration = Duration::from_secs(25);

/// Looks at the machine's clock again and again.
#[derive(Debug)]
pub struct Timekeeper {
    watch: Watch,
    since: Stopwatch,
    held_us: i64,
}

impl Default for Timekeeper {
    fn default() -> Self {
        Self { watch: Watch::default(), since: Stopwatch::start(), held_us: 0 }
    }
}

impl Timekeeper {
    /// Looks once, and does what follows.
    ///
    /// # Errors
    /// When the database fails: then the collector's time stays as it was.
    pub async fn look(&mut self, pools: &Pools, time: &Clock, standstill: &Standstill) -> Result<Step, StoreError> {
        let ahead = time.machine_ahead_us();
        let (witnesses, leapt_lately) = facts(pools, time.now(), ahead).await?;
        let step = self.watch.look(ahead, self.since.elapsed(), &witnesses, leapt_lately);
        match step {
            Step::Slew(by) => {
                self.hold(pools, 0).await?;
                time.slew(by);
            }
            Step::Hold(ahead) => self.hold(pools, ahead.saturating_neg()).await?,
            Step::Follow(by) => {
                let Some(_alone) = standstill.alone(PATIENCE).await else { return Ok(Step::Hold(ahead)) };
                follow(pools, time, by).await?;
                self.held_us = 0;
            }
        }
        Ok(step)
    }

    /// Notes what commands must know, when it differs.
    async fn hold(&mut self, pools: &Pools, held_us: i64) -> Result<(), StoreError> {
        let differs = self.held_us.abs_diff(held_us) > 1_000_000 || (held_us == 0) != (self.held_us == 0);
        if !differs {
            return Ok(());
        }
        let mut worker = pools.worker().await?;
        clock::note_held(&mut worker, held_us).await?;
        worker.commit().await?;
        if held_us == 0 {
            tracing::info!("The machine's clock agrees with the collector's time again");
        } else {
            tracing::warn!(
                clock.machine_ahead_s = -held_us / 1_000_000,
                "The machine's clock was set: it is {} s ahead of the collector's time, which goes on as it was; it is followed if \
                 the clocks of the probes agree with it",
                -held_us / 1_000_000
            );
        }
        self.held_us = held_us;
        Ok(())
    }
}

/// Nobody is asked while the clocks agree.
async fn facts(pools: &Pools, now: Timestamp, ahead: i64) -> Result<(Vec<i64>, bool), StoreError> {
    if ahead.unsigned_abs() < 1_000_000 {
        return Ok((Vec::new(), false));
    }
    let mut worker = pools.worker().await?;
    let witnesses = clock::witnesses(&mut worker, now - WITNESS).await?;
    let row = clock::read(&mut worker).await?;
    let leapt = row.map(|row| row.clock_stepped_at.unwrap_or(row.created_at)).map(Timestamp::from_micros);
    Ok((witnesses, leapt.is_some_and(|at| now.since(at) < LATELY)))
}

async fn follow(pools: &Pools, time: &Clock, by: i64) -> Result<(), StoreError> {
    let before = time.now();
    let now = before.shifted(by);
    let mut worker = pools.worker().await?;
    let moved = if by > 0 {
        forward(&mut worker, before, now).await?;
        0
    } else {
        clock::set_back(&mut worker, by.saturating_neg(), now).await?
    };
    clock::note_step(&mut worker, by, now).await?;
    worker.commit().await?;
    time.follow(by);
    tracing::warn!(
        clock.stepped_s = by / 1_000_000,
        rows.moved = moved,
        "The collector's time stepped by {} s, after its machine's clock: it is {now:.0} now",
        by / 1_000_000
    );
    Ok(())
}

async fn forward(worker: &mut Worker, before: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    clock::set_forward(worker, before, now, before - SILENT_AFTER).await?;
    // Who was to be heard in the time leapt over is not silent for it.
    gaps::alive(worker, Some(now), now).await?;
    if now.since(before) > LEAP {
        clock::let_retention_wait(worker, now + WAIT_AFTER_LEAP).await?;
    }
    Ok(())
}
