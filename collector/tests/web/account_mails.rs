//! What users are told by mail, by a real server.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::flow::account_mails::Report;

use crate::common::{Browser, EMAIL, PASSWORD, World};
use crate::mailbox::{MAILS, Mailbox};

#[tokio::test]
async fn a_user_is_told_of_a_sign_in_from_a_browser_that_was_not_known() {
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut mailbox = Mailbox::start();
    assert!(mailbox.mails(&world).await.is_empty(), "who makes an account knows that");
    browser.get("/").await;
    browser.post("/sign-out", &[]).await;
    browser.sign_in(EMAIL, PASSWORD).await;
    assert!(mailbox.mails(&world).await.is_empty(), "that browser is known");
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let mut other = Browser { agent, ..Browser::new(&world) };
    other.sign_in(EMAIL, PASSWORD).await;
    let mail = mailbox.one(&world, EMAIL).await;
    assert_eq!(mail.header("Subject"), "New sign-in to Picket");
    assert!(mail.0.contains("Firefox, Linux") && mail.0.contains("http://localhost:8080/account"), "{}", mail.0);
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    let device = other.jar["device-local"].split_once('=').unwrap().1;
    let stored = world.one("SELECT string_agg(encode(token_hash, 'hex'), ' ') FROM devices").await;
    assert!(stored.contains(&picket_shared::signing::body_hash(device.as_bytes())), "only the hash is stored");
}

#[tokio::test]
async fn a_user_is_told_of_failures_once_an_hour() {
    let world = World::with(MAILS).await;
    world.signed_in().await;
    let mut mailbox = Mailbox::start();
    let mut browser = Browser::new(&world);
    browser.sign_in("nobody@example.org", "a guess for today").await;
    assert!(mailbox.mails(&world).await.is_empty());
    for _ in 0..3 {
        browser.sign_in(EMAIL, "a guess for today").await;
    }
    assert_eq!(mailbox.one(&world, EMAIL).await.header("Subject"), "Wrong password or code at Picket");
    world.clock.advance(Duration::from_secs(3601));
    browser.sign_in(EMAIL, "a guess for today").await;
    mailbox.one(&world, EMAIL).await;
}

#[tokio::test]
async fn a_user_is_told_when_what_it_signs_in_with_changes() {
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut mailbox = Mailbox::start();
    browser.get("/account").await;
    let change = [("old", PASSWORD), ("new", "another few words")];
    assert_eq!(browser.post("/account/password", &change).await.to(), "/sign-in?done=password");
    let mail = mailbox.one(&world, EMAIL).await;
    assert_eq!(mail.header("Subject"), "Your password at Picket was changed");
    assert!(!mail.0.contains("another few words"));
    assert_eq!(browser.sign_in(EMAIL, "another few words").await.status, StatusCode::SEE_OTHER);
    assert!(mailbox.mails(&world).await.is_empty(), "the browser that changed it is still known");
}

#[tokio::test]
async fn a_mail_that_is_refused_for_now_is_tried_again_and_given_up_when_it_is_of_no_use() {
    let world = World::with(MAILS).await;
    world.signed_in().await;
    world.sql("UPDATE users SET email = 'later@example.org'").await;
    let mailbox = Mailbox::start();
    Browser::new(&world).post("/sign-in/link", &[("email", "later@example.org")]).await;
    assert_eq!(mailbox.run(&world).await, Report { retried: 1, ..Report::default() });
    assert_eq!(mailbox.run(&world).await, Report::default(), "not at once");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(mailbox.run(&world).await, Report { retried: 1, ..Report::default() });
    world.clock.advance(Duration::from_secs(900));
    assert_eq!(mailbox.run(&world).await, Report { failed: 1, ..Report::default() });
    let row = "SELECT state || ' ' || attempts || ' ' || (sealed_parameters IS NULL) FROM account_mails";
    assert_eq!(world.one(row).await, "failed 3 true");
    assert!(world.one("SELECT answer FROM account_mails").await.contains("greylisted"));
}

#[tokio::test]
async fn without_mail_nothing_is_put_down_and_no_link_is_offered() {
    let world = World::new().await;
    world.signed_in().await;
    let mut browser = Browser::new(&world);
    browser.sign_in(EMAIL, PASSWORD).await;
    Browser::new(&world).get("/sign-in").await.hides("/sign-in/link");
    assert_eq!(Browser::new(&world).get("/sign-in/link").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.one("SELECT count(*) FROM account_mails").await, "0");
}
