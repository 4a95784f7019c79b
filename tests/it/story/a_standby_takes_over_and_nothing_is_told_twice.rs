//! Two collectors on one external database, behind a load balancer. The one that leads is killed with -9 five times in turn: each time the
//! other takes over in time, judges what broke just then, and each outage is told once. Then it stands still for 30 s and goes on: it
//! commits nothing any more.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use picket_shared::time::Stopwatch;
use picket_tests::collector::Collector;
use picket_tests::external::External;
use picket_tests::mailbox::Receiver;
use picket_tests::net::Place;
use picket_tests::pair::{Pair, copied};
use picket_tests::target::Target;
use picket_tests::wait;

/// From a kill -9 to the next term.
const TAKEOVER: Duration = Duration::from_secs(15);
/// From the next term until what broke is told: the promise of one region, 5 s + 3 x 2 s + 10 s.
const TOLD: Duration = Duration::from_secs(21);
const TIMES: usize = 5;
/// Longer than it takes the other to take over and to tell.
const STILL: Duration = Duration::from_secs(30);

fn kinds(receiver: &Receiver) -> Vec<String> {
    let calls = receiver.calls();
    calls.iter().map(|call| call.json()["type"].as_str().unwrap_or_default().to_owned()).collect()
}

fn until_told(receiver: &Receiver, count: usize, limit: Duration) {
    wait::until("to be told", limit, || {
        let kinds = kinds(receiver);
        if kinds.len() >= count { Ok(()) } else { Err(kinds) }
    });
    assert_eq!(receiver.calls().len(), count, "{:?}", kinds(receiver));
}

#[test]
fn a_standby_takes_over_and_nothing_is_told_twice() {
    let mut pair = Pair::start();
    other_keys_are_refused(&mut pair);
    pair.both();
    pair.answers(0);
    pair.answers(1);
    assert_eq!(pair.leads().unwrap(), (1, 0));
    assert_eq!([0, 1].map(|which| pair.metric(which, "picket_leader")), [Some("1".into()), Some("0".into())]);
    assert_eq!([0, 1].map(|which| pair.metric(which, "picket_leader_term")), [Some("1".into()), None]);
    let (state, said) = pair.collectors[1].doctor("leader");
    assert!(state == "pass" && said.contains(&pair.collectors[0].address.to_string()), "{state}: {said}");

    let receiver = Receiver::start(&Place::here(), SocketAddr::from((pair.address, 80)));
    let hook = format!("http://{}/hook", pair.address);
    pair.collectors[0].trusted_channel(&["webhook", &hook, "--name", "bot"]);
    // One for each time: one that goes down again and again is flapping, which is told of in another way.
    let mut shops: Vec<Target> = (0..=TIMES).map(|number| pair.shop(number)).collect();
    let _probe = pair.probe();
    let monitors: Vec<String> = shops.iter().enumerate().map(|(number, _)| pair.monitor(number)).collect();
    for monitor in &monitors {
        pair.collectors[0].until(monitor, "the monitor up", Duration::from_secs(60), |shown| shown.state() == "up");
    }

    let (mut term, mut still) = ((1, 0), shops.pop().unwrap());
    for (time, shop) in shops.iter_mut().enumerate() {
        term = dies_and_is_taken_over_from(&mut pair, term, shop, &receiver, time * 2);
    }
    stands_still_and_commits_nothing(&mut pair, term, &mut still, &receiver, TIMES * 2);
    lets_go_at_once(&mut pair);
    let incidents = pair.database.rows("SELECT resolution FROM incidents").unwrap();
    assert_eq!(incidents.len(), TIMES + 1, "{incidents:?}");
    assert!(incidents.iter().all(|incident| incident["resolution"] == "recovered"), "{incidents:?}");
    let ids: std::collections::BTreeSet<_> =
        receiver.calls().iter().map(|call| call.headers["webhook-id"].to_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), receiver.calls().len(), "a message was sent twice");
}

/// Without a key ring, or with another, the second does not start.
fn other_keys_are_refused(pair: &mut Pair) {
    let (one, two) = (pair.collectors[0].keys(), pair.collectors[1].keys());
    pair.collectors[1].begins_to_start();
    until_ended_with(&mut pair.collectors[1], "the key ring is missing: nothing is in");
    copied(&one, &two);
    let file = two.join("master-keys.txt");
    let text = fs::read_to_string(&file).unwrap();
    let id = text.lines().rfind(|line| !line.is_empty()).unwrap().split_once(' ').unwrap().0.to_owned();
    let other = if id.starts_with('0') { id.replacen('0', "1", 1) } else { format!("0{}", &id[1..]) };
    fs::write(&file, text.replace(&id, &other)).unwrap();
    pair.collectors[1].begins_to_start();
    until_ended_with(&mut pair.collectors[1], &format!("lacks the key {id}"));
}

fn until_ended_with(collector: &mut Collector, said: &str) {
    wait::until("the end", Duration::from_secs(60), || if collector.runs() { Err(()) } else { Ok(()) });
    assert!(collector.log().contains(said), "{}", collector.log());
}

