//! Service members: nobody signs in as one, and their keys stay when people go.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::access::Right;
use picket_collector::login::api_key::Refusal;
use picket_collector::login::ends::Report;
use sqlx::AssertSqlSafe;

use crate::common::{Answer, Browser, World};
use crate::mailbox::{MAILS, Mailbox};

async fn id(world: &World, name: &str) -> String {
    world.one(&format!("SELECT uuid FROM users WHERE service_name = '{name}' AND deleted_at IS NULL")).await
}

async fn add(browser: &mut Browser<'_>, name: &str, role: &str) -> Answer {
    browser.get("/members/services/new").await;
    browser.post("/members/services/new", &[("name", name), ("role", role), ("until", "")]).await
}

/// Makes a key of a service member on its page.
async fn key(browser: &mut Browser<'_>, name: &str, scopes: &[&str]) -> Answer {
    let path = format!("/members/{}/keys/new", id(browser.world, name).await);
    browser.get(&path).await;
    let mut fields = vec![("name", "ci"), ("days", "")];
    fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
    browser.post(&path, &fields).await
}

fn shown(page: &Answer) -> String {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let rest = page.text.split("<code class=\"key\" tabindex=\"0\">").nth(1).unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_of_a_service_member_outlives_its_maker_and_ends_with_the_service_member() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut owner = Browser::of(&world, "owner").await;
    let mut admin = Browser::of(&world, "admin").await;
    world.sql("UPDATE organizations SET second_factor_since = 1 WHERE id = 1").await;
    world.sql("INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at) SELECT id, '', 1, 1 FROM users").await;
    admin.get("/members/services/new").await.hides("value=\"owner\"");
    assert_eq!(add(&mut admin, "deploy", "editor").await.to(), "/members?done=service_added");
    let list = admin.get("/members").await;
    list.shows("deploy <span class=\"soft\">(service)</span>");
    let path = format!("/members/{}/keys/new", id(&world, "deploy").await);
    list.shows(&path);
    list.hides(&format!("/members/{}/transfer", id(&world, "deploy").await));
    admin.get(&path).await.hides("value=\"members:write\"");
    let made = shown(&key(&mut admin, "deploy", &["monitors:read", "monitors:write"]).await);
    let mut to: Vec<String> = mailbox.mails(&world).await.iter().map(|mail| mail.header("To").to_owned()).collect();
    to.sort_unstable();
    assert_eq!(to, ["admin@example.org", "owner@example.org"], "who made it and the owner");
    let admit = || world.porter.admit(&made, "127.0.0.1".parse().unwrap(), world.clock.now());
    let holder = admit().await.unwrap().unwrap();
    assert!(holder.service && !holder.member.lacks_factor && holder.may(Right::MonitorsWrite));
    assert!(holder.actor().ends_with(" service:deploy"), "{}", holder.actor());
    let admins = world.one("SELECT uuid FROM users WHERE email LIKE 'admin%'").await;
    owner.get("/members/leave").await;
    assert_eq!(owner.post(&format!("/members/{admins}/remove"), &[]).await.status, StatusCode::SEE_OTHER);
    assert!(admit().await.unwrap().is_ok(), "its maker is gone");
    mailbox.mails(&world).await;

    // A lesser role works at once, the key is no more than it, and nobody is told: there is nobody.
    let role = format!("/members/{}/role", id(&world, "deploy").await);
    owner.get(&role).await.hides("value=\"owner\"");
    owner.post(&role, &[("role", "owner")]).await.shows("administrator at most");
    assert_eq!(owner.post(&role, &[("role", "viewer")]).await.status, StatusCode::SEE_OTHER);
    assert!(!admit().await.unwrap().unwrap().may(Right::MonitorsWrite));
    let transfer = format!("/members/{}/transfer", id(&world, "deploy").await);
    owner.post(&transfer, &[]).await.shows("administrator at most");
    owner.get("/keys").await.shows("<td class=\"roomy\">deploy</td>");
    let remove = format!("/members/{}/remove", id(&world, "deploy").await);
    assert_eq!(owner.post(&remove, &[]).await.to(), "/members?done=member_removed");
    assert_eq!(admit().await.unwrap().unwrap_err(), Refusal::Unknown);
    assert_eq!(
        world.one("SELECT count(*) FROM users WHERE service_name IS NOT NULL AND deleted_at IS NULL").await,
        "0"
    );
    assert_eq!(mailbox.mails(&world).await.len(), 0);
    assert_eq!(
        world.one("SELECT string_agg(action || ' ' || coalesce(detail->>'service', detail->>'email'), ', ' ORDER BY id) FROM audit WHERE org_id = 1").await,
        "member.add_service deploy, key.add deploy, member.remove admin@example.org, member.change_role deploy, member.remove deploy"
    );
    assert_eq!(add(&mut owner, "deploy", "viewer").await.status, StatusCode::SEE_OTHER, "the name is free again");
}

