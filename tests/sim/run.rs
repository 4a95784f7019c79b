//! One seed: run, let everything catch up, look whether it did, and settle.

use std::time::Duration;

use picket_shared::outcome::Status;

use super::ledger::seconds;
use super::plan::{CAUGHT_UP, Plan, SECOND};
use super::tables::{Monitor, Tables};
use super::trace::Figures;
use super::world::{World, stamp};

/// A run that went wrong.
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) why: String,
    pub(crate) story: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.why)?;
        writeln!(f, "{}", self.story)?;
        writeln!(f, "this seed alone: PICKET_SEED={} cargo test -p picket-tests --test sim one_seed", self.seed)
    }
}

/// Runs a seed; gives its figures and the digest of all that happened.
pub(crate) fn run(seed: u64) -> Result<(Figures, u64), Box<Failure>> {
    let mut world = World::new(Plan::new(seed));
    match story(&mut world) {
        Ok(()) => Ok((world.figures, world.trace.digest)),
        Err(why) => {
            let story = format!("{:#?}\nthe last events, in seconds since the start:\n{}", world.plan, world.trace);
            Err(Box::new(Failure { seed, why, story }))
        }
    }
}

fn story(world: &mut World) -> Result<(), String> {
    world.run_until(world.plan.caught_up())?;
    // What was stored just now is judged in a moment.
    while world.collector.tables.monitors.iter().any(|monitor| monitor.dirty)
        && world.time < world.plan.caught_up() + SECOND
    {
        world.run_until(world.time + SECOND / 10)?;
    }
    caught_up(world)?;
    let now = world.collector_now();
    world.ledger.settle(&world.plan, &world.collector.tables, now, &mut world.figures)?;
    if let Some(after) = world.plan.last_outage {
        last_outage(world, after)?;
    }
    Ok(())
}

/// Liveness: two minutes after the last fault nothing is left to be done.
fn caught_up(world: &World) -> Result<(), String> {
    let now = world.collector_now();
    let tables = &world.collector.tables;
    for (index, probe) in tables.probes.iter().enumerate() {
        if probe.revoked_at.is_some() {
            continue;
        }
        let Some(process) = &world.probes[index] else { return Err(format!("probe {index} does not run")) };
        let Some(work) = &process.work else { return Err(format!("probe {index} was not taken in")) };
        let through = probe.status.as_ref().map(|status| status.through);
        if through.is_none_or(|through| now.since(through) > Duration::from_secs(20)) {
            let through = through.map(seconds);
            return Err(format!("probe {index} is accounted for up to {through:?} s at {:.3} s", seconds(now)));
        }
        // An interval of outcomes may wait for the next batch, and no more.
        let waiting = work.packer.waiting();
        if waiting > tables.monitors.len() * 4 {
            return Err(format!("{waiting} outcomes still wait at probe {index}"));
        }
        if tables.silences.iter().any(|silence| silence.probe == index && silence.row.until.is_none()) {
            return Err(format!("probe {index} is still held for silent"));
        }
    }
    let voters = tables.probes.iter().filter(|probe| probe.revoked_at.is_none()).count();
    for (index, monitor) in tables.monitors.iter().enumerate() {
        if monitor.dirty || monitor.due_at.is_some_and(|due| now.since(due) > Duration::from_secs(2)) {
            return Err(format!("monitor {index} waits to be judged"));
        }
        let state = monitor.standing.as_ref().map_or("none", |standing| standing.state.as_str());
        let truth = match world.plan.is_down(index, world.time) {
            _ if !can_decide(world.plan.regions, voters) => continue,
            true => "down",
            false => "up",
        };
        if state != truth && !(truth == "down" && nobody_can_know(monitor, tables)) {
            return Err(format!("monitor {index} is held for {state} and is {truth}"));
        }
    }
    Ok(())
}

/// Whether the regions that are left fail without a break since they were found to fail alone: what they cannot reach
/// may have gone down since, and nobody is there who would see that.
fn nobody_can_know(monitor: &Monitor, tables: &Tables) -> bool {
    let Some(standing) = monitor.standing.as_ref().filter(|standing| standing.state.as_str() != "down") else {
        return false;
    };
    let Some(alone_at) = standing.memory.alone_at else { return false };
    tables.probes.iter().zip(&monitor.runs).filter(|(probe, _)| probe.revoked_at.is_none()).all(|(probe, run)| {
        let fails = run.as_ref().is_some_and(|run| run.status == Status::Down && run.since <= alone_at);
        fails && standing.overlays.regional.contains(&probe.region.code)
    })
}

/// Of three regions one alone decides nothing.
fn can_decide(assigned: usize, voters: usize) -> bool {
    voters >= if assigned >= 3 { 2 } else { 1 }
}

/// After everything has caught up an outage is told as promised.
fn last_outage(world: &mut World, after: i64) -> Result<(), String> {
    let begins = world.plan.caught_up() + after;
    let voters = world.collector.tables.probes.iter().filter(|probe| probe.revoked_at.is_none()).count();
    let assigned = world.plan.regions;
    if !can_decide(assigned, voters) {
        return Ok(());
    }
    let mut promised = Vec::new();
    for (index, monitor) in world.plan.monitors.iter_mut().enumerate() {
        let was_down = monitor.outages.iter().any(|(_, to)| *to > begins);
        monitor.outages.push((begins, i64::MAX));
        let timeouts = if voters == 1 { 3 } else { 2 };
        let within = i64::from(monitor.interval_s) + timeouts * i64::from(monitor.timeout_s) + 10;
        let flapping = world.collector.tables.monitors[index].openings.len() >= 2;
        if !was_down && !flapping {
            promised.push((index, begins + within * SECOND));
        }
    }
    let end = promised.iter().map(|(_, by)| *by).max().unwrap_or(begins);
    world.run_until(end.max(begins))?;
    for (index, by) in promised {
        let monitor = &world.collector.tables.monitors[index];
        let told = monitor.openings.iter().find(|at| **at >= stamp(begins));
        if told.is_none_or(|at| *at > stamp(by)) {
            return Err(format!(
                "monitor {index} is down from {:.3} s and was promised to be told by {:.3} s: {:?}",
                seconds(stamp(begins)),
                seconds(stamp(by)),
                told.copied().map(seconds)
            ));
        }
    }
    Ok(())
}

const _: () = assert!(CAUGHT_UP == 120 * SECOND);
