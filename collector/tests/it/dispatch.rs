//! Notices to deliveries, and the leases on them.

use picket_collector::domain::maintenance::settings::read as settings_of_maintenance;
use picket_collector::domain::outage::NoticeKind;
use picket_collector::flow::dispatch::{self, Report};
use picket_collector::flow::maintenance;
use picket_collector::store::deliveries::{self, Attempt, Leased, Tried};
use picket_collector::store::maintenances::deeds;
use picket_collector::store::monitors::{self, Found};
use picket_collector::store::{RegionKey, channels};
use picket_shared::ids::{MaintenanceId, MonitorId, Region};
use picket_shared::time::Timestamp;

use crate::telling::{START, Told, email, seconds, settings, webhook};

const TERM: std::time::Duration = seconds(60);

fn region() -> Region {
    "eu-1".parse().unwrap()
}

fn silent() -> NoticeKind {
    NoticeKind::RegionSilent { region: region(), heard: None }
}

fn heard() -> NoticeKind {
    NoticeKind::RegionHeard { region: region() }
}

async fn lease(told: &Told, at: Timestamp) -> Vec<Leased> {
    let mut worker = told.database.pools.worker().await.unwrap();
    let leased = deliveries::lease(&mut worker, &[], 10, TERM, at).await.unwrap();
    worker.commit().await.unwrap();
    leased
}

async fn record(told: &Told, leased: &Leased, at: Timestamp) -> bool {
    let (attempt, answer) = (Attempt::Sent, "200".to_owned());
    let tried = Tried { attempt, answer, status: Some(200), request_id: None, took: TERM, at };
    let mut worker = told.database.pools.worker().await.unwrap();
    let held = deliveries::record(&mut worker, leased, &tried).await.unwrap();
    worker.commit().await.unwrap();
    held
}

#[tokio::test]
async fn a_notice_becomes_one_delivery_a_channel_once() {
    let told = Told::new().await;
    told.channel("hook", &webhook("https://hook.example/")).await;
    told.channel("mail", &email("oncall@example.org")).await;
    told.notice(NoticeKind::NeverCameUp, START).await;
    let pools = &told.database.pools;
    assert_eq!(dispatch::run(pools, START).await.unwrap(), Report { notices: 1, deliveries: 2 });
    assert_eq!(dispatch::run(pools, START).await.unwrap(), Report::default());
    assert_eq!(told.deliveries().await, [("pending".to_owned(), 0), ("pending".to_owned(), 0)]);
}

#[tokio::test]
async fn two_dispatchers_at_once_make_each_delivery_once() {
    let told = Told::new().await;
    told.channel("hook", &webhook("https://hook.example/")).await;
    for second in 0..20 {
        told.notice(NoticeKind::NeverCameUp, START + seconds(second)).await;
    }
    let pools = &told.database.pools;
    let (a, b) = tokio::join!(dispatch::run(pools, START), dispatch::run(pools, START));
    // One may have passed over what the other held; a third finds nothing left.
    assert_eq!(a.unwrap().deliveries + b.unwrap().deliveries, 20);
    assert_eq!(dispatch::run(pools, START).await.unwrap(), Report::default());
    assert_eq!(told.deliveries().await.len(), 20);
}

#[tokio::test]
async fn that_somebody_looks_after_an_incident_goes_to_pagers_alone() {
    let told = Told::new().await;
    told.channel("hook", &webhook("https://hook.example/")).await;
    let key = picket_shared::secret::SecretString::new("0123456789abcdef0123456789abcdef".to_owned());
    let pager =
        picket_collector::notify::channels::pagerduty::Pagerduty { key, region: "eu".to_owned(), webhook_secret: None };
    told.channel("pager", &picket_collector::notify::Settings::Pagerduty(pager)).await;
    let mut conn = told.database.login("postgres").await;
    let incident =
        "INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
                    SELECT gen_random_uuid(), org_id, id, 1, 1, 'timeout', 'late', '{}' FROM monitors";
    sqlx::query(incident).execute(&mut conn).await.unwrap();
    told.notice(NoticeKind::Down, START).await;
    told.notice(NoticeKind::Acknowledged, START).await;
    let tie = "UPDATE notices SET incident_id = (SELECT id FROM incidents)";
    sqlx::query(tie).execute(&mut conn).await.unwrap();
    assert_eq!(dispatch::run(&told.database.pools, START).await.unwrap(), Report { notices: 2, deliveries: 3 });
    let kind = "SELECT c.kind FROM deliveries d JOIN channels c ON c.id = d.channel_id
                JOIN notices n ON n.id = d.notice_id WHERE n.kind = 'acknowledged'";
    assert_eq!(told.text(kind).await, "pagerduty");
    told.notice(NoticeKind::Regional { failing: [region()].into() }, START).await;
    told.notice(NoticeKind::NoData { since: START }, START).await;
    assert_eq!(dispatch::run(&told.database.pools, START).await.unwrap(), Report { notices: 2, deliveries: 4 });
}

