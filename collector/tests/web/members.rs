//! Members of an organization: who may make whom what, that an owner stays, and that rights end at once.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::access::{Right, Role};
use picket_collector::domain::members::{Change, Refused};
use picket_collector::login::api_key::Refusal;
use picket_collector::login::members::{Acting, Changed};
use picket_collector::login::session::Ticket;
use picket_collector::store::audit::Author;
use picket_collector::store::{OrgKey, UserKey};
use uuid::Uuid;

use crate::common::{Browser, World};
use crate::invitations::link;
use crate::mailbox::{MAILS, Mailbox};

/// What names a member of this role outside.
async fn id(world: &World, role: &str) -> String {
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

async fn key_of(world: &World, role: &str) -> UserKey {
    UserKey(world.one(&format!("SELECT id FROM users WHERE email = '{role}@example.org'")).await.parse().unwrap())
}

/// Every member: `admin@example.org admin`, in order.
async fn members(world: &World) -> String {
    world
        .one(
            "SELECT string_agg(u.email || ' ' || m.role, ', ' ORDER BY u.email)
             FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org_id = 1",
        )
        .await
}

#[tokio::test]
async fn members_are_shown_with_role_last_sign_in_and_second_factor() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    world.member("viewer").await;
    world.sql("UPDATE users SET signed_in_at = created_at WHERE email LIKE 'viewer%'").await;
    world
        .sql("INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at) SELECT id, '', 1, 1 FROM users WHERE email LIKE 'viewer%'")
        .await;
    world.sql("INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES (gen_random_uuid(), 'eve@example.org', 'x', 0, 0)").await;
    world.sql("INSERT INTO memberships SELECT 2, id, 'owner', 0 FROM users WHERE email LIKE 'eve%'").await;
    let page = owner.get("/members").await;
    for shown in ["owner@example.org", "(you)", "viewer@example.org", "Viewer", "<td class=\"tight\">yes</td>"] {
        page.shows(shown);
    }
    page.hides("eve@example.org");
    page.shows(&format!("/members/{}/role", id(&world, "viewer").await));
    page.hides(&format!("/members/{}/role", id(&world, "owner").await));
    Browser::of(&world, "responder").await.get("/members").await.hides("/role\"");
}