/// The leader is killed, and the target breaks at the same moment.
fn dies_and_is_taken_over_from(
    pair: &mut Pair,
    (term, leader): (i64, usize),
    shop: &mut Target,
    receiver: &Receiver,
    told: usize,
) -> (i64, usize) {
    pair.collectors[leader].crashes();
    let watch = Stopwatch::start();
    shop.breaks();
    let next = pair.until_led_after(term, TAKEOVER);
    let taken = watch.elapsed();
    assert_eq!(next, (term + 1, 1 - leader));
    until_told(receiver, told + 1, TOLD);
    println!("term {}: taken over after {taken:?}, told after {:?}", next.0, watch.elapsed());
    shop.starts();
    until_told(receiver, told + 2, Duration::from_secs(60));
    let kinds = kinds(receiver).split_off(told);
    assert_eq!(kinds, ["monitor.down", "monitor.up"]);
    pair.collectors[leader].starts();
    pair.answers(leader);
    assert_eq!(pair.leads().unwrap(), next, "a collector that comes back stands by");
    next
}

fn stands_still_and_commits_nothing(
    pair: &mut Pair,
    (term, leader): (i64, usize),
    shop: &mut Target,
    receiver: &Receiver,
    told: usize,
) {
    writes_are_noted(&pair.database);
    // It has written in its term.
    wait::until("a write of a task", Duration::from_secs(20), || match writes(pair, term) {
        (0, _) => Err(()),
        _ => Ok(()),
    });
    let pid = pair.collectors[leader].pid();
    // A task of it waits for a lock then, so that a transaction is open while it stands still.
    thread::scope(|scope| {
        scope.spawn(|| pair.database.run("LOCK TABLE states IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4)").unwrap());
        thread::sleep(Duration::from_secs(2));
        kill(pid, Signal::SIGSTOP).unwrap();
    });
    let watch = Stopwatch::start();
    shop.breaks();
    let next = pair.until_led_after(term, TAKEOVER);
    assert_eq!(next, (term + 1, 1 - leader));
    until_told(receiver, told + 1, TOLD);
    assert!(pair.collectors[1 - leader].log().contains("sessions of the collector that led before"), "none was open");
    println!("stood still: taken over and told after {:?}", watch.elapsed());
    thread::sleep(STILL.saturating_sub(watch.elapsed()));
    let before = pair.collectors[leader].log().len();
    kill(pid, Signal::SIGCONT).unwrap();
    wait::until("to see that it does not lead", Duration::from_secs(20), || {
        let log = pair.collectors[leader].log().split_off(before);
        if log.contains(&format!("another took over from its term {term}")) { Ok(()) } else { Err(log) }
    });
    shop.starts();
    until_told(receiver, told + 2, Duration::from_secs(60));
    wait::never("a third message", Duration::from_secs(10), || {
        if receiver.calls().len() == told + 2 { Ok(()) } else { Err(kinds(receiver)) }
    });
    let log = pair.collectors[leader].log().split_off(before);
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("does not lead any more: its term")).collect();
    // None where its own beat was the first to be answered, which breaks the tasks off.
    println!("{} transactions were refused; the first: {:?}", refused.len(), refused.first());
    let ((old, last), (new, _)) = (writes(pair, term), writes(pair, next.0));
    println!("{old} writes of term {term}, {new} of term {}", next.0);
    assert!(old > 0 && new > 0);
    let first =
        pair.database.rows(&format!("SELECT min(at) AS at FROM noted.writes WHERE term = '{}'", next.0)).unwrap();
    assert!(last < first[0]["at"].as_f64(), "a write of term {term} at {last:?}, of the next at {first:?}");
    assert_eq!(pair.leads().unwrap(), next);
    assert_eq!(pair.metric(leader, "picket_leader"), Some("0".into()));
    pair.answers(leader);
}

/// Every write in any table says from here on in which term it was made; only what is committed is seen.
fn writes_are_noted(database: &External) {
    database
        .run(
            "CREATE SCHEMA noted;
             CREATE TABLE noted.writes (at float8 NOT NULL, term text NOT NULL, what text NOT NULL);
             CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                 INSERT INTO noted.writes SELECT extract(epoch FROM clock_timestamp()), term, TG_TABLE_NAME || ' ' || TG_OP
                     FROM current_setting('picket.fence', true) AS term WHERE term <> '';
                 RETURN NULL;
             END $$;
             DO $$ DECLARE tab regclass; BEGIN
                 FOR tab IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
                     AND relnamespace = 'public'::regnamespace LOOP
                     EXECUTE format('CREATE TRIGGER note_write AFTER INSERT OR UPDATE OR DELETE ON %s
                         FOR EACH STATEMENT EXECUTE FUNCTION note_write()', tab);
                 END LOOP;
             END $$",
        )
        .unwrap();
}

/// How many writes of a term there are, and when the last was.
fn writes(pair: &Pair, term: i64) -> (i64, Option<f64>) {
    let asked = format!("SELECT count(*) AS many, max(at) AS last FROM noted.writes WHERE term = '{term}'");
    let rows = pair.database.rows(&asked).unwrap();
    (rows[0]["many"].as_i64().unwrap(), rows[0]["last"].as_f64())
}

/// One that is stopped in order lets go: the other need not wait.
fn lets_go_at_once(pair: &mut Pair) {
    let (term, leader) = pair.leads().unwrap();
    let watch = Stopwatch::start();
    pair.collectors[leader].stops();
    let stopped = watch.elapsed();
    let next = pair.until_led_after(term, Duration::from_secs(5));
    println!("stopped in {stopped:?}, taken over after {:?}", watch.elapsed());
    assert_eq!(next, (term + 1, 1 - leader));
}
