//! Consents to be managed: given, accepted, declined and ended on pages, told and logged on both sides.

use std::time::Duration;

use axum::http::StatusCode;

use crate::common::{Browser, World};
use crate::mailbox::{MAILS, Mail, Mailbox};
use crate::managements::{access, inside, managed};

const MISS: &str = "01900000-0000-7000-8000-000000000009";

/// A browser in which a member of `other` of this role is signed in: `other-ROLE@example.org`.
async fn of_other<'a>(world: &'a World, role: &str) -> Browser<'a> {
    let (now, name) = (world.clock.now().micros(), format!("other-{role}"));
    let token = format!("{name:A<43}");
    world
        .sql(&format!(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 VALUES (gen_random_uuid(), '{name}@example.org', 'x', {now}, {now}) ON CONFLICT DO NOTHING;
             INSERT INTO memberships (org_id, user_id, role, created_at)
                 SELECT 2, id, '{role}', {now} FROM users WHERE email = '{name}@example.org' ON CONFLICT DO NOTHING;
             INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at, proven_at)
                 SELECT sha256('{token}'), id, {now}, {now}, {now} + 86400000000, {now} FROM users
                 WHERE email = '{name}@example.org' ON CONFLICT (token_hash)
                 DO UPDATE SET proven_at = {now}, seen_at = {now}, expires_at = {now} + 86400000000"
        ))
        .await;
    Browser { cookie: Some(format!("sid-local={token}")), ..Browser::new(world) }
}

async fn uuid_of(world: &World, org: u8) -> String {
    world.one(&format!("SELECT uuid FROM organizations WHERE id = {org}")).await
}

/// `other` consents to be managed by `acme`; gives the consent's id.
async fn give(world: &World, owner: &mut Browser<'_>, most: &str, until: &str) -> String {
    owner.get("/management/give").await;
    let acme = uuid_of(world, 1).await;
    let given = owner.post("/management/give", &[("organization", &acme), ("most", most), ("until", until)]).await;
    assert_eq!(given.to(), "/management?done=consented", "{}", given.text);
    world.one("SELECT uuid FROM managements ORDER BY id DESC LIMIT 1").await
}

fn subjects(mails: &[Mail]) -> Vec<String> {
    let mut found: Vec<String> =
        mails.iter().map(|mail| format!("{}: {}", mail.header("To"), mail.header("Subject"))).collect();
    found.sort();
    found
}

/// The actions in the log of an organization, in order.
async fn log(world: &World, org: u8) -> String {
    world.one(&format!("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE org_id = {org}")).await
}

#[tokio::test]
async fn an_owner_consents_the_other_side_accepts_and_all_owners_are_told() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut managed = of_other(&world, "owner").await;
    let mut managing = Browser::of(&world, "owner").await;
    let mut editor = inside(&world, "editor").await;
    managing.get("/portfolio").await.shows(&uuid_of(&world, 1).await);
    managed.get("/management").await.shows("No organization manages this one.");

    let id = give(&world, &mut managed, "responder", "").await;
    managed.get("/management").await.shows("waits to be accepted");
    assert_eq!(editor.get("/").await.to(), "/organizations", "it is not accepted yet");
    let told = "acme may manage other at Picket";
    let to = ["other-owner@example.org", "owner@example.org"];
    assert_eq!(subjects(&mailbox.mails(&world).await), to.map(|to| format!("{to}: {told}")));

    let page = managing.get("/portfolio").await;
    page.shows("Waiting to be accepted");
    page.shows("user:other-owner@example.org");
    managing.get(&format!("/portfolio/{id}/accept")).await.shows("Members of your organization act in other");
    assert_eq!(managing.post(&format!("/portfolio/{id}/accept"), &[]).await.to(), "/portfolio?done=accepted");
    let page = editor.get("/").await;
    page.shows("You act in other through acme");
    assert_eq!(access(&world, "editor").await, "1 editor, 2 responder 1");
    let told = "acme manages other at Picket";
    assert_eq!(subjects(&mailbox.mails(&world).await), to.map(|to| format!("{to}: {told}")));
    managing.get("/").await.shows("href=\"/portfolio\"");
    managing.get("/organizations").await.shows("through acme");

    managed.get(&format!("/management/{id}/revoke")).await.shows("Members of acme have nothing here from then on");
    assert_eq!(managed.post(&format!("/management/{id}/revoke"), &[]).await.to(), "/management?done=consent_ended");
    assert_eq!(editor.get("/").await.to(), "/organizations");
    let told = "acme manages other no more at Picket";
    assert_eq!(subjects(&mailbox.mails(&world).await), to.map(|to| format!("{to}: {told}")));
    for over in
        [format!("/management/{id}/revoke"), format!("/portfolio/{id}/accept"), format!("/portfolio/{id}/leave")]
    {
        let browser = if over.starts_with("/management") { &mut managed } else { &mut managing };
        assert_eq!(browser.get(&over).await.status, StatusCode::NOT_FOUND, "{over}");
        browser.get("/account").await;
        assert_eq!(browser.post(&over, &[]).await.status, StatusCode::NOT_FOUND, "{over}");
    }
    for org in [1, 2] {
        assert_eq!(log(&world, org).await, "management.give management.accept management.revoke", "{org}");
    }
    let facts = "SELECT string_agg(concat_ws(' ', org_id, actor, origin), ', ' ORDER BY org_id) FROM audit WHERE action = 'management.give'";
    assert_eq!(world.one(facts).await, "1 user:other-owner@example.org, 2 user:other-owner@example.org 127.0.0.1");
    let row = "SELECT concat_ws(' ', most, consented_by, accepted_by, ended_by, ended_why) FROM managements";
    let (own, others) = ("user:owner@example.org", "user:other-owner@example.org");
    assert_eq!(world.one(row).await, format!("responder {others} {own} {others} revoked"));
}

