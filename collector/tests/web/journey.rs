//! From the set-up link to a monitor and back again.

use std::time::Duration;

use axum::http::StatusCode;

use crate::common::{Browser, EMAIL, PASSWORD, START, World};

#[tokio::test]
async fn the_set_up_link_makes_one_administrator_and_works_once() {
    let world = World::new().await;
    let link = format!("/set-up/{}", world.porter.set_up_link(START).await.unwrap().unwrap().expose());
    let mut browser = Browser::new(&world);
    browser.get(&link).await.shows("first administrator");
    for (email, password, says) in [
        ("nonsense", PASSWORD, "no e-mail address"),
        (EMAIL, "too short", "12 characters or more"),
        (EMAIL, "ada@example.org!", "too easy to guess"),
    ] {
        let answer = browser.post(&link, &[("email", email), ("password", password)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        answer.shows(says);
        answer.hides(&format!("value=\"{password}\""));
    }
    let answer = browser.post(&link, &[("email", "Ada@Example.org"), ("password", PASSWORD)]).await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/"));
    browser.get("/").await.shows(EMAIL);
    assert_eq!(browser.post(&link, &[("email", "eve@example.org"), ("password", PASSWORD)]).await.status, 404);
    assert!(world.porter.set_up_link(START).await.unwrap().is_none(), "there is a user now");
    assert_eq!(world.one("SELECT count(*) FROM users").await, "1");
    assert_eq!(world.one("SELECT role FROM memberships").await, "owner");
}

#[tokio::test]
async fn of_twenty_who_follow_the_link_at_once_one_gets_in() {
    let world = World::new().await;
    let link = format!("/set-up/{}", world.porter.set_up_link(START).await.unwrap().unwrap().expose());
    let tries = (0..20).map(|n| {
        let (world, link) = (&world, &link);
        async move {
            let email = format!("user{n}@example.org");
            Browser::new(world).post(link, &[("email", &email), ("password", PASSWORD)]).await.status
        }
    });
    let inside = together(tries).await.iter().filter(|status| **status == StatusCode::SEE_OTHER).count();
    assert_eq!((inside, world.one("SELECT count(*) FROM users").await.as_str()), (1, "1"));
}

/// Polls all of these together: one after the other would show nothing.
async fn together<F: Future<Output = StatusCode>>(futures: impl Iterator<Item = F>) -> Vec<StatusCode> {
    let mut open: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in open.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(status) = future.as_mut().poll(context) {
                *done = Some(status);
            }
        }
        if open.iter().all(|(_, done)| done.is_some()) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    open.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn signing_in_out_and_changing_the_password() {
    let world = World::new().await;
    let mut first = world.signed_in().await;
    let mut browser = Browser::new(&world);
    let answer = browser.get("/account").await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/sign-in?next=%2Faccount"));
    let wrong = browser.post("/sign-in", &[("email", EMAIL), ("password", "not the password")]).await;
    let nobody = browser.post("/sign-in", &[("email", "eve@example.org"), ("password", "not the password")]).await;
    assert_eq!((wrong.status, nobody.status), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    assert_eq!(wrong.text.replace(EMAIL, ""), nobody.text.replace("eve@example.org", ""), "one answer for both");
    let answer = browser
        .post("/sign-in", &[("email", "ADA@example.org "), ("password", PASSWORD), ("next", "//evil.example/")])
        .await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/"));

    browser.get("/account").await;
    let answer = browser.post("/account/password", &[("old", "wrong"), ("new", "another few words")]).await;
    answer.shows("present password is not right");
    let answer = browser.post("/account/password", &[("old", PASSWORD), ("new", "another few words")]).await;
    assert_eq!(answer.to(), "/sign-in?done=password");
    // Everybody is out, also who was signed in elsewhere.
    assert_eq!(first.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.post("/sign-in", &[("email", EMAIL), ("password", PASSWORD)]).await.status, 401);
    let answer = browser.post("/sign-in", &[("email", EMAIL), ("password", "another few words")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);

    browser.get("/").await;
    let answer = browser.post("/sign-out", &[]).await;
    assert_eq!((answer.to(), answer.header("clear-site-data")), ("/sign-in", "\"cache\", \"storage\""));
    assert_eq!(world.one("SELECT count(*) FROM sessions").await, "0");
    let actions = world.one("SELECT string_agg(DISTINCT action, ' ') FROM audit").await;
    assert_eq!(
        actions,
        "user.change_password user.change_password_failed user.set_up user.sign_in user.sign_in_failed user.sign_out"
    );
    // In the log of the user's organization, from where it came, and never what nobody is called.
    let failed = "SELECT string_agg(coalesce(org_id::text, 'instance') || ' ' || actor || ' ' || (subject <> '') || ' ' || origin, '; '
                  ORDER BY org_id NULLS LAST) FROM (SELECT DISTINCT org_id, actor, subject, origin FROM audit WHERE action = 'user.sign_in_failed') f";
    assert_eq!(world.one(failed).await, "1 web true 127.0.0.1; instance web false 127.0.0.1");
    let out =
        world.one("SELECT org_id || ' ' || actor || ' ' || origin FROM audit WHERE action = 'user.sign_out'").await;
    assert_eq!(out, "1 user:ada@example.org 127.0.0.1");
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_one_day_anyway() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let hour = Duration::from_secs(3_600);
    for _ in 0..3 {
        world.clock.advance(hour * 20);
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
    }
    world.clock.advance(hour * 25);
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);

    browser.post("/sign-in", &[("email", EMAIL), ("password", PASSWORD)]).await;
    let mut used = 0;
    while browser.get("/").await.status == StatusCode::OK {
        world.clock.advance(hour * 12);
        used += 1;
    }
    assert_eq!(used, 60, "thirty days, however busy");
}

#[tokio::test]
async fn guessing_has_to_wait() {
    let world = World::new().await;
    world.signed_in().await;
    let mut browser = Browser::new(&world);
    for _ in 0..6 {
        let answer = browser.post("/sign-in", &[("email", EMAIL), ("password", "a guess for today")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let answer = browser.post("/sign-in", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    world.clock.advance(Duration::from_secs(2));
    let answer = browser.post("/sign-in", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}
