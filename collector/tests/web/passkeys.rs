//! Passkeys: added, used alone, beside the password and to prove again who it is; refused when anything differs. What other
//! authenticators make is tested in `domain::passkey`.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_collector::config::Config;
use picket_collector::domain::passkey::RelyingParty;
use picket_collector::login::caller::Caller;
use picket_collector::login::passkey::present::Asked;
use picket_collector::login::password::SignIn;
use picket_collector::store::Pools;
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;

use crate::authenticator::{Authenticator, PAGE, options};
use crate::common::{Browser, EMAIL, PASSWORD, SetUp, World};
use crate::mailbox::{MAILS, Mailbox};

/// A world in which the first administrator has a passkey.
async fn with_passkey(world: &World) -> (Browser<'_>, Authenticator) {
    let mut browser = world.signed_in().await;
    let mut authenticator = Authenticator::new("blue");
    let answer = authenticator.add(&mut browser, "blue key").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    (browser, authenticator)
}

async fn why(world: &World) -> String {
    world.one("SELECT detail->>'why' FROM audit WHERE detail->>'why' IS NOT NULL ORDER BY id DESC LIMIT 1").await
}

#[tokio::test]
async fn a_passkey_is_added_lets_in_alone_and_is_taken_away() {
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut mailbox = Mailbox::start();
    let mut elsewhere = Browser::new(&world);
    elsewhere.sign_in(EMAIL, PASSWORD).await;
    mailbox.mails(&world).await;
    let mut authenticator = Authenticator::new("blue");
    let old = browser.cookie.clone();
    let codes = authenticator.add(&mut browser, "blue key").await;
    assert_eq!(codes.text.matches("<li><code>").count(), 10, "{}", codes.text);
    assert_ne!(browser.cookie, old, "a new token");
    assert_eq!(elsewhere.get("/").await.status, StatusCode::SEE_OTHER, "other sessions end");
    assert_eq!(mailbox.one(&world, EMAIL).await.header("Subject"), "Second factor added at Picket");
    browser.get(PAGE).await.shows("blue key");
    browser.get(PAGE).await.shows("Recovery codes left: 10.");

    elsewhere.get("/sign-in").await.shows("data-passkey=\"get\"");
    let asked = options(&mut elsewhere, "/sign-in/passkey").await;
    assert_eq!(asked["allowCredentials"].as_array().unwrap().len(), 0, "no address, and no passkey, is named");
    assert_eq!((&asked["rpId"], &asked["userVerification"]), (&Value::from("localhost"), &Value::from("required")));
    let answer = authenticator.answer(&mut elsewhere, "/sign-in/passkey").await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/"), "{}", answer.text);
    assert!(!elsewhere.jar.contains_key("passkey-local"));
    assert_eq!(elsewhere.get(PAGE).await.status, StatusCode::OK, "it proves who it is, too");
    let used = world.one("SELECT last_used_at FROM passkeys").await;
    assert_eq!(used, world.clock.now().micros().to_string());
    assert_eq!(
        world.one("SELECT detail->>'by' FROM audit WHERE action = 'user.sign_in' ORDER BY id DESC LIMIT 1").await,
        "passkey"
    );

    mailbox.mails(&world).await;
    let passkey = world.one("SELECT uuid FROM passkeys").await;
    browser.get(PAGE).await;
    let answer = browser.post(PAGE, &[("do", "passkey_remove"), ("passkey", &passkey)]).await;
    assert_eq!(answer.to(), "/account?done=passkey_removed");
    assert_eq!(mailbox.one(&world, EMAIL).await.header("Subject"), "Second factor removed at Picket");
    assert_eq!(elsewhere.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.one("SELECT count(*) FROM recovery_codes").await, "0");
    let answer = authenticator.answer(&mut elsewhere, "/sign-in/passkey").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(why(&world).await, "unknown");
    assert_eq!(elsewhere.sign_in(EMAIL, PASSWORD).await.to(), "/", "the password is a way in that stays");
}

#[tokio::test]
async fn a_passkey_is_the_second_factor_beside_the_password_also_without_verification() {
    let world = World::new().await;
    let (browser, mut authenticator) = with_passkey(&world).await;
    authenticator.verifies = false;
    let mut other = Browser::new(&world);
    assert_eq!(other.sign_in(EMAIL, PASSWORD).await.to(), "/sign-in/code");
    let page = other.get("/sign-in/code").await;
    page.shows("action=\"/sign-in/code/passkey\"");
    page.shows("Recovery code");
    page.hides("The six digits");
    let asked = options(&mut other, "/sign-in/code/passkey").await;
    assert_eq!(asked["allowCredentials"][0]["id"], URL_SAFE_NO_PAD.encode("blue"));
    let answer = authenticator.answer(&mut other, "/sign-in/code/passkey").await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/"), "{}", answer.text);
    assert!(!other.jar.contains_key("half-local"));
    assert_eq!(
        world.one("SELECT detail->>'second' FROM audit WHERE action = 'user.sign_in' ORDER BY id DESC LIMIT 1").await,
        "passkey"
    );
    // Alone that is not enough, and nobody without the first factor is asked for one.
    let answer = authenticator.answer(&mut other, "/sign-in/passkey").await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "unverified"));
    let mut stranger = Browser::new(&world);
    assert_eq!(stranger.post("/sign-in/code/passkey/options", &[]).await.status, StatusCode::NOT_FOUND);
    drop(browser);
}

