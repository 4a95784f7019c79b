//! Alarm drills go the way of every alarm, say that they are one, and keep how long it took.

use std::time::Duration;

use picket_collector::config::{Mail, Outbound};
use picket_collector::flow::{alarm_drills, deliver, dispatch};
use picket_collector::store::audit::Author;
use picket_collector::store::incidents;
use picket_collector::store::incidents::drills::{self, DrillRow, LONGEST, TITLE};
use picket_shared::egress::EgressGuard;
use picket_shared::ids::{IncidentId, MonitorId};
use picket_shared::time::Timestamp;
use uuid::Uuid;

use crate::receiver::Receiver;
use crate::telling::{START, Told, webhook};

const SECOND: Duration = Duration::from_secs(1);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

async fn tell(told: &Told, at: Timestamp) {
    let ctx = told.ctx(Mail::default(), Outbound::default(), EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]));
    dispatch::run(&told.database.pools, at).await.unwrap();
    deliver::run(&ctx, at).await.unwrap();
}

async fn begin(told: &Told, monitors: &[MonitorId], at: Timestamp) -> Option<IncidentId> {
    let mut scoped = told.scoped().await;
    let begun = drills::begin(&mut scoped, monitors, false, at).await.unwrap();
    scoped.commit().await.unwrap();
    begun
}

async fn rows(told: &Told) -> Vec<DrillRow> {
    drills::list(&mut told.scoped().await, None, 10).await.unwrap()
}

#[tokio::test]
async fn a_drill_says_that_it_is_one_and_how_soon_it_was_taken_and_acknowledged() {
    let (told, receiver, gone) = (Told::new().await, Receiver::start().await, Receiver::start().await);
    told.channel("good", &webhook(&receiver.url("/"))).await;
    told.channel("gone", &webhook(&gone.url("/"))).await;
    gone.answers(410, &[], "");
    let id = begin(&told, &[], START).await.unwrap();
    tell(&told, START + SECOND * 3).await;
    let event: serde_json::Value = serde_json::from_slice(&receiver.calls()[0].body).unwrap();
    assert_eq!((&event["type"], &event["data"]["incident"]["title"]), (&"incident.declared".into(), &TITLE.into()));
    let row = rows(&told).await.remove(0);
    assert_eq!((row.messages, row.taken, row.failed), (2, 1, 1));
    let first = row.first_us.unwrap();
    assert!((3_000_000..60_000_000).contains(&first) && row.last_us == Some(first), "{row:?}");
    assert_eq!(
        alarm_drills::run(&told.database.pools, START + SECOND * 60).await.unwrap().ended,
        0,
        "nobody acknowledged"
    );
    let mut scoped = told.scoped().await;
    let held = incidents::hold(&mut scoped, id).await.unwrap().unwrap();
    incidents::acknowledge(&mut scoped, &held, START + SECOND * 90).await.unwrap();
    scoped.commit().await.unwrap();
    let report = alarm_drills::run(&told.database.pools, START + SECOND * 100).await.unwrap();
    assert_eq!((report.begun, report.ended), (0, 1));
    let exported = rows(&told).await[0].exported();
    assert_eq!((&exported["acknowledged_after_s"], &exported["began_by"]), (&90.0.into(), &"asked".into()));
    tell(&told, START + SECOND * 100).await;
    let last: serde_json::Value = serde_json::from_slice(&receiver.calls().last().unwrap().body).unwrap();
    assert!(receiver.calls().len() > 1, "{last}");
    let over =
        receiver.calls().iter().any(|call| String::from_utf8_lossy(&call.body).contains("incident.declared_over"));
    assert!(over, "who was told is told that it is over");
}

#[tokio::test]
async fn a_drill_that_nobody_acknowledges_ends_by_itself_and_one_of_no_monitor_is_none() {
    let told = Told::new().await;
    assert_eq!(begin(&told, &[MonitorId(Uuid::from_u128(1))], START).await, None);
    assert_eq!(rows(&told).await.len(), 0);
    begin(&told, &[], START).await.unwrap();
    let run = async |at| alarm_drills::run(&told.database.pools, at).await.unwrap().ended;
    assert_eq!(run(START + LONGEST - SECOND).await, 0);
    assert_eq!(run(START + LONGEST).await, 1);
    assert_eq!(run(START + LONGEST * 2).await, 0);
    let row = &rows(&told).await[0];
    assert_eq!((row.messages, row.acknowledged_at), (0, None), "no channel is told, and that is seen");
}

#[tokio::test]
async fn weekly_drills_come_a_week_after_the_last_where_somebody_wants_them() {
    let told = Told::new().await;
    let run = async |at| alarm_drills::run(&told.database.pools, at).await.unwrap().begun;
    assert_eq!(run(START).await, 0);
    let mut auth = told.database.pools.auth().await.unwrap();
    let by = Author::of_instance("command:test");
    assert!(drills::set_weekly(&mut auth, told.org, true, &by, START).await.unwrap());
    assert!(!drills::set_weekly(&mut auth, told.org, true, &by, START).await.unwrap(), "it is so already");
    auth.commit().await.unwrap();
    assert!(drills::are_weekly(&mut told.scoped().await).await.unwrap());
    assert_eq!(run(START).await, 1);
    assert_eq!(run(START + WEEK - SECOND).await, 0);
    assert_eq!(run(START + WEEK).await, 1);
    // One that somebody asks for puts the next off.
    begin(&told, &[], START + WEEK * 2 - SECOND).await.unwrap();
    assert_eq!(run(START + WEEK * 2).await, 0);
    assert_eq!(rows(&told).await.iter().filter(|row| row.drill == "weekly").count(), 2);
}
