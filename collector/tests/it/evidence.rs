//! What was seen first stands in the incident and in its message.

use picket_collector::config::{Mail, Outbound};
use picket_collector::flow::{deliver, dispatch, judge};
use picket_collector::store::results::Detail;
use picket_shared::egress::EgressGuard;
use picket_shared::outcome::Certificate;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::telling::{START, Told, seconds, webhook};

/// What the only region saw, as the intake writes it: failures `fails` in a row since `since`.
async fn failing(told: &Told, since: Timestamp, at: Timestamp, fails: i16, detail: &Value) {
    let mut conn = told.database.login("postgres").await;
    sqlx::query(
        "INSERT INTO changes (org_id, monitor_id, region_id, at, received_at, version, trigger, status, failure, fails,
                oks, self_check, detail)
         VALUES ($1, $2, $3, $4, $4, 1, 'confirm', 'down', 'certificate_expired', $5, 0, 'good', $6)",
    )
    .bind(told.org)
    .bind(told.monitor)
    .bind(told.region)
    .bind(at.micros())
    .bind(fails)
    .bind(detail)
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO region_states (org_id, monitor_id, region_id, version, status, failure, message, fails, oks, since,
                last_at, last_trigger, self_check, received_at)
         VALUES ($1, $2, $3, 1, 'down', 'certificate_expired', 'the last words', $4, 0, $5, $6, 'confirm', 'good', $6)
         ON CONFLICT (monitor_id, region_id) DO UPDATE SET fails = $4, last_at = $6",
    )
    .bind(told.org)
    .bind(told.monitor)
    .bind(told.region)
    .bind(fails)
    .bind(since.micros())
    .bind(at.micros())
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::query("UPDATE states SET dirty_at = $1").bind(at.micros()).execute(&mut conn).await.unwrap();
}

fn seen(not_after: &str) -> Value {
    let mut detail = Detail {
        message: Some("the certificate ended at 2026-01-01".to_owned()),
        address: Some("192.0.2.7".parse().unwrap()),
        certificate: Some(Certificate {
            fingerprint: "ab".to_owned(),
            subject: "CN=shop.example".to_owned(),
            issuer: "CN=An authority".to_owned(),
            names: vec!["shop.example".to_owned()],
            not_before: START,
            not_after: START,
            chain: vec!["QUFBQUFBQUFB".to_owned()],
        }),
        ..Detail::default()
    };
    detail.evidence.add("not_after", not_after);
    serde_json::to_value(detail).unwrap()
}

async fn fails_three_times(told: &Told, details: [&Value; 3]) {
    let listening = START;
    let first = START + seconds(600);
    for (fails, detail) in (1_u8..).zip(details) {
        let at = first + seconds(3) * u32::from(fails - 1);
        failing(told, first, at, fails.into(), detail).await;
        judge::run(&told.database.pools, at + seconds(1), listening).await.unwrap();
    }
}

async fn incident(told: &Told) -> (String, String, Value) {
    let mut conn = told.database.login("postgres").await;
    sqlx::query_as("SELECT failure, message, detail FROM incidents").fetch_one(&mut conn).await.unwrap()
}

#[tokio::test]
async fn an_incident_keeps_what_its_first_failing_check_saw_and_its_message_tells_it() {
    let hook = Receiver::start().await;
    let told = Told::new().await;
    told.channel("hook", &webhook(&hook.url("/"))).await;
    fails_three_times(&told, [&seen("first"), &seen("second"), &seen("third")]).await;
    let (failure, message, detail) = incident(&told).await;
    assert_eq!((failure.as_str(), message.as_str()), ("certificate_expired", "the certificate ended at 2026-01-01"));
    assert_eq!((&detail["region"], &detail["regions"]), (&json!("eu-1"), &json!(["eu-1"])));
    let expected = json!({
        "not_after": "first", "address": "192.0.2.7", "issuer": "CN=An authority", "subject": "CN=shop.example",
        "fingerprint": "ab", "names": "shop.example",
    });
    assert_eq!(detail["evidence"], expected);
    assert!(!detail.to_string().contains("QUFB"), "{detail}");
    let now = START + seconds(620);
    dispatch::run(&told.database.pools, now).await.unwrap();
    let allow = EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    deliver::run(&told.ctx(Mail::default(), Outbound::default(), allow), now).await.unwrap();
    let events: Vec<Value> = hook.calls().iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect();
    let mut downs = events.iter().filter(|event| event["type"] == "monitor.down");
    let (Some(event), None) = (downs.next(), downs.next()) else { unreachable!("not one: {events:?}") };
    assert_eq!(event["data"]["incident"]["failure"]["kind"], "certificate_expired");
    assert_eq!(event["data"]["incident"]["failure"]["evidence"], expected);
}

#[tokio::test]
async fn evidence_that_cannot_be_read_keeps_no_incident_from_opening() {
    let told = Told::new().await;
    let unreadable = json!({ "evidence": 7 });
    fails_three_times(&told, [&unreadable; 3]).await;
    let (failure, message, detail) = incident(&told).await;
    assert_eq!((failure.as_str(), message.as_str()), ("certificate_expired", "the last words"));
    assert_eq!(detail["evidence"], json!({}));
}
