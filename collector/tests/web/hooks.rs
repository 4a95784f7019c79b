//! Who answers a message without being signed in: by the link in a mail, by a button, or as the provider of a channel.

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::{Answer, Browser, START, World};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const CHANNEL: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00c1);
const OTHER_CHANNEL: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00c2);
const INCIDENT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00d1);
const DELIVERY: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00e1);
const OTHER_DELIVERY: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00e2);

/// An incident of the first organization that a channel of this kind was told of, and one of the other.
async fn told(kind: &str) -> World {
    let world = World::new().await;
    let now = START.micros();
    for (org, channel, incident, delivery) in
        [(1, CHANNEL, INCIDENT, DELIVERY), (2, OTHER_CHANNEL, Uuid::from_u128(0xd2), OTHER_DELIVERY)]
    {
        let hook = world
            .sealer
            .seal(picket_collector::vault::Class::HookSecret, channel.as_bytes(), SECRET.as_bytes())
            .unwrap();
        let hook: String = hook.0.iter().map(|byte| format!("{byte:02x}")).collect();
        world
            .sql(&format!(
                "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, sealed_hook, created_at, verified_at, verified_by)
                     VALUES ('{channel}', {org}, 'night <shift>', '{kind}', 'h', '\\x00', '\\x{hook}', {now}, {now}, 'code');
                 INSERT INTO incidents (uuid, org_id, started_at, confirmed_at, failure, message, detail, origin, title)
                     VALUES ('{incident}', {org}, {now}, {now}, 'other', 'm', '{{}}', 'person', 'The <shop> is down');
                 INSERT INTO notices (org_id, incident_id, kind, at, payload, dispatched_at)
                     SELECT {org}, id, 'declared', {now}, '{{}}', {now} FROM incidents WHERE uuid = '{incident}';
                 INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, next_at, created_at, ended_at)
                     SELECT '{delivery}', {org}, n.id, c.id, 'sent', {now}, {now}, {now} FROM notices n JOIN channels c USING (org_id)
                     WHERE n.org_id = {org}"
            ))
            .await;
    }
    world
}

fn button(world: &World, org: i64, delivery: Uuid) -> String {
    world.sealer.acknowledgement(org, delivery).unwrap().expose().clone()
}

fn hook(world: &World) -> String {
    format!("/hooks/{}", world.sealer.hook(1, CHANNEL).unwrap().expose())
}