#[tokio::test]
async fn what_a_service_member_cannot_be_is_said() {
    let world = World::new().await;
    let mut admin = Browser::of(&world, "admin").await;
    assert_eq!(add(&mut admin, "deploy", "admin").await.status, StatusCode::SEE_OTHER);
    for (name, role, says) in [
        ("deploy", "viewer", "Another service member is called so"),
        ("", "viewer", "1 to 100 characters"),
        ("a\nb", "viewer", "1 to 100 characters"),
        ("other", "owner", "Only an owner makes or unmakes an owner"),
        ("other", "root", "Choose one of the roles"),
    ] {
        let answer = add(&mut admin, name, role).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {role}");
        answer.shows(says);
    }
    let answer = add(&mut Browser::of(&world, "owner").await, "other", "owner").await;
    answer.shows("administrator at most");
    let person = world.one("SELECT uuid FROM users WHERE email LIKE 'owner%'").await;
    assert_eq!(admin.get(&format!("/members/{person}/keys/new")).await.status, StatusCode::NOT_FOUND);
    admin.get("/members/leave").await;
    assert_eq!(admin.post(&format!("/members/{person}/keys/new"), &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.one("SELECT count(*) FROM api_keys").await, "0");
    assert_eq!(world.one("SELECT count(*) FROM memberships").await, "3");
}

#[tokio::test]
async fn a_service_member_that_ends_is_gone_with_its_keys() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/members/services/new").await;
    let fields = [("name", "trial"), ("role", "viewer"), ("until", "2026-09-21")];
    assert_eq!(owner.post("/members/services/new", &fields).await.status, StatusCode::SEE_OTHER);
    shown(&key(&mut owner, "trial", &["monitors:read"]).await);
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.porter.end_memberships(world.clock.now()).await.unwrap(), Report { told: 0, ended: 1 });
    assert_eq!(world.one("SELECT count(*) FROM api_keys").await, "0");
    assert_eq!(world.one("SELECT deleted_at IS NOT NULL FROM users WHERE service_name = 'trial'").await, "true");
    assert_eq!(world.one("SELECT detail->>'service' FROM audit WHERE action = 'member.end'").await, "trial");
}

/// Where a service member may be named: what it is, what it did, and what it asked for with a key.
const OPEN: [&str; 4] = ["export_pieces.user_id", "exports.user_id", "invitations.invited_by", "memberships.user_id"];

#[tokio::test]
async fn whatever_lets_somebody_in_takes_no_service_member_whoever_writes_it() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    add(&mut owner, "deploy", "viewer").await;
    let columns: Vec<(String, bool)> = sqlx::query_as(
        "SELECT c.conrelid::regclass || '.' || a.attname,
                EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.conrelid AND t.tgname = 'people_only') AND a.attname = 'user_id'
         FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
         WHERE c.contype = 'f' AND c.confrelid = 'users'::regclass ORDER BY 1",
    )
    .fetch_all(&mut world.superuser().await)
    .await
    .unwrap();
    let unheld: Vec<&str> = columns
        .iter()
        .filter(|(column, held)| !held && !OPEN.contains(&column.as_str()))
        .map(|(column, _)| column.as_str())
        .collect();
    assert_eq!(unheld, Vec::<&str>::new(), "a trigger people_only, or a row of OPEN, on purpose");
    assert!(columns.iter().filter(|(_, held)| *held).count() > 9, "{columns:?}");
    let who = "SELECT id FROM users WHERE service_name = 'deploy'";
    for statement in [
        format!(
            "INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at) SELECT sha256('x'), ({who}), 0, 0, 1"
        ),
        format!("INSERT INTO totp_secrets (user_id, sealed_secret, created_at) SELECT ({who}), '', 0"),
        format!("UPDATE sessions SET user_id = ({who})"),
        format!("UPDATE memberships SET role = 'owner' WHERE user_id = ({who})"),
        format!("UPDATE memberships SET org_id = 2 WHERE user_id = ({who})"),
        format!("UPDATE users SET password_hash = 'x' WHERE id = ({who})"),
        format!("UPDATE users SET email = 'x@example.org' WHERE id = ({who})"),
    ] {
        let refused = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut world.superuser().await).await;
        let code = refused.unwrap_err().into_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "23514", "{statement}");
    }
    owner.get("/members/policy").await.shows("Members without one: 1.");
    let review = owner.get("/members/review/export").await;
    assert!(review.text.contains(",,deploy,viewer,"), "{}", review.text);
}
