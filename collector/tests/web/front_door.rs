//! What stands before every page: headers, cookies, where a request comes from. Driven by the table of routes.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::web::guard::headers::Transport;
use picket_collector::web::router::{ROUTES, Who};

use crate::common::{Browser, EMAIL, PASSWORD, START, World};

/// A path of the table with something in its places.
fn filled(path: &str) -> String {
    path.replace("{id}", "01900000-0000-7000-8000-000000000001")
        .replace("{link}", "none")
        .replace("{hash}", "0")
        .replace("{name}", "none.css")
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(filled(path)).header(header::HOST, "localhost:8080");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn who_is_not_signed_in_gets_no_page_and_changes_nothing() {
    let world = World::new().await;
    world.signed_in().await;
    for route in ROUTES.iter().filter(|route| matches!(route.who, Who::User(_) | Who::Proven(_))) {
        for cookie in ["", "sid-local=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "__Host-sid=x", "sid-local="] {
            let headers = [("sec-fetch-site", "same-origin"), ("cookie", cookie)];
            let answer = world.send(request(route.method, route.path, &headers)).await;
            let what = format!("{} {} {cookie:?}", route.method, route.path);
            if route.method == "GET" {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{what}");
                assert!(answer.to().starts_with("/sign-in"), "{what}");
            } else {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_of_a_foreign_page_changes_nothing_anywhere() {
    let world = World::new().await;
    let browser = world.signed_in().await;
    let cookie = browser.cookie.clone().unwrap();
    let before = world.one("SELECT count(*) FROM audit").await;
    for route in ROUTES
        .iter()
        .filter(|route| route.method == "POST" && matches!(route.who, Who::User(_) | Who::Proven(_) | Who::Visitor))
    {
        // So many requests are let in a minute.
        world.clock.advance(std::time::Duration::from_secs(10));
        for from in [
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("origin", "https://evil.example")],
            vec![("origin", "null")],
            vec![],
        ] {
            let mut headers = from.clone();
            headers.push(("cookie", &cookie));
            let answer = world.send(request("POST", route.path, &headers)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {from:?}", route.path);
        }
    }
    assert_eq!(world.one("SELECT count(*) FROM audit").await, before);
}

#[tokio::test]
async fn a_form_without_the_proof_of_its_session_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut other = Browser::new(&world);
    other.post("/sign-in", &[("email", EMAIL), ("password", PASSWORD)]).await;
    other.get("/account").await;
    for proof in ["", "AAAA", &other.proof] {
        browser.proof = proof.to_owned();
        let answer = browser.post("/monitors/new", &[("kind", "http"), ("target", "example.org")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        answer.shows("belongs to another session");
    }
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "0");
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_this_host() {
    let world = World::at("https://picket.example", Transport::Https).await;
    let link = world.porter.set_up_link(START).await.unwrap().unwrap();
    let mut browser = Browser::new(&world);
    let answer = browser.post(&format!("/set-up/{}", link.expose()), &[("email", EMAIL), ("password", PASSWORD)]).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-sid="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000"), "{cookie}");
    let token = cookie.trim_start_matches("__Host-sid=").split(';').next().unwrap();
    let stored = world.one("SELECT encode(token_hash, 'hex') FROM sessions").await;
    assert_eq!(stored, picket_shared::signing::body_hash(token.as_bytes()), "only the hash is stored");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn other_hosts_methods_and_bodies_are_refused() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let foreign = Request::builder().uri("/sign-in").header(header::HOST, "evil.example").body(Body::empty()).unwrap();
    assert_eq!(world.send(foreign).await.status, StatusCode::MISDIRECTED_REQUEST);
    for method in ["TRACE", "PUT", "DELETE", "NONSENSE"] {
        let answer = world.send(request(method, "/sign-in", &[("sec-fetch-site", "same-origin")])).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    browser.get("/account").await;
    let huge = "x".repeat(300 * 1024);
    let answer = browser.post("/monitors/new", &[("target", &huge)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    answer.shows("too large");
}

#[tokio::test]
async fn files_are_found_under_their_hash_and_kept_for_ever() {
    let world = World::new().await;
    let page = world.send(request("GET", "/sign-in", &[])).await;
    let paths: Vec<&str> = page.text.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        let plain = world.send(request("GET", path, &[])).await;
        assert_eq!(
            (plain.status, plain.header("cache-control")),
            (StatusCode::OK, "public, max-age=31536000, immutable")
        );
        let packed = world.send(request("GET", path, &[("accept-encoding", "gzip, zstd")])).await;
        assert!(packed.header("content-encoding") == "zstd" || plain.text.len() < 300, "{path}");
    }
    assert_eq!(world.send(request("GET", "/assets/0000000000000000/picket.css", &[])).await.status, 404);
}
