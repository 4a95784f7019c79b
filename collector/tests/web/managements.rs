//! Organizations that are managed by others: who acts there, as what, and what ends it.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::access::Role;

use crate::common::{Browser, World};

/// Lets the second organization, `other`, be managed by the first, `acme`, with so much at most.
pub(crate) async fn managed(world: &World, most: &str) {
    let now = world.clock.now().micros();
    world
        .sql(&format!(
            "INSERT INTO managements (uuid, org_id, manager_id, most, consented_by, consented_at, accepted_by, accepted_at)
             VALUES (gen_random_uuid(), 2, 1, '{most}', 'user:eve@example.org', {now}, 'user:owner@example.org', {now})"
        ))
        .await;
}

/// A browser in which a member of `acme` of this role is in `other`.
pub(crate) async fn inside<'a>(world: &'a World, role: &str) -> Browser<'a> {
    let browser = Browser::of(world, role).await;
    world.sql(&format!("UPDATE sessions SET chosen_org_id = 2 WHERE token_hash = sha256('{role:A<43}')")).await;
    browser
}

/// What a user is where, and through which: `2 editor 1`.
pub(crate) async fn access(world: &World, role: &str) -> String {
    let now = world.clock.now().micros();
    let query = format!(
        "SELECT string_agg(concat_ws(' ', a.org_id, a.role, a.through), ', ' ORDER BY a.org_id) FROM live_access({now}) a
         JOIN users u ON u.id = a.user_id WHERE u.email = '{role}@example.org'"
    );
    world.one(&query).await
}

#[tokio::test]
async fn members_there_act_here_with_the_lesser_of_both_roles() {
    let world = World::new().await;
    for role in Role::ALL {
        world.member(role.as_str()).await;
    }
    for most in Role::ALL.into_iter().skip(1) {
        world.sql("DELETE FROM managements").await;
        managed(&world, most.as_str()).await;
        for role in Role::ALL {
            let wanted = format!("1 {role}, 2 {} 1", role.min(most));
            assert_eq!(access(&world, role.as_str()).await, wanted, "{role} with {most}");
        }
    }
}

#[tokio::test]
async fn whatever_ends_the_membership_there_or_the_consent_ends_it_here_with_the_next_request() {
    let world = World::new().await;
    world.member("owner").await;
    let make = "INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 1, id, 'editor', 0 FROM users WHERE email LIKE 'editor%'";
    for (ends, again) in [
        ("DELETE FROM memberships WHERE role = 'editor'", make),
        ("UPDATE memberships SET until_at = SOON WHERE role = 'editor'", "UPDATE memberships SET until_at = NULL"),
        (
            "UPDATE organizations SET second_factor_since = 1 WHERE id = 1",
            "UPDATE organizations SET second_factor_since = NULL",
        ),
        ("UPDATE organizations SET deleted_at = 1 WHERE id = 1", "UPDATE organizations SET deleted_at = NULL"),
        ("UPDATE organizations SET deleted_at = 1 WHERE id = 2", "UPDATE organizations SET deleted_at = NULL"),
        (
            "UPDATE managements SET ended_at = 1, ended_by = 'x', ended_why = 'revoked'",
            "UPDATE managements SET ended_at = NULL, ended_by = NULL, ended_why = NULL",
        ),
        (
            "UPDATE managements SET accepted_at = NULL, accepted_by = NULL",
            "UPDATE managements SET accepted_at = consented_at, accepted_by = 'x'",
        ),
        ("UPDATE managements SET until_at = SOON", "UPDATE managements SET until_at = NULL"),
    ] {
        if world.one("SELECT count(*) FROM managements").await == "0" {
            managed(&world, "admin").await;
        }
        let mut editor = inside(&world, "editor").await;
        assert_eq!(editor.get("/").await.status, StatusCode::OK, "before {ends}");
        let timed = ends.contains("SOON");
        let soon = world.clock.now().micros() + 60_000_000;
        world.sql(&ends.replace("SOON", &soon.to_string())).await;
        if timed {
            assert_eq!(editor.get("/").await.status, StatusCode::OK, "until then: {ends}");
            world.clock.advance(Duration::from_secs(61));
        }
        assert_eq!(editor.get("/").await.to(), "/organizations", "{ends}");
        let page = editor.get("/organizations").await;
        page.hides("Go to other");
        assert!(!access(&world, "editor").await.contains("2 "), "{ends}");
        world.sql(again).await;
    }
}