#[tokio::test]
async fn a_membership_ends_by_itself_with_sessions_keys_and_invitations_there() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut admin = Browser::of(&world, "admin").await;
    admin.get("/members/invite").await;
    admin.post("/members/invite", &[("email", "new@example.org"), ("role", "viewer")]).await;
    let invitation = link(&mailbox.one(&world, "new@example.org").await.0);
    assert_eq!(Browser::new(&world).get(&invitation).await.status, StatusCode::OK);
    let key = world.key("admin", &[Right::MonitorsRead], &[]).await;
    world
        .sql(&format!(
            "UPDATE memberships SET until_at = {} WHERE role = 'admin'",
            world.clock.now().micros() + 60_000_000
        ))
        .await;
    let admitted = || world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now());
    assert!(admitted().await.unwrap().is_ok());
    assert_eq!(admin.get("/members").await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(admitted().await.unwrap().unwrap_err(), Refusal::Unknown);
    assert_eq!(admin.get("/members").await.to(), "/organizations");
    assert_eq!(Browser::new(&world).get(&invitation).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn another_role_works_at_once_ends_the_members_sessions_and_is_told_and_logged() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut admin = Browser::of(&world, "admin").await;
    let mut editor = Browser::of(&world, "editor").await;
    let path = format!("/members/{}/role", id(&world, "editor").await);
    let page = admin.get(&path).await;
    page.shows("editor@example.org");
    page.hides("value=\"owner\"");
    assert_eq!(admin.post(&path, &[("role", "viewer")]).await.to(), "/members?done=role_changed");
    assert_eq!(editor.get("/").await.to(), "/sign-in", "the session is over");
    assert_eq!(members(&world).await, "admin@example.org admin, editor@example.org viewer");
    let mail = mailbox.one(&world, "editor@example.org").await;
    assert_eq!(mail.header("Subject"), "You are viewer of acme at Picket");
    assert_eq!(
        world.one("SELECT actor || ' ' || (detail->>'from') || ' ' || (detail->>'to') FROM audit WHERE action = 'member.change_role' AND org_id = 1").await,
        "user:admin@example.org editor viewer"
    );
    for (role, status) in [("owner", 422), ("root", 422), ("", 422)] {
        assert_eq!(admin.post(&path, &[("role", role)]).await.status.as_u16(), status, "{role}");
    }
    assert_eq!(members(&world).await, "admin@example.org admin, editor@example.org viewer");
}

#[tokio::test]
async fn nobody_reaches_above_and_the_last_owner_stays() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    let mut admin = Browser::of(&world, "admin").await;
    let (owners, admins) = (id(&world, "owner").await, id(&world, "admin").await);
    admin.get("/members").await.hides(&format!("/members/{owners}/remove"));
    for (path, fields) in [
        (format!("/members/{owners}/role"), vec![("role", "viewer")]),
        (format!("/members/{owners}/remove"), vec![]),
        (format!("/members/{admins}/role"), vec![("role", "owner")]),
        (format!("/members/{owners}/transfer"), vec![]),
    ] {
        admin.get("/members/leave").await;
        let answer = admin.post(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        answer.shows("Only an owner makes or unmakes an owner");
    }
    owner.get("/members/leave").await.shows("You are out of acme at once");
    for (path, fields) in [
        ("/members/leave".to_owned(), vec![]),
        (format!("/members/{owners}/remove"), vec![]),
        (format!("/members/{owners}/role"), vec![("role", "admin")]),
    ] {
        let answer = owner.post(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{path}");
        answer.shows("This is the last owner");
    }
    assert_eq!(members(&world).await, "admin@example.org admin, owner@example.org owner");
    assert_eq!(world.one("SELECT count(*) FROM audit").await, "0");
    // With a second owner the first may go.
    assert_eq!(
        owner.post(&format!("/members/{admins}/role"), &[("role", "owner")]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(owner.post("/members/leave", &[]).await.to(), "/organizations");
    assert_eq!(members(&world).await, "admin@example.org owner");
    assert_eq!(
        world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit").await,
        "member.change_role member.leave"
    );
}

#[tokio::test]
async fn of_two_owners_who_leave_at_once_one_stays() {
    let world = World::new().await;
    for (first, second) in [("owner", "admin"), ("editor", "viewer"), ("responder", "owner")] {
        world.sql("DELETE FROM memberships").await;
        for role in [first, second] {
            world.member(role).await;
        }
        world.sql("UPDATE memberships SET role = 'owner'").await;
        let author = Author::of_instance("test");
        let now = world.clock.now();
        let users = [key_of(&world, first).await, key_of(&world, second).await];
        let ids: [Uuid; 2] = [id(&world, first).await.parse().unwrap(), id(&world, second).await.parse().unwrap()];
        let leave = |n: usize| {
            let acting = Acting { user: users[n], org: OrgKey(1), ticket: None, author: &author };
            world.porter.change_member(acting, ids[n], &[Change::Out], now)
        };
        let demote = |n: usize| {
            let acting = Acting { user: users[n], org: OrgKey(1), ticket: None, author: &author };
            world.porter.change_member(acting, ids[n], &[Change::To(Role::Admin)], now)
        };
        let (one, two) = if first == "responder" {
            tokio::join!(async { demote(0).await.unwrap() }, async { leave(1).await.unwrap() })
        } else {
            tokio::join!(async { leave(0).await.unwrap() }, async { leave(1).await.unwrap() })
        };
        let refused =
            [&one, &two].into_iter().filter(|done| matches!(done, Changed::Refused(Refused::LastOwner))).count();
        let done = [&one, &two].into_iter().filter(|done| matches!(done, Changed::Done(_))).count();
        assert_eq!((refused, done), (1, 1), "{one:?} {two:?}");
        assert_eq!(world.one("SELECT count(*) FROM memberships WHERE role = 'owner'").await, "1");
    }
}

#[tokio::test]
async fn the_lock_holds_while_another_change_is_not_over() {
    let world = World::new().await;
    for role in ["owner", "admin"] {
        world.member(role).await;
    }
    world.sql("UPDATE memberships SET role = 'owner'").await;
    // Somebody else is in the middle of removing the other owner.
    let mut auth = world.pools().auth().await.unwrap();
    let owners = picket_collector::store::members::lock(&mut auth, OrgKey(1)).await.unwrap();
    assert_eq!(owners, 2);
    let other = key_of(&world, "admin").await;
    picket_collector::store::members::remove(&mut auth, OrgKey(1), other).await.unwrap();
    let (author, now, user) = (Author::of_instance("test"), world.clock.now(), key_of(&world, "owner").await);
    let own: Uuid = id(&world, "owner").await.parse().unwrap();
    let acting = Acting { user, org: OrgKey(1), ticket: None, author: &author };
    let leaving = world.porter.change_member(acting, own, &[Change::Out], now);
    let (left, ()) = tokio::join!(leaving, async {
        tokio::task::yield_now().await;
        auth.commit().await.unwrap();
    });
    assert!(matches!(left.unwrap(), Changed::Refused(Refused::LastOwner)));
    assert_eq!(members(&world).await, "owner@example.org owner");
}

#[tokio::test]
async fn a_removed_members_keys_and_sessions_here_are_over_at_once() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    let mut editor = Browser::of(&world, "editor").await;
    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    let admit = || world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now());
    assert!(admit().await.unwrap().is_ok());
    assert_eq!(editor.get("/").await.status, StatusCode::OK);
    let path = format!("/members/{}/remove", id(&world, "editor").await);
    owner.get(&path).await.shows("editor@example.org is out at once");
    assert_eq!(owner.post(&path, &[("successor", "none")]).await.to(), "/members?done=member_removed");
    assert_eq!(admit().await.unwrap().unwrap_err(), Refusal::Unknown);
    assert_eq!(editor.get("/").await.to(), "/sign-in");
    assert_eq!(world.one("SELECT count(*) FROM api_keys").await, "0");
    assert_eq!(owner.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_owner_hands_the_organization_over_and_goes_on_under_another_token() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    world.member("editor").await;
    let before = owner.cookie.clone();
    let path = format!("/members/{}/transfer", id(&world, "editor").await);
    owner.get(&path).await.shows("editor@example.org becomes owner in your place");
    assert_eq!(owner.post(&path, &[]).await.to(), "/members?done=transferred");
    assert_eq!(members(&world).await, "editor@example.org owner, owner@example.org admin");
    assert_ne!(owner.cookie, before);
    owner.get("/members?done=transferred").await.shows("another owner");
    let old = before.unwrap();
    let mut thief = Browser { cookie: Some(old), ..Browser::new(&world) };
    assert_eq!(thief.get("/").await.to(), "/sign-in", "the old token is over");
    assert_eq!(world.one("SELECT action FROM audit").await, "organization.transfer");
}

#[tokio::test]
async fn members_of_another_organization_are_not_there() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    world.member("viewer").await;
    world.sql("UPDATE memberships SET org_id = 2 WHERE role = 'viewer'").await;
    let (foreign, nobodys) = (id(&world, "viewer").await, Uuid::from_u128(7).to_string());
    for deed in ["role", "remove", "transfer"] {
        let paths = [&foreign, &nobodys].map(|id| format!("/members/{id}/{deed}"));
        let (theirs, miss) = (owner.get(&paths[0]).await, owner.get(&paths[1]).await);
        assert_eq!((theirs.status, &theirs.text), (StatusCode::NOT_FOUND, &miss.text), "{deed}");
        owner.get("/members/leave").await;
        let fields = [("role", "admin")];
        let (theirs, miss) = (owner.post(&paths[0], &fields).await, owner.post(&paths[1], &fields).await);
        assert_eq!((theirs.status, &theirs.text), (StatusCode::NOT_FOUND, &miss.text), "{deed}");
    }
    assert_eq!(world.one("SELECT role FROM memberships WHERE org_id = 2").await, "viewer");
}

#[tokio::test]
async fn who_is_in_several_organizations_goes_from_one_to_another_under_another_token() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "editor").await;
    browser.get("/").await.hides("/choose\"");
    world.sql("INSERT INTO memberships SELECT 2, id, 'viewer', 9 FROM users; UPDATE memberships SET created_at = 1 WHERE org_id = 1").await;
    let page = browser.get("/").await;
    page.shows("Go to other");
    page.shows("/monitors/new");
    let (acme, other) = (
        world.one("SELECT uuid FROM organizations WHERE id = 1").await,
        world.one("SELECT uuid FROM organizations WHERE id = 2").await,
    );
    let before = browser.cookie.clone();
    assert_eq!(browser.post(&format!("/organizations/{other}/choose"), &[]).await.to(), "/");
    assert_ne!(browser.cookie, before);
    let page = browser.get("/").await;
    page.shows("Go to acme");
    page.hides("/monitors/new");
    browser.get("/organizations").await.shows("You are here");
    assert_eq!(
        browser.post(&format!("/organizations/{}/choose", Uuid::from_u128(1)), &[]).await.status,
        StatusCode::NOT_FOUND
    );
    let mut stranger = Browser::of(&world, "admin").await;
    stranger.get("/").await;
    assert_eq!(stranger.post(&format!("/organizations/{other}/choose"), &[]).await.status, StatusCode::NOT_FOUND);
    // Removed there, the user is still in the other one, and leads a session there only by choosing it.
    world.sql("DELETE FROM memberships WHERE org_id = 2").await;
    assert_eq!(browser.get("/").await.to(), "/organizations");
    browser.get("/organizations").await.shows("Go to acme");
    assert_eq!(browser.post("/monitors/new", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post(&format!("/organizations/{acme}/choose"), &[]).await.to(), "/");
    browser.get("/").await.shows("/monitors/new");
}

#[tokio::test]
async fn who_leaves_the_last_organization_is_told_so_and_can_sign_out() {
    let world = World::new().await;
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get("/members/leave").await;
    assert_eq!(viewer.post("/members/leave", &[]).await.to(), "/organizations");
    assert_eq!(viewer.cookie, None);
    let token = format!("{:A<43}", "stray");
    world.sql(&format!("INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at) SELECT sha256('{token}'), id, {now}, {now}, {now} + 1000000 FROM users", now = world.clock.now().micros())).await;
    assert!(Ticket::parse(&token).is_some());
    let mut stray = Browser { cookie: Some(format!("sid-local={token}")), ..Browser::new(&world) };
    assert_eq!(stray.get("/").await.to(), "/organizations");
    stray.get("/organizations").await.shows("viewer@example.org belongs to no organization");
    assert_eq!(stray.post("/sign-out", &[]).await.to(), "/sign-in");
    assert_eq!(world.one("SELECT count(*) FROM sessions").await, "0");
}
