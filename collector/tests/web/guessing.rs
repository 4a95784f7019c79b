//! Guessing from outside: a soft lock that its owner passes, and no difference between addresses that somebody has and
//! others, in answer or in work.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::config::LoginMode;
use picket_collector::login::Settings;

use crate::common::{Browser, EMAIL, PASSWORD, World};
use crate::mailbox::{MAILS, Mailbox};
use crate::statements;

/// Ten wrong answers, each as soon as it is taken.
async fn ten_wrong(world: &World, browser: &mut Browser<'_>, email: &str) {
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(browser.sign_in(email, "a guess for today").await.status, StatusCode::UNAUTHORIZED);
    }
    world.clock.advance(Duration::from_secs(60));
}

#[tokio::test]
async fn ten_wrong_answers_lock_an_account_but_not_against_a_browser_that_it_knows() {
    let world = World::with(MAILS).await;
    let mut owner = world.signed_in().await;
    owner.get("/").await;
    owner.post("/sign-out", &[]).await;
    let mut guesser = Browser { address: "192.0.2.7:1", ..Browser::new(&world) };
    ten_wrong(&world, &mut guesser, EMAIL).await;
    let wrong = guesser.sign_in(EMAIL, "a guess for today").await;
    world.clock.advance(Duration::from_secs(120));
    let locked = guesser.sign_in(EMAIL, PASSWORD).await;
    assert_eq!((locked.status, &locked.text), (wrong.status, &wrong.text), "one answer for both");

    assert_eq!(owner.sign_in(EMAIL, PASSWORD).await.status, StatusCode::SEE_OTHER, "nobody locks the owner out");
    world.clock.advance(Duration::from_secs(120));
    assert_eq!(
        guesser.sign_in(EMAIL, PASSWORD).await.status,
        StatusCode::UNAUTHORIZED,
        "that opens it for nobody else"
    );

    // The known browser has a count of its own, so that who stole its cookie cannot guess for ever.
    owner.get("/").await;
    owner.post("/sign-out", &[]).await;
    ten_wrong(&world, &mut owner, EMAIL).await;
    assert_eq!(owner.sign_in(EMAIL, PASSWORD).await.status, StatusCode::UNAUTHORIZED);

    world.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(Browser::new(&world).sign_in(EMAIL, PASSWORD).await.status, StatusCode::SEE_OTHER, "it ends by itself");
    assert_eq!(world.one("SELECT count(*) FROM account_mails WHERE template = 'locked'").await, "2");
}

#[tokio::test]
async fn a_link_in_a_mail_passes_the_lock_and_ends_it() {
    let world = World::with(MAILS).await;
    world.signed_in().await;
    let mut mailbox = Mailbox::start();
    let mut browser = Browser::new(&world);
    ten_wrong(&world, &mut browser, EMAIL).await;
    mailbox.mails(&world).await;
    browser.post("/sign-in/link", &[("email", EMAIL), ("do", "sign_in")]).await;
    let link = mailbox.one(&world, EMAIL).await.link();
    assert_eq!(browser.post(&link, &[]).await.to(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(Browser::new(&world).sign_in(EMAIL, PASSWORD).await.status, StatusCode::SEE_OTHER);
}

/// Statements and hashes that signing in costs.
async fn cost(world: &World, email: &str, password: &str, from: u8) -> (usize, u64) {
    world.clock.advance(Duration::from_secs(200));
    let before = (statements::sent(), world.porter.hashes());
    // From elsewhere each time: where failures come from has a count of its own.
    let address = format!("192.0.2.{from}:1").leak();
    let answer = Browser { address, ..Browser::new(world) }.sign_in(email, password).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{email}");
    (statements::sent() - before.0, world.porter.hashes() - before.1)
}

#[tokio::test(flavor = "current_thread")]
async fn an_address_that_nobody_has_costs_the_same_work() {
    statements::watch();
    let world = World::with(Settings { mode: LoginMode::Open, ..MAILS }).await;
    world.signed_in().await;
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    // The tenth locks, which costs one more; the eleventh is refused with the right password too.
    for n in 1..=11 {
        let password = if n == 11 { PASSWORD } else { "a guess for today" };
        known.push(cost(&world, EMAIL, password, n).await);
        unknown.push(cost(&world, "nobody@example.org", password, n + 100).await);
    }
    assert_eq!(known, unknown);
    assert!(known.iter().all(|(statements, hashes)| *statements > 5 && *hashes == 1), "{known:?}");
    assert_eq!(known[0], known[10], "so does a locked account");

    // A link to sign in or to choose another password, and an account of one's own: the same statements, no hash, and one
    // mail put down, whoever has the address.
    let mut mailbox = Mailbox::start();
    mailbox.mails(&world).await;
    for (path, what) in [("/sign-in/link", "reset"), ("/sign-in/link", "sign_in"), ("/sign-up", "sign_up")] {
        let asked = async |email: &str, from: &'static str| {
            world.clock.advance(Duration::from_secs(3600));
            let mails = "SELECT count(*) FROM account_mails";
            let put_down: usize = world.one(mails).await.parse().unwrap();
            let before = (statements::sent(), world.porter.hashes());
            let mut browser = Browser { address: from, ..Browser::new(&world) };
            let answer = browser.post(path, &[("email", email), ("do", what)]).await;
            let cost = (statements::sent() - before.0, world.porter.hashes() - before.1);
            let put_down = world.one(mails).await.parse::<usize>().unwrap() - put_down;
            (cost, put_down, answer.status, answer.text.replace(email, ""))
        };
        let known = asked(EMAIL, "192.0.2.250:1").await;
        let sent = mailbox.mails(&world).await;
        assert!(sent.len() == 1 && sent[0].header("To") == EMAIL, "{what}: {sent:?}");
        let unknown = asked("nobody@example.org", "192.0.2.251:1").await;
        assert!(known.0.0 > 1 && known.0.1 == 0 && known.1 == 1 && known.2 == StatusCode::OK, "{what}: {known:?}");
        assert_eq!(known, unknown, "{what}");
        // Who has no account is only ever told how to make one.
        let sent = mailbox.mails(&world).await;
        assert_eq!(sent.len(), usize::from(what == "sign_up"), "{what}: {sent:?}");
    }
}

#[tokio::test]
async fn failures_are_forgotten_after_a_day_and_with_success() {
    let world = World::new().await;
    world.signed_in().await;
    let mut browser = Browser::new(&world);
    for _ in 0..9 {
        world.clock.advance(Duration::from_secs(600));
        browser.sign_in(EMAIL, "a guess for today").await;
    }
    world.clock.advance(Duration::from_secs(86_401));
    browser.sign_in(EMAIL, "a guess for today").await;
    assert_eq!(world.one("SELECT max(failures) FROM sign_in_failures").await, "1");
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(browser.sign_in(EMAIL, PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.one("SELECT count(*) FROM sign_in_failures").await, "0");
}
