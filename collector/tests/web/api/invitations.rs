//! Invitations over the API: the rules are those of the pages.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::config::LoginMode;
use picket_collector::login::Settings;
use serde_json::{Value, json};

use super::Program;
use crate::common::{Browser, PASSWORD, World};
use crate::mailbox::{MAILS, Mailbox};

const BY_HAND: Settings = Settings { mode: LoginMode::Invite, mails: false };
const BOB: &str = "bob@example.org";
const MISS: &str = "/invitations/01900000-0000-7000-8000-000000000009";

fn into(role: &str) -> Value {
    json!({ "email": BOB, "role": role })
}

/// The path of the link in an answer.
fn path(reply: &super::Reply) -> String {
    reply.text("/link").trim_start_matches("http://localhost:8080").to_owned()
}

#[tokio::test]
async fn an_invitation_is_made_listed_sent_again_and_works_once() {
    let world = World::with(BY_HAND).await;
    let program = Program::of(&world, "admin").await;
    let made = program.post("/invitations", json!({ "email": " Bob@Example.org ", "role": "editor" })).await;
    assert_eq!(made.status, 201);
    let one = format!("/invitations/{}", made.text("/invitation/id"));
    assert_eq!(made.answer.header("location"), format!("/api/v1{one}"));
    assert_eq!((made.text("/invitation/email"), made.text("/invitation/role")), (BOB, "editor"));
    assert_eq!(made.text("/invitation/invited_by"), "admin@example.org");
    let first = path(&made);
    let shown = program.get(&one).await;
    assert_eq!(shown.at("/expired"), &json!(false));
    assert!(!shown.answer.text.contains("/invitation/"), "the link is shown once");
    let again = program.post("/invitations", into("viewer")).await;
    assert_eq!(again.problem(), (422, "invalid-body", vec!["email"]));
    assert!(again.text("/detail").contains("send that invitation again"), "{}", again.json);

    world.clock.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(program.get(&one).await.at("/expired"), &json!(true));
    let sent = program.send("POST", &format!("{one}/send"), None).await;
    assert_eq!((sent.status, sent.at("/invitation/expired")), (200, &json!(false)));
    let second = path(&sent);
    assert_ne!(first, second);
    let mut bob = Browser::new(&world);
    assert_eq!(bob.get(&first).await.status, StatusCode::NOT_FOUND, "the one before");
    assert_eq!(bob.post(&second, &[("password", PASSWORD)]).await.to(), "/");
    assert_eq!(bob.post(&second, &[("password", PASSWORD)]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(program.get(&one).await.problem().1, "not-found", "it is used");
    assert_eq!(program.get("/invitations").await.at("/items"), &json!([]));
    let actors = world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE actor LIKE 'key:% user:admin@example.org' AND action LIKE 'invitation.%'");
    assert_eq!(actors.await, "invitation.add invitation.send");
    let whole = world.one("SELECT coalesce(string_agg(to_jsonb(a)::text, ''), '') FROM audit a").await;
    assert!(!whole.contains(second.trim_start_matches("/invitation/")), "no link is logged");
}

#[tokio::test]
async fn where_mail_can_be_sent_the_link_goes_to_the_address_alone() {
    let world = World::with(Settings { mode: LoginMode::Invite, ..MAILS }).await;
    let mut mailbox = Mailbox::start();
    let program = Program::of(&world, "owner").await;
    mailbox.one(&world, "owner@example.org").await;
    let made = program.post("/invitations", into("viewer")).await;
    assert_eq!((made.status, made.at("/link")), (201, &Value::Null));
    let mail = mailbox.one(&world, BOB).await;
    assert!(mail.0.contains("/invitation/") && mail.0.contains("owner@example.org invites you"), "{}", mail.0);
}

#[tokio::test]
async fn an_invitation_that_is_taken_back_works_no_more() {
    let world = World::with(BY_HAND).await;
    let program = Program::of(&world, "owner").await;
    let made = program.post("/invitations", into("viewer")).await;
    let one = format!("/invitations/{}", made.text("/invitation/id"));
    assert_eq!(program.delete(&one).await.status, 204);
    assert_eq!(program.delete(&one).await.problem().1, "not-found");
    assert_eq!(program.send("POST", &format!("{one}/send"), None).await.problem().1, "not-found");
    assert_eq!(Browser::new(&world).get(&path(&made)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(program.post("/invitations", into("viewer")).await.status, 201, "the address is free again");
}

#[tokio::test]
async fn who_may_not_invite_or_not_so_high_is_told_so() {
    let world = World::with(BY_HAND).await;
    let (admin, editor) = (Program::of(&world, "admin").await, Program::of(&world, "editor").await);
    assert_eq!(editor.post("/invitations", into("viewer")).await.problem().1, "missing-scope");
    assert_eq!(editor.get("/invitations").await.problem().1, "missing-scope");
    assert_eq!(admin.post("/invitations", into("owner")).await.problem().1, "not-allowed");
    assert_eq!(admin.post("/invitations", into("root")).await.problem(), (422, "invalid-body", vec!["role"]));
    for email in ["nobody", "editor@example.org"] {
        let refused = admin.post("/invitations", json!({ "email": email, "role": "viewer" })).await;
        assert_eq!(refused.problem(), (422, "invalid-body", vec!["email"]), "{email}");
    }
    assert_eq!(world.one("SELECT count(*) FROM invitations").await, "0");
}

#[tokio::test]
async fn invitations_come_in_pages_and_those_of_another_organization_are_not_there() {
    let world = World::with(BY_HAND).await;
    let program = Program::of(&world, "owner").await;
    for name in ["a", "b", "c"] {
        let body = json!({ "email": format!("{name}@example.org"), "role": "viewer" });
        assert_eq!(program.post("/invitations", body).await.status, 201);
        world.clock.advance(Duration::from_millis(2));
    }
    let first = program.get("/invitations?limit=2").await;
    assert_eq!((first.text("/items/0/email"), first.text("/items/1/email")), ("a@example.org", "b@example.org"));
    let rest = program.get(&format!("/invitations?limit=2&after={}", first.text("/next"))).await;
    assert_eq!(
        (rest.text("/items/0/email"), rest.at("/items/1"), rest.at("/next")),
        ("c@example.org", &Value::Null, &Value::Null)
    );

    world.sql("UPDATE invitations SET org_id = 2 WHERE email LIKE 'c%'").await;
    let theirs = format!("/invitations/{}", rest.text("/items/0/id"));
    for (method, deed) in [("GET", ""), ("POST", "/send"), ("DELETE", "")] {
        let found = program.send(method, &format!("{theirs}{deed}"), None).await;
        let missed = program.send(method, &format!("{MISS}{deed}"), None).await;
        assert_eq!((found.status, &found.answer.text), (404, &missed.answer.text), "{method} {deed}");
    }
    assert_eq!(world.one("SELECT count(*) FROM invitations WHERE org_id = 2 AND revoked_at IS NULL").await, "1");
}
