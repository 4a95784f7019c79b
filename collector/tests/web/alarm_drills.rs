//! Alarm drills on their page and by the API.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::domain::access::Right;
use serde_json::{Value, json};

use crate::common::{Answer, Browser, World};

async fn call(world: &World, key: &str, method: &str, body: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri("/api/v1/alarm-drills")
        .header(header::HOST, "localhost:8080")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json");
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_drill_begins_by_a_button_and_is_listed_with_what_came_of_it() {
    let world = World::new().await;
    let mut responder = Browser::of(&world, "responder").await;
    responder.get("/alarm-drills").await.shows("No alarm was drilled yet");
    let begun = responder.post("/alarm-drills", &[]).await;
    assert_eq!((begun.status, begun.to()), (StatusCode::SEE_OTHER, "/alarm-drills?done=drilled"));
    let page = responder.get("/alarm-drills").await;
    page.shows("Nobody was told");
    let incident = world.one("SELECT uuid FROM incidents WHERE drill = 'asked'").await;
    page.shows(&format!("/incidents/{incident}"));
    responder.get(&format!("/incidents/{incident}")).await.shows("Drill: nothing is wrong");
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get("/alarm-drills").await.hides("Drill now");
    assert_eq!(viewer.post("/alarm-drills", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.one("SELECT count(*) FROM incidents").await, "1");
}

#[tokio::test]
async fn a_drill_begins_by_the_api_of_a_monitor_that_is_there() {
    let world = World::new().await;
    let key = world.key("responder", &[Right::IncidentsRead, Right::IncidentsWrite], &[]).await;
    let wrong = call(&world, &key, "POST", r#"{"monitor": "01900000-0000-7000-8000-0000000000bb"}"#).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("there is no such monitor");
    assert_eq!(call(&world, &key, "POST", r#"{"monitors": []}"#).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let begun = call(&world, &key, "POST", "{}").await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text);
    let begun: Value = serde_json::from_str(&begun.text).unwrap();
    assert_eq!((&begun["messages"], &begun["began_by"]), (&0.into(), &"asked".into()));
    let list: Value = serde_json::from_str(&call(&world, &key, "GET", "").await.text).unwrap();
    assert_eq!(list, json!({ "items": [begun], "next": null }));
}
