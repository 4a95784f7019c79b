//! How many requests an address, an account and a key may make, and how those are told who make more.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::config::{Config, Limits};
use picket_collector::domain::access::Right;
use picket_collector::web::guard::quota::Class;
use picket_collector::web::router::{ROUTES, Who};
use picket_shared::wire::{HELD_HEADER, TIME_HEADER, TIME_PATH};

use crate::common::{Answer, Browser, From, SetUp, World};

const HERE: &str = "192.0.2.1:50000";
const THERE: &str = "192.0.2.2:50000";

/// A site where an address may read 60 times a minute, an account 40 times and a key 30 times.
async fn narrow(proxies: &[&str]) -> World {
    let limits = Limits {
        requests_per_minute_per_address: 60,
        requests_per_minute_per_account: 40,
        requests_per_minute_per_key: 30,
        ..Limits::default()
    };
    let config = Config { limits, ..Config::default() };
    World::of(SetUp { config, proxies: proxies.iter().map(|net| net.parse().unwrap()).collect(), ..SetUp::default() })
        .await
}

async fn get(world: &World, path: &str, from: &'static str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(path).header(header::HOST, "localhost:8080").extension(From(from));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_address_that_asks_too_much_has_to_wait_and_is_told_so_in_its_own_way() {
    let world = narrow(&[]).await;
    for n in 0..60 {
        let answer = get(&world, if n % 2 == 0 { "/sign-in" } else { "/nothing" }, HERE, &[]).await;
        assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.header("ratelimit-policy"), "\"address-read\";q=60;w=60");
        assert_eq!(answer.header("ratelimit"), format!("\"address-read\";r={};t=60", 59 - n));
    }
    world.clock.advance(Duration::from_secs(20));
    for (path, accept, kind) in [
        ("/sign-in", "text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("/nothing", "*/*", "application/problem+json"),
        ("/api/v1/monitors", "text/html", "application/problem+json"),
    ] {
        let answer = get(&world, path, HERE, &[("accept", accept)]).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::TOO_MANY_REQUESTS, kind), "{path}");
        assert_eq!((answer.header("retry-after"), answer.header("ratelimit")), ("40", "\"address-read\";r=0;t=40"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "a refusal has every header too");
    }
    let problem = get(&world, "/api/v1/monitors", HERE, &[]).await;
    problem.shows("\"type\":\"urn:picket:problem:too-many\"");
    problem.shows("\"status\":429");
    get(&world, "/sign-in", HERE, &[("accept", "text/html")]).await.shows("Too many requests came from you");

    assert_eq!(
        get(&world, "/healthz", HERE, &[]).await.status,
        StatusCode::OK,
        "who looks whether this works, sees it"
    );
    assert_eq!(get(&world, "/sign-in", THERE, &[]).await.status, StatusCode::OK, "others are not held back");
    world.clock.advance(Duration::from_secs(40));
    assert_eq!(get(&world, "/sign-in", HERE, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_probe_that_asks_for_the_time_too_often_is_told_it_all_the_same() {
    let world = narrow(&[]).await;
    for _ in 0..60 {
        assert_eq!(get(&world, TIME_PATH, HERE, &[]).await.status, StatusCode::OK);
    }
    let refused = get(&world, TIME_PATH, HERE, &[]).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header(TIME_HEADER), world.clock.now().micros().to_string());
    assert!(refused.header(HELD_HEADER).parse::<u64>().is_ok());
}

#[tokio::test]
async fn whose_address_it_is_only_a_trusted_proxy_can_say() {
    let world = narrow(&["10.0.0.0/8"]).await;
    let left = async |from, forwarded: &str| {
        get(&world, "/sign-in", from, &[("x-forwarded-for", forwarded)]).await.header("ratelimit").to_owned()
    };
    assert_eq!(left("10.0.0.1:1", "198.51.100.1").await, "\"address-read\";r=59;t=60");
    assert_eq!(left("10.0.0.1:1", "198.51.100.2").await, "\"address-read\";r=59;t=60");
    assert_eq!(left("10.0.0.2:1", "203.0.113.9, 198.51.100.2").await, "\"address-read\";r=58;t=60");
    for n in 0..3 {
        let forged = format!("198.51.100.{n}");
        assert_eq!(left(HERE, &forged).await, format!("\"address-read\";r={};t=60", 59 - n), "nobody else is believed");
    }
}

#[tokio::test]
async fn an_account_is_counted_wherever_it_asks_from_and_a_key_by_itself() {
    let world = narrow(&[]).await;
    let mut at_home = Browser { address: HERE, ..Browser::of(&world, "editor").await };
    let mut at_work = Browser { address: THERE, ..Browser::of(&world, "editor").await };
    for n in 0..20 {
        assert_eq!(at_home.get("/account").await.status, StatusCode::OK, "{n}");
        assert_eq!(at_work.get("/account").await.status, StatusCode::OK, "{n}");
    }
    let refused = at_work.get("/account").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "60"));
    let told: Vec<_> = refused.headers.get_all("ratelimit").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(told, ["\"account-read\";r=0;t=60", "\"address-read\";r=39;t=60"]);
    let mut other = Browser { address: THERE, ..Browser::of(&world, "viewer").await };
    assert_eq!(other.get("/account").await.status, StatusCode::OK);

    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    let bearer = format!("Bearer {key}");
    for _ in 0..30 {
        let answer = get(&world, "/api/v1/monitors", "192.0.2.3:1", &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let refused = get(&world, "/api/v1/monitors", "192.0.2.4:1", &[("authorization", &bearer)]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "60"));
    refused.shows("this key made too many requests");
}

#[tokio::test]
async fn what_lets_somebody_in_or_is_much_work_may_be_asked_less() {
    let world = narrow(&[]).await;
    let mut browser = Browser { address: HERE, ..Browser::new(&world) };
    for _ in 0..2 {
        assert_eq!(browser.sign_in("nobody@example.org", "x").await.status, StatusCode::UNAUTHORIZED);
    }
    let third = browser.sign_in("nobody@example.org", "x").await;
    assert_eq!(
        (third.status, third.header("ratelimit")),
        (StatusCode::TOO_MANY_REQUESTS, "\"address-entry\";r=0;t=60")
    );
    assert_eq!(browser.get("/sign-in").await.status, StatusCode::OK, "reading is counted apart");
    let mut editor = Browser { address: THERE, ..Browser::of(&world, "editor").await };
    editor.get("/monitors/new").await;
    let tries = [editor.post("/monitors/test", &[]).await, editor.post("/monitors/test", &[]).await];
    assert!(tries.iter().all(|answer| answer.status != StatusCode::TOO_MANY_REQUESTS), "{tries:?}");
    assert_eq!(editor.post("/monitors/test", &[]).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[test]
fn every_route_is_counted_but_those_that_have_limits_of_their_own_or_say_whether_this_works() {
    for route in ROUTES {
        let what = format!("{} {}", route.method, route.path);
        let uncounted = matches!(route.who, Who::Probe | Who::Provider | Who::Scraper) || route.path == "/healthz";
        assert_eq!(route.class().is_none(), uncounted, "{what}");
        let reads = matches!(route.class(), Some(Class::Read));
        assert!(!reads || route.method == "GET", "{what} changes something");
        if matches!(route.who, Who::Visitor) && route.method == "POST" {
            assert_eq!(route.class(), Some(Class::Entry), "{what}");
        }
    }
    let heavy: Vec<&str> =
        ROUTES.iter().filter(|route| route.class() == Some(Class::Heavy)).map(|route| route.path).collect();
    let wanted = [
        "/account/data/export",
        "/account/data",
        "/account/data/exports/{id}/file",
        "/monitors/test",
        "/monitors/{id}/test",
        "/audit/export",
        "/import",
        "/api/v1/account/export",
        "/api/v1/monitors",
        "/api/v1/organization/import",
        "/api/v1/account/exports",
        "/api/v1/account/exports/{id}/file",
        "/api/v1/organization/exports",
        "/api/v1/organization/exports/{id}/file",
    ];
    assert_eq!(heavy, wanted);
}