#[tokio::test]
async fn a_passkey_proves_again_who_is_signed_in_if_it_knows_who_it_is() {
    let world = World::new().await;
    let (mut browser, mut authenticator) = with_passkey(&world).await;
    world.clock.advance(Duration::from_secs(601));
    assert!(browser.get(PAGE).await.to().starts_with("/step-up"));
    browser.get("/step-up").await.shows("action=\"/step-up/passkey\"");
    authenticator.verifies = false;
    assert_eq!(authenticator.answer(&mut browser, "/step-up/passkey").await.status, StatusCode::UNAUTHORIZED);
    assert!(browser.get(PAGE).await.to().starts_with("/step-up"));
    authenticator.verifies = true;
    let old = browser.cookie.clone();
    browser.get("/step-up").await;
    let answer = authenticator.answer(&mut browser, "/step-up/passkey").await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/account"));
    assert_ne!(browser.cookie, old);
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_challenge_works_once_for_five_minutes_in_its_browser_and_for_its_purpose() {
    let world = World::new().await;
    let (mut browser, authenticator) = with_passkey(&world).await;
    let path = "/sign-in/passkey";
    let mut other = Browser::new(&world);
    let text = |asked: &Value| asked["challenge"].as_str().unwrap().to_owned();
    let challenge = text(&options(&mut other, path).await);
    let jar = other.jar.clone();
    assert_eq!(authenticator.send(&mut other, path, &challenge).await.to(), "/");
    let mut replayed = Browser { jar, ..Browser::new(&world) };
    let answer = authenticator.send(&mut replayed, path, &challenge).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "challenge"));

    let challenge = text(&options(&mut other, path).await);
    let mut thief = Browser::new(&world);
    options(&mut thief, path).await;
    let answer = authenticator.send(&mut thief, path, &challenge).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "challenge"));

    let challenge = text(&options(&mut other, path).await);
    world.clock.advance(Duration::from_secs(300));
    let answer = authenticator.send(&mut other, path, &challenge).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "challenge"));

    // Whoever asks again means the last.
    browser.get("/step-up").await;
    let challenge = text(&options(&mut browser, "/step-up/passkey").await);
    options(&mut browser, "/step-up/passkey").await;
    let answer = authenticator.send(&mut browser, "/step-up/passkey", &challenge).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "challenge"));
    assert_eq!(world.one("SELECT count(*) FROM passkey_challenges WHERE purpose = 'step_up'").await, "1");

    // Drawn to prove again who it is, it adds no passkey.
    browser.get("/step-up").await;
    let challenge = text(&options(&mut browser, "/step-up/passkey").await);
    let answer = Authenticator::new("red").made(&mut browser, "red", &challenge).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "challenge"));
    assert_eq!(world.one("SELECT count(*) FROM passkeys").await, "1");
    assert_eq!(world.one("SELECT count(*) FROM passkey_challenges WHERE purpose = 'add'").await, "0");
}

#[tokio::test]
async fn what_was_signed_for_another_page_or_party_or_by_another_key_is_refused() {
    let world = World::new().await;
    let (_, mut authenticator) = with_passkey(&world).await;
    let path = "/sign-in/passkey";
    let mut other = Browser::new(&world);
    authenticator.origin = "http://localhost:8081".to_owned();
    let answer = authenticator.answer(&mut other, path).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "origin"));
    authenticator.origin = "http://localhost:8080".to_owned();
    authenticator.party = "evil.example".to_owned();
    let answer = authenticator.answer(&mut other, path).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "party"));
    authenticator.party = "localhost".to_owned();
    let forger = Authenticator { handle: authenticator.handle.clone(), ..Authenticator::new("blue") };
    let answer = forger.answer(&mut other, path).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "signature"));
    let handle = std::mem::take(&mut authenticator.handle);
    let answer = authenticator.answer(&mut other, path).await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "user"), "it names nobody");
    authenticator.handle = handle;
    assert_eq!(authenticator.answer(&mut other, path).await.to(), "/");
}

