//! The review of access: everybody's ways in on one page, as a file without formulas, and an entry of the log for each look.

use axum::http::StatusCode;
use picket_collector::domain::access::Right;

use crate::common::{Browser, World};

/// An organization with somebody who has everything, somebody who has nothing, somebody whose time is over, and a formula.
async fn staffed(world: &World) {
    for role in ["owner", "editor", "viewer", "responder"] {
        world.member(role).await;
    }
    world.key("editor", &[Right::MonitorsRead], &[]).await;
    world.key("editor", &[Right::MonitorsRead], &[]).await;
    world
        .sql(
            "UPDATE users SET signed_in_at = created_at + 1000000 WHERE email LIKE 'editor%';
             UPDATE memberships SET until_at = created_at + 86400000000 WHERE role = 'editor';
             UPDATE memberships SET until_at = created_at + 1 WHERE role = 'responder';
             INSERT INTO totp_secrets (user_id, sealed_secret, created_at, confirmed_at)
                 SELECT id, '', 1, 1 FROM users WHERE email LIKE 'editor%';
             INSERT INTO passkeys (uuid, user_id, credential_id, party, public_key, sign_count, name, backup_eligible, backed_up, created_at)
                 SELECT gen_random_uuid(), id, 'c', 'localhost', 'k', 0, 'p', false, false, 1 FROM users WHERE email LIKE 'editor%';
             UPDATE api_keys SET last_used_at = created_at + 2000000 WHERE id = 1;
             UPDATE api_keys SET revoked_at = created_at, last_used_at = created_at + 9000000 WHERE id = 2;
             UPDATE users SET email = '=cmd|''/c calc''!a0@example.org' WHERE email LIKE 'viewer%'",
        )
        .await;
    world.sql("INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES (gen_random_uuid(), 'eve@example.org', 'x', 0, 0)").await;
    world.sql("INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 2, id, 'owner', 0 FROM users WHERE email LIKE 'eve%'").await;
    world.clock.advance(std::time::Duration::from_secs(60));
}

#[tokio::test]
async fn everybodys_ways_in_are_shown_and_the_look_is_logged() {
    let world = World::new().await;
    staffed(&world).await;
    let mut admin = Browser::of(&world, "admin").await;
    admin.get("/members").await.shows("/members/review");
    let page = admin.get("/members/review").await;
    for shown in
        ["editor@example.org", "2026-09-22T14:13:20Z", "<td class=\"num\">1</td><td class=\"num\">1</td>", "58 s ago"]
    {
        page.shows(shown);
    }
    page.hides("eve@example.org");
    page.hides("responder@example.org");
    Browser::of(&world, "editor").await.get("/members").await.hides("/members/review");
    assert_eq!(
        world.one("SELECT string_agg(actor || ' ' || action || ' ' || (detail->>'form') || ' ' || (detail->>'members'), ', ') FROM audit WHERE action LIKE 'member.%'").await,
        "user:admin@example.org member.review page 4"
    );
}

#[tokio::test]
async fn the_file_is_csv_without_a_formula_and_logged() {
    let world = World::new().await;
    staffed(&world).await;
    let mut owner = Browser::of(&world, "owner").await;
    let file = owner.get("/members/review/export").await;
    assert_eq!(file.status, StatusCode::OK);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"picket-access-review.csv\"");
    let lines: Vec<&str> = file.text.split_terminator("\r\n").collect();
    assert_eq!(lines[0], "id,email,service,role,since,until,signed_in_at,second_factor,passkeys,keys,key_last_used_at");
    let cells = |line: &str| line.split_once(',').unwrap().1.to_owned();
    assert_eq!(
        lines[1..].iter().map(|line| cells(line)).collect::<Vec<_>>(),
        [
            "\"'=cmd|'/c calc'!a0@example.org\",,viewer,2026-09-21T14:13:20Z,,,false,0,0,",
            "editor@example.org,,editor,2026-09-21T14:13:20Z,2026-09-22T14:13:20Z,2026-09-21T14:13:21Z,true,1,1,2026-09-21T14:13:22Z",
            "owner@example.org,,owner,2026-09-21T14:13:20Z,,,false,0,0,",
        ]
    );
    assert_eq!(world.one("SELECT detail->>'form' FROM audit WHERE action = 'member.review'").await, "csv");
    assert_eq!(Browser::of(&world, "editor").await.get("/members/review/export").await.status, StatusCode::FORBIDDEN);
}
