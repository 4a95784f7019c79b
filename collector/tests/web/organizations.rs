//! Organizations: made by who may, what they ask of members, and what the operator lets them have.

use axum::http::StatusCode;
use picket_collector::config::LoginMode;
use picket_collector::domain::access::Right;
use picket_collector::login::Settings;
use picket_collector::login::organization::Unfounded;
use picket_collector::store::OrgKey;
use picket_collector::store::limits::{self, Limits};

use crate::authenticator::Authenticator;
use crate::common::{Answer, Browser, World};

/// A second factor of everybody in this role.
async fn factor(world: &World, role: &str) {
    world.sql(&format!("INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at) SELECT id, '', 1, 1 FROM users WHERE email = '{role}@example.org'")).await;
}

#[tokio::test]
async fn where_everybody_may_make_an_account_everybody_may_make_an_organization() {
    let world = World::with(Settings { mode: LoginMode::Open, mails: true }).await;
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get("/organizations").await.shows("/organizations/new");
    viewer.get("/organizations/new").await;
    for name in ["", "acme", "a\nb"] {
        let answer = viewer.post("/organizations/new", &[("organization", name)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
    }
    let before = viewer.cookie.clone();
    assert_eq!(viewer.post("/organizations/new", &[("organization", "mine")]).await.to(), "/");
    assert_ne!(viewer.cookie, before);
    viewer.get("/members").await.shows("viewer@example.org");
    viewer.get("/").await.shows("Go to acme");
    assert_eq!(
        world
            .one("SELECT m.role FROM memberships m JOIN organizations o ON o.id = m.org_id WHERE o.name = 'mine'")
            .await,
        "owner"
    );
    assert_eq!(world.one("SELECT action FROM audit WHERE org_id IS NULL").await, "organization.add");
}

#[tokio::test]
async fn elsewhere_only_the_operator_makes_one() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/organizations").await.hides("/organizations/new");
    assert_eq!(owner.get("/organizations/new").await.status, StatusCode::NOT_FOUND);
    owner.get("/organizations").await;
    assert_eq!(owner.post("/organizations/new", &[("organization", "mine")]).await.status, StatusCode::NOT_FOUND);
    let make = async |email: &str, name: &str| {
        let mut auth = world.pools().auth().await.unwrap();
        let made = world.porter.found(&mut auth, email, name, "command:root", world.clock.now()).await.unwrap();
        auth.commit().await.unwrap();
        made.map(|founded| founded.owner)
    };
    assert_eq!(make("nobody@example.org", "mine").await, Err(Unfounded { name: false, owner: true }));
    assert_eq!(make("owner@example.org", "acme").await, Err(Unfounded { name: true, owner: false }));
    assert_eq!(make("no address", "").await, Err(Unfounded { name: true, owner: true }));
    assert_eq!(make("Owner@Example.org", "mine").await, Ok("owner@example.org".to_owned()));
    owner.get("/").await.shows("Go to mine");
    assert_eq!(world.one("SELECT actor FROM audit WHERE action = 'organization.add'").await, "command:root");
}

#[tokio::test]
async fn who_lacks_a_second_factor_that_is_wanted_is_led_to_set_one_up() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    let mut editor = Browser::of(&world, "editor").await;
    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    owner.get("/members/policy").await.shows("Members without one: 2.");
    let refused = owner.post("/members/policy", &[("second_factor", "on")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("second factor of your own first");
    assert_eq!(editor.get("/").await.status, StatusCode::OK);
    factor(&world, "owner").await;
    assert_eq!(owner.post("/members/policy", &[("second_factor", "on")]).await.to(), "/members?done=policy");
    assert_eq!(owner.get("/").await.status, StatusCode::OK);

    for path in ["/", "/monitors/new", "/members", "/keys"] {
        assert_eq!(editor.get(path).await.to(), "/account/second-factor", "{path}");
    }
    editor.get("/account/second-factor").await.shows("acme wants a second factor");
    assert_eq!(editor.post("/monitors/new", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(editor.get("/account").await.status, StatusCode::OK);
    let holder = || world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now());
    assert!(holder().await.unwrap().unwrap().member.lacks_factor);
    factor(&world, "editor").await;
    assert_eq!(editor.get("/").await.status, StatusCode::OK);
    assert!(!holder().await.unwrap().unwrap().member.lacks_factor);
    owner.post("/members/policy", &[]).await;
    world.sql("DELETE FROM totp_secrets").await;
    assert_eq!(editor.get("/").await.status, StatusCode::OK);
    assert_eq!(
        world.one("SELECT string_agg(detail->>'wanted', ' ' ORDER BY id) FROM audit WHERE action = 'organization.second_factor'").await,
        "true false"
    );
}

#[tokio::test]
async fn a_passkey_is_the_second_factor_that_is_wanted_too() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    let mut editor = Browser::of(&world, "editor").await;
    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    factor(&world, "owner").await;
    owner.get("/members/policy").await;
    owner.post("/members/policy", &[("second_factor", "on")]).await;
    assert_eq!(editor.get("/").await.to(), "/account/second-factor");
    let added = Authenticator::new("blue").add(&mut editor, "blue key").await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.text);
    assert_eq!(editor.get("/").await.status, StatusCode::OK);
    let holder = world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now()).await;
    assert!(!holder.unwrap().unwrap().member.lacks_factor);
    owner.get("/members/policy").await.shows("Members without one: 0.");
}

