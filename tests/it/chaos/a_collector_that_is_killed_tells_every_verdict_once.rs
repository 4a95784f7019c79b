//! The collector is killed with -9 at random moments while 250 monitors go down and come up twice: 1,000 verdicts. Each is told, what comes
//! twice has the same id, down and up alternate for each monitor, and nobody hears of an incident that never was.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use picket_shared::time::{Clock, Stopwatch};
use picket_tests::mailbox::Receiver;
use picket_tests::wait;
use picket_tests::world::World;

const MONITORS: usize = 250;
const TIMES: usize = 2;
const PATIENCE: Duration = Duration::from_secs(240);
/// Between two kills, in milliseconds.
const PAUSE: std::ops::Range<u64> = 300..5_000;

#[test]
fn a_collector_that_is_killed_tells_every_verdict_once() {
    let mut world = World::local();
    let (receiver, hook) = world.receiver();
    world.collector.trusted_channel(&["webhook", &hook, "--name", "hook"]);
    let mut shop = world.target(None, &[]);
    world.probe("eu");
    add(&world);
    let all_up = format!("SELECT count(*) = {MONITORS} AS done FROM states WHERE state = 'up'");
    wait::until("every monitor up", Duration::from_secs(120), || is_so(&world, &all_up));
    let mut kills = 0;
    for time in 1..=TIMES {
        shop.breaks();
        let opened = format!("SELECT count(*) = {} AS done FROM incidents", MONITORS * time);
        kills += suffers_until(&mut world, &opened);
        shop.starts();
        let resolved =
            format!("SELECT count(*) = {} AS done FROM incidents WHERE resolved_at IS NOT NULL", MONITORS * time);
        kills += suffers_until(&mut world, &resolved);
    }
    let told = format!("SELECT count(*) = {} AS done FROM deliveries WHERE state = 'sent'", MONITORS * TIMES * 2);
    wait::until("every verdict to be told", Duration::from_secs(150), || is_so(&world, &told));
    let repeated = is_told_well(&world, &receiver);
    println!(
        "killed {kills} times over {} verdicts; {repeated} messages came twice, under the same id",
        MONITORS * TIMES * 2
    );
    assert!(kills >= 10, "it was hardly ever killed");
}

/// Makes the monitors, which the command line is not for.
fn add(world: &World) {
    let (host, port) = (world.target_address(), world.ports().http);
    let now = Clock::system().now().micros();
    let made = world.collector.postgres().run(&format!(
        "WITH org AS (SELECT min(id) AS id FROM organizations), clock AS (UPDATE assignment_clock SET version = version + 1 RETURNING version), new AS (
            INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
            SELECT gen_random_uuid(), org.id, 'shop ' || n, 'tcp', '{host}:{port}', '{{\"kind\":\"tcp\",\"host\":\"{host}\",\"port\":{port}}}',
                5, 4900, clock.version, {now}, {now} FROM org, clock, generate_series(1, {MONITORS}) n RETURNING org_id, id),
         run AS (INSERT INTO monitor_regions SELECT new.org_id, new.id, regions.id FROM new, regions WHERE regions.code = 'eu')
         INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT org_id, id, 'pending', {now}, '{{}}', false FROM new"
    ));
    made.unwrap();
}

fn is_so(world: &World, query: &str) -> Result<(), String> {
    let rows = world.collector.postgres().rows(query)?;
    if rows[0]["done"] == true { Ok(()) } else { Err(query.to_owned()) }
}

/// Kills the collector again and again until something is so; gives how often.
fn suffers_until(world: &mut World, query: &str) -> usize {
    let (watch, mut kills) = (Stopwatch::start(), 0);
    while is_so(world, query).is_err() {
        assert!(watch.elapsed() < PATIENCE, "it was never so: {query}");
        thread::sleep(Duration::from_millis(fastrand::u64(PAUSE)));
        world.collector.crashes();
        world.collector.starts();
        kills += 1;
    }
    kills
}

/// How many messages came again.
fn is_told_well(world: &World, receiver: &Receiver) -> usize {
    let calls = receiver.calls();
    let mut once: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (at, call) in calls.iter().enumerate() {
        let id = call.headers["webhook-id"].to_str().unwrap().to_owned();
        let mut event = call.json();
        // It is written anew at each try, and says then how it stands.
        event["timestamp"] = serde_json::Value::Null;
        event["data"]["incident"]["resolved_at"] = serde_json::Value::Null;
        let text = event.to_string();
        let (_, first) = once.entry(id).or_insert((at, text.clone()));
        assert_eq!(*first, text, "what has the same id says the same");
    }
    let mut by_monitor: BTreeMap<String, Vec<(usize, String, String)>> = BTreeMap::new();
    for (at, text) in once.values() {
        let event: serde_json::Value = serde_json::from_str(text).unwrap();
        let word = |pointer: &str| event.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        by_monitor.entry(word("/data/monitor/name")).or_default().push((*at, word("/type"), word("/data/incident/id")));
    }
    assert_eq!(by_monitor.len(), MONITORS, "each is told of");
    let mut incidents = BTreeSet::new();
    for (name, mut told) in by_monitor {
        told.sort();
        let kinds: Vec<&str> = told.iter().map(|(_, kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["monitor.down", "monitor.up"].repeat(TIMES), "{name}");
        assert!(told.chunks(2).all(|two| two[0].2 == two[1].2), "{name}: up tells of the incident that was told");
        incidents.extend(told.into_iter().map(|(_, _, incident)| incident));
    }
    let known = world.collector.postgres().rows("SELECT uuid FROM incidents").unwrap();
    let known: BTreeSet<String> = known.iter().map(|row| row["uuid"].as_str().unwrap().to_owned()).collect();
    assert_eq!(incidents, known, "nobody hears of an incident that never was, and of each somebody does");
    calls.len() - once.len()
}