#[tokio::test]
async fn the_managing_side_declines_and_leaves_and_another_consent_begins_anew() {
    let world = World::new().await;
    let mut managed = of_other(&world, "owner").await;
    let mut managing = Browser::of(&world, "admin").await;
    let declined = give(&world, &mut managed, "viewer", "").await;
    managing.get(&format!("/portfolio/{declined}/leave")).await.shows("Decline to manage an organization");
    managing.post(&format!("/portfolio/{declined}/leave"), &[]).await;
    managed.get("/management").await.shows("No organization manages this one.");
    let id = give(&world, &mut managed, "admin", "").await;
    managing.get(&format!("/portfolio/{id}/accept")).await;
    managing.post(&format!("/portfolio/{id}/accept"), &[]).await;
    assert_eq!(access(&world, "admin").await, "1 admin, 2 admin 1");
    managing.get(&format!("/portfolio/{id}/leave")).await.shows("Manage an organization no more");
    assert_eq!(managing.post(&format!("/portfolio/{id}/leave"), &[]).await.to(), "/portfolio?done=consent_ended");
    assert_eq!(access(&world, "admin").await, "1 admin");
    assert_eq!(world.one("SELECT string_agg(ended_why, ' ') FROM managements").await, "left left");
}

#[tokio::test]
async fn only_an_owner_consents_and_to_nothing_that_cannot_be() {
    let world = World::new().await;
    let (acme, other) = (uuid_of(&world, 1).await, uuid_of(&world, 2).await);
    let mut admin = of_other(&world, "admin").await;
    admin.get("/management").await.hides("/management/give");
    admin.get("/management/give").await;
    let refused = admin.post("/management/give", &[("organization", &acme), ("most", "viewer")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("Only an owner lets another organization manage this one");
    let mut owner = of_other(&world, "owner").await;
    owner.get("/management/give").await.hides("value=\"owner\"");
    for (organization, most, until, shown) in [
        ("acme", "viewer", "", "Use the id of an organization"),
        (MISS, "viewer", "", "There is no organization of this id"),
        (&other, "viewer", "", "This is the id of this very organization"),
        (&acme, "owner", "", "Choose one of the roles that are offered"),
        (&acme, "", "", "Choose one of the roles that are offered"),
        (&acme, "viewer", "soon", "Use a day such as 2026-12-31"),
        (&acme, "viewer", "2020-01-01", "That day is over"),
    ] {
        let answer =
            owner.post("/management/give", &[("organization", organization), ("most", most), ("until", until)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{organization} {most} {until}");
        answer.shows(shown);
    }
    give(&world, &mut owner, "viewer", "").await;
    let twice = owner.post("/management/give", &[("organization", &acme), ("most", "admin")]).await;
    twice.shows("There is a consent to this organization");
    assert_eq!(world.one("SELECT count(*) FROM managements").await, "1");
    // Nobody is sent mail after mail.
    world.sql("UPDATE managements SET ended_at = 1, ended_by = 'x', ended_why = 'revoked'").await;
    for _ in 1..10 {
        give(&world, &mut owner, "viewer", "").await;
        world.sql("UPDATE managements SET ended_at = 1, ended_by = 'x', ended_why = 'revoked'").await;
    }
    let over = owner.post("/management/give", &[("organization", &acme), ("most", "admin")]).await;
    over.shows("10 consents were given within a day");
    world.clock.advance(Duration::from_secs(86_400));
    let mut owner = of_other(&world, "owner").await;
    give(&world, &mut owner, "viewer", "").await;
}

#[tokio::test]
async fn who_acts_through_another_consents_to_nothing_and_neither_side_answers_for_the_other() {
    let world = World::new().await;
    managed(&world, "admin").await;
    let id = world.one("SELECT uuid FROM managements").await;
    let mut through = inside(&world, "owner").await;
    for path in ["/management/give".to_owned(), format!("/management/{id}/revoke"), "/portfolio".to_owned()] {
        assert_eq!(through.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    through.get("/management").await.hides("/revoke");
    // The managing side revokes nothing as if it were the managed one, and the other way round.
    let mut managing = Browser::of(&world, "admin").await;
    assert_eq!(managing.get(&format!("/management/{id}/revoke")).await.status, StatusCode::NOT_FOUND);
    let mut owner = of_other(&world, "owner").await;
    for deed in ["accept", "leave"] {
        assert_eq!(owner.get(&format!("/portfolio/{id}/{deed}")).await.status, StatusCode::NOT_FOUND, "{deed}");
    }
    owner.get("/portfolio").await.hides("acme");
}

#[tokio::test]
async fn an_end_is_told_a_week_ahead_once_and_noted_when_it_is_past() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    Browser::of(&world, "owner").await;
    let mut managed = of_other(&world, "owner").await;
    // Ten days and some hours from now.
    let id = give(&world, &mut managed, "editor", "2026-10-01").await;
    let mut managing = Browser::of(&world, "owner").await;
    managing.get(&format!("/portfolio/{id}/accept")).await;
    managing.post(&format!("/portfolio/{id}/accept"), &[]).await;
    assert_eq!(mailbox.mails(&world).await.len(), 4);
    let run = || async { world.porter.end_managements(world.clock.now()).await.unwrap() };
    assert_eq!((run().await.told, run().await.ended), (0, 0));
    world.clock.advance(Duration::from_secs(5 * 86_400));
    assert_eq!((run().await.told, run().await.told), (1, 0));
    let to = ["other-owner@example.org", "owner@example.org"];
    let told = "acme manages other for a few days more at Picket";
    let mails = mailbox.mails(&world).await;
    assert_eq!(subjects(&mails), to.map(|to| format!("{to}: {told}")));
    assert!(mails[0].0.contains("2026-10-02T00:00:00Z"), "{}", mails[0].0);
    world.clock.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(access(&world, "owner").await, "1 owner", "it needs nobody to note it");
    assert_eq!((run().await.ended, run().await.ended), (1, 0));
    let told = "acme manages other no more at Picket";
    assert_eq!(subjects(&mailbox.mails(&world).await), to.map(|to| format!("{to}: {told}")));
    for org in [1, 2] {
        assert_eq!(log(&world, org).await, "management.give management.accept management.end", "{org}");
    }
    let row = "SELECT concat_ws(' ', ended_by, ended_why) FROM managements";
    assert_eq!(world.one(row).await, "collector over");
}

#[tokio::test]
async fn of_many_who_answer_at_once_one_is_written_down() {
    use picket_collector::login::management::Answered;
    use picket_collector::login::members::Acting;
    use picket_collector::store::audit::Author;
    use picket_collector::store::managements::Side;
    use picket_collector::store::{OrgKey, UserKey};
    let world = World::new().await;
    let mut managed = of_other(&world, "owner").await;
    Browser::of(&world, "owner").await;
    let id = give(&world, &mut managed, "editor", "").await.parse().unwrap();
    let user = world.one("SELECT id FROM users WHERE email = 'owner@example.org'").await.parse().unwrap();
    let other = world.one("SELECT id FROM users WHERE email = 'other-owner@example.org'").await.parse().unwrap();
    let author = Author::of_instance("test");
    let now = world.clock.now();
    let acting = Acting { user: UserKey(user), org: OrgKey(1), ticket: None, author: &author };
    let opposite = Acting { user: UserKey(other), org: OrgKey(2), ticket: None, author: &author };
    let (left, revoked) = tokio::join!(
        world.porter.end_management(Side::Managing, acting, id, now),
        world.porter.end_management(Side::Managed, opposite, id, now)
    );
    let mut answers = [left.unwrap(), revoked.unwrap()];
    answers.sort_by_key(|answer| *answer == Answered::Gone);
    assert_eq!(answers, [Answered::Done, Answered::Gone]);
    assert_eq!(
        world.one("SELECT count(*) FROM audit WHERE action IN ('management.leave', 'management.revoke')").await,
        "2"
    );
}