#[tokio::test]
async fn a_silent_region_is_told_once_for_all_monitors_and_again_after_it_was_heard() {
    let told = Told::new().await;
    told.channel("hook", &webhook("https://hook.example/")).await;
    let pools = &told.database.pools;
    let mut made = Vec::new();
    for (second, kind) in [(0, silent()), (1, silent()), (60, heard()), (61, heard()), (120, silent()), (900, silent())]
    {
        told.notice(kind, START + seconds(second)).await;
        made.push(dispatch::run(pools, START + seconds(second)).await.unwrap().deliveries);
    }
    assert_eq!(made, [1, 0, 1, 0, 1, 1]);
}

#[tokio::test]
async fn a_bad_network_of_a_region_is_told_once_however_late_other_monitors_learn_of_it() {
    let told = Told::new().await;
    told.channel("hook", &webhook("https://hook.example/")).await;
    let bad = || NoticeKind::RegionNetworkBad { region: region(), since: START };
    let good = || NoticeKind::RegionNetworkGood { region: region() };
    let mut made = Vec::new();
    for (second, kind) in
        [(0, bad()), (1, bad()), (2, silent()), (7200, bad()), (7300, good()), (9000, good()), (9001, bad())]
    {
        told.notice(kind, START + seconds(second)).await;
        made.push(dispatch::run(&told.database.pools, START + seconds(second)).await.unwrap().deliveries);
    }
    assert_eq!(made, [1, 0, 1, 0, 1, 0, 1]);
}

#[tokio::test]
async fn a_lease_that_ran_out_gives_the_same_delivery_again_and_the_old_one_ends_nothing() {
    let told = Told::new().await;
    told.channel("hook", &webhook("https://hook.example/")).await;
    told.notice(NoticeKind::NeverCameUp, START).await;
    dispatch::run(&told.database.pools, START).await.unwrap();
    let first = lease(&told, START).await;
    assert_eq!(first[0].about.as_ref().map(|about| about.monitor.as_ref().unwrap().name.as_str()), Some("shop"));
    // What a crash between sending and recording leaves behind.
    assert!(lease(&told, START).await.is_empty());
    let second = lease(&told, START + TERM).await;
    assert_eq!((second.len(), second[0].id), (1, first[0].id));
    assert!(!record(&told, &first[0], START + TERM).await);
    assert_eq!(told.deliveries().await, [("pending".to_owned(), 0)]);
    assert!(record(&told, &second[0], START + TERM).await);
    assert!(!record(&told, &second[0], START + TERM).await);
    assert!(lease(&told, START + TERM * 9).await.is_empty());
    assert_eq!(told.deliveries().await, [("sent".to_owned(), 1)]);
}

#[tokio::test]
async fn a_removed_channel_gets_nothing_and_its_settings_are_forgotten() {
    let told = Told::new().await;
    let hook = told.channel("hook", &webhook("https://hook.example/")).await;
    told.channel("mail", &email("oncall@example.org")).await;
    told.notice(NoticeKind::NeverCameUp, START).await;
    dispatch::run(&told.database.pools, START).await.unwrap();
    let mut scoped = told.database.pools.scoped(told.org).await.unwrap();
    assert!(channels::remove(&mut scoped, hook, START).await.unwrap());
    assert!(!channels::remove(&mut scoped, hook, START).await.unwrap());
    scoped.commit().await.unwrap();
    let mut worker = told.database.pools.worker().await.unwrap();
    assert_eq!(deliveries::supersede_unwanted(&mut worker, START).await.unwrap(), 1);
    worker.commit().await.unwrap();
    assert_eq!(told.deliveries().await, [("superseded".to_owned(), 0), ("pending".to_owned(), 0)]);
    assert_eq!(told.number("SELECT count(*) FROM channels WHERE length(sealed_settings) > 0").await, 1);
    told.notice(NoticeKind::NeverCameUp, START).await;
    assert_eq!(dispatch::run(&told.database.pools, START).await.unwrap().deliveries, 1);
}

