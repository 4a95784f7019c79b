//! Incidents by the API: opened, acknowledged, given on, commented, resolved, opened again, learnt from.

use serde_json::{Value, json};

use super::Program;
use crate::common::World;

const DOWN: &str = "01900000-0000-7000-8000-000000000007";

/// A monitor `shop` that is down, with its incident; gives its id.
async fn outage(world: &World) -> String {
    let editor = Program::of(world, "editor").await;
    let body = json!({ "name": "shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 1 } });
    let monitor = editor.post("/monitors", body).await.text("/monitor/id").to_owned();
    let now = world.clock.now().micros();
    world
        .sql(&format!(
            "UPDATE states SET state = 'down';
             INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
                 SELECT '{DOWN}', 1, id, {now} - 60000000, {now} - 50000000, 'timeout', 'too slow', '{{}}' FROM monitors;
             INSERT INTO incident_events (org_id, incident_id, at, event, detail)
                 SELECT 1, id, started_at, 'first_failure', '{{\"region\": \"eu-1\", \"message\": \"too slow\"}}' FROM incidents;
             INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at, verified_by)
                 VALUES (gen_random_uuid(), 1, 'mail to ada', 'email', 'a***', 'x', 0, 1, 'code');
             INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload, dispatched_at)
                 SELECT 1, monitor_id, id, 'down', confirmed_at, '{{}}', 1 FROM incidents;
             INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, attempts, next_at, created_at, ended_at)
                 SELECT gen_random_uuid(), 1, n.id, c.id, 'sent', 2, 0, n.at + 1, n.at + 9 FROM notices n, channels c;
             INSERT INTO delivery_attempts (org_id, delivery_id, at, took_us, result, answer)
                 SELECT 1, id, ended_at, 7, 'sent', '250 queued' FROM deliveries"
        ))
        .await;
    monitor
}

