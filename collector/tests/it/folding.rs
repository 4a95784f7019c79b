//! Several notices to people go out as one message: the first at once, the rest of half a minute together; programs get each.

use std::time::Duration;

use picket_collector::config::{Mail, Outbound};
use picket_collector::domain::outage::{Notice, NoticeKind, Over, Resolution};
use picket_collector::flow::{deliver, dispatch};
use picket_collector::notify::Settings as Channel;
use picket_collector::notify::channels::mattermost::Mattermost;
use picket_shared::egress::EgressGuard;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use sqlx::AssertSqlSafe;

use crate::receiver::Receiver;
use crate::telling::{START, Told, webhook};

const SECOND: Duration = Duration::from_secs(1);

fn chat(receiver: &Receiver, name: &str) -> Channel {
    let url = SecretString::new(receiver.url(&format!("/hooks/{name:0<26}")));
    Channel::Mattermost(Mattermost { url, channel: None })
}

/// Monitors `from..to` with an open incident each, of which the judge has just said that they are down.
async fn fall(told: &Told, from: i64, to: i64, at: Timestamp) {
    let notice = Notice { kind: NoticeKind::Down, at, incident_started_at: Some(START), regions: vec![] };
    let notice = serde_json::to_string(&notice).unwrap();
    run(told, &format!(
        "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
             SELECT gen_random_uuid(), 1, 'm' || n, 'tcp', 'h' || n || '.example:1', '{{}}', 60, 1000, 1, 0, 0 FROM generate_series({from}, {to} - 1) n;
         INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
             SELECT gen_random_uuid(), 1, id, {start}, {start}, 'connect_refused', 'refused',
                 '{{\"evidence\": {{\"address\": \"192.0.2.7\"}}}}' FROM monitors
             WHERE name ~ '^m[0-9]+$' AND substr(name, 2)::int BETWEEN {from} AND {to} - 1;
         INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload)
             SELECT 1, i.monitor_id, i.id, 'down', {at}, jsonb_build_object('notice', '{notice}'::jsonb) FROM incidents i
             WHERE NOT EXISTS (SELECT FROM notices n WHERE n.incident_id = i.id) ORDER BY i.id",
        start = START.micros(),
        at = at.micros(),
    ))
    .await;
}

/// All that are down come up.
async fn rise(told: &Told, at: Timestamp) {
    let over = Over { at, resolution: Resolution::Recovered };
    let notice = Notice { kind: NoticeKind::Up { over }, at, incident_started_at: Some(START), regions: vec![] };
    let notice = serde_json::to_string(&notice).unwrap();
    run(
        told,
        &format!(
            "UPDATE incidents SET resolved_at = {at}, resolution = 'recovered' WHERE resolved_at IS NULL;
         INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload)
             SELECT 1, i.monitor_id, i.id, 'up', {at}, jsonb_build_object('notice', '{notice}'::jsonb) FROM incidents i
             WHERE NOT EXISTS (SELECT FROM notices n WHERE n.incident_id = i.id AND n.kind = 'up') ORDER BY i.id",
            at = at.micros(),
        ),
    )
    .await;
}

async fn run(told: &Told, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut told.database.login("postgres").await).await.unwrap();
}

fn ctx(told: &Told) -> deliver::Ctx {
    told.ctx(Mail::default(), Outbound::default(), EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]))
}

async fn tell(told: &Told, at: Timestamp) -> deliver::Report {
    dispatch::run(&told.database.pools, at).await.unwrap();
    deliver::run(&ctx(told), at).await.unwrap()
}

fn texts(receiver: &Receiver, name: &str) -> Vec<String> {
    let path = format!("/hooks/{name:0<26}");
    let calls = receiver.calls().into_iter().filter(|call| call.path == path);
    calls.map(|call| String::from_utf8_lossy(&call.body).into_owned()).collect()
}

#[tokio::test]
async fn monitors_that_fail_at_once_are_a_handful_of_messages_to_each_person_and_the_first_comes_at_once() {
    let (told, receiver) = (Told::new().await, Receiver::start().await);
    for person in 0..10 {
        told.channel(&format!("p{person}"), &chat(&receiver, &format!("p{person}"))).await;
    }
    fall(&told, 0, 5, START).await;
    assert_eq!(tell(&told, START).await.sent, 10, "the first message is sent at once");
    fall(&told, 5, 2800, START + SECOND).await;
    assert_eq!(tell(&told, START + SECOND).await.sent, 0, "the rest waits for half a minute");
    assert_eq!(tell(&told, START + SECOND * 300).await.sent, 10);
    rise(&told, START + SECOND * 1000).await;
    assert_eq!(
        tell(&told, START + SECOND * 1000).await.sent,
        10,
        "what comes long after another message waits for nothing"
    );
    let states = "SELECT string_agg(DISTINCT state, ',') || ' ' || count(*) FROM deliveries";
    assert_eq!(told.text(states).await, "sent 56000", "down and up of each monitor reached each person");
    for person in 0..10 {
        let mut texts = texts(&receiver, &format!("p{person}"));
        // A machine under load answers late, and is sent the same again.
        texts.dedup();
        assert_eq!(texts.len(), 3, "of 5,600 notices");
        assert!(texts[0].contains("5 down: m0, m1, m2 and 2 more"), "{}", texts[0]);
        assert!(texts[1].contains("2795 down: m5, m6, m7 and 2792 more"), "{}", texts[1]);
        assert!(texts[1].contains("all have the address 192.0.2.7 in common"), "{}", texts[1]);
        assert!(texts[2].contains("2800 up: m0, m1, m2 and 2797 more"), "{}", texts[2]);
    }
}

