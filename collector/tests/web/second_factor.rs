//! Codes by time and recovery codes: set up, asked for, each of use once.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::login::caller::Caller;
use picket_collector::login::password::SignIn;
use picket_collector::login::second_step::SecondStep;
use picket_collector::store::{Auth, Pools, UserKey, second_factors};
use picket_collector::vault::token::recovery_hash;
use picket_collector::vault::totp;
use picket_shared::secret::{Secret, SecretBytes, SecretString};
use sqlx::postgres::PgPoolOptions;

use crate::common::{Answer, Browser, EMAIL, PASSWORD, World};

/// What an authenticator makes of the text that is shown (RFC 4648, section 6).
fn secret(page: &Answer) -> SecretBytes {
    let text = page.text.split("<code class=\"key\" tabindex=\"0\">").nth(1).unwrap().split('<').next().unwrap();
    let mut bits = Vec::new();
    for letter in text.bytes().filter(|byte| *byte != b' ') {
        let value = if letter.is_ascii_uppercase() { letter - b'A' } else { letter - b'2' + 26 };
        bits.extend((0..5).rev().map(|bit| value >> bit & 1));
    }
    Secret::new(bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect())
}

fn code(world: &World, secret: &SecretBytes) -> String {
    totp::code(secret, totp::step(world.clock.now())).expose().clone()
}

fn recovery_codes(page: &Answer) -> Vec<String> {
    let codes = page.text.split("<li><code>").skip(1).filter_map(|rest| rest.split('<').next());
    codes.map(str::to_owned).collect()
}

