//! What known people and programs are refused for want of a right is in the audit log of their organization: once an hour for each
//! route of each, by whom and from where.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::domain::access::Right;
use picket_collector::login::api_key::Refusal;

use crate::common::{Browser, World};

const REFUSED: &str = "SELECT string_agg(subject || ' ' || (detail ->> 'right') || ' ' || split_part(actor, ' ', 1), ', ' ORDER BY id) FROM audit WHERE action = 'access.refuse'";

#[tokio::test]
async fn a_person_without_the_right_is_refused_and_that_is_noted_once_an_hour() {
    let world = World::new().await;
    let mut viewer = Browser::of(&world, "viewer").await;
    for _ in 0..3 {
        assert_eq!(viewer.get("/audit").await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(viewer.get("/").await.status, StatusCode::OK);
    assert_eq!(world.one(REFUSED).await, "GET /audit audit:read user:viewer@example.org");
    assert_eq!(
        world.one("SELECT org_id || ' ' || origin FROM audit WHERE action = 'access.refuse'").await,
        "1 127.0.0.1"
    );
    world.clock.advance(Duration::from_secs(3601));
    viewer.get("/audit").await;
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'access.refuse'").await, "2");
}

#[tokio::test]
async fn a_key_without_the_scope_or_from_another_network_is_refused_and_that_is_noted() {
    let world = World::new().await;
    let key = world.key("editor", &[Right::MonitorsRead], &["192.0.2.0/24"]).await;
    let from = "192.0.2.7".parse().unwrap();
    assert!(world.porter.admit(&key, from, world.clock.now()).await.unwrap().is_ok());
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'key.refuse'").await, "0");
    let elsewhere = "198.51.100.9".parse().unwrap();
    for _ in 0..2 {
        assert_eq!(
            world.porter.admit(&key, elsewhere, world.clock.now()).await.unwrap().unwrap_err(),
            Refusal::Elsewhere
        );
    }
    let noted = "SELECT string_agg(org_id || ' ' || origin || ' ' || (detail ->> 'why'), ', ') FROM audit WHERE action = 'key.refuse'";
    assert_eq!(world.one(noted).await, "1 198.51.100.9 network");

    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    for path in ["/api/v1/audit", "/api/v1/audit", "/api/v1/monitors"] {
        let request =
            Request::get(path).header(header::HOST, "localhost").header(header::AUTHORIZATION, format!("Bearer {key}"));
        world.send(request.body(Body::empty()).unwrap()).await;
    }
    assert!(world.one(REFUSED).await.starts_with("GET /api/v1/audit audit:read key:"), "{}", world.one(REFUSED).await);
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'access.refuse'").await, "1");
}