#[tokio::test]
async fn a_membership_wins_of_two_ways_the_greater_and_nothing_leads_further() {
    let world = World::new().await;
    world.member("admin").await;
    managed(&world, "viewer").await;
    world.sql("INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'third', 0), (gen_random_uuid(), 'fourth', 0)").await;
    // Its user belongs to the third, which manages `other` too; and `other` manages the fourth.
    world
        .sql(
            "INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 3, id, 'editor', 0 FROM users;
             INSERT INTO managements (uuid, org_id, manager_id, most, consented_by, consented_at, accepted_by, accepted_at) VALUES
                 (gen_random_uuid(), 2, 3, 'admin', 'x', 0, 'x', 1), (gen_random_uuid(), 4, 2, 'admin', 'x', 0, 'x', 1)",
        )
        .await;
    assert_eq!(access(&world, "admin").await, "1 admin, 2 editor 3, 3 editor");
    world.sql("INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 2, id, 'viewer', 0 FROM users").await;
    assert_eq!(access(&world, "admin").await, "1 admin, 2 viewer, 3 editor, 4 viewer 2");
}

#[tokio::test]
async fn what_outlasts_the_consent_is_withheld_whatever_the_role() {
    let world = World::new().await;
    managed(&world, "admin").await;
    let mut admin = inside(&world, "owner").await;
    for path in ["/members/invite", "/members/policy", "/keys", "/keys/new", "/probes/new"] {
        assert_eq!(admin.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    for path in ["/", "/members", "/audit", "/channels/new", "/monitors/new", "/probes", "/account"] {
        assert_eq!(admin.get(path).await.status, StatusCode::OK, "{path}");
    }
    let page = admin.get("/members").await;
    for hidden in ["/members/invite", "/keys\"", "/members/leave"] {
        page.hides(hidden);
    }
    // Of oneself one still says who one is.
    assert_eq!(admin.get("/account/email").await.status, StatusCode::OK);
    assert_eq!(admin.get("/members/leave").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_log_says_through_which_organization_somebody_acts() {
    let world = World::new().await;
    managed(&world, "editor").await;
    let mut editor = inside(&world, "editor").await;
    editor.get("/channels/new?kind=email").await;
    let made =
        editor.post("/channels/new", &[("kind", "email"), ("name", "ops"), ("address", "ops@example.org")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let acme = world.one("SELECT uuid FROM organizations WHERE id = 1").await;
    assert_eq!(
        world.one("SELECT actor FROM audit WHERE org_id = 2 AND action = 'channel.add'").await,
        format!("user:editor@example.org through:{acme}")
    );
}

#[tokio::test]
async fn a_key_that_was_left_behind_works_through_no_management() {
    use picket_collector::domain::access::Right;
    use picket_collector::login::api_key::Refusal;
    let world = World::new().await;
    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    let admitted = || world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now());
    assert!(admitted().await.unwrap().is_ok());
    // Its user's membership here ends by itself, while another organization of the user's manages this one.
    let now = world.clock.now().micros();
    world
        .sql(&format!(
            "UPDATE memberships SET until_at = {now}, created_at = 0;
             INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 2, id, 'owner', 0 FROM users;
             INSERT INTO managements (uuid, org_id, manager_id, most, consented_by, consented_at, accepted_by, accepted_at)
             VALUES (gen_random_uuid(), 1, 2, 'admin', 'x', 0, 'x', 1)"
        ))
        .await;
    assert_eq!(access(&world, "editor").await, "1 admin 2, 2 owner");
    assert_eq!(admitted().await.unwrap().unwrap_err(), Refusal::Unknown);
}

#[tokio::test]
async fn nobody_has_a_key_where_there_is_only_a_consent() {
    let world = World::new().await;
    world.member("editor").await;
    managed(&world, "admin").await;
    let made = sqlx::query(
        "INSERT INTO api_keys (org_id, user_id, public_id, key_hash, name, scopes, created_at)
         SELECT 2, id, 'Through0', sha256('x'), 'key', '{monitors:read}', 0 FROM users",
    );
    let error = made.execute(&mut world.superuser().await).await.unwrap_err().to_string();
    assert!(error.contains("violates foreign key constraint"), "{error}");
}
