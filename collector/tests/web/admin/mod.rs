//! The administration of the instance: for whom it is there ([`gate`]), what can be done in it ([`deeds`]), and what
//! it tells of [`recovery`].

mod deeds;
mod gate;
mod papers;
mod recovery;

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::administration::Term;
use picket_collector::login::administration::Granted;
use picket_collector::store::audit::Author;

use crate::common::{Browser, World};

/// Gives a member of this role a grant, as at the console; the term is the usual one.
async fn granted(world: &World, role: &str) {
    world.member(role).await;
    let by = Author::of_instance("command:root");
    let given =
        world.porter.grant(&format!("{role}@example.org"), Term::USUAL, None, &by, world.clock.now()).await.unwrap();
    assert!(matches!(given, Granted::Done { .. }), "{given:?}");
}

/// Switches a second factor on for a member of this role.
async fn guarded(world: &World, role: &str) {
    world
        .sql(&format!(
            "INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at)
             SELECT id, '', 0, 0 FROM users WHERE email = '{role}@example.org'"
        ))
        .await;
}

/// A browser in which a member of this role administers the instance.
async fn administrator<'a>(world: &'a World, role: &str) -> Browser<'a> {
    let browser = Browser::of(world, role).await;
    granted(world, role).await;
    guarded(world, role).await;
    browser
}

/// Proves again who the member of this role is; it is not lately any more once ten minutes have gone.
async fn proven(world: &World, role: &str) {
    world.member(role).await;
}

/// The time goes on, and the sessions are used meanwhile.
async fn later(world: &World, by: Duration) {
    world.clock.advance(by);
    world
        .sql(&format!(
            "UPDATE sessions SET seen_at = {now}, expires_at = {now} + 30 * 86400000000",
            now = world.clock.now().micros()
        ))
        .await;
}

/// Looks at each page.
async fn look(browser: &mut Browser<'_>) -> Vec<(String, StatusCode)> {
    let mut found = Vec::new();
    for path in PAGES {
        found.push((path.to_owned(), browser.get(path).await.status));
    }
    found
}

const PAGES: [&str; 9] = [
    "/admin",
    "/admin/regions",
    "/admin/probes",
    "/admin/organizations",
    "/admin/users",
    "/admin/recovery",
    "/admin/privacy",
    "/admin/breaches",
    "/admin/grants",
];
