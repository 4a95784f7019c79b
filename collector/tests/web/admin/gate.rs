//! For whom the administration of the instance is there. To everybody else it is nothing: the same answer to the byte, for
//! the same work.
//!
//! `matrix.txt` is made and held like the one of all routes; see `access`.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use picket_collector::config::Config;
use picket_collector::domain::access::Role;
use picket_collector::store::audit::Author;
use picket_collector::web::router::{ROUTES, Route, Who};

use super::{PAGES, administrator, granted, guarded, later, look, proven};
use crate::access::{expired, file, filled, holds, request};
use crate::common::{Answer, Browser, START, SetUp, World};
use crate::statements;

fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.who == Who::Admin)
}

/// Everybody who is no administrator: what for, and the token of the session.
async fn others(world: &World) -> Vec<(String, String)> {
    let mut found = vec![("anonymous".to_owned(), String::new()), ("nobody".to_owned(), "Q".repeat(43))];
    found.push(("expired".to_owned(), expired(world).await));
    for role in Role::ALL {
        found.push((role.to_string(), world.member(role.as_str()).await));
        guarded(world, role.as_str()).await;
    }
    // The grants of these two are over: one by its time, one by who took it back.
    for role in ["editor", "viewer"] {
        granted(world, role).await;
    }
    let by = Author::of_instance("command:root");
    let taken = world.porter.revoke_grants_of("viewer@example.org", &by, world.clock.now()).await.unwrap();
    assert_eq!(taken, Some(true));
    later(world, Duration::from_secs(8 * 3600)).await;
    for role in Role::ALL {
        proven(world, role.as_str()).await;
    }
    world.sql("UPDATE sessions SET expires_at = 1 WHERE token_hash = sha256(rpad('old', 43, 'A')::bytea)").await;
    found
}

