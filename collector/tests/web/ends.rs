//! Memberships that end: given an end, told of it a week ahead, and out when it is over; the last owner for good stays.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::access::Right;
use picket_collector::login::ends::Report;

use crate::common::{Browser, World};
use crate::invitations::link;
use crate::mailbox::{MAILS, Mailbox};

const DAY: Duration = Duration::from_secs(86_400);

async fn id(world: &World, role: &str) -> String {
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

/// When the membership of a role ends, in days and hours after the start of the test.
async fn until(world: &World, role: &str) -> String {
    world.one(&format!("SELECT rfc3339(until_at) FROM memberships WHERE role = '{role}'")).await
}

async fn end(browser: &mut Browser<'_>, role: &str, day: &str) -> (StatusCode, String) {
    let path = format!("/members/{}/end", id(browser.world, role).await);
    browser.get(&path).await;
    let answer = browser.post(&path, &[("until", day)]).await;
    (answer.status, answer.text)
}

#[tokio::test]
async fn an_end_is_given_moved_and_taken_away_and_logged() {
    let world = World::new().await;
    let mut admin = Browser::of(&world, "admin").await;
    let mut viewer = Browser::of(&world, "viewer").await;
    let path = format!("/members/{}/end", id(&world, "viewer").await);
    admin.get("/members").await.shows(&path);
    let page = admin.get(&path).await;
    page.shows("viewer@example.org");
    page.shows("no end");
    assert_eq!(admin.post(&path, &[("until", "2026-12-31")]).await.to(), "/members?done=end_changed");
    assert_eq!(until(&world, "viewer").await, "2027-01-01T00:00:00.000000Z");
    admin.get("/members?done=end_changed").await.shows("2027-01-01T00:00:00Z");
    admin.get(&path).await.shows("value=\"2026-12-31\"");
    assert_eq!(viewer.get("/").await.status, StatusCode::OK, "nobody is signed out for an end that lies ahead");
    // What was not touched stays to the second.
    world.sql("UPDATE memberships SET until_at = until_at - 7200000000 WHERE role = 'viewer'").await;
    assert_eq!(admin.post(&path, &[("until", "2026-12-31")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(until(&world, "viewer").await, "2026-12-31T22:00:00.000000Z");
    assert_eq!(admin.post(&path, &[("until", "")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(until(&world, "viewer").await, "");
    for (day, says) in [("2020-01-01", "This day is over"), ("31.12.2026", "Use a day such as 2026-12-31")] {
        let answer = admin.post(&path, &[("until", day)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{day}");
        answer.shows(says);
        answer.shows(&format!("value=\"{day}\""));
    }
    assert_eq!(until(&world, "viewer").await, "");
    assert_eq!(
        world.one("SELECT string_agg(action || ' ' || (detail->>'email') || ' ' || coalesce(detail->>'from', '-') || ' ' || coalesce(detail->>'to', '-'), ', ' ORDER BY id) FROM audit").await,
        "member.change_end viewer@example.org - 2027-01-01T00:00:00Z, member.change_end viewer@example.org 2026-12-31T22:00:00Z -"
    );
}

#[tokio::test]
async fn the_last_owner_for_good_has_no_end_and_nobody_gives_more_time_than_the_own() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    let mut admin = Browser::of(&world, "admin").await;
    for role in ["editor", "viewer"] {
        world.member(role).await;
    }
    let (status, text) = end(&mut owner, "owner", "2026-12-31").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("take the end off another owner"), "{text}");
    assert!(end(&mut admin, "owner", "2026-12-31").await.1.contains("Only an owner makes or unmakes an owner"));
    // An owner for a time does not count: the other one stays all the same, and cannot hand over to such.
    world.sql("UPDATE memberships SET role = 'owner', until_at = created_at + 86400000000 WHERE role = 'editor'").await;
    owner.get("/members/leave").await;
    assert_eq!(owner.post("/members/leave", &[]).await.status, StatusCode::CONFLICT);
    let editor = id(&world, "editor").await;
    assert_eq!(owner.post(&format!("/members/{editor}/transfer"), &[]).await.status, StatusCode::CONFLICT);
    assert_eq!(end(&mut owner, "editor", "").await.0, StatusCode::SEE_OTHER);
    assert!(end(&mut owner, "owner", "2026-12-31").await.1.contains("Nobody changes the end of the own membership"));
    assert_eq!(owner.post(&format!("/members/{editor}/transfer"), &[]).await.status, StatusCode::SEE_OTHER);

    world.sql("UPDATE memberships SET until_at = created_at + 864000000000 WHERE user_id = (SELECT id FROM users WHERE email LIKE 'admin%')").await;
    for day in ["", "2099-01-01"] {
        assert!(end(&mut admin, "admin", day).await.1.contains("Nobody changes the end"), "{day}");
    }
    let (_, text) = end(&mut admin, "viewer", "2099-01-01").await;
    assert!(text.contains("Your own membership ends before that"), "{text}");
    admin.get("/members/invite").await;
    let fields = [("email", "new@example.org"), ("role", "viewer"), ("until", "2099-01-01")];
    admin.post("/members/invite", &fields).await.shows("Your own membership ends before that");
    assert_eq!(world.one("SELECT count(*) FROM invitations").await, "0");
    assert_eq!(until(&world, "viewer").await, "");
}

#[tokio::test]
async fn an_end_is_told_a_week_ahead_and_then_to_the_member_and_to_owners_once_each() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    for role in ["owner", "admin"] {
        world.member(role).await;
    }
    let mut editor = Browser::of(&world, "editor").await;
    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    mailbox.mails(&world).await;
    let admitted = || world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now());
    let at = (world.clock.now() + DAY * 10).micros();
    world.sql(&format!("UPDATE memberships SET until_at = {at} WHERE role = 'editor'")).await;
    let run = async || world.porter.end_memberships(world.clock.now()).await.unwrap();
    world.clock.advance(DAY * 3 - Duration::from_secs(1));
    assert_eq!(run().await, Report::default());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(run().await, Report { told: 1, ended: 0 });
    let to = |mails: Vec<crate::mailbox::Mail>| {
        let mut to: Vec<_> =
            mails.iter().map(|mail| format!("{}: {}", mail.header("To"), mail.header("Subject"))).collect();
        to.sort_unstable();
        to
    };
    assert_eq!(
        to(mailbox.mails(&world).await),
        [
            "editor@example.org: Your membership of acme at Picket ends",
            "owner@example.org: A membership of acme at Picket ends",
        ]
    );
    assert_eq!(run().await, Report::default(), "once");
    assert!(admitted().await.unwrap().is_ok());

    world.clock.advance(DAY * 7);
    assert!(admitted().await.unwrap().is_err(), "over before anybody clears it away");
    assert_eq!(run().await, Report { told: 0, ended: 1 });
    assert_eq!(
        to(mailbox.mails(&world).await),
        [
            "editor@example.org: A membership of acme at Picket is over",
            "owner@example.org: A membership of acme at Picket is over",
        ]
    );
    assert_eq!(run().await, Report::default());
    assert_eq!(editor.get("/").await.to(), "/sign-in");
    let left = world.one("SELECT string_agg(role, ' ' ORDER BY role) FROM memberships").await;
    assert_eq!((left.as_str(), world.one("SELECT count(*) FROM api_keys").await.as_str()), ("admin owner", "0"));
    assert_eq!(
        world.one("SELECT actor || ' ' || action || ' ' || (detail->>'email') FROM audit WHERE org_id = 1 AND action LIKE 'member.%'").await,
        "collector member.end editor@example.org"
    );
}

#[tokio::test]
async fn an_end_that_was_moved_is_told_anew_and_one_that_was_taken_away_ends_nothing() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    for role in ["editor", "viewer"] {
        world.member(role).await;
        assert_eq!(end(&mut owner, role, "2026-09-25").await.0, StatusCode::SEE_OTHER);
    }
    let run = async || world.porter.end_memberships(world.clock.now()).await.unwrap();
    assert_eq!(run().await, Report { told: 2, ended: 0 });
    end(&mut owner, "editor", "2026-09-26").await;
    end(&mut owner, "viewer", "").await;
    assert_eq!(run().await, Report { told: 1, ended: 0 });
    world.clock.advance(DAY * 9);
    assert_eq!(run().await, Report { told: 0, ended: 1 });
    assert_eq!(world.one("SELECT string_agg(role, ' ' ORDER BY role) FROM memberships").await, "owner viewer");
}

#[tokio::test]
async fn an_invitation_leads_into_a_membership_that_ends() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut ada = world.signed_in().await;
    world.another_owner("eve@example.org").await;
    ada.get("/members/invite").await;
    let fields = [("email", "eve@example.org"), ("role", "viewer"), ("until", "2026-09-30")];
    assert_eq!(ada.post("/members/invite", &fields).await.to(), "/members?done=invited");
    ada.get("/members").await.shows("2026-10-01T00:00:00Z");
    let mail = mailbox.mails(&world).await.pop().unwrap();
    assert!(mail.0.contains("2026-10-01T00:00:00Z"), "{}", mail.0);
    let path = link(&mail.0);
    let mut eve = Browser::new(&world);
    eve.get(&path).await.shows("2026-10-01T00:00:00Z");
    let signed = [("email", "eve@example.org"), ("password", crate::common::PASSWORD), ("next", &path)];
    eve.post("/sign-in", &signed).await;
    eve.get(&path).await;
    assert_eq!(eve.post(&path, &[]).await.to(), "/");
    assert_eq!(
        world.one("SELECT rfc3339(until_at) FROM memberships WHERE org_id = 1 AND role = 'viewer'").await,
        "2026-10-01T00:00:00.000000Z"
    );
    assert_eq!(
        world.one("SELECT string_agg(detail->>'until', ' ') FROM audit WHERE action LIKE 'invitation.%'").await,
        "2026-10-01T00:00:00Z 2026-10-01T00:00:00Z"
    );
}

#[tokio::test]
async fn an_invitation_is_worth_nothing_when_its_membership_or_that_of_who_invited_is_shorter() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut admin = Browser::of(&world, "admin").await;
    world.member("owner").await;
    admin.get("/members/invite").await;
    let fields = [("email", "new@example.org"), ("role", "viewer"), ("until", "2026-09-23")];
    admin.post("/members/invite", &fields).await;
    let path = link(&mailbox.one(&world, "new@example.org").await.0);
    assert_eq!(Browser::new(&world).get(&path).await.status, StatusCode::OK);
    let at = world.clock.now().micros() + 3_600_000_000;
    world.sql(&format!("UPDATE memberships SET until_at = {at} WHERE role = 'admin'")).await;
    assert_eq!(Browser::new(&world).get(&path).await.status, StatusCode::NOT_FOUND, "who invited goes before");
    world.sql("UPDATE memberships SET until_at = NULL").await;
    assert_eq!(Browser::new(&world).get(&path).await.status, StatusCode::OK);
    world.clock.advance(DAY * 3);
    assert_eq!(Browser::new(&world).get(&path).await.status, StatusCode::NOT_FOUND, "it would be over at once");
}
