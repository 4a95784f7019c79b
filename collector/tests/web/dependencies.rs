//! What monitors depend on, on their pages and by the API.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::domain::access::Right;
use serde_json::{Value, json};

use crate::common::{Answer, Browser, World};

fn id(n: u8) -> String {
    format!("01900000-0000-7000-8000-0000000000{n:02x}")
}

/// Four monitors, of which the last is the other organization's.
async fn world() -> World {
    let world = World::new().await;
    for (n, org, name) in [(1, 1, "router"), (2, 1, "shop <eu>"), (3, 1, "api"), (4, 2, "theirs")] {
        let id = id(n);
        world
            .sql(&format!(
                "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
                     VALUES ('{id}', {org}, '{name}', 'tcp', 'h:1', '{{\"kind\":\"tcp\",\"host\":\"h\",\"port\":1}}', 60, 1000, 1, 0, 0);
                 INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT {org}, id, 'up', 0, '{{}}', false FROM monitors
                     WHERE uuid = '{id}'"
            ))
            .await;
    }
    world
}

async fn call(world: &World, key: &str, method: &str, of: u8, body: &Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/monitors/{}/dependencies", id(of)))
        .header(header::HOST, "localhost:8080")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json");
    let body = if method == "GET" { Body::empty() } else { Body::from(body.to_string()) };
    world.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn a_monitor_depends_on_others_by_their_names_or_ids() {
    let world = world().await;
    let mut editor = Browser::of(&world, "editor").await;
    let path = format!("/monitors/{}/dependencies", id(2));
    editor.get(&format!("/monitors/{}", id(2))).await.shows(&path);
    editor.get(&path).await.shows("Nothing.");
    let done = editor.post(&path, &[("monitors", &format!("router\r\n\r\n {} ", id(3)))]).await;
    assert_eq!((done.status, done.to()), (StatusCode::SEE_OTHER, format!("{path}?done=dependencies").as_str()));
    let page = editor.get(&path).await;
    page.shows(&format!("/monitors/{}\">router", id(1)));
    page.shows(">api\nrouter</textarea>");
    editor.get(&format!("/monitors/{}/dependencies", id(1))).await.shows("shop &#60;eu&#62;");
    assert_eq!(world.one("SELECT dirty_at IS NOT NULL FROM states WHERE monitor_id = 2").await, "true");
    for (of, typed, says) in [
        (1, "shop <eu>", "It cannot depend on shop &#60;eu&#62;"),
        (1, "router", "It cannot depend on router"),
        (1, "nobody <x>", "There is no monitor nobody &#60;x&#62;"),
        (1, "theirs", "There is no monitor theirs"),
        (1, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11", "Name at most 10 monitors."),
    ] {
        let wrong = editor.post(&format!("/monitors/{}/dependencies", id(of)), &[("monitors", typed)]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        wrong.shows(says);
        wrong.shows(&format!("{}</textarea>", typed.replace('<', "&#60;").replace('>', "&#62;")));
    }
    assert_eq!(world.one("SELECT count(*) FROM monitor_dependencies").await, "2");
    editor.post(&path, &[("monitors", "")]).await;
    assert_eq!(world.one("SELECT count(*) FROM monitor_dependencies").await, "0");
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'monitor.dependencies'").await, "2");
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get(&path).await.hides("<textarea");
    assert_eq!(viewer.post(&path, &[("monitors", "router")]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_api_takes_ids_and_refuses_circles_and_what_is_not_there() {
    let world = world().await;
    let key = world.key("editor", &[Right::MonitorsRead, Right::MonitorsWrite], &[]).await;
    let set = call(&world, &key, "PUT", 2, &json!({ "depends_on": [id(1)] })).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let shown: Value = serde_json::from_str(&set.text).unwrap();
    let router = json!({ "id": id(1), "name": "router", "state": "up" });
    assert_eq!(shown, json!({ "depends_on": [router], "dependents": [] }));
    let of_parent: Value = serde_json::from_str(&call(&world, &key, "GET", 1, &Value::Null).await.text).unwrap();
    assert_eq!(of_parent["dependents"][0]["name"], "shop <eu>");
    call(&world, &key, "PUT", 3, &json!({ "depends_on": [id(2)] })).await;
    for (body, says) in [
        (json!({ "depends_on": [id(3)] }), "must not be api"),
        (json!({ "depends_on": [id(1)] }), "must not be router"),
        (json!({ "depends_on": [id(2), id(4)] }), "depends_on[1]"),
        (json!({ "depends_on": vec![id(2); 11] }), "depends_on"),
        (json!({}), "depends_on"),
    ] {
        let wrong = call(&world, &key, "PUT", 1, &body).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        wrong.shows(says);
    }
    assert_eq!(call(&world, &key, "GET", 4, &Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.one("SELECT count(*) FROM monitor_dependencies").await, "2");
}
