//! Messages with their tries, on pages and by the API, and the asking again for what was given up.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::domain::access::Right;
use serde_json::Value;

use crate::common::{Answer, Browser, START, World};

/// An incident that two channels were told of: one took it at the second try, the other gave up.
async fn told() -> World {
    let world = World::new().await;
    let now = START.micros();
    world
        .sql(&format!(
            "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at, verified_by)
                 SELECT gen_random_uuid(), 1, name, 'webhook', 'h', '\\x00', {now}, {now}, 'code' FROM (VALUES ('good'), ('bad')) x (name);
             INSERT INTO incidents (uuid, org_id, started_at, confirmed_at, failure, message, detail, origin, title)
                 VALUES (gen_random_uuid(), 1, {now}, {now}, 'other', 'm', '{{}}', 'person', 'The <shop> is down');
             INSERT INTO notices (org_id, incident_id, kind, at, payload, dispatched_at) VALUES (1, 1, 'declared', {now}, '{{}}', {now});
             INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, attempts, next_at, created_at, ended_at) VALUES
                 (gen_random_uuid(), 1, 1, 1, 'sent', 2, {now}, {now}, {now}), (gen_random_uuid(), 1, 1, 2, 'failed', 1, {now}, {now}, {now});
             INSERT INTO delivery_attempts (org_id, delivery_id, at, took_us, result, answer, status, request_id) VALUES
                 (1, 1, {now}, 1500, 'retry', '503 <busy>', 503, NULL), (1, 1, {now} + 10, 2500, 'sent', '200 OK', 200, 'req-77'),
                 (1, 2, {now}, 900, 'failed', '404 gone', 404, NULL)"
        ))
        .await;
    world
}

async fn call(world: &World, key: &str, method: &str, path: &str) -> Answer {
    let request =
        Request::builder().method(method).uri(format!("/api/v1{path}")).header(header::HOST, "localhost:8080");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_message_shows_every_try_and_what_was_given_up_is_sent_again() {
    let world = told().await;
    let mut editor = Browser::of(&world, "editor").await;
    let list = editor.get("/deliveries").await;
    list.shows("Incident: The &#60;shop&#62; is down");
    list.shows("404 gone");
    let failed = editor.get("/deliveries?state=failed").await;
    failed.shows("Given up");
    failed.hides("200 OK");
    let good = world.one("SELECT uuid FROM deliveries WHERE id = 1").await;
    let page = editor.get(&format!("/deliveries/{good}")).await;
    for shown in ["503 &#60;busy&#62;", "req-77", "2.5 ms", "Taken", "To be tried again", &good] {
        page.shows(shown);
    }
    page.hides("/send-again");
    let bad = world.one("SELECT uuid FROM deliveries WHERE id = 2").await;
    editor.get(&format!("/deliveries/{bad}")).await.shows("/send-again");
    let done = editor.post(&format!("/deliveries/{bad}/send-again"), &[]).await;
    assert_eq!(
        (done.status, done.to()),
        (StatusCode::SEE_OTHER, format!("/deliveries/{bad}?done=asked_again").as_str())
    );
    let now = START.micros();
    let row = "SELECT concat_ws(' ', state, next_at, asked_again_at, ended_at) FROM deliveries WHERE id = 2";
    assert_eq!(world.one(row).await, format!("pending {now} {now}"));
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'delivery.ask_again'").await, "1");
    let twice = editor.post(&format!("/deliveries/{bad}/send-again"), &[]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    twice.shows("It cannot be sent again");
    let mut viewer = Browser::of(&world, "viewer").await;
    assert_eq!(viewer.post(&format!("/deliveries/{bad}/send-again"), &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_api_has_the_same_page_by_page() {
    let world = told().await;
    let key = world.key("editor", &[Right::ChannelsRead, Right::ChannelsWrite], &[]).await;
    let first = call(&world, &key, "GET", "/deliveries?limit=1").await;
    let first: Value = serde_json::from_str(&first.text).unwrap();
    assert_eq!((&first["items"][0]["state"], first["items"][0].get("tries")), (&"failed".into(), None));
    let next = first["next"].as_str().unwrap();
    let second: Value =
        serde_json::from_str(&call(&world, &key, "GET", &format!("/deliveries?limit=1&after={next}")).await.text)
            .unwrap();
    assert_eq!((&second["items"][0]["state"], &second["next"]), (&"sent".into(), &Value::Null));
    let of_incident = first["items"][0]["incident"].as_str().unwrap();
    let of_incident = call(&world, &key, "GET", &format!("/deliveries?incident={of_incident}&state=sent")).await;
    assert_eq!(serde_json::from_str::<Value>(&of_incident.text).unwrap()["items"].as_array().unwrap().len(), 1);
    let id = second["items"][0]["id"].as_str().unwrap();
    let one: Value = serde_json::from_str(&call(&world, &key, "GET", &format!("/deliveries/{id}")).await.text).unwrap();
    assert_eq!((&one["tries"][0]["status"], &one["tries"][0]["request_id"]), (&200.into(), &"req-77".into()));
    assert_eq!((&one["tries"][1]["status"], &one["tries"][1]["request_id"]), (&503.into(), &Value::Null));
    let refused = call(&world, &key, "POST", &format!("/deliveries/{id}/send-again")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.shows("not-sent-again");
    let bad = first["items"][0]["id"].as_str().unwrap();
    // What its channel was told since stands.
    world.sql("INSERT INTO notices (org_id, incident_id, kind, at, payload, dispatched_at) VALUES (1, 1, 'declared_over', 9, '{}', 9);
        INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, next_at, created_at, ended_at) VALUES (gen_random_uuid(), 1, 2, 2, 'sent', 9, 9, 9)").await;
    assert_eq!(call(&world, &key, "POST", &format!("/deliveries/{bad}/send-again")).await.status, StatusCode::CONFLICT);
    world.sql("UPDATE deliveries SET state = 'superseded' WHERE id = 3").await;
    let again = call(&world, &key, "POST", &format!("/deliveries/{bad}/send-again")).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    assert_eq!(serde_json::from_str::<Value>(&again.text).unwrap()["state"], "pending");
}
