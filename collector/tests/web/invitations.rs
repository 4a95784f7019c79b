//! Invitations: one address, one role, once, for seven days, as long as who invited may still give the role.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::config::LoginMode;
use picket_collector::login::Settings;

use crate::common::{Answer, Browser, PASSWORD, World};
use crate::mailbox::{MAILS, Mailbox};

const INVITE: Settings = Settings { mode: LoginMode::Invite, mails: true };
const BOB: &str = "bob@example.org";

/// The path of the link in a mail that invites.
pub(crate) fn link(mail: &str) -> String {
    let at = mail.find("/invitation/").unwrap();
    mail[at..].chars().take("/invitation/".len() + 43).collect()
}

async fn invite(browser: &mut Browser<'_>, email: &str, role: &str) -> Answer {
    browser.get("/members/invite").await;
    browser.post("/members/invite", &[("email", email), ("role", role)]).await
}

/// `bob@example.org viewer`, of the first organization.
async fn role(world: &World, email: &str) -> String {
    world.one(&format!("SELECT m.role FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org_id = 1 AND u.email = '{email}'")).await
}

#[tokio::test]
async fn who_has_no_account_makes_one_by_the_invitation_once() {
    let world = World::with(INVITE).await;
    let mut mailbox = Mailbox::start();
    let mut owner = Browser::of(&world, "owner").await;
    assert_eq!(invite(&mut owner, " Bob@Example.org ", "editor").await.to(), "/members?done=invited");
    owner.get("/members").await.shows(BOB);
    let mail = mailbox.one(&world, BOB).await;
    assert_eq!(mail.header("Subject"), "Join acme at Picket");
    assert!(mail.0.contains("multipart/alternative") && mail.0.contains("owner@example.org invites you"), "{}", mail.0);
    let path = link(&mail.0);
    let token = path.trim_start_matches("/invitation/");
    assert_eq!(
        world.one("SELECT encode(token_hash, 'hex') FROM invitations").await,
        picket_shared::signing::body_hash(token.as_bytes())
    );
    let whole = world.one("SELECT coalesce(string_agg(to_jsonb(a)::text, ''), '') FROM audit a").await;
    assert!(!whole.contains(token));

    let mut bob = Browser::new(&world);
    for _ in 0..2 {
        let page = bob.get(&path).await;
        page.shows("You are invited to acme");
        page.shows("Make an account and join");
    }
    let short = bob.post(&path, &[("password", "short")]).await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bob.post(&path, &[("password", PASSWORD)]).await.to(), "/");
    bob.get("/").await.shows("/monitors/new");
    assert_eq!(role(&world, BOB).await, "editor");
    assert_ne!(world.one(&format!("SELECT signed_in_at FROM users WHERE email = '{BOB}'")).await, "");
    assert_ne!(world.one(&format!("SELECT email_confirmed_at FROM users WHERE email = '{BOB}'")).await, "");
    let mut other = Browser::new(&world);
    assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&path, &[("password", PASSWORD)]).await.status, StatusCode::NOT_FOUND);
    owner.get("/members").await.hides("/members/invitations/");
    assert_eq!(
        world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE org_id = 1").await,
        "invitation.add invitation.accept"
    );
}