async fn member(world: &World, role: &str) -> String {
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

#[tokio::test]
async fn an_outage_is_acknowledged_given_on_resolved_and_opened_again_and_each_is_a_fact_of_it() {
    let world = World::new().await;
    let monitor = outage(&world).await;
    let responder = Program::of(&world, "responder").await;
    let path = format!("/incidents/{DOWN}");
    assert_eq!(responder.get(&path).await.at("/acknowledged"), &Value::Null);
    let done = responder.send("POST", &format!("{path}/acknowledge"), None).await;
    assert_eq!((done.status, done.text("/acknowledged/by")), (200, "responder@example.org"));
    let again = responder.send("POST", &format!("{path}/acknowledge"), None).await;
    assert_eq!(again.at("/acknowledged"), done.at("/acknowledged"), "who came second changes nothing");
    assert_eq!(world.one("SELECT string_agg(kind, ' ' ORDER BY id) FROM notices").await, "down acknowledged");

    let ada = member(&world, "editor").await;
    let given = responder.post(&format!("{path}/assign"), json!({ "member": ada })).await;
    assert_eq!(given.at("/assignee"), &json!({ "id": ada, "name": "editor@example.org" }));
    for wrong in [json!("01900000-0000-7000-8000-0000000000bb"), json!("nobody")] {
        let refused = responder.post(&format!("{path}/assign"), json!({ "member": wrong })).await;
        assert_eq!(refused.problem(), (422, "invalid-body", vec!["member"]));
    }
    let said = responder.post(&format!("{path}/comments"), json!({ "text": " It is\r\nthe switch. " })).await;
    assert_eq!(said.status, 200);
    assert_eq!(responder.post(&format!("{path}/comments"), json!({ "text": " \n" })).await.problem().0, 422);

    let over = responder.send("POST", &format!("{path}/resolve"), None).await;
    assert_eq!((over.text("/state"), over.text("/resolution")), ("resolved", "by_hand"));
    assert!(!world.one("SELECT dirty_at FROM states").await.is_empty(), "the judge looks at it");
    let late = responder.send("POST", &format!("{path}/acknowledge"), None).await;
    assert_eq!((late.problem().0, late.problem().1), (409, "not-open"));
    world.clock.advance(std::time::Duration::from_secs(60));
    let back = responder.send("POST", &format!("{path}/reopen"), None).await;
    assert_eq!((back.text("/state"), back.at("/acknowledged")), ("open", &Value::Null), "nobody looks after it yet");

    let facts = back.at("/events").as_array().unwrap();
    let events: Vec<_> = facts.iter().map(|fact| fact["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["first_failure", "acknowledged", "assigned", "commented", "resolved", "reopened"]);
    assert_eq!(facts[2]["to"], "editor@example.org");
    assert_eq!(facts[3]["text"], "It is\nthe switch.");
    assert!(
        facts[0]["detail"]["results"].as_str().unwrap().starts_with(&format!("/api/v1/monitors/{monitor}/results?"))
    );
    let results = facts[0]["detail"]["results"].as_str().unwrap().trim_start_matches("/api/v1").to_owned();
    assert_eq!(responder.get(&results).await.status, 200, "the link leads somewhere");
    let audited =
        world.one("SELECT string_agg(action, ' ' ORDER BY seq) FROM audit WHERE action LIKE 'incident.%'").await;
    assert_eq!(audited, "incident.acknowledge incident.assign incident.comment incident.resolve incident.reopen");
}

#[tokio::test]
async fn a_timeline_comes_page_by_page_and_names_people_and_channels_to_those_who_may_see_them() {
    let world = World::new().await;
    outage(&world).await;
    let responder = Program::of(&world, "responder").await;
    responder.send("POST", &format!("/incidents/{DOWN}/acknowledge"), None).await;
    let (mut facts, mut after) = (Vec::new(), String::new());
    loop {
        let page = responder.get(&format!("/incidents/{DOWN}/timeline?limit=2{after}")).await;
        facts.extend(page.at("/items").as_array().unwrap().clone());
        match page.at("/next").as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let events: Vec<_> = facts.iter().map(|fact| fact["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["first_failure", "notice", "delivery", "acknowledged", "notice"]);
    assert_eq!(facts[1]["detail"]["kind"], "down");
    let delivery = &facts[2]["detail"];
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("sent"), &json!(2)));
    assert_eq!((&delivery["channel"]["name"], &delivery["answer"]), (&json!("mail to ada"), &json!("250 queued")));
    assert!(delivery["ended_at"].is_string());
    assert_eq!(facts[3]["by"], "responder@example.org");

    let viewer = Program::of(&world, "viewer").await;
    let seen = viewer.get(&format!("/incidents/{DOWN}/timeline")).await;
    assert_eq!((seen.at("/items/3/by"), seen.at("/items/3/event")), (&Value::Null, &json!("acknowledged")));
    assert_eq!(seen.at("/items/2/detail/channel"), &json!({ "id": null, "name": null, "kind": "email" }));
    assert!(!seen.answer.text.contains("ada") && !seen.answer.text.contains("250 queued"));
    assert_eq!(viewer.get(&format!("/incidents/{DOWN}/timeline?after=x")).await.problem().1, "invalid-query");
}

#[tokio::test]
async fn an_incident_is_not_opened_again_beside_another_or_without_its_monitor() {
    let world = World::new().await;
    outage(&world).await;
    let responder = Program::of(&world, "responder").await;
    responder.send("POST", &format!("/incidents/{DOWN}/resolve"), None).await;
    world
        .sql(
            "INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
             SELECT gen_random_uuid(), 1, id, 1, 1, 'timeout', 'another', '{}' FROM monitors",
        )
        .await;
    let refused = responder.send("POST", &format!("/incidents/{DOWN}/reopen"), None).await;
    assert_eq!((refused.problem().0, refused.problem().1), (409, "not-reopened"));
    world.sql("UPDATE incidents SET resolved_at = 2, resolution = 'recovered' WHERE message = 'another'").await;
    world.sql("UPDATE monitors SET deleted_at = 1").await;
    let refused = responder.send("POST", &format!("/incidents/{DOWN}/reopen"), None).await;
    assert_eq!((refused.problem().0, refused.problem().1), (409, "not-reopened"));
    assert_eq!(world.one("SELECT count(*) FROM incidents WHERE resolved_at IS NULL").await, "0");
}

#[tokio::test]
async fn a_person_opens_an_incident_of_monitors_or_of_none_and_says_whether_channels_are_told() {
    let world = World::new().await;
    let monitor = outage(&world).await;
    let responder = Program::of(&world, "responder").await;
    let body = json!({ "title": "Mails are late", "severity": "warning", "monitors": [monitor], "text": "since noon", "tell": true });
    let made = responder.post("/incidents", body).await;
    let id = made.text("/id").to_owned();
    assert_eq!((made.status, made.answer.to()), (201, format!("/api/v1/incidents/{id}").as_str()));
    assert_eq!((made.at("/monitor"), made.at("/failure")), (&Value::Null, &Value::Null));
    assert_eq!(made.at("/monitors"), &json!([{ "id": monitor, "name": "shop" }]));
    assert_eq!(
        (made.text("/origin"), made.text("/severity"), made.text("/events/0/text")),
        ("person", "warning", "since noon")
    );
    responder.send("POST", &format!("/incidents/{id}/acknowledge"), None).await;
    responder.send("POST", &format!("/incidents/{id}/resolve"), None).await;
    let told = "SELECT string_agg(kind, ' ' ORDER BY n.id) FROM notices n JOIN incidents i ON i.id = n.incident_id WHERE i.title";
    assert_eq!(world.one(&format!("{told} = 'Mails are late'")).await, "declared acknowledged declared_over");

    let quiet = responder.post("/incidents", json!({ "title": "A quiet one" })).await;
    assert_eq!((quiet.status, quiet.at("/told"), quiet.at("/monitors")), (201, &json!(false), &json!([])));
    responder.send("POST", &format!("/incidents/{}/resolve", quiet.text("/id")), None).await;
    assert_eq!(world.one(&format!("{told} = 'A quiet one'")).await, "");
    assert_eq!(responder.get("/incidents?origin=person").await.at("/items").as_array().unwrap().len(), 2);
    let of_monitor = responder.get(&format!("/incidents?monitor={monitor}&origin=person")).await;
    assert_eq!(of_monitor.at("/items").as_array().unwrap().len(), 1);

    for (body, field) in [
        (json!({}), "title"),
        (json!({ "title": "two\nlines" }), "title"),
        (json!({ "title": "x", "severity": "info" }), "severity"),
        (json!({ "title": "x", "monitors": ["01900000-0000-7000-8000-0000000000bb"] }), "monitors[0]"),
        (json!({ "title": "x", "told": true }), "told"),
    ] {
        assert_eq!(
            responder.post("/incidents", body.clone()).await.problem(),
            (422, "invalid-body", vec![field]),
            "{body}"
        );
    }
    assert_eq!(world.one("SELECT count(*) FROM incidents WHERE origin = 'person'").await, "2");
}

#[tokio::test]
async fn what_was_learnt_is_a_draft_until_it_is_published_and_can_be_taken_away() {
    let world = World::new().await;
    outage(&world).await;
    let responder = Program::of(&world, "responder").await;
    let path = format!("/incidents/{DOWN}/post-mortem");
    let draft = responder.put(&path, json!({ "text": "What happened.\n\nWhat changes." })).await;
    assert_eq!((draft.status, draft.at("/post_mortem/published_at")), (200, &Value::Null));
    let published = responder.put(&path, json!({ "text": "What happened.\n\nWhat changes.", "published": true })).await;
    assert!(published.at("/post_mortem/published_at").is_string());
    assert_eq!(published.at("/post_mortem/written_at"), draft.at("/post_mortem/written_at"), "the text is the same");
    let refused = responder.put(&path, json!({ "text": null, "published": true })).await;
    assert_eq!(refused.problem(), (422, "invalid-body", vec!["published"]));
    assert_eq!(responder.put(&path, json!({ "text": null })).await.at("/post_mortem"), &Value::Null);
}

#[tokio::test]
async fn a_failure_from_one_region_is_shown_with_its_beginning_and_told_where_that_is_wanted() {
    let world = World::new().await;
    outage(&world).await;
    let editor = Program::of(&world, "editor").await;
    world
        .sql(
            r#"UPDATE states SET state = 'up', data = '{"overlays": {"regional": ["us-1"]}}';
             INSERT INTO region_states (org_id, monitor_id, region_id, version, status, fails, oks, since, last_at, last_trigger, self_check, received_at)
                 SELECT 1, m.id, r.id, 1, 'down', 3, 0, 5000000, 6000000, 'scheduled', 'good', 6000000 FROM monitors m, regions r WHERE r.code = 'us-1'"#,
        )
        .await;
    let found = editor.get("/monitors").await;
    assert_eq!(
        found.at("/items/0/failing_from"),
        &json!([{ "region": "us-1", "since": "1970-01-01T00:00:05.000000Z" }])
    );
    assert_eq!(found.at("/items/0/regional_alert"), &json!({ "told": false, "muted_until": null }));
    let path = format!("/monitors/{}/regional-alert", found.text("/items/0/id"));
    let until = (world.clock.now() + std::time::Duration::from_secs(3600)).exact();
    let set = editor.put(&path, json!({ "told": true, "muted_until": until })).await;
    assert_eq!((set.status, set.at("/regional_alert")), (200, &json!({ "told": true, "muted_until": until })));
    assert_eq!(set.at("/version"), found.at("/items/0/version"), "it is no edit");
    for wrong in [json!("1970-01-01T00:00:00Z"), json!("2999-01-01T00:00:00Z"), json!("soon")] {
        assert_eq!(editor.put(&path, json!({ "muted_until": wrong })).await.problem().0, 422, "{wrong}");
    }
    let after = "SELECT detail->'after'->>'told' FROM audit WHERE action = 'monitor.regional_alert'";
    assert_eq!(world.one(after).await, "true");
}