#[tokio::test]
async fn a_monitor_is_edited_by_version_paused_once_and_named_once() {
    let told = Told::new().await;
    let settings = settings("shop", RegionKey(told.region.0));
    let mut conn = told.database.pools.scoped(told.org).await.unwrap();
    let Found::One(row) = monitors::find(&mut conn, "shop").await.unwrap() else { unreachable!("it was made") };
    monitors::edit(&mut conn, told.monitor, row.version, &settings, START).await.unwrap();
    assert!(monitors::edit(&mut conn, told.monitor, row.version, &settings, START).await.is_err());
    assert!(monitors::pause(&mut conn, told.monitor, START).await.unwrap());
    assert!(!monitors::pause(&mut conn, told.monitor, START).await.unwrap());
    assert!(monitors::resume(&mut conn, told.monitor, START).await.unwrap());
    conn.commit().await.unwrap();
    let mut conn = told.database.pools.scoped(told.org).await.unwrap();
    let taken = monitors::insert(&mut conn, MonitorId::at(START), &settings, START).await.unwrap_err();
    assert_eq!(taken.constraint(), Some("monitors_org_name"));
}

#[tokio::test]
async fn maintenance_goes_to_channels_that_are_no_pagers_and_what_is_called_off_to_those_that_were_told() {
    let told = Told::new().await;
    told.channel("hook", &webhook("https://hook.example/")).await;
    let key = picket_shared::secret::SecretString::new("0123456789abcdef0123456789abcdef".to_owned());
    let pager =
        picket_collector::notify::channels::pagerduty::Pagerduty { key, region: "eu".to_owned(), webhook_secret: None };
    told.channel("pager", &picket_collector::notify::Settings::Pagerduty(pager)).await;
    let pools = &told.database.pools;
    let body = serde_json::json!({ "title": "Later", "start": "2026-09-22T12:00", "duration_s": 3600, "announce_before_s": 86_400 });
    let wanted = settings_of_maintenance(&body, None, START).unwrap();
    let id = MaintenanceId::at(START);
    let mut scoped = told.scoped().await;
    assert!(deeds::add(&mut scoped, id, &wanted, START).await.unwrap());
    scoped.commit().await.unwrap();
    maintenance::run(pools, START).await.unwrap();
    assert_eq!(dispatch::run(pools, START).await.unwrap(), Report { notices: 1, deliveries: 1 });
    let leased = lease(&told, START).await;
    let about = leased[0].about.as_ref().unwrap();
    let now = about.maintenance.as_ref().unwrap();
    assert_eq!((now.id, now.title.as_str(), now.all, about.monitor.is_none()), (id, "Later", true, true));
    // One that is made later knows nothing of it.
    told.channel("mail", &email("oncall@example.org")).await;
    let mut scoped = told.scoped().await;
    let kept = deeds::hold(&mut scoped, id).await.unwrap().unwrap();
    deeds::delete(&mut scoped, &kept, START + seconds(10)).await.unwrap();
    scoped.commit().await.unwrap();
    maintenance::run(pools, START + seconds(10)).await.unwrap();
    assert_eq!(dispatch::run(pools, START + seconds(10)).await.unwrap(), Report { notices: 1, deliveries: 1 });
    assert!(lease(&told, START + seconds(11)).await.is_empty(), "first that it is planned, then that it is not");
    assert!(record(&told, &leased[0], START + seconds(11)).await);
    let leased = lease(&told, START + seconds(11)).await;
    assert_eq!(leased[0].about.as_ref().unwrap().notice.kind, NoticeKind::MaintenanceCalledOff);
    assert_eq!(leased[0].channel.name, "hook");
}
