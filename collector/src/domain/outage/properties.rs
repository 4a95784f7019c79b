//! The judge's invariants, over random worlds and random facts.

use proptest::prelude::*;

use super::world::{Plan, World, at, hash, input, region};
use super::*;
use crate::domain::uptime;
use picket_shared::outcome::{SelfCheck, Trigger};
use std::time::Duration;

const DAY: i64 = 86_400;

fn plan(seed: u64, regions: usize, interval_s: u64, timeout_s: u64) -> Plan {
    Plan {
        seed,
        regions,
        interval_s,
        timeout_s,
        slow_failures: seed.is_multiple_of(2),
        outages: Vec::new(),
        cuts: Vec::new(),
        blips: Vec::new(),
        dns: Vec::new(),
        lost_ppm: 0,
    }
}

fn alternate(world: &World) {
    let alarms = world.alarms();
    assert!(alarms.iter().enumerate().all(|(n, (down, _))| *down == (n % 2 == 0)), "{alarms:?}");
    assert!(world.spans.windows(2).all(|pair| pair[0].start <= pair[1].start), "{:?}", world.spans);
    let (from, to) = (at(0), world.input.as_of);
    assert_eq!(uptime::of_monitor(&world.spans, from, to).total_us(), to.micros_since(from));
}

/// How many times more of everything with `tests/run --full`.
fn more() -> u32 {
    if std::env::var_os("PICKET_FULL").is_some() { 20 } else { 1 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120 * more(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_outage_is_told_within_interval_and_two_timeouts_and_ten_seconds(
        seed in any::<u64>(), regions in 1_usize..7, interval_s in 5_u64..900, timeout in 1_u64..30, start in 0_i64..900,
    ) {
        let timeout_s = timeout.min(interval_s - 1);
        let (begin, length) = (3600 + start, 7200);
        let mut world = World::new(Plan { outages: vec![(begin, begin + length)], ..plan(seed, regions, interval_s, timeout_s) });
        world.run_until(at(begin + length + 7200));
        let alarms = world.alarms();
        prop_assert_eq!(alarms.len(), 2, "{:?}", alarms);
        let timeouts = if regions == 1 { 3 } else { 2 };
        let promised = at(begin) + Duration::from_secs(interval_s + timeouts * timeout_s + 10);
        prop_assert!(alarms[0].1 <= promised, "told {:?}, promised {:?}", alarms[0].1, promised);
        let Some((_, IncidentAction::Open { started_at, .. })) = world.incidents.first() else { panic!() };
        prop_assert!(*started_at >= at(begin) && *started_at <= at(begin) + Duration::from_secs(interval_s));
        let Some((_, IncidentAction::Resolve { at: ended, .. })) = world.incidents.last() else { panic!() };
        prop_assert!(*ended >= at(begin + length) && *ended <= at(begin + length) + Duration::from_secs(2 * interval_s));
        alternate(&world);
    }

    #[test]
    fn any_world_alternates_its_notices_and_adds_up_to_wall_time(
        seed in any::<u64>(), regions in 1_usize..5,
        outages in prop::collection::vec((0_i64..DAY / 4, 1_i64..1200), 0..6),
        cuts in prop::collection::vec((0_usize..5, 0_i64..DAY / 4, 1_i64..2000), 0..6),
        blips in prop::collection::vec((0_usize..5, 0_i64..DAY / 4, 1_i64..600), 0..6),
    ) {
        let mut plan = Plan { lost_ppm: 50_000, ..plan(seed, regions, 30, 5) };
        plan.outages = outages.iter().map(|(from, length)| (*from, from + length)).collect();
        let cut = |(r, from, length): &(usize, i64, i64)| (r % regions, *from, from + length);
        plan.cuts = cuts.iter().map(cut).collect();
        plan.blips = blips.iter().map(cut).collect();
        let mut world = World::new(plan);
        world.run_until(at(DAY / 4 + 4000));
        alternate(&world);
    }

    #[test]
    fn silence_alone_never_opens_or_resolves(
        seed in any::<u64>(), regions in 1_usize..6, fails in prop::collection::vec(any::<bool>(), 6),
        cut in prop::collection::vec(any::<bool>(), 6), hold in 0_i64..200,
    ) {
        // Some regions fail (or none, or all), things settle, then some fall silent for ever.
        let mut plan = plan(seed, regions, 60, 10);
        plan.blips = (0..regions).filter(|n| fails[*n]).map(|n| (n, 3600, 10 * DAY)).collect();
        let mut world = World::new(plan.clone());
        world.run_until(at(3800 + hold));
        let silent: Vec<_> = (0..regions).filter(|n| cut[*n]).collect();
        let mut input = world.input.clone();
        let settled = input.incident.clone();
        if matches!(input.standing.state, State::Suspect(_) | State::Recovering(_)) {
            return Ok(());
        }
        for minute in 0..120 {
            input.as_of = at(3800 + hold + 60 * minute);
            for (n, facts) in input.regions.iter_mut().enumerate() {
                if !silent.contains(&n) {
                    facts.through = Some(input.as_of);
                }
            }
            let decision = judge(&input);
            let opens = |action: &IncidentAction| matches!(action, IncidentAction::Open { .. } | IncidentAction::Resolve { .. });
            prop_assert!(!decision.incidents.iter().any(opens), "{:?}", decision);
            input = decision.applied_to(&input);
            prop_assert_eq!(input.incident.is_some(), settled.is_some());
        }
    }

    #[test]
    fn removing_regions_never_opens_an_incident(
        seed in any::<u64>(), regions in 2_usize..6, moment in 0_i64..400, keep in 0_usize..6, fails in 0_usize..6,
    ) {
        let mut plan = plan(seed, regions, 60, 10);
        plan.blips = (0..fails.min(regions)).map(|n| (n, 3600, DAY)).collect();
        let mut world = World::new(plan);
        world.run_until(at(3600 + moment));
        let mut input = world.input.clone();
        if input.incident.is_some() {
            return Ok(());
        }
        input.regions = vec![input.regions[keep % regions].clone()];
        for second in 0..600 {
            input.as_of = at(3600 + moment + second);
            input.regions[0].through = Some(input.as_of);
            let decision = judge(&input);
            let opens = decision.incidents.iter().any(|action| matches!(action, IncidentAction::Open { .. }));
            prop_assert!(!opens, "{:?}", decision);
            input = decision.applied_to(&input);
        }
    }

    #[test]
    fn a_region_whose_self_check_is_bad_never_changes_a_verdict(seed in any::<u64>(), rows in prop::collection::vec(row(), 8)) {
        let mut one = arbitrary_input(seed, &rows[..4]);
        one.regions[0].self_check_bad = true;
        let mut other = one.clone();
        other.regions[0].result = arbitrary_input(seed, &rows[4..]).regions[0].result.clone();
        let (one, other) = (judge(&one), judge(&other));
        prop_assert_eq!(&one.standing.state, &other.standing.state);
        prop_assert_eq!(&one.spans, &other.spans);
        prop_assert_eq!(&one.incidents, &other.incidents);
    }

    #[test]
    fn the_decision_does_not_depend_on_who_was_heard_first(seed in any::<u64>(), rows in prop::collection::vec(row(), 4)) {
        // A round of votes; a region that loses its vote is another matter (silence never opens).
        let votes: Vec<_> = rows.iter().map(|&(status, length, recheck)| (status % 3, length, recheck)).collect();
        let full = arbitrary_input(seed, &votes);
        let order = |reverse: bool| {
            let mut input = Input { regions: full.regions.clone(), ..full.clone() };
            for facts in &mut input.regions {
                // Before its answer each region was good.
                facts.result = Some(good_row());
            }
            input = judge(&input).applied_to(&input);
            let mut indices: Vec<_> = (0..full.regions.len()).collect();
            indices.sort_by_key(|n| hash(seed, *n as u64));
            if reverse { indices.reverse() }
            for index in indices {
                input.regions[index].result = full.regions[index].result.clone();
                input = judge(&input).applied_to(&input);
            }
            let kind = input.standing.state.as_str();
            (kind, input.incident.is_some())
        };
        prop_assert_eq!(order(false), order(true));
    }

    #[test]
    fn judging_twice_changes_nothing_whatever_the_facts(seed in any::<u64>(), rows in prop::collection::vec(row(), 4)) {
        let mut facts = arbitrary_input(seed, &rows);
        facts.monitor.maintenance = Maintenance {
            runs: seed % 5 == 0,
            holds_alerts: seed % 5 == 0 && seed % 2 == 0,
            counts_since: (seed % 5 == 0 && seed % 3 == 0).then(|| at(3000)),
            counted_until: (seed % 11 == 0).then(|| at(2900)),
            changes_at: (seed % 5 == 0).then(|| at(9000)),
        };
        facts.monitor.paused_at = (seed % 7 == 0).then(|| at(3000));
        let decision = judge(&facts);
        let after = decision.applied_to(&facts);
        let again = judge(&after);
        prop_assert!(!again.changes(&after), "{:#?}\n{:#?}", decision, again);
        let kept = serde_json::to_string(&decision.standing).unwrap();
        prop_assert_eq!(serde_json::from_str::<Standing>(&kept).unwrap(), decision.standing);
    }
}

fn row() -> impl Strategy<Value = (u8, u8, bool)> {
    (0_u8..4, 1_u8..4, any::<bool>())
}

fn good_row() -> RegionResult {
    RegionResult {
        version: 1,
        status: Status::Up,
        failure: None,
        fails: 0,
        oks: 3,
        since: at(0),
        last_at: at(3590),
        last_trigger: Trigger::Scheduled,
        self_check: SelfCheck::Good,
    }
}

/// Four regions an hour after the start, up before, with rows of status, run length and trigger.
fn arbitrary_input(seed: u64, rows: &[(u8, u8, bool)]) -> Input {
    let mut input = input(rows.len(), 60, 10);
    input.as_of = at(3600);
    input.standing.state = State::Up;
    input.span = Some(Span { start: at(1), verdict: Verdict::Up });
    for (n, (facts, (status, length, recheck))) in input.regions.iter_mut().zip(rows).enumerate() {
        assert_eq!(facts.region, region(n));
        facts.through = Some(at(3595));
        let status = [Status::Up, Status::Down, Status::Down, Status::Unmeasured][usize::from(*status)];
        facts.result = Some(RegionResult {
            status,
            fails: if status == Status::Down { *length } else { 0 },
            oks: if status == Status::Up { *length } else { 0 },
            since: at(3591 + (hash(seed, n as u64) % 4) as i64),
            last_at: at(3596),
            last_trigger: if *recheck { Trigger::Recheck } else { Trigger::Scheduled },
            ..good_row()
        });
    }
    input
}

/// 2 % of packets lost: a check fails where three transmissions of one packet are lost, of eight packets.
const LOST_PPM: u64 = 64;

/// Days of one monitor in the run below.
const DAYS: i64 = 50;

/// Days of one monitor with everything that is not an outage: each day one region cannot reach the target for up to ten
/// minutes, one is cut off for up to half an hour or so, names are not resolved somewhere for some seconds (three times
/// the probe's own resolver, at any time; three times nobody knows), and always 2 % of packets are lost.
fn troubled(monitor: u64) -> World {
    let regions = 2 + (monitor % 4) as usize;
    let mut plan = plan(monitor, regions, 60, 10);
    plan.lost_ppm = LOST_PPM;
    let draw = |what: i64, below: i64| (hash(monitor * 31 + 7, what as u64) % below as u64) as i64;
    for day in 0..DAYS {
        let start = day * DAY;
        let region = |what: i64| draw(day * 64 + what, regions as i64) as usize;
        let blip = start + draw(day * 64 + 1, 20_000);
        plan.blips.push((region(0), blip, blip + 1 + draw(day * 64 + 3, 600)));
        let cut = start + 30_000 + draw(day * 64 + 5, 20_000);
        plan.cuts.push((region(4), cut, cut + 60 + draw(day * 64 + 6, 2000)));
        for n in 0..3 {
            let known = start + draw(day * 64 + 10 + n, DAY - 60);
            plan.dns.push((region(20 + n), known, known + 1 + draw(day * 64 + 30 + n, 60), true));
            let unknown = start + 54_000 + n * 10_000 + draw(day * 64 + 40 + n, 9_000);
            plan.dns.push((region(50 + n), unknown, unknown + 1 + draw(day * 64 + 60 + n, 20), false));
        }
    }
    let mut world = World::new(plan);
    world.twice_every = 16;
    world
}

/// A million monitor-days with `tests/run --full`, some thousand else. Nothing is down, so nothing may be told as down.
#[test]
fn a_million_monitor_days_with_losses_of_regions_packets_and_names_have_no_false_incident() {
    let monitors = if std::env::var_os("PICKET_FULL").is_some() { 20_000 } else { 40 };
    let next = std::sync::atomic::AtomicU64::new(0);
    let total = std::sync::Mutex::new((troubles::Met::<u64>::default(), 0, 0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let monitor = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if monitor >= monitors {
                        return;
                    }
                    let mut world = troubled(monitor);
                    world.run_until(at(DAYS * DAY));
                    assert_eq!(world.opened(), 0, "monitor {monitor}: {:#?}", world.incidents);
                    alternate(&world);
                    let mut total = total.lock().unwrap();
                    total.0.blips += world.met.blips;
                    total.0.resolver += world.met.resolver;
                    total.0.names += world.met.names;
                    total.0.lost += world.met.lost;
                    total.1 += world.suspicions;
                    total.2 += world.judged;
                }
            });
        }
    });
    let (met, suspicions, judged) = total.into_inner().unwrap();
    let days = monitors * DAYS as u64;
    let figures = format!(
        "{days} monitor-days: {} regions cut off; checks that met a region without a way to the target {}, a resolver \
         that failed {}, a name that was not resolved {}, lost packets {}; {suspicions} suspicions, {judged} \
         judgements, 0 incidents",
        days, met.blips, met.resolver, met.names, met.lost
    );
    std::io::Write::write_all(&mut std::io::stderr(), format!("\n{figures}\n").as_bytes()).unwrap();
    assert!(met.blips > days && met.resolver > days / 4 && met.names > days / 4 && met.lost > days / 10, "{figures}");
    assert!(suspicions > days, "{figures}");
}