#[tokio::test]
async fn somebody_elses_passkey_is_no_second_factor() {
    let world = World::new().await;
    world.signed_in().await;
    world.another_owner("eve@example.org").await;
    let mut eve = Browser::new(&world);
    eve.sign_in("eve@example.org", PASSWORD).await;
    let mut hers = Authenticator::new("hers");
    hers.add(&mut eve, "hers").await;
    let mut ada = Browser::new(&world);
    ada.sign_in(EMAIL, PASSWORD).await;
    let mut own = Authenticator::new("own");
    assert_eq!(own.add(&mut ada, "own").await.status, StatusCode::OK);

    let mut thief = Browser::new(&world);
    thief.sign_in(EMAIL, PASSWORD).await;
    let answer = hers.answer(&mut thief, "/sign-in/code/passkey").await;
    assert_eq!((answer.status, why(&world).await.as_str()), (StatusCode::UNAUTHORIZED, "user"));
    // Nor can it be added here, or taken away from there.
    let stolen = Authenticator::new("hers").add(&mut ada, "stolen").await;
    assert_eq!(stolen.status, StatusCode::UNPROCESSABLE_ENTITY);
    let passkey = world.one("SELECT uuid FROM passkeys WHERE name = 'hers'").await;
    ada.get(PAGE).await;
    assert_eq!(ada.post(PAGE, &[("do", "passkey_remove"), ("passkey", &passkey)]).await.to(), PAGE);
    assert_eq!(world.one("SELECT count(*) FROM passkeys").await, "2");
    hers.handle.clone_from(&own.handle);
    assert_eq!(hers.answer(&mut thief, "/sign-in/passkey").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_count_that_does_not_go_up_is_a_copy_and_its_user_is_told() {
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut authenticator = Authenticator { count: 3, ..Authenticator::new("blue") };
    authenticator.add(&mut browser, "blue").await;
    let mut mailbox = Mailbox::start();
    mailbox.mails(&world).await;
    let mut other = Browser::new(&world);
    for (count, right) in [(4, true), (9, true), (9, false), (8, false), (0, false), (10, true)] {
        authenticator.count = count;
        let answer = authenticator.answer(&mut other, "/sign-in/passkey").await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, right, "{count}");
        if right {
            mailbox.mails(&world).await;
        } else {
            assert_eq!(why(&world).await, "sign_count");
            assert_eq!(mailbox.one(&world, EMAIL).await.header("Subject"), "A passkey may have been copied at Picket");
        }
    }
    assert_eq!(world.one("SELECT sign_count FROM passkeys").await, "10");
}

#[tokio::test]
async fn who_sends_many_wrong_passkeys_has_to_wait_and_locks_nobody_out() {
    let world = World::new().await;
    let (_, authenticator) = with_passkey(&world).await;
    let forger = Authenticator { handle: authenticator.handle.clone(), ..Authenticator::new("blue") };
    let mut guesser = Browser { address: "192.0.2.7:1", ..Browser::new(&world) };
    for _ in 0..6 {
        assert_eq!(forger.answer(&mut guesser, "/sign-in/passkey").await.status, StatusCode::UNAUTHORIZED);
    }
    let answer = forger.answer(&mut guesser, "/sign-in/passkey").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(world.one("SELECT count(*) FROM sign_in_failures").await, "0");
    assert_eq!(authenticator.answer(&mut Browser::new(&world), "/sign-in/passkey").await.to(), "/");
}

#[tokio::test]
async fn nobody_learns_from_a_refusal_whose_passkey_it_was() {
    let world = World::new().await;
    let (_, mut authenticator) = with_passkey(&world).await;
    let path = "/sign-in/passkey";
    let mut other = Browser::new(&world);
    let forger = Authenticator { handle: authenticator.handle.clone(), ..Authenticator::new("blue") };
    let stranger = Authenticator { handle: vec![9; 16], ..Authenticator::new("nobody's") };
    let known = forger.answer(&mut other, path).await;
    assert_eq!(why(&world).await, "signature");
    let unknown = stranger.answer(&mut other, path).await;
    assert_eq!(why(&world).await, "unknown");
    authenticator.handle = vec![9; 16];
    let another = authenticator.answer(&mut other, path).await;
    assert_eq!(why(&world).await, "user");
    for answer in [&unknown, &another] {
        assert_eq!((answer.status, &answer.text), (known.status, &known.text));
    }
    // Who is nobody is given the same to sign, whoever has passkeys.
    let empty = World::new().await;
    let mut asked = [&world, &empty].map(Browser::new);
    let mut answers = Vec::new();
    for browser in &mut asked {
        let mut asked = options(browser, path).await;
        asked["challenge"].take();
        answers.push(asked);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn who_asks_for_hundreds_of_challenges_fills_no_table() {
    // The limit of an address is as many in as long, by the minute; a wider one leaves this one to hold.
    let mut config = Config::default();
    config.limits.requests_per_minute_per_address = 1_000_000;
    let world = World::of(SetUp { config, ..SetUp::default() }).await;
    let asks = async |browser: &mut Browser<'_>| browser.post("/sign-in/passkey/options", &[]).await;
    let mut flood = Browser { address: "192.0.2.7:1", ..Browser::new(&world) };
    for _ in 0..300 {
        assert_eq!(asks(&mut flood).await.status, StatusCode::OK);
    }
    let answer = asks(&mut flood).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "300"));
    assert_eq!(world.one("SELECT count(*) FROM passkey_challenges").await, "300");
    assert_eq!(asks(&mut Browser::new(&world)).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(asks(&mut flood).await.status, StatusCode::OK);
}

#[tokio::test]
async fn recovery_codes_come_with_the_first_factor_and_go_with_the_last() {
    let world = World::new().await;
    let (mut browser, _) = with_passkey(&world).await;
    let second = Authenticator::new("red").add(&mut browser, "red").await;
    assert_eq!(second.to(), "/account?done=second_factor_added", "the codes stay those that there are");
    let code =
        world.one("SELECT string_agg(encode(code_hash, 'hex'), ' ' ORDER BY code_hash) FROM recovery_codes").await;
    for (left, name) in [(1, "red"), (0, "blue key")] {
        let passkey = world.one(&format!("SELECT uuid FROM passkeys WHERE name = '{name}'")).await;
        browser.get(PAGE).await;
        browser.post(PAGE, &[("do", "passkey_remove"), ("passkey", &passkey)]).await;
        let codes =
            world.one("SELECT string_agg(encode(code_hash, 'hex'), ' ' ORDER BY code_hash) FROM recovery_codes").await;
        assert_eq!(codes == code, left == 1, "{name}");
    }
    for (name, status) in [
        (String::new(), StatusCode::UNPROCESSABLE_ENTITY),
        ("x".repeat(61), StatusCode::UNPROCESSABLE_ENTITY),
        ("x".repeat(60), StatusCode::OK),
    ] {
        assert_eq!(Authenticator::new("third").add(&mut browser, &name).await.status, status, "{name:?}");
    }
}

#[tokio::test]
async fn another_public_url_strands_passkeys_and_they_are_asked_for_all_the_same() {
    let world = World::new().await;
    let (mut browser, authenticator) = with_passkey(&world).await;
    world.sql("UPDATE passkeys SET party = 'old.example'").await;
    browser.get(PAGE).await.shows("Made for another address");
    let mut other = Browser::new(&world);
    assert_eq!(other.sign_in(EMAIL, PASSWORD).await.to(), "/sign-in/code");
    assert_eq!(other.post("/sign-in/code/passkey/options", &[]).await.status, StatusCode::NOT_FOUND);
    drop(authenticator);
    let nameless = World::at("https://192.0.2.1", picket_collector::web::guard::headers::Transport::Https).await;
    let mut browser = Browser::new(&nameless);
    browser.get("/sign-in").await.hides("data-passkey");
    assert_eq!(browser.post("/sign-in/passkey/options", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_answers_to_one_challenge_at_once_one_gets_in() {
    let world = World::new().await;
    let (_, authenticator) = with_passkey(&world).await;
    let narrow = world.pools();
    let options = (*narrow.auth.connect_options()).clone();
    let wide = Pools { auth: PgPoolOptions::new().max_connections(60).connect_lazy_with(options), ..narrow };
    let porter = world.porter_on(wide);
    let now = world.clock.now();
    let Asked::Done(asker, request) = porter.ask_to_sign_in(&Caller::default(), now).await.unwrap() else {
        panic!("nobody asked before");
    };
    let party = RelyingParty::of("http://localhost:8080").unwrap();
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..100 {
        // Each from elsewhere: nobody has to wait for another.
        let caller = Caller { address: Some(IpAddr::from([192, 0, 2, number])), ..Caller::default() };
        let (porter, asker, party) = (porter.clone(), asker.clone(), party.clone());
        let proof = authenticator.proof(&request.challenge);
        tries.spawn(async move { porter.sign_in_by_passkey(&asker, &party, &proof, &caller, now).await.unwrap() });
    }
    let done = tries.join_all().await;
    assert_eq!(done.iter().filter(|signed| matches!(signed, SignIn::Done(_))).count(), 1);
    assert_eq!(
        world.one("SELECT count(*) FROM audit WHERE action = 'user.sign_in' AND detail->>'by' = 'passkey'").await,
        "1"
    );
}