#[tokio::test]
async fn programs_get_each_notice_by_itself_at_once() {
    let (told, receiver) = (Told::new().await, Receiver::start().await);
    told.channel("hook", &webhook(&receiver.url("/hooks/h"))).await;
    fall(&told, 0, 3, START).await;
    assert_eq!(tell(&told, START).await.sent, 3);
    rise(&told, START + SECOND).await;
    assert_eq!(tell(&told, START + SECOND).await.sent, 3);
    assert_eq!(receiver.calls().len(), 6);
}

#[tokio::test]
async fn what_failed_as_one_is_tried_again_as_the_same_and_what_came_since_waits_for_it() {
    let (told, receiver) = (Told::new().await, Receiver::start().await);
    told.channel("p", &chat(&receiver, "p")).await;
    receiver.answers(503, &[], "busy");
    fall(&told, 0, 3, START).await;
    assert_eq!(tell(&told, START).await.retried, 1);
    rise(&told, START + SECOND).await;
    fall(&told, 3, 4, START + SECOND).await;
    receiver.answers(200, &[], "ok");
    // What is not of the same incidents waits for nothing.
    assert_eq!(tell(&told, START + SECOND).await.sent, 1);
    let due: i64 = told.number("SELECT max(next_at) FROM deliveries WHERE folded_into IS NOT NULL").await;
    assert_eq!(tell(&told, Timestamp::from_micros(due)).await.sent, 1);
    assert_eq!(tell(&told, Timestamp::from_micros(due) + SECOND * 300).await.sent, 1);
    let texts = texts(&receiver, "p");
    assert_eq!(texts.len(), 4, "{texts:#?}");
    assert!(
        texts[0].contains("3 down: m0, m1, m2") && texts[2].contains("was down") == texts[2].contains("m0"),
        "{texts:#?}"
    );
    assert!(texts[1].contains("m3") && !texts[1].contains("m0"), "{}", texts[1]);
    assert!(texts[3].contains("3 up: m0, m1, m2"), "{}", texts[3]);
    let one_message = "SELECT count(DISTINCT coalesce(folded_into, id)) FROM deliveries WHERE notice_id <= 3";
    assert_eq!(told.number(one_message).await, 1, "it is the same message at each try");
    assert_eq!(told.number("SELECT count(*) FROM deliveries WHERE state <> 'sent'").await, 0);
}

#[tokio::test]
async fn what_went_down_and_up_within_half_a_minute_is_one_line() {
    let (told, receiver) = (Told::new().await, Receiver::start().await);
    told.channel("p", &chat(&receiver, "p")).await;
    fall(&told, 0, 1, START).await;
    assert_eq!(tell(&told, START).await.sent, 1);
    fall(&told, 1, 3, START + SECOND).await;
    rise(&told, START + SECOND * 10).await;
    tell(&told, START + SECOND * 10).await;
    assert_eq!(tell(&told, START + SECOND * 300).await.sent, 1);
    let text = &texts(&receiver, "p")[1];
    assert!(text.contains("3 up: ") && !text.contains("down:") && text.contains("after 10 s"), "{text}");
}

#[tokio::test]
async fn a_channel_that_fails_is_told_of_through_the_others_once_and_when_it_works_again() {
    let (told, good, bad) = (Told::new().await, Receiver::start().await, Receiver::start().await);
    told.channel("good", &webhook(&good.url("/hooks/good"))).await;
    told.channel("bad", &webhook(&bad.url("/hooks/bad"))).await;
    bad.answers(404, &[], "no such hook");
    fall(&told, 0, 1, START).await;
    let report = tell(&told, START).await;
    assert_eq!((report.sent, report.failed), (1, 1), "the good one is told what happened");
    fall(&told, 1, 2, START + SECOND).await;
    tell(&told, START + SECOND).await;
    tell(&told, START + SECOND * 2).await;
    let events = |receiver: &Receiver| -> Vec<serde_json::Value> {
        receiver.calls().iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect()
    };
    let kinds = |receiver: &Receiver| -> Vec<String> {
        events(receiver).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&good), ["monitor.down", "channel.failing", "monitor.down"], "once, and not to itself");
    let about = events(&good)[1]["data"].clone();
    assert_eq!((&about["channel"]["name"], &about["answer"]), (&"bad".into(), &"404 Not Found no such hook".into()));
    bad.answers(200, &[], "");
    fall(&told, 2, 3, START + SECOND * 3).await;
    tell(&told, START + SECOND * 3).await;
    tell(&told, START + SECOND * 4).await;
    assert_eq!(kinds(&good).last().map(String::as_str), Some("channel.works"));
    assert_eq!(told.number("SELECT count(*) FROM channels WHERE failing_since IS NOT NULL").await, 0);
    assert_eq!(told.number("SELECT count(*) FROM notices WHERE channel_id IS NOT NULL").await, 2);
}