#[test]
fn every_real_outage_is_found_among_losses_and_cuts_and_nothing_else_is() {
    for monitor in 0..24_u64 {
        let regions = 3 + (monitor % 3) as usize;
        let mut plan = plan(monitor, regions, 60, 10);
        plan.lost_ppm = LOST_PPM;
        let days = 10;
        for day in 0..days {
            let start = day * DAY + (hash(monitor, day as u64) % 40_000) as i64;
            plan.outages.push((start + 2000, start + 2000 + 600));
            plan.cuts.push(((hash(monitor + 9, day as u64) % regions as u64) as usize, start, start + 5000));
        }
        let outages = plan.outages.clone();
        let mut world = World::new(plan);
        world.run_until(at(days * DAY));
        let downs: Vec<_> = world.alarms().into_iter().filter(|(down, _)| *down).map(|(_, time)| time).collect();
        assert_eq!(downs.len(), outages.len(), "monitor {monitor}: {downs:?}");
        for (told, (from, _)) in downs.iter().zip(outages) {
            let promised = at(from) + Duration::from_secs(60 + 2 * 10 + 10);
            assert!(*told <= promised, "monitor {monitor}: told {told:?}, promised {promised:?}");
        }
        alternate(&world);
    }
}

/// One monitor of the run above, with what it met around its incidents: `PICKET_MONITOR=N`, or one that once failed.
#[test]
fn one_monitor_of_the_million_days() {
    let monitor = std::env::var("PICKET_MONITOR").ok().map_or(740, |text| text.parse().unwrap());
    let mut world = troubled(monitor);
    world.run_until(at(DAYS * DAY));
    for (time, action) in &world.incidents {
        let second = time.micros_since(at(0)) / 1_000_000;
        let near = |from: &i64, to: &i64| *from < second + 120 && *to > second - 300;
        let plan = world.plan();
        let out = format!(
            "{time:?} ({second}) {action:?}\nblips {:?} cuts {:?} dns {:?}\n",
            plan.blips.iter().filter(|(_, from, to)| near(from, to)).collect::<Vec<_>>(),
            plan.cuts.iter().filter(|(_, from, to)| near(from, to)).collect::<Vec<_>>(),
            plan.dns.iter().filter(|(_, from, to, _)| near(from, to)).collect::<Vec<_>>(),
        );
        std::io::Write::write_all(&mut std::io::stderr(), out.as_bytes()).unwrap();
    }
    assert_eq!(world.opened(), 0);
}