/// Switches it on in a browser that is signed in; gives the secret and the recovery codes.
pub(crate) async fn switched_on(world: &World, browser: &mut Browser<'_>) -> (SecretBytes, Vec<String>) {
    browser.get("/account/second-factor").await.shows("Set it up");
    assert_eq!(browser.post("/account/second-factor", &[("do", "begin")]).await.to(), "/account/second-factor");
    let page = browser.get("/account/second-factor").await;
    let secret = secret(&page);
    let typed = code(world, &secret);
    let answer = browser.post("/account/second-factor", &[("do", "add"), ("code", &typed)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    world.clock.advance(Duration::from_secs(30));
    (secret, recovery_codes(&answer))
}

#[tokio::test]
async fn a_second_factor_is_set_up_asked_for_and_taken_away() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut elsewhere = Browser::new(&world);
    elsewhere.sign_in(EMAIL, PASSWORD).await;
    browser.get("/account/second-factor").await;
    browser.post("/account/second-factor", &[("do", "begin")]).await;
    let page = browser.get("/account/second-factor").await;
    page.shows("<svg class=\"qr\"");
    page.hides("<img");
    let wrong = browser.post("/account/second-factor", &[("do", "add"), ("code", "000000")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(elsewhere.sign_in(EMAIL, PASSWORD).await.to(), "/", "what is not switched on is not asked for");

    let old = browser.cookie.clone();
    let (secret, codes) = switched_on_from(&world, &mut browser).await;
    assert_eq!(codes.len(), 10);
    assert_ne!(browser.cookie, old, "a new token");
    assert_eq!(elsewhere.get("/").await.status, StatusCode::SEE_OTHER, "other sessions end");
    let page = browser.get("/account/second-factor").await;
    page.shows("Recovery codes left: 10.");
    page.hides(&codes[0]);
    page.hides("class=\"key\"");
    let sealed = world.one("SELECT encode(sealed_secret, 'hex') FROM totp_secrets").await;
    let plain: String = secret.expose().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!sealed.contains(&plain), "the secret lies sealed");
    assert_eq!(world.one("SELECT count(DISTINCT code_hash) FROM recovery_codes").await, "10");

    let answer = elsewhere.post("/sign-in", &[("email", EMAIL), ("password", PASSWORD), ("next", "/probes")]).await;
    assert_eq!(answer.to(), "/sign-in/code?next=%2Fprobes");
    assert_eq!(elsewhere.get("/").await.status, StatusCode::SEE_OTHER, "half is not in");
    elsewhere.get("/sign-in/code?next=%2Fprobes").await.shows("value=\"/probes\"");
    let right = code(&world, &secret);
    let answer = elsewhere.post("/sign-in/code", &[("code", &right), ("next", "/probes")]).await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/probes"));
    assert_eq!(elsewhere.get("/").await.status, StatusCode::OK);
    assert!(!elsewhere.jar.contains_key("half-local"));

    browser.get("/account/second-factor").await;
    let answer = browser.post("/account/second-factor", &[("do", "remove")]).await;
    assert_eq!(answer.to(), "/account?done=second_factor_removed");
    assert_eq!(elsewhere.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(elsewhere.sign_in(EMAIL, PASSWORD).await.to(), "/");
    assert_eq!(world.one("SELECT count(*) FROM recovery_codes").await, "0");
    let actions =
        world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE '%second_factor'").await;
    assert_eq!(actions, "user.add_second_factor user.remove_second_factor");
}

/// The same where it was begun already.
async fn switched_on_from(world: &World, browser: &mut Browser<'_>) -> (SecretBytes, Vec<String>) {
    let secret = secret(&browser.get("/account/second-factor").await);
    let typed = code(world, &secret);
    let answer = browser.post("/account/second-factor", &[("do", "add"), ("code", &typed)]).await;
    world.clock.advance(Duration::from_secs(30));
    (secret, recovery_codes(&answer))
}

#[tokio::test]
async fn a_code_works_within_its_thirty_seconds_and_once() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (secret, _) = switched_on(&world, &mut browser).await;
    let mut other = Browser::new(&world);
    let step = totp::step(world.clock.now());
    other.sign_in(EMAIL, PASSWORD).await;
    for wrong in [step - 1, step + 1] {
        let typed = totp::code(&secret, wrong).expose().clone();
        let answer = other.post("/sign-in/code", &[("code", &typed)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "no skew");
    }
    let typed = totp::code(&secret, step).expose().clone();
    let half = other.jar.clone();
    assert_eq!(other.post("/sign-in/code", &[("code", &typed)]).await.to(), "/");
    let mut thief = Browser { jar: half, ..Browser::new(&world) };
    assert_eq!(thief.post("/sign-in/code", &[("code", &typed)]).await.status, StatusCode::UNAUTHORIZED);
    thief.sign_in(EMAIL, PASSWORD).await;
    let answer = thief.post("/sign-in/code", &[("code", &typed)]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    answer.shows("was used before");
    // Nor does it prove anything again in a session.
    let page = other.get("/step-up").await;
    page.shows("name=\"code\"");
    page.hides("name=\"password\"");
    let refused = other.post("/step-up", &[("password", PASSWORD)]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    refused.shows("You have a second factor");
    assert_eq!(other.post("/step-up", &[("code", &typed)]).await.status, StatusCode::UNAUTHORIZED);
    world.clock.advance(Duration::from_secs(30));
    let next = code(&world, &secret);
    assert_eq!(other.post("/step-up", &[("code", &next)]).await.to(), "/account");
}

#[tokio::test]
async fn a_recovery_code_gets_in_once_and_new_ones_end_the_old() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, codes) = switched_on(&world, &mut browser).await;
    let mut other = Browser::new(&world);
    other.sign_in(EMAIL, PASSWORD).await;
    let typed = codes[3].replace('-', " ").to_lowercase();
    assert_eq!(other.post("/sign-in/code", &[("code", &typed)]).await.to(), "/");
    other.sign_in(EMAIL, PASSWORD).await;
    assert_eq!(other.post("/sign-in/code", &[("code", &codes[3])]).await.status, StatusCode::UNAUTHORIZED);
    browser.get("/account").await.shows("Recovery codes left: 9.");
    browser.get("/account/second-factor").await;
    let new = recovery_codes(&browser.post("/account/second-factor", &[("do", "codes")]).await);
    assert_eq!(new.len(), 10);
    assert_eq!(other.post("/sign-in/code", &[("code", &codes[4])]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(other.post("/sign-in/code", &[("code", &new[4])]).await.to(), "/");
}

#[tokio::test]
async fn five_wrong_codes_end_it_and_the_password_alone_forgets_no_failure() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (secret, _) = switched_on(&world, &mut browser).await;
    let mut guesser = Browser { address: "192.0.2.7:1", ..Browser::new(&world) };
    for _ in 0..2 {
        guesser.sign_in(EMAIL, PASSWORD).await;
        for _ in 0..5 {
            world.clock.advance(Duration::from_secs(60));
            let answer = guesser.post("/sign-in/code", &[("code", "000000")]).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            answer.shows("not right");
        }
        world.clock.advance(Duration::from_secs(60));
        let right = code(&world, &secret);
        let answer = guesser.post("/sign-in/code", &[("code", &right)]).await;
        answer.shows("Sign in again");
    }
    assert_eq!(world.one("SELECT failures FROM sign_in_failures").await, "10");
    assert_eq!(guesser.sign_in(EMAIL, PASSWORD).await.to(), "/sign-in/code");
    let right = code(&world, &secret);
    let answer = guesser.post("/sign-in/code", &[("code", &right)]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "locked, also for the right code");
    browser.sign_in(EMAIL, PASSWORD).await;
    let answer = browser.post("/sign-in/code", &[("code", &right)]).await;
    assert_eq!(answer.to(), "/", "a known browser is not locked out by who knows the password");
}

/// How many of a hundred that run at once say yes, each on a connection of its own.
async fn of_a_hundred<F>(world: &World, one: impl Fn(Auth) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let narrow = world.pools();
    let options = (*narrow.auth.connect_options()).clone();
    let wide = Pools { auth: PgPoolOptions::new().max_connections(100).connect_lazy_with(options), ..narrow };
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(wide.auth().await.unwrap());
    }
    let mut tries = tokio::task::JoinSet::new();
    for auth in open {
        tries.spawn(one(auth));
    }
    tries.join_all().await.into_iter().filter(|won| *won).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_who_use_one_code_at_once_one_wins() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, codes) = switched_on(&world, &mut browser).await;
    let (now, step) = (world.clock.now(), totp::step(world.clock.now()));
    let by_time = of_a_hundred(&world, |mut auth| async move {
        let won = second_factors::use_step(&mut auth, UserKey(1), step).await.unwrap();
        auth.commit().await.unwrap();
        won
    });
    assert_eq!(by_time.await, 1);
    let hash = recovery_hash(&codes[0]).unwrap().0;
    let recovery = of_a_hundred(&world, |mut auth| async move {
        let won = second_factors::use_recovery_code(&mut auth, UserKey(1), &hash, now).await.unwrap();
        auth.commit().await.unwrap();
        won
    });
    assert_eq!(recovery.await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_five_who_gave_the_password_and_then_one_code_at_once_one_gets_in() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (secret, codes) = switched_on(&world, &mut browser).await;
    for code in [code(&world, &secret), codes[0].clone()] {
        let mut halves = Vec::new();
        for _ in 0..5 {
            let password = SecretString::new(PASSWORD.to_owned());
            let signed = world.porter.sign_in(EMAIL, password, &Caller::default(), world.clock.now()).await.unwrap();
            let SignIn::Second(half) = signed else { unreachable!("the second factor is asked for: {signed:?}") };
            halves.push(half);
        }
        let mut tries = tokio::task::JoinSet::new();
        for half in halves {
            let (porter, code, now) = (world.porter.clone(), code.clone(), world.clock.now());
            tries.spawn(async move { porter.second_step(&half, &code, &Caller::default(), now).await.unwrap() });
        }
        let done = tries.join_all().await;
        assert_eq!(done.iter().filter(|step| matches!(step, SecondStep::Done(_))).count(), 1, "{done:?}");
        world.clock.advance(Duration::from_secs(3600));
    }
}
