//! Links in mails: to sign in, to choose another password, to make, confirm and move an account.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::config::LoginMode;
use picket_collector::login::Settings;
use picket_collector::login::password::SignIn;

use crate::common::{Browser, EMAIL, PASSWORD, World};
use crate::mailbox::{MAILS, Mailbox};
use picket_collector::login::caller::Caller;

const NEW: &str = "another few words";

async fn ask(browser: &mut Browser<'_>, email: &str, what: &str) {
    let answer = browser.post("/sign-in/link", &[("email", email), ("do", what)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.shows("Look into your mail");
}

#[tokio::test]
async fn a_link_lets_in_once_in_the_browser_that_asked_and_a_look_uses_nothing_up() {
    let world = World::with(MAILS).await;
    world.signed_in().await;
    let mut mailbox = Mailbox::start();
    let mut browser = Browser::new(&world);
    browser.get("/sign-in").await.shows("/sign-in/link");
    ask(&mut browser, " Ada@Example.org", "sign_in").await;
    let mail = mailbox.one(&world, EMAIL).await;
    assert_eq!(mail.header("Subject"), "Sign in to Picket");
    let link = mail.link();
    assert!(mail.0.contains("text/plain") && mail.0.contains("text/html"), "{}", mail.0);

    let mut scanner = Browser::new(&world);
    for _ in 0..3 {
        assert_eq!(scanner.get(&link).await.status, StatusCode::FORBIDDEN);
        scanner.get(&link).await.shows("only in the browser in which it was asked for");
        assert_eq!(scanner.post(&link, &[]).await.status, StatusCode::FORBIDDEN);
        browser.get(&link).await.shows("sign in as ada@example.org");
    }
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "a look lets nobody in");
    assert_eq!(browser.post(&link, &[]).await.to(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.post(&link, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/account/email").await.to(), "/step-up?next=%2Faccount%2Femail", "a link is no proof");
    browser.get("/account").await.shows("confirmed");

    let mut late = Browser::new(&world);
    ask(&mut late, EMAIL, "sign_in").await;
    let link = mailbox.mails(&world).await.iter().find(|mail| mail.0.contains("/link/")).unwrap().link();
    world.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(late.get(&link).await.status, StatusCode::NOT_FOUND);
    assert_eq!(late.post(&link, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_twenty_who_follow_a_link_at_once_one_gets_in() {
    let world = World::with(MAILS).await;
    world.signed_in().await;
    let mut mailbox = Mailbox::start();
    let mut browser = Browser::new(&world);
    ask(&mut browser, EMAIL, "sign_in").await;
    let link = mailbox.one(&world, EMAIL).await.link();
    let token = link.trim_start_matches("/link/").to_owned();
    let asker = browser.jar["asker-local"].split_once('=').unwrap().1.to_owned();
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (porter, token, asker, now) = (world.porter.clone(), token.clone(), asker.clone(), world.clock.now());
        tries.spawn(async move {
            let asker = picket_collector::login::session::Ticket::parse(&asker);
            porter.sign_in_by_link(&token, asker.as_ref(), &Caller::default(), now).await.unwrap()
        });
    }
    let done = tries.join_all().await;
    assert_eq!(done.iter().filter(|done| matches!(done, SignIn::Done(_))).count(), 1);
}

#[tokio::test]
async fn nobody_learns_whether_an_address_has_an_account() {
    let world = World::with(MAILS).await;
    world.signed_in().await;
    let mut mailbox = Mailbox::start();
    for what in ["sign_in", "reset"] {
        let mut browser = Browser::new(&world);
        let known = browser.post("/sign-in/link", &[("email", EMAIL), ("do", what)]).await;
        let unknown = browser.post("/sign-in/link", &[("email", "eve@example.org"), ("do", what)]).await;
        assert_eq!(known.text.replace(EMAIL, ""), unknown.text.replace("eve@example.org", ""));
        assert_eq!(known.status, unknown.status);
    }
    let mails = mailbox.mails(&world).await;
    assert!(mails.len() == 2 && mails.iter().all(|mail| mail.header("To") == EMAIL), "{mails:?}");
    assert_eq!(world.one("SELECT count(*) FROM account_mails WHERE state = 'superseded'").await, "2");
    assert_eq!(world.one("SELECT count(*) FROM account_mails WHERE sealed_parameters IS NOT NULL").await, "0");
    let answer = Browser::new(&world).post("/sign-in/link", &[("email", "nonsense")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn mails_cannot_be_asked_for_without_end() {
    let world = World::with(MAILS).await;
    let mut browser = Browser::new(&world);
    for _ in 0..6 {
        ask(&mut browser, "eve@example.org", "sign_in").await;
    }
    let answer = browser.post("/sign-in/link", &[("email", "eve@example.org")]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
}

#[tokio::test]
async fn a_password_is_chosen_anew_by_a_link_and_a_second_factor_stays() {
    let world = World::with(MAILS).await;
    let mut first = world.signed_in().await;
    let mut mailbox = Mailbox::start();
    let mut browser = Browser::new(&world);
    ask(&mut browser, EMAIL, "reset").await;
    let link = mailbox.one(&world, EMAIL).await.link();
    browser.get(&link).await.shows("Choose another password");
    let answer = browser.post(&link, &[("password", "too short")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = browser.post(&link, &[("password", "Password2026!!!")]).await;
    answer.shows("tried first");
    world.sql("INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at) VALUES (1, '', 0, 0)").await;
    assert_eq!(browser.post(&link, &[("password", NEW)]).await.to(), "/sign-in?done=password");
    assert_eq!(first.get("/").await.status, StatusCode::SEE_OTHER, "every session is over");
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "nobody is let in by that");
    assert_eq!(mailbox.one(&world, EMAIL).await.header("Subject"), "Your password at Picket was changed");
    assert_eq!(browser.sign_in(EMAIL, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.sign_in(EMAIL, NEW).await.to(), "/sign-in/code");
    assert_eq!(browser.post(&link, &[("password", NEW)]).await.status, StatusCode::NOT_FOUND, "once");
}

#[tokio::test]
async fn an_address_is_changed_when_both_have_agreed() {
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut mailbox = Mailbox::start();
    browser.get("/account/email").await;
    for bad in ["nonsense", EMAIL] {
        let answer = browser.post("/account/email", &[("email", bad)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let answer = browser.post("/account/email", &[("email", "Ada@Example.net")]).await;
    assert_eq!(answer.to(), "/account?done=address_asked");
    let mails = mailbox.mails(&world).await;
    let to = |address: &str| mails.iter().find(|mail| mail.header("To") == address).unwrap().link();
    let (old, new) = (to(EMAIL), to("ada@example.net"));
    // A phone reads the mail.
    let mut phone = Browser::new(&world);
    phone.get(&new).await.shows("ada@example.net");
    assert_eq!(phone.post(&new, &[]).await.to(), "/sign-in?done=half_agreed");
    assert_eq!(world.one("SELECT email FROM users").await, EMAIL);
    assert_eq!(phone.post(&new, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(phone.post(&old, &[]).await.to(), "/sign-in?done=address");
    assert_eq!(world.one("SELECT email FROM users").await, "ada@example.net");
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
    let told: Vec<String> = mailbox.mails(&world).await.iter().map(|mail| mail.header("To").to_owned()).collect();
    assert_eq!(told, [EMAIL, "ada@example.net"]);
    assert_eq!(browser.sign_in("ada@example.net", PASSWORD).await.to(), "/");
}

#[tokio::test]
async fn an_address_that_somebody_has_is_never_taken_nor_told() {
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut mailbox = Mailbox::start();
    world
        .sql(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
             VALUES (gen_random_uuid(), 'eve@example.org', '', 0, 0)",
        )
        .await;
    browser.get("/account/email").await;
    let answer = browser.post("/account/email", &[("email", "eve@example.org")]).await;
    assert_eq!(answer.to(), "/account?done=address_asked", "one answer for both");
    let first = mailbox.one(&world, EMAIL).await.link();

    // A link of an earlier wish agrees to nothing now.
    browser.post("/account/email", &[("email", "ada@example.net")]).await;
    let mails = mailbox.mails(&world).await;
    let new = mails.iter().find(|mail| mail.header("To") == "ada@example.net").unwrap().link();
    browser.post("/account/email", &[("email", "ada@example.com")]).await;
    mailbox.mails(&world).await;
    let mut phone = Browser::new(&world);
    for old in [&new, &first] {
        assert_eq!(phone.post(old, &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(world.one("SELECT email FROM users WHERE id = 1").await, EMAIL);
}

#[tokio::test]
async fn an_address_is_confirmed_by_a_link() {
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut mailbox = Mailbox::start();
    browser.get("/account").await.shows("/account/confirm");
    assert_eq!(browser.post("/account/confirm", &[]).await.to(), "/account?done=confirm_sent");
    let link = mailbox.one(&world, EMAIL).await.link();
    browser.get(&link).await;
    assert_eq!(world.one("SELECT email_confirmed_at FROM users").await, "", "a look confirms nothing");
    assert_eq!(browser.post(&link, &[]).await.to(), "/sign-in?done=confirmed");
    browser.get("/account").await.hides("/account/confirm");
}

#[tokio::test]
async fn accounts_are_made_only_where_everybody_may() {
    for mode in [LoginMode::Closed, LoginMode::Invite] {
        let world = World::with(Settings { mode, mails: true }).await;
        let mut browser = Browser::new(&world);
        browser.get("/sign-in").await.hides("/sign-up");
        assert_eq!(browser.get("/sign-up").await.status, StatusCode::NOT_FOUND);
        assert_eq!(browser.post("/sign-up", &[("email", "eve@example.org")]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.one("SELECT count(*) FROM account_mails").await, "0");
    }

    let world = World::with(Settings { mode: LoginMode::Open, mails: true }).await;
    world.signed_in().await;
    let mut mailbox = Mailbox::start();
    let mut browser = Browser::new(&world);
    browser.get("/sign-in").await.shows("/sign-up");
    let known = browser.post("/sign-up", &[("email", EMAIL)]).await;
    assert_eq!(mailbox.one(&world, EMAIL).await.header("Subject"), "You have an account at Picket");
    let unknown = browser.post("/sign-up", &[("email", "eve@example.org")]).await;
    assert_eq!(known.text.replace(EMAIL, ""), unknown.text.replace("eve@example.org", ""));
    let link = mailbox.one(&world, "eve@example.org").await.link();
    browser.get(&link).await.shows("Name of your organization");
    for (name, password) in [("acme", PASSWORD), ("", PASSWORD), ("Eve's", "too short")] {
        let answer = browser.post(&link, &[("organization", name), ("password", password)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    assert_eq!(world.one("SELECT count(*) FROM users").await, "1");
    assert_eq!(browser.post(&link, &[("organization", "Eve's"), ("password", PASSWORD)]).await.to(), "/");
    browser.get("/").await.shows("eve@example.org");
    let row = "SELECT o.name || ' ' || m.role FROM memberships m JOIN organizations o ON o.id = m.org_id
        JOIN users u ON u.id = m.user_id WHERE u.email = 'eve@example.org'";
    assert_eq!(world.one(row).await, "Eve's owner");
    assert_eq!(browser.post(&link, &[("organization", "More"), ("password", PASSWORD)]).await.status, 404);
}

#[tokio::test]
async fn the_operator_helps_who_is_locked_out_and_every_owner_is_told() {
    let world = World::with(MAILS).await;
    world.signed_in().await;
    let mut mailbox = Mailbox::start();
    world.another_owner("eve@example.org").await;
    world.sql("INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at) VALUES (1, '', 0, 0)").await;
    let now = world.clock.now();
    assert!(world.porter.recover("nobody@example.org", "command:root", false, now).await.unwrap().is_none());
    let link = world.porter.recover("ADA@example.org", "command:root", true, now).await.unwrap().unwrap();
    let link = format!("/link/{}", link.expose());
    let mails = mailbox.mails(&world).await;
    let told: Vec<_> = mails
        .iter()
        .filter(|mail| mail.header("Subject") == "Recovery of an account at Picket")
        .map(|mail| mail.header("To"))
        .collect();
    assert_eq!(told, [EMAIL, "eve@example.org"]);
    assert!(mails.iter().all(|mail| !mail.0.contains("/link/")), "nobody is mailed the link");
    let audited =
        "SELECT actor || ' ' || (detail ->> 'second_factor_removed') FROM audit WHERE action = 'user.recover'";
    assert_eq!(world.one(audited).await, "command:root true");
    let mut browser = Browser::new(&world);
    browser.get(&link).await.shows("ada@example.org");
    assert_eq!(browser.post(&link, &[("password", NEW)]).await.to(), "/sign-in?done=password");
    assert_eq!(browser.sign_in(EMAIL, NEW).await.to(), "/");
    assert_eq!(browser.post(&link, &[("password", NEW)]).await.status, StatusCode::NOT_FOUND);
}