/// One request of anybody, as like as two can be but for the path.
fn ask(method: &str, path: &str, token: &str, headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:8080");
    if !token.is_empty() {
        request = request.header(header::COOKIE, format!("sid-local={token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(if method == "POST" { Body::from("proof=x") } else { Body::empty() }).unwrap()
}

/// What of an answer can be seen, and what it cost.
async fn seen(world: &World, request: Request<Body>) -> (StatusCode, HeaderMap, String, usize) {
    let before = statements::sent();
    let Answer { status, mut headers, text } = world.send(request).await;
    // How many requests are left goes down with each; for whom they are counted stays to be compared.
    assert!(headers.remove("ratelimit").is_some());
    (status, headers, text, statements::sent() - before)
}

const BROWSER: &[(&str, &str)] = &[("accept", "text/html"), ("sec-fetch-site", "same-origin")];
const FOREIGN: &[(&str, &str)] =
    &[("accept", "text/html"), ("sec-fetch-site", "cross-site"), ("content-type", "application/x-www-form-urlencoded")];
const PROGRAM: &[(&str, &str)] = &[("accept", "application/json")];

#[tokio::test(flavor = "current_thread")]
async fn to_who_has_no_live_grant_it_is_answered_like_what_is_not_there_for_the_same_work() {
    statements::watch();
    let mut config = Config::default();
    config.limits.requests_per_minute_per_address = 1_000_000;
    let world = World::of(SetUp { config, ..SetUp::default() }).await;
    let others = others(&world).await;
    let mut compared = 0;
    for (who, token) in &others {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            for headers in [BROWSER, FOREIGN, PROGRAM] {
                // After a minute a session's last use is noted, which is work too.
                let waits: &[u64] = if method == "GET" { &[0, 61] } else { &[0] };
                for wait in waits.iter().copied() {
                    world.send(ask(method, "/nowhere", token, headers)).await;
                    world.clock.advance(Duration::from_secs(wait));
                    let miss = seen(&world, ask(method, "/nowhere/at/all", token, headers)).await;
                    assert_eq!(miss.0, StatusCode::NOT_FOUND);
                    assert_eq!(miss.3 > 0, !token.is_empty(), "{who}: a session is looked up, or nobody is");
                    for path in routes().map(|route| filled(route.path)).chain(["/admin/nowhere".to_owned()]) {
                        world.clock.advance(Duration::from_secs(wait));
                        let found = seen(&world, ask(method, &path, token, headers)).await;
                        assert_eq!(found.3, miss.3, "statements of {method} {path} for {who} after {wait} s");
                        assert_eq!(found, miss, "{method} {path} for {who}");
                        compared += 1;
                    }
                    for role in Role::ALL {
                        proven(&world, role.as_str()).await;
                    }
                }
            }
        }
    }
    assert!(compared > 2_000, "only {compared}");
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'admin.look'").await, "0");
}

#[tokio::test]
async fn every_route_of_administration_answers_by_what_the_grant_is() {
    let world = World::new().await;
    let mut matrix = String::from("route no_grant lapsed revoked no_second_factor unproven administrator\n");
    let none = world.member("viewer").await;
    guarded(&world, "viewer").await;
    let lapsed = world.member("responder").await;
    let revoked = world.member("editor").await;
    for role in ["responder", "editor"] {
        guarded(&world, role).await;
        granted(&world, role).await;
    }
    let by = Author::of_instance("command:root");
    world.porter.revoke_grants_of("editor@example.org", &by, world.clock.now()).await.unwrap();
    later(&world, Duration::from_secs(8 * 3600)).await;
    let bare = world.member("admin").await;
    granted(&world, "admin").await;
    let whole = world.member("owner").await;
    granted(&world, "owner").await;
    guarded(&world, "owner").await;
    for route in routes() {
        let what = format!("{} {}", route.method, route.path);
        let _ = write!(matrix, "{what}");
        for (token, is_proven) in
            [(&none, true), (&lapsed, true), (&revoked, true), (&bare, true), (&whole, false), (&whole, true)]
        {
            for role in Role::ALL {
                proven(&world, role.as_str()).await;
            }
            if !is_proven {
                world.sql("UPDATE sessions SET proven_at = NULL").await;
            }
            let status = world.status(request(route, token)).await;
            let _ = write!(matrix, " {}", status.as_str());
        }
        matrix.push('\n');
    }
    holds(&file("tests/web/admin/matrix.txt"), &matrix);
}

#[tokio::test]
async fn a_grant_stops_with_its_last_second_and_when_it_is_revoked() {
    let world = World::new().await;
    let mut browser = administrator(&world, "viewer").await;
    world.clock.set(START - Duration::from_secs(60));
    assert_eq!(browser.get("/admin").await.status, StatusCode::NOT_FOUND, "nothing acts before its time");
    world.clock.set(START);
    for path in PAGES {
        assert_eq!(
            browser.get(path).await.status,
            StatusCode::OK,
            "{path}: the role in an organization does not matter"
        );
    }
    browser.get("/admin").await.shows("until 2026-09-21T22:13:20Z");
    browser.get("/account").await.shows("until 2026-09-21T22:13:20Z");
    later(&world, Duration::from_secs(8 * 3600 - 1)).await;
    proven(&world, "viewer").await;
    assert_eq!(browser.get("/admin/users").await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(1));
    assert!(look(&mut browser).await.iter().all(|(_, status)| *status == StatusCode::NOT_FOUND));
    browser.get("/account").await.hides("/admin");

    granted(&world, "viewer").await;
    proven(&world, "viewer").await;
    assert_eq!(browser.get("/admin/users").await.status, StatusCode::OK);
    let by = Author::of_instance("command:root");
    assert_eq!(world.porter.revoke_grants_of("Viewer@example.org ", &by, world.clock.now()).await.unwrap(), Some(true));
    assert!(look(&mut browser).await.iter().all(|(_, status)| *status == StatusCode::NOT_FOUND));
    assert_eq!(world.porter.revoke_grants_of("viewer@example.org", &by, world.clock.now()).await.unwrap(), Some(false));
    assert_eq!(world.porter.revoke_grants_of("nobody@example.org", &by, world.clock.now()).await.unwrap(), None);

    // Who is gone administers nothing.
    granted(&world, "viewer").await;
    assert_eq!(browser.get("/admin/users").await.status, StatusCode::OK);
    world.sql("UPDATE users SET deleted_at = 1").await;
    assert_eq!(browser.get("/admin/users").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_grant_without_a_second_factor_opens_nothing_and_only_its_holder_is_told() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "editor").await;
    granted(&world, "editor").await;
    browser.get("/account").await;
    for path in PAGES {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        answer.shows("href=\"/account/second-factor\"");
        answer.shows("That takes a second factor");
        answer.hides("example.org</td>");
        answer.hides("class=\"chips\"");
    }
    let user = world.one("SELECT uuid FROM users").await;
    for path in [format!("/admin/users/{user}/end-sessions"), "/admin/grants".to_owned()] {
        let answer = browser.post(&path, &[("email", "viewer@example.org"), ("for", "8h")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(world.one("SELECT count(*) FROM sessions").await, "1");
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'admin.look'").await, "0", "nothing was seen");
    // Begun is not set up.
    world.sql("INSERT INTO totp_secrets (user_id, sealed_secret, created_at) SELECT id, '', 0 FROM users").await;
    assert_eq!(browser.get("/admin").await.status, StatusCode::FORBIDDEN);
    world.sql("UPDATE totp_secrets SET confirmed_at = 0").await;
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_did_not_prove_it_in_the_last_ten_minutes_does_so_first_and_nothing_is_done() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    browser.get("/admin/grants").await;
    world.clock.advance(Duration::from_secs(600));
    let (user, looks) =
        (world.one("SELECT uuid FROM users").await, "SELECT count(*) FROM audit WHERE action = 'admin.look'");
    for (path, page) in [
        (format!("/admin/users/{user}/unlock"), "/admin/users"),
        (format!("/admin/users/{user}/end-sessions"), "/admin/users"),
        ("/admin/grants".to_owned(), "/admin/grants"),
        (format!("/admin/grants/{user}/revoke"), "/admin/grants"),
        (format!("/admin/probes/{user}/revoke"), "/admin/probes"),
    ] {
        let answer = browser.post(&path, &[]).await;
        let to = format!("/step-up?next={}", page.replace('/', "%2F"));
        assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, to.as_str()), "{path}");
    }
    assert_eq!(browser.get("/admin/users?q=ada").await.to(), "/step-up?next=%2Fadmin%2Fusers%3Fq%3Dada");
    assert_eq!(world.one(looks).await, "1");
    assert_eq!(world.one("SELECT count(*) FROM sessions").await, "1");
    proven(&world, "owner").await;
    assert_eq!(browser.get("/admin/users?q=ada").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_foreign_page_and_a_form_of_another_session_do_nothing() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    let other = browser.get("/admin/users").await;
    other.shows("name=\"proof\"");
    let user = world.one("SELECT uuid FROM users").await;
    let path = format!("/admin/users/{user}/end-sessions");
    browser.proof = "x".repeat(43);
    assert_eq!(browser.post(&path, &[]).await.status, StatusCode::FORBIDDEN);
    let token = browser.cookie.clone().unwrap().replace("sid-local=", "");
    assert_eq!(world.send(ask("POST", &path, &token, FOREIGN)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.send(ask("DELETE", &path, &token, BROWSER)).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(world.send(ask("GET", "/admin/nowhere", &token, BROWSER)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.one("SELECT count(*) FROM sessions").await, "1");
}