/// Limits the first organization.
async fn limit(world: &World, limits: Limits) {
    let mut auth = world.pools().auth().await.unwrap();
    let id = world.one("SELECT uuid FROM organizations WHERE id = 1").await.parse().unwrap();
    limits::set(&mut auth, (OrgKey(1), id), &limits, "command:root", world.clock.now()).await.unwrap();
    auth.commit().await.unwrap();
}

async fn add(browser: &mut Browser<'_>, name: &str, every: &str) -> Answer {
    browser.get("/monitors/new").await;
    let fields = [("name", name), ("kind", "http"), ("target", "https://shop.example/"), ("every", every)];
    browser.post("/monitors/new", &fields).await
}

#[tokio::test]
async fn a_limit_refuses_what_goes_beyond_it_on_pages_by_its_name() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    assert_eq!(add(&mut editor, "one", "60s").await.status, StatusCode::SEE_OTHER);
    limit(&world, Limits { monitors: Some(1), ..Limits::default() }).await;
    let refused = add(&mut editor, "two", "60s").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("may have 1 monitors");
    limit(&world, Limits { interval_s: Some(30), ..Limits::default() }).await;
    add(&mut editor, "two", "20s").await.shows("every 30 s at most");
    // Two regions, every minute: two checks a minute for each.
    limit(&world, Limits { checks_per_minute: Some(3), ..Limits::default() }).await;
    add(&mut editor, "two", "60s").await.shows("may make 3 checks a minute");
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "1");
    limit(&world, Limits { checks_per_minute: Some(4), ..Limits::default() }).await;
    assert_eq!(add(&mut editor, "two", "60s").await.status, StatusCode::SEE_OTHER);

    // What is there beyond a lower limit stays, and may be paused, but not resumed, nor brought back.
    limit(&world, Limits { monitors: Some(1), checks_per_minute: Some(2), ..Limits::default() }).await;
    let id = world.one("SELECT uuid FROM monitors WHERE name = 'two'").await;
    assert_eq!(editor.post(&format!("/monitors/{id}/pause"), &[]).await.status, StatusCode::SEE_OTHER);
    world.sql("UPDATE organization_limits SET checks_per_minute = 1").await;
    let refused = editor.post(&format!("/monitors/{id}/resume"), &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refused.shows("may make 1 checks a minute");
    assert_eq!(editor.post(&format!("/monitors/{id}/delete"), &[]).await.status, StatusCode::SEE_OTHER);
    let refused = editor.post(&format!("/monitors/{id}/restore"), &[]).await;
    refused.shows("may have 1 monitors");
    assert_eq!(world.one("SELECT count(*) FROM monitors WHERE deleted_at IS NULL").await, "1");
    // The other organization has limits of its own.
    assert_eq!(world.one("SELECT count(*) FROM organization_limits").await, "1");
}