#[tokio::test]
async fn who_has_an_account_joins_when_signed_in_with_the_address_and_nobody_else_does() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut ada = world.signed_in().await;
    world.another_owner("eve@example.org").await;
    assert_eq!(invite(&mut ada, "eve@example.org", "viewer").await.status, StatusCode::SEE_OTHER);
    let path = link(&mailbox.one(&world, "eve@example.org").await.0);
    // The owner has the link too, and is somebody else.
    ada.get(&path).await.shows("signed in with another address");
    assert_eq!(ada.post(&path, &[]).await.status, StatusCode::FORBIDDEN);
    let mut eve = Browser::new(&world);
    eve.get(&path).await.shows("/sign-in?next=/invitation/");
    assert_eq!(eve.post(&path, &[("password", PASSWORD)]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(role(&world, "eve@example.org").await, "");
    let answer = eve.post("/sign-in", &[("email", "eve@example.org"), ("password", PASSWORD), ("next", &path)]).await;
    assert_eq!(answer.to(), path);
    let before = eve.cookie.clone();
    eve.get(&path).await.shows("Join");
    assert_eq!(eve.post(&path, &[]).await.to(), "/");
    assert_ne!(eve.cookie, before);
    let page = eve.get("/").await;
    page.hides("/monitors/new");
    page.shows("Go to other");
    assert_eq!(role(&world, "eve@example.org").await, "viewer");
    assert_eq!(eve.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn where_nobody_makes_an_account_a_stranger_is_told_so() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut owner = Browser::of(&world, "owner").await;
    invite(&mut owner, BOB, "viewer").await;
    let path = link(&mailbox.one(&world, BOB).await.0);
    let mut bob = Browser::new(&world);
    bob.get(&path).await.shows("[login] mode");
    assert_eq!(bob.post(&path, &[("password", PASSWORD)]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.one("SELECT count(*) FROM users").await, "1");
}

#[tokio::test]
async fn without_a_mail_server_the_link_is_shown_once() {
    let world = World::with(Settings { mode: LoginMode::Invite, mails: false }).await;
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/members/invite").await.shows("shown a link");
    let page = invite(&mut owner, BOB, "viewer").await;
    assert_eq!(page.status, StatusCode::OK);
    let path = link(&page.text);
    page.shows(&format!("http://localhost:8080{path}"));
    owner.get("/members").await.hides(&path);
    assert_eq!(world.one("SELECT count(*) FROM account_mails").await, "0");
    let mut bob = Browser::new(&world);
    assert_eq!(bob.post(&path, &[("password", PASSWORD)]).await.to(), "/");
    assert_eq!(
        world.one(&format!("SELECT email_confirmed_at FROM users WHERE email = '{BOB}'")).await,
        "",
        "nothing was shown"
    );
}

#[tokio::test]
async fn an_invitation_ends_after_seven_days_when_taken_back_and_when_sent_again() {
    let world = World::with(Settings { mode: LoginMode::Invite, mails: false }).await;
    let mut owner = Browser::of(&world, "owner").await;
    let first = link(&invite(&mut owner, BOB, "viewer").await.text);
    let id = world.one("SELECT uuid FROM invitations").await;
    invite(&mut owner, BOB, "viewer").await.shows("invited already");
    let send = format!("/members/invitations/{id}/send");
    owner.get(&send).await.shows(BOB);
    let second = link(&owner.post(&send, &[]).await.text);
    let mut bob = Browser::new(&world);
    assert_eq!(bob.get(&first).await.status, StatusCode::NOT_FOUND, "the one before");
    world.clock.advance(Duration::from_secs(7 * 86_400 - 1));
    assert_eq!(bob.get(&second).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(bob.get(&second).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.post(&second, &[("password", PASSWORD)]).await.status, StatusCode::NOT_FOUND);
    let mut owner = Browser::of(&world, "owner").await;
    world
        .sql(&format!(
            "UPDATE sessions SET seen_at = {now}, expires_at = {now} + 86400000000, proven_at = {now}",
            now = world.clock.now().micros()
        ))
        .await;
    owner.get("/members").await.shows("over");
    owner.get(&send).await;
    let third = link(&owner.post(&send, &[]).await.text);
    assert_eq!(bob.get(&third).await.status, StatusCode::OK);
    let revoke = format!("/members/invitations/{id}/revoke");
    owner.get(&revoke).await.shows("works no more");
    assert_eq!(owner.post(&revoke, &[]).await.to(), "/members?done=invitation_revoked");
    assert_eq!(bob.get(&third).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.post(&revoke, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.post(&send, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.one("SELECT count(*) FROM users").await, "1");
}

#[tokio::test]
async fn nobody_invites_above_the_own_role_and_an_invitation_ends_with_the_rights_of_who_invited() {
    let world = World::with(Settings { mode: LoginMode::Invite, mails: false }).await;
    let mut admin = Browser::of(&world, "admin").await;
    world.member("owner").await;
    admin.get("/members/invite").await.hides("value=\"owner\"");
    for (email, role, says) in [
        (BOB, "owner", "Only an owner"),
        (BOB, "root", "Choose one of the roles"),
        ("nobody", "viewer", "address"),
        ("owner@example.org", "viewer", "belongs here"),
    ] {
        let answer = invite(&mut admin, email, role).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{email} {role}");
        answer.shows(says);
    }
    assert_eq!(world.one("SELECT count(*) FROM invitations").await, "0");
    let path = link(&invite(&mut admin, BOB, "admin").await.text);
    let mut bob = Browser::new(&world);
    assert_eq!(bob.get(&path).await.status, StatusCode::OK);
    world.sql("UPDATE memberships SET role = 'editor' WHERE role = 'admin'").await;
    assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
    world.sql("DELETE FROM memberships WHERE role = 'editor'").await;
    assert_eq!(bob.post(&path, &[("password", PASSWORD)]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.one("SELECT count(*) FROM memberships").await, "1");
}

#[tokio::test]
async fn invitations_of_another_organization_are_not_there() {
    let world = World::with(Settings { mode: LoginMode::Invite, mails: false }).await;
    let mut owner = Browser::of(&world, "owner").await;
    invite(&mut owner, BOB, "viewer").await;
    world.sql("UPDATE invitations SET org_id = 2").await;
    let id = world.one("SELECT uuid FROM invitations").await;
    owner.get("/members").await.hides(BOB);
    owner.get("/members/invite").await;
    for deed in ["send", "revoke"] {
        let (theirs, miss) = (
            format!("/members/invitations/{id}/{deed}"),
            format!("/members/invitations/{}/{deed}", uuid::Uuid::from_u128(9)),
        );
        assert_eq!(owner.get(&theirs).await.text, owner.get(&miss).await.text);
        owner.get("/members/invite").await;
        let (theirs, miss) = (owner.post(&theirs, &[]).await, owner.post(&miss, &[]).await);
        assert_eq!((theirs.status, theirs.text), (StatusCode::NOT_FOUND, miss.text), "{deed}");
    }
    assert_eq!(world.one("SELECT count(*) FROM invitations WHERE revoked_at IS NULL").await, "1");
}

#[tokio::test]
async fn of_many_who_use_one_invitation_at_once_one_wins() {
    let world = World::with(Settings { mode: LoginMode::Invite, mails: false }).await;
    let mut owner = Browser::of(&world, "owner").await;
    let path = link(&invite(&mut owner, BOB, "viewer").await.text);
    let mut browsers: Vec<Browser<'_>> = (0..4).map(|_| Browser::new(&world)).collect();
    let fields = [("password", PASSWORD)];
    let [a, b, c, d] = browsers.as_mut_slice() else { unreachable!("four were made") };
    let (a, b, c, d) =
        tokio::join!(a.post(&path, &fields), b.post(&path, &fields), c.post(&path, &fields), d.post(&path, &fields));
    let won = [a, b, c, d].iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).count();
    assert_eq!(won, 1);
    assert_eq!(world.one(&format!("SELECT count(*) FROM users WHERE email = '{BOB}'")).await, "1");
}