async fn say(world: &World, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
    let mut request = Request::builder().method("POST").uri(path).header(header::HOST, "localhost:8080");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn sha256(signed: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::sign(&key, signed.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn press(world: &World, path: &str, token: &str, ago: i64) -> Answer {
    let payload = json!({ "type": "block_actions", "user": { "id": "U1", "username": "anna" },
        "actions": [{ "action_id": "acknowledge", "value": token }] });
    let body =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let time = START.seconds() - ago;
    let signature = format!("v0={}", sha256(&format!("v0:{time}:{body}")));
    let headers = [("x-slack-request-timestamp", time.to_string()), ("x-slack-signature", signature)];
    say(world, path, &headers, &body).await
}

async fn acknowledged(world: &World) -> String {
    world
        .one("SELECT string_agg(org_id || ':' || (acknowledged_at IS NOT NULL), ' ' ORDER BY org_id) FROM incidents")
        .await
}

#[tokio::test]
async fn the_link_in_a_mail_asks_first_and_acknowledges_by_its_button() {
    let world = told("email").await;
    let path = format!("/acknowledge/{}", button(&world, 1, DELIVERY));
    let mut visitor = Browser::new(&world);
    let page = visitor.get(&path).await;
    page.shows("The &#60;shop&#62; is down");
    page.shows(&format!("action=\"{path}\""));
    assert_eq!(acknowledged(&world).await, "1:false 2:false", "a look does nothing");
    let done = visitor.post(&path, &[]).await;
    assert_eq!((done.status, done.to()), (StatusCode::SEE_OTHER, path.as_str()));
    assert_eq!(acknowledged(&world).await, "1:true 2:false");
    let page = visitor.get(&path).await;
    page.shows("Acknowledged: somebody looks after it.");
    page.hides("<form method=\"post\" action=\"/acknowledge");
    // Again is once.
    visitor.post(&path, &[]).await;
    assert_eq!(world.one("SELECT count(*) FROM incident_events WHERE event = 'acknowledged'").await, "1");
    assert_eq!(world.one("SELECT count(*) FROM notices WHERE kind = 'acknowledged'").await, "1");
    let mut responder = Browser::of(&world, "responder").await;
    responder.get(&format!("/incidents/{INCIDENT}")).await.shows("by an answer to a message to night &#60;shift&#62;");
    let logged = world
        .one("SELECT actor || ' ' || (detail #>> '{channel,name}') FROM audit WHERE action = 'incident.acknowledge'")
        .await;
    assert_eq!(logged, format!("channel:{CHANNEL} night <shift>"));
}

#[tokio::test]
async fn one_answer_to_several_told_at_once_acknowledges_all_that_stand() {
    let world = told("slack").await;
    let now = START.micros();
    world
        .sql(&format!(
            "INSERT INTO incidents (uuid, org_id, started_at, confirmed_at, failure, message, detail, origin, title, resolved_at, resolution)
                 SELECT gen_random_uuid(), 1, {now}, {now}, 'other', 'm', '{{}}', 'person', t, r, CASE WHEN r IS NOT NULL THEN 'by_hand' END
                 FROM (VALUES ('Mail is down', NULL), ('Over already', {now})) v (t, r);
             INSERT INTO notices (org_id, incident_id, kind, at, payload, dispatched_at)
                 SELECT 1, id, 'declared', {now}, '{{}}', {now} FROM incidents WHERE title IN ('Mail is down', 'Over already');
             INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, next_at, created_at, ended_at, folded_into)
                 SELECT gen_random_uuid(), 1, n.id, c.id, 'sent', {now}, {now}, {now}, (SELECT id FROM deliveries WHERE uuid = '{DELIVERY}')
                 FROM notices n JOIN incidents i ON i.id = n.incident_id JOIN channels c ON c.org_id = 1
                 WHERE i.title IN ('Mail is down', 'Over already')"
        ))
        .await;
    let path = format!("/acknowledge/{}", button(&world, 1, DELIVERY));
    let mut visitor = Browser::new(&world);
    let page = visitor.get(&path).await;
    for said in ["The &#60;shop&#62; is down", "Mail is down", "Over already", "It is over already.", "Acknowledge all"]
    {
        page.shows(said);
    }
    let answer = press(&world, &hook(&world), &button(&world, 1, DELIVERY), 0).await;
    assert_eq!(answer.status, StatusCode::OK);
    let stands = "SELECT string_agg(coalesce(title, '') || ':' || (acknowledged_at IS NOT NULL), ', ' ORDER BY title) FROM incidents WHERE org_id = 1";
    assert_eq!(world.one(stands).await, "Mail is down:true, Over already:false, The <shop> is down:true");
    let page = visitor.get(&path).await;
    page.shows("Acknowledged: somebody looks after it.");
    page.hides("Acknowledge all");
    assert_eq!(world.one("SELECT count(*) FROM incidents WHERE org_id = 2 AND acknowledged_at IS NOT NULL").await, "0");
}

#[tokio::test]
async fn a_link_that_is_none_of_ours_or_of_what_is_gone_leads_nowhere() {
    let world = told("email").await;
    let mut visitor = Browser::new(&world);
    let link = button(&world, 1, DELIVERY);
    // That of another organization's delivery under the own number is none, as is one made for hooks.
    let hook = hook(&world).replace("/hooks/", "");
    for link in ["none", &link[1..], &button(&world, 2, DELIVERY), &button(&world, 1, OTHER_DELIVERY), &hook] {
        let page = visitor.get(&format!("/acknowledge/{link}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{link}");
        let page = visitor.post(&format!("/acknowledge/{link}"), &[]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{link}");
        page.shows("This link leads nowhere any more.");
    }
    assert_eq!(acknowledged(&world).await, "1:false 2:false");
    let path = format!("/acknowledge/{link}");
    let elsewhere = Request::builder()
        .method("POST")
        .uri(&path)
        .header(header::HOST, "localhost:8080")
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let refused = world.send(elsewhere.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "another site's page presses no button");
    world.sql("UPDATE channels SET minimal = true WHERE org_id = 1").await;
    visitor.get(&path).await.hides("shop");
    world.sql("UPDATE incidents SET resolved_at = started_at, resolution = 'by_hand' WHERE org_id = 1").await;
    visitor.get(&path).await.shows("It is over already.");
    world.sql("UPDATE channels SET deleted_at = 1 WHERE org_id = 1").await;
    assert_eq!(visitor.get(&path).await.status, StatusCode::NOT_FOUND);
    world.sql("UPDATE channels SET deleted_at = NULL; UPDATE organizations SET deleted_at = 1 WHERE id = 1").await;
    assert_eq!(visitor.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(acknowledged(&world).await, "1:false 2:false");
}

#[tokio::test]
async fn a_button_of_slack_acknowledges_and_says_who_pressed_it() {
    let world = told("slack").await;
    let (hook, token) = (hook(&world), button(&world, 1, DELIVERY));
    assert_eq!(press(&world, &hook, &token, 301).await.status, StatusCode::UNAUTHORIZED, "somebody repeats it");
    assert_eq!(press(&world, "/hooks/none", &token, 0).await.status, StatusCode::NOT_FOUND);
    let unsigned = say(&world, &hook, &[], "payload=%7B%7D").await;
    assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED);
    unsigned.shows("the signature is not that of this channel's secret");
    // Slack's signature does not make a button of another organization's incident ours.
    for forged in [button(&world, 2, OTHER_DELIVERY), button(&world, 1, OTHER_DELIVERY), "x".to_owned()] {
        assert_eq!(press(&world, &hook, &forged, 0).await.status, StatusCode::OK);
    }
    assert_eq!(acknowledged(&world).await, "1:false 2:false");
    assert_eq!(press(&world, &hook, &token, 0).await.status, StatusCode::OK);
    assert_eq!(acknowledged(&world).await, "1:true 2:false");
    let mut responder = Browser::of(&world, "responder").await;
    responder.get(&format!("/incidents/{INCIDENT}")).await.shows("by anna (night &#60;shift&#62;)");
    responder.get("/incidents").await.shows("acknowledged by anna (night &#60;shift&#62;)");
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get(&format!("/incidents/{INCIDENT}")).await.hides("anna");
    world.sql("UPDATE channels SET deleted_at = 1 WHERE org_id = 1").await;
    assert_eq!(press(&world, &hook, &token, 0).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_button_of_telegram_is_answered_with_what_became_of_it() {
    let world = told("telegram").await;
    let update = json!({ "update_id": 1, "callback_query": { "id": "77", "from": { "id": 5, "first_name": "Anna" },
        "data": format!("a:{}", button(&world, 1, DELIVERY)) } })
    .to_string();
    let named = |secret: &str| [("x-telegram-bot-api-secret-token", secret.to_owned())];
    let refused = say(&world, &hook(&world), &named("wrong"), &update).await;
    assert_eq!((refused.status, acknowledged(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "1:false 2:false"));
    for words in ["Acknowledged: somebody looks after it.", "It was acknowledged already."] {
        let answer = say(&world, &hook(&world), &named(SECRET), &update).await;
        let said: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(said, json!({ "method": "answerCallbackQuery", "callback_query_id": "77", "text": words }));
    }
    assert_eq!(acknowledged(&world).await, "1:true 2:false");
}

#[tokio::test]
async fn who_acknowledges_at_pagerduty_acknowledges_here() {
    let world = told("pagerduty").await;
    let body = |incident: Uuid| {
        json!({ "event": { "event_type": "incident.acknowledged", "agent": { "summary": "Earline" },
            "data": { "incident_key": incident } } })
        .to_string()
    };
    let signed = |body: &str| [("x-pagerduty-signature", format!("v1={}", sha256(body)))];
    let theirs = body(Uuid::from_u128(0xd2));
    assert_eq!(say(&world, &hook(&world), &signed(&theirs), &theirs).await.status, StatusCode::OK);
    let ours = body(INCIDENT);
    assert_eq!(say(&world, &hook(&world), &signed("x"), &ours).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(acknowledged(&world).await, "1:false 2:false");
    assert_eq!(say(&world, &hook(&world), &signed(&ours), &ours).await.status, StatusCode::OK);
    assert_eq!(acknowledged(&world).await, "1:true 2:false");
    let large = "x".repeat(128 * 1024 + 1);
    assert_eq!(say(&world, &hook(&world), &signed(&large), &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn twilio_says_what_became_of_an_sms_of_that_channel() {
    let world = told("twilio").await;
    let said = async |delivery: Uuid, status: &str, code: &str| {
        let path = format!("{}?delivery={delivery}", hook(&world));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
        let signed = format!("http://localhost:8080{path}ErrorCode{code}MessageStatus{status}");
        let signature = BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let body = format!("MessageStatus={status}&ErrorCode={code}");
        say(&world, &path, &[("x-twilio-signature", signature)], &body).await.status
    };
    let reported = async || {
        world.one("SELECT string_agg(concat_ws(' ', org_id, reported, reported_why), ', ' ORDER BY org_id) FROM deliveries").await
    };
    assert_eq!(said(DELIVERY, "sent", "").await, StatusCode::OK);
    assert_eq!(reported().await, "1, 2");
    assert_eq!(said(DELIVERY, "undelivered", "30003").await, StatusCode::OK);
    assert_eq!(said(OTHER_DELIVERY, "undelivered", "30003").await, StatusCode::OK);
    assert_eq!(reported().await, "1 undelivered undelivered, error 30003: see twilio.com/docs/api/errors, 2");
    let mut owner = Browser::of(&world, "owner").await;
    owner.get(&format!("/channels/{CHANNEL}")).await.shows("error 30003");
    assert_eq!(said(DELIVERY, "delivered", "").await, StatusCode::OK);
    assert_eq!(reported().await, "1 delivered, 2");
}
