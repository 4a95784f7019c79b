//! The collector is killed with -9 ten times while batches are with it; every other time its PostgreSQL is killed too, as
//! the service manager does, and else it is found running by the next start. Meanwhile one target really goes down and
//! comes back: that is one incident, and everybody is told.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use picket_shared::time::Timestamp;
use picket_tests::ledger::End;
use picket_tests::mailbox::Mailbox;
use picket_tests::target::{Ports, Target};
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

use super::{Busy, now, watch};

const TIMES: u64 = 10;
/// At these times the target goes down, and comes back.
const DOWN_AND_UP: (u64, u64) = (2, 7);
/// As the shipped unit says.
const RESTART_AFTER: Duration = Duration::from_secs(2);
const CAFE: Ports = Ports { http: 81, https: 444 };

#[test]
fn a_collector_that_is_killed_loses_nothing() {
    let mut busy = Busy::start(World::of_lines());
    let mailbox = busy.world.mailbox();
    busy.world.collector.trusted_channel(&["email", "oncall@example.org", "--name", "on call"]);
    let (place, address) = (busy.world.target_place().clone(), busy.world.target_address());
    let mut cafe = Target::start(&place, address, CAFE, &busy.world.folder("cafe"), None, &[]);
    let url = format!("http://{address}:{}/", CAFE.http);
    watch(&busy.world, &url, "http", "cafe");
    busy.since = busy.until_well(now(), Duration::from_secs(60));

    let (mut unanswered, mut broke_at) = (0, busy.since);
    for time in 0..TIMES {
        if time == DOWN_AND_UP.0 {
            broke_at = now();
            cafe.breaks();
        }
        if time == DOWN_AND_UP.1 {
            wait::until("the incident", Duration::from_secs(60), || busy.incidents().pop().ok_or(()));
            cafe.starts();
        }
        unanswered += u64::from(dies_and_comes_back(&mut busy, time));
    }
    println!("{unanswered} of {TIMES} times the batch at hand was not answered");
    assert!(unanswered >= TIMES / 3, "the collector was hardly ever killed in the middle of a batch");
    busy.closes(&[]);
    busy.refused_nothing_for_good();
    is_the_true_one(&busy.incidents(), broke_at);
    assert_eq!(busy.world.collector.show("cafe").incidents().len(), 1);
    wait::until("to be told", Duration::from_secs(150), || told(&mailbox));
}

/// Kills the collector somewhere between the first byte of a batch and its answer, and starts it as the service manager
/// does; whether the batch was left without an answer.
fn dies_and_comes_back(busy: &mut Busy, time: u64) -> bool {
    let batch = busy.world.ledger.until_in_flight(Duration::from_secs(60));
    thread::sleep(Duration::from_millis(time * 3));
    if time.is_multiple_of(2) {
        busy.world.collector.crashes();
    } else {
        busy.world.collector.crashes_under_systemd();
    }
    thread::sleep(RESTART_AFTER);
    let unanswered = matches!(busy.world.ledger.sendings()[batch].end, End::Lost);
    busy.world.collector.starts();
    busy.until_heard(Duration::from_secs(90));
    unanswered
}

fn is_the_true_one(incidents: &[Value], broke_at: Timestamp) {
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let started_at = Timestamp::from_micros(incidents[0]["started_at"].as_i64().unwrap());
    // A check that is under way when the target ends may have begun before.
    assert!(broke_at.since(started_at) < Duration::from_secs(2), "{started_at} is before {broke_at}");
    assert!(started_at.since(broke_at) < Duration::from_secs(30), "{started_at} is long after {broke_at}");
    assert_eq!(incidents[0]["resolution"], "recovered", "{incidents:#?}");
}

/// A message that was sent and not noted before the kill is sent again under the same id.
fn told(mailbox: &Mailbox) -> Result<(), Vec<String>> {
    let mails = mailbox.mails();
    let subjects: Vec<String> = mails.iter().filter_map(|mail| mail.header("subject")).collect();
    assert!(subjects.iter().all(|subject| subject.contains("cafe")), "{subjects:?}");
    let ids: BTreeSet<String> = mails.iter().filter_map(|mail| mail.header("message-id")).collect();
    if ids.len() == 2 { Ok(()) } else { Err(subjects) }
}
