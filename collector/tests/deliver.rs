//! Notices to messages on a real database.
mod common;

use picket_collector::domain::outage::{Notice, NoticeKind};
use picket_collector::flow::dispatch;
use picket_collector::store::channels::{self, ChannelRow};
use picket_collector::store::deliveries::{self, Attempt};
use picket_collector::store::monitors::{self, Found, Settings};
use picket_collector::store::{ChannelKey, OrgKey, RegionKey, notices};
use picket_shared::check::{CheckSpec, HttpSpec};
use picket_shared::ids::{ChannelId, MonitorId};
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use std::time::Duration;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story from a monitor to its message")]
#[ignore = "needs a database: PICKET_TEST_DATABASE"]
async fn a_notice_becomes_one_delivery_a_channel_that_is_leased_once_and_again_when_the_lease_runs_out() {
    let pools = common::pools().await.expect("PICKET_TEST_DATABASE");
    let now = Timestamp::from_seconds(1_772_359_213);
    let org: OrgKey = sqlx::query_scalar(
        "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'a', 1) RETURNING id",
    )
    .fetch_one(&pools.auth)
    .await
    .unwrap();
    let region: i64 = sqlx::query_scalar(
        "INSERT INTO regions (code, network, eu, created_at) VALUES ('eu-1', 'n', true, 1) RETURNING id",
    )
    .fetch_one(&pools.auth)
    .await
    .unwrap();
    let settings = Settings {
        name: "shop".into(),
        spec: CheckSpec::Http(HttpSpec::get("https://shop.example/")),
        sealed_secret: None,
        interval_s: 30,
        timeout_ms: 10_000,
        quorum: None,
        eu_only: false,
        tags: vec![],
        regions: vec![RegionKey(region)],
    };
    let mut conn = pools.scoped(org).await.unwrap();
    let key = monitors::insert(&mut conn, MonitorId::at(now), &settings, now).await.unwrap();
    let channel = ChannelRow {
        key: ChannelKey(0),
        id: ChannelId::at(now),
        name: "hook".into(),
        kind: "webhook".into(),
        hint: "...".into(),
        created_at: now,
    };
    channels::insert(&mut conn, &channel, &Sealed(vec![1])).await.unwrap();
    conn.commit().await.unwrap();

    let mut conn = pools.scoped(org).await.unwrap();
    let Found::One(row) = monitors::find(&mut conn, "shop").await.unwrap() else { panic!("not found") };
    monitors::edit(&mut conn, key, row.version, &settings, now).await.unwrap();
    assert!(monitors::edit(&mut conn, key, row.version, &settings, now).await.is_err());
    assert!(
        monitors::pause(&mut conn, key, now).await.unwrap() && !monitors::pause(&mut conn, key, now).await.unwrap()
    );
    assert!(monitors::resume(&mut conn, key, now).await.unwrap());
    conn.commit().await.unwrap();
    let mut conn = pools.scoped(org).await.unwrap();
    let taken = monitors::insert(&mut conn, MonitorId::at(now), &settings, now).await.unwrap_err();
    assert_eq!(taken.constraint(), Some("monitors_org_name"));

    let notice = Notice { kind: NoticeKind::NeverCameUp, at: now, incident_started_at: None, regions: vec![] };
    let mut worker = pools.worker().await.unwrap();
    let payload = serde_json::json!({ "notice": notice });
    notices::write(&mut worker, org, key, None, "never_came_up", now, &payload).await.unwrap();
    worker.commit().await.unwrap();
    assert_eq!(dispatch::run(&pools, now).await.unwrap(), dispatch::Report { notices: 1, deliveries: 1 });
    assert_eq!(dispatch::run(&pools, now).await.unwrap(), dispatch::Report::default());

    let term = Duration::from_secs(60);
    let lease = async |at: Timestamp| {
        let mut worker = pools.worker().await.unwrap();
        let leased = deliveries::lease(&mut worker, &[], 10, term, at).await.unwrap();
        worker.commit().await.unwrap();
        leased
    };
    let first = lease(now).await;
    assert_eq!((first.len(), first[0].about.as_ref().map(|about| about.name.as_str())), (1, Some("shop")));
    assert!(lease(now).await.is_empty());
    let second = lease(now + term).await;
    assert_eq!(second[0].id, first[0].id);
    let mut worker = pools.worker().await.unwrap();
    assert!(!deliveries::record(&mut worker, &first[0], Attempt::Sent, "200", term, now).await.unwrap());
    assert!(deliveries::record(&mut worker, &second[0], Attempt::Sent, "200", term, now + term).await.unwrap());
    worker.commit().await.unwrap();
    assert!(lease(now + term + term).await.is_empty());
}
