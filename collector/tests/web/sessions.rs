//! Sessions: listed, ended one by one, proven again before what matters most.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::web::router::{ROUTES, Who};

use crate::common::{Browser, EMAIL, PASSWORD, World};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const IPHONE: &str =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Mobile Safari/604.1";

/// Where the buttons that end a session lead.
fn ends(text: &str) -> Vec<String> {
    let forms = text.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    forms.filter(|path| path.ends_with("/end")).map(str::to_owned).collect()
}

#[tokio::test]
async fn sessions_are_listed_by_browser_and_ended_one_by_one_or_all_others_at_once() {
    let world = World::new().await;
    let mut here = world.signed_in().await;
    let mut laptop = Browser { agent: FIREFOX, ..Browser::new(&world) };
    laptop.sign_in(EMAIL, PASSWORD).await;
    world.clock.advance(Duration::from_secs(7200));
    let mut phone = Browser { agent: IPHONE, ..Browser::new(&world) };
    phone.sign_in(EMAIL, PASSWORD).await;

    let page = here.get("/account").await;
    for shown in ["Firefox", "Linux", "Safari", "iPhone", "curl", "2 h ago", "This one"] {
        page.shows(shown);
    }
    page.hides("Mozilla");
    let buttons = ends(&page.text);
    assert_eq!(buttons.len(), 2, "every session but this one has a button");

    // The phone was used last, so it comes first.
    assert_eq!(here.post(&buttons[0], &[]).await.to(), "/account?done=session_ended");
    assert_eq!(phone.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(laptop.get("/").await.status, StatusCode::OK);
    assert_eq!(here.post(&buttons[0], &[]).await.status, StatusCode::NOT_FOUND);

    phone.sign_in(EMAIL, PASSWORD).await;
    assert_eq!(here.post("/account/sessions/end-others", &[]).await.to(), "/account?done=others_ended");
    assert_eq!(phone.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(laptop.get("/").await.status, StatusCode::SEE_OTHER);
    here.get("/account?done=others_ended").await.hides("end-others");
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'user.end_sessions'").await, "2");
}

#[tokio::test]
async fn nobody_ends_the_session_of_another() {
    let world = World::new().await;
    let mut ada = world.signed_in().await;
    world.another_owner("eve@example.org").await;
    let mut eve = Browser::new(&world);
    assert_eq!(eve.sign_in("eve@example.org", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let id = world.one("SELECT uuid FROM sessions WHERE user_id = 1").await;
    eve.get("/account").await.hides(&id);
    assert_eq!(eve.post(&format!("/account/sessions/{id}/end"), &[]).await.status, StatusCode::NOT_FOUND);
    eve.post("/account/sessions/end-others", &[]).await;
    assert_eq!(ada.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_matters_most_is_done_only_by_who_proved_it_in_the_last_ten_minutes() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    assert_eq!(browser.get("/account/email").await.status, StatusCode::OK, "signing in is proof");
    world.clock.advance(Duration::from_secs(600));
    for route in ROUTES.iter().filter(|route| matches!(route.who, Who::Proven(_))) {
        assert!(ROUTES.iter().any(|other| other.path == route.path && other.method == "GET"), "{}", route.path);
        let path = route.path.replace("{id}", "abcdefgh");
        let fields = [
            ("do", "begin"),
            ("email", "other@example.org"),
            ("name", "k"),
            ("scope", "monitors:read"),
            ("days", "30"),
        ];
        let answer = match route.method {
            "GET" => browser.get(&path).await,
            _ => browser.post(&path, &fields).await,
        };
        let to = format!("/step-up?next={}", path.replace('/', "%2F"));
        assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, to.as_str()));
    }
    for table in ["totp_secrets", "address_changes", "api_keys"] {
        assert_eq!(world.one(&format!("SELECT count(*) FROM {table}")).await, "0", "{table}");
    }

    let page = browser.get("/step-up?next=%2Faccount%2Femail").await;
    page.shows("value=\"/account/email\"");
    page.hides("name=\"code\"");
    let answer = browser.post("/step-up", &[("password", "not the password"), ("next", "/account/email")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let old = browser.cookie.clone();
    let answer = browser.post("/step-up", &[("password", PASSWORD), ("next", "/account/email")]).await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/account/email"));
    assert_ne!(browser.cookie, old, "a new token");
    assert_eq!(browser.get("/account/email").await.status, StatusCode::OK);
    let mut thief = Browser { cookie: old, ..Browser::new(&world) };
    assert_eq!(thief.get("/").await.status, StatusCode::SEE_OTHER, "the old token is none any more");
    assert_eq!(world.one("SELECT count(*) FROM sessions").await, "1");
    let told =
        "SELECT string_agg(org_id || ' ' || actor || ' ' || origin || ' ' || action, '; ' ORDER BY seq) FROM audit
                WHERE action LIKE 'user.step_up%'";
    let by = "1 user:ada@example.org 127.0.0.1";
    assert_eq!(world.one(told).await, format!("{by} user.step_up_failed; {by} user.step_up"));

    world.clock.set(world.clock.now() - Duration::from_secs(60));
    assert_eq!(browser.get("/account/email").await.status, StatusCode::SEE_OTHER, "a proof that lies ahead is none");
    world.clock.advance(Duration::from_secs(60));
    browser.get("/step-up").await;
    let answer = browser.post("/step-up", &[("password", PASSWORD), ("next", "//evil.example")]).await;
    assert_eq!(answer.to(), "/account");
}

#[tokio::test]
async fn who_holds_a_session_cannot_guess_its_password() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/step-up").await;
    for _ in 0..6 {
        let answer = browser.post("/step-up", &[("password", "a guess for today")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(browser.post("/step-up", &[("password", PASSWORD)]).await.status, StatusCode::TOO_MANY_REQUESTS);
    let change = [("old", PASSWORD), ("new", "another few words")];
    assert_eq!(browser.post("/account/password", &change).await.status, StatusCode::TOO_MANY_REQUESTS);
    for failures in 6..10 {
        world.clock.advance(Duration::from_secs(3600));
        browser.get("/step-up").await;
        assert_eq!(browser.post("/step-up", &[("password", "a guess")]).await.status, 401, "{failures}");
    }
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(browser.post("/step-up", &[("password", PASSWORD)]).await.status, 401, "locked");
    let mut other = Browser::new(&world);
    assert_eq!(other.sign_in(EMAIL, PASSWORD).await.status, StatusCode::SEE_OTHER, "that locks nobody else out");
    world.clock.advance(Duration::from_secs(900));
    browser.get("/step-up").await;
    assert_eq!(browser.post("/step-up", &[("password", PASSWORD)]).await.status, StatusCode::SEE_OTHER);
}
