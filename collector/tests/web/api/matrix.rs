//! Which key opens what: every route for every scope, and for keys that ended or are called from elsewhere.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use picket_collector::domain::access::{Right, Role};
use picket_collector::web::router::ROUTES;

use super::{Program, documented};
use crate::common::World;

/// What an operation answers to a key, with nothing in its body.
async fn status(world: &World, operation: &picket_collector::web::api::Operation, key: &str) -> (u16, String) {
    let path = operation
        .path
        .replace("{id}", "01900000-0000-7000-8000-000000000001")
        .replace("{external_key}", "k")
        .replace("{override}", "01900000-0000-7000-8000-000000000001");
    let request = Request::builder()
        .method(operation.method)
        .uri(&path)
        .header(header::HOST, "localhost:8080")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json");
    let answer = world.send(request.body(Body::from("{}")).unwrap()).await;
    let reply = documented(operation.method, &path, &answer);
    let kind = if reply.status < 400 { String::new() } else { reply.problem().1.to_owned() };
    (reply.status, kind)
}

fn operations() -> impl Iterator<Item = &'static picket_collector::web::api::Operation> {
    ROUTES.iter().filter_map(|route| route.operation)
}

#[tokio::test]
async fn each_scope_opens_its_routes_and_no_others() {
    let world = World::new().await;
    for right in Right::ALL {
        // What is much work is counted for all keys of an address.
        world.clock.advance(Duration::from_secs(60));
        let key = world.key("owner", &[*right], &[]).await;
        for operation in operations() {
            let (status, kind) = status(&world, operation, &key).await;
            let what = format!("{} {} with {right}", operation.method, operation.path);
            if operation.right == *right {
                assert!(!matches!(status, 401 | 403 | 500..), "{what}: {status} {kind}");
            } else {
                assert_eq!((status, kind.as_str()), (403, "missing-scope"), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_scope_is_worth_no_more_than_the_role_that_its_user_has_now() {
    let world = World::new().await;
    for role in Role::ALL {
        let key = world.key("owner", Right::ALL, &[]).await;
        world.sql(&format!("UPDATE memberships SET role = '{role}'")).await;
        for operation in operations() {
            let (status, kind) = status(&world, operation, &key).await;
            let what = format!("{} {} for {role}", operation.method, operation.path);
            if role.may(operation.right) {
                assert!(!matches!(status, 401 | 403 | 500..), "{what}: {status} {kind}");
            } else {
                assert_eq!((status, kind.as_str()), (403, "missing-right"), "{what}");
            }
        }
        world.sql("UPDATE memberships SET role = 'owner'").await;
    }
}

#[tokio::test]
async fn the_key_of_who_lacks_the_second_factor_that_is_wanted_opens_nothing_until_there_is_one() {
    let world = World::new().await;
    let key = world.key("owner", Right::ALL, &[]).await;
    world.sql("UPDATE organizations SET second_factor_since = 1").await;
    for operation in operations() {
        let (status, kind) = status(&world, operation, &key).await;
        let what = format!("{} {}", operation.method, operation.path);
        assert_eq!((status, kind.as_str()), (403, "second-factor-required"), "{what}");
    }
    world
        .sql(
            "INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at)
             SELECT id, '\\x00', 0, 1 FROM users WHERE email = 'owner@example.org'",
        )
        .await;
    for operation in operations() {
        let (status, kind) = status(&world, operation, &key).await;
        assert!(!matches!(status, 401 | 403 | 500..), "{} {}: {status} {kind}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn a_key_that_does_not_work_opens_nothing() {
    let world = World::new().await;
    let revoked = world.key("owner", Right::ALL, &[]).await;
    world.sql("UPDATE api_keys SET revoked_at = 1").await;
    let expired = world.key("owner", Right::ALL, &[]).await;
    let soon = world.clock.now().micros() + 1;
    world.sql(&format!("UPDATE api_keys SET expires_at = {soon} WHERE revoked_at IS NULL")).await;
    world.clock.advance(Duration::from_secs(1));
    let elsewhere = world.key("owner", Right::ALL, &["192.0.2.0/24"]).await;
    let left = world.key("admin", Right::ALL, &[]).await;
    world.sql("DELETE FROM memberships WHERE role = 'admin'").await;
    let good = world.key("owner", Right::ALL, &["127.0.0.0/8"]).await;
    let mistyped = format!("{}{}", &good[..66], if good.ends_with('0') { '1' } else { '0' });
    let stranger = "pkt_live_OGusQGwp_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp136h27h";
    for operation in operations() {
        for (key, wanted) in [
            (revoked.as_str(), (401, "invalid-key")),
            (&expired, (401, "invalid-key")),
            (&left, (401, "invalid-key")),
            (&mistyped, (401, "invalid-key")),
            (stranger, (401, "invalid-key")),
            ("", (401, "invalid-key")),
            (&elsewhere, (403, "wrong-address")),
        ] {
            let (status, kind) = status(&world, operation, key).await;
            assert_eq!((status, kind.as_str()), wanted, "{} {} with {key}", operation.method, operation.path);
        }
        let (status, kind) = status(&world, operation, &good).await;
        assert!(!matches!(status, 401 | 403 | 500..), "{} {}: {status} {kind}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn a_browser_that_is_led_there_sees_nothing_and_no_cookie_helps() {
    let world = World::new().await;
    let program = Program::of(&world, "owner").await;
    let token = world.member("owner").await;
    let request = |name: &str, value: &str| {
        let request = Request::builder().uri("/api/v1/monitors").header(header::HOST, "localhost:8080");
        request.header(header::COOKIE, format!("sid-local={token}")).header(name, value).body(Body::empty()).unwrap()
    };
    assert_eq!(program.call(request("x", "y")).await.problem().1, "invalid-key");
    let answer = program.call(request("authorization", "Basic b3duZXI6")).await;
    assert_eq!(
        (answer.problem().1, answer.answer.header("www-authenticate")),
        ("invalid-key", "Bearer realm=\"picket\", error=\"invalid_token\"")
    );
    assert_eq!(program.call(request("sec-fetch-dest", "document")).await.problem().1, "navigation");
    assert_eq!(program.get(&format!("/monitors?access_token={}", program.key)).await.problem().0, 400);
}

#[tokio::test]
async fn a_key_makes_so_many_requests_a_minute_and_is_told_how_many_are_left() {
    let world = World::new().await;
    let (program, other) = (Program::of(&world, "owner").await, Program::of(&world, "editor").await);
    let first = program.get("/monitors").await;
    let rate =
        |reply: &super::Reply| ["ratelimit-policy", "ratelimit"].map(|name| reply.answer.header(name).to_owned());
    assert_eq!(rate(&first), ["\"key-read\";q=600;w=60", "\"key-read\";r=599;t=60"]);
    for _ in 1..600 {
        assert_eq!(program.get("/incidents/nothing").await.status, 404);
    }
    let over = program.get("/monitors").await;
    assert_eq!((over.problem().1, over.answer.header("retry-after")), ("too-many", "60"));
    assert_eq!(rate(&over)[1], "\"key-read\";r=0;t=60");
    let written = program.post("/monitors", serde_json::json!({})).await;
    assert_eq!((written.status, rate(&written)[1].as_str()), (422, "\"key-write\";r=299;t=60"));
    assert_eq!(other.get("/monitors").await.status, 200);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(program.get("/monitors").await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_whatever_the_caller_accepts() {
    let world = World::new().await;
    let program = Program::of(&world, "owner").await;
    for path in ["", "/", "/nothing", "/monitors/x/y/z"] {
        assert_eq!(program.get(path).await.problem(), (404, "not-found", vec![]), "{path}");
    }
    let request = Request::builder().uri("/api/v1/nothing").header(header::HOST, "localhost:8080");
    let request = request.header(header::ACCEPT, "text/html").body(Body::empty()).unwrap();
    assert_eq!(program.call(request).await.problem().1, "not-found");
    assert_eq!(program.send("PUT", "/incidents", None).await.problem().1, "method-not-allowed");
}
