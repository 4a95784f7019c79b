//! What hangs on a member is shown before the member is removed, and goes on with who takes over or ends.

use axum::http::StatusCode;
use picket_collector::domain::access::Right;
use picket_collector::login::api_key::Refusal;
use picket_collector::store::holdings::HELD;

use crate::common::{Browser, World};

async fn id(world: &World, whose: &str) -> String {
    let is = format!("email = '{whose}@example.org' OR service_name = '{whose}'");
    world.one(&format!("SELECT uuid FROM users WHERE ({is}) AND deleted_at IS NULL")).await
}

/// An editor with a key, an invitation of an administrator who is an editor since, and channels.
async fn laden(world: &World) -> String {
    let mut admin = Browser::of(world, "admin").await;
    world.member("owner").await;
    admin.get("/members/services/new").await;
    admin.post("/members/services/new", &[("name", "deploy"), ("role", "viewer")]).await;
    admin.get("/members/invite").await;
    admin.post("/members/invite", &[("email", "new@example.org"), ("role", "viewer")]).await;
    admin.get("/channels/new").await;
    let fields = [("kind", "email"), ("name", "on duty"), ("address", "duty@example.org")];
    assert_eq!(admin.post("/channels/new", &fields).await.status, StatusCode::SEE_OTHER);
    // Added by nobody who is known; the one leads to the member.
    world
        .sql(
            "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at) VALUES
                 (gen_random_uuid(), 1, 'own mail', 'email', 'a***@example.org', 'x', 0),
                 (gen_random_uuid(), 1, 'other mail', 'email', 'b***@example.org', 'x', 0)",
        )
        .await;
    world.key("admin", &[Right::MonitorsRead, Right::MonitorsWrite], &[]).await
}

#[tokio::test]
async fn what_hangs_on_a_member_is_listed_and_keys_go_on_with_a_service_member() {
    let world = World::new().await;
    let key = laden(&world).await;
    let mut owner = Browser::of(&world, "owner").await;
    let path = format!("/members/{}/remove", id(&world, "admin").await);
    let page = owner.get(&path).await;
    for shown in [&key[..17], "new@example.org", "on duty", "own mail", "deploy (service)", "Nobody: keys end"] {
        page.shows(shown);
    }
    page.hides("other mail");
    let unnamed = owner.post(&path, &[]).await;
    assert_eq!(unnamed.status, StatusCode::CONFLICT);
    unnamed.shows("say who takes over");
    let own = id(&world, "admin").await;
    for wrong in ["x", own.as_str(), "01900000-0000-7000-8000-0000000000bb"] {
        let answer = owner.post(&path, &[("successor", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    assert_eq!(world.one("SELECT count(*) FROM memberships").await, "3");
    let deploy = id(&world, "deploy").await;
    assert_eq!(owner.post(&path, &[("successor", &deploy)]).await.to(), "/members?done=member_removed");
    let holder = world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now()).await.unwrap().unwrap();
    assert!(holder.actor().ends_with(" service:deploy") && holder.may(Right::MonitorsRead));
    assert!(!holder.may(Right::MonitorsWrite), "no more than the service member's role");
    assert_eq!(
        world
            .one(
                "SELECT u.service_name FROM invitations i JOIN users u ON u.id = i.invited_by WHERE revoked_at IS NULL"
            )
            .await,
        "deploy"
    );
    assert_eq!(world.one("SELECT count(*) FROM channels WHERE deleted_at IS NULL").await, "3");
    assert_eq!(
        world.one("SELECT (detail->>'email') || ' ' || (detail->>'successor') || ' ' || (detail->'keys_moved'->>0) || ' ' || (detail->>'keys_ended') || ' ' || (detail->>'invitations') FROM audit WHERE action = 'member.remove'").await,
        format!("admin@example.org deploy {} [] 1", &key[9..17])
    );
}

#[tokio::test]
async fn what_nobody_takes_over_ends() {
    let world = World::new().await;
    let key = laden(&world).await;
    let mut owner = Browser::of(&world, "owner").await;
    let path = format!("/members/{}/remove", id(&world, "admin").await);
    owner.get(&path).await;
    assert_eq!(owner.post(&path, &[("successor", "none")]).await.status, StatusCode::SEE_OTHER);
    let refused = world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now()).await.unwrap();
    assert_eq!(refused.unwrap_err(), Refusal::Unknown);
    assert_eq!(world.one("SELECT count(*) FROM invitations WHERE revoked_at IS NULL").await, "0");
    assert_eq!(
        world.one("SELECT (detail->'keys_ended'->>0) || ' ' || (detail->>'keys_moved') FROM audit WHERE action = 'member.remove'").await,
        format!("{} []", &key[9..17])
    );
}

#[tokio::test]
async fn the_last_owner_goes_only_when_a_person_takes_over_for_good() {
    let world = World::new().await;
    let key = laden(&world).await;
    let mut owner = Browser::of(&world, "owner").await;
    world.member("editor").await;
    world.sql("UPDATE memberships SET until_at = created_at + 86400000000 WHERE role = 'editor'").await;
    let (own, deploy, editor, admin) =
        (id(&world, "owner").await, id(&world, "deploy").await, id(&world, "editor").await, id(&world, "admin").await);
    let path = format!("/members/{own}/remove");
    owner.get(&path).await.shows("There is no other owner without an end");
    for wrong in ["", "none", &deploy, &editor] {
        let answer = owner.post(&path, &[("successor", wrong)]).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{wrong}");
        answer.shows("This is the last owner");
    }
    let mut administrator = Browser::of(&world, "admin").await;
    administrator.get("/members/leave").await;
    let answer = administrator.post(&path, &[("successor", &admin)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "nobody makes oneself an owner");
    assert_eq!(owner.post(&path, &[("successor", &admin)]).await.to(), "/organizations");
    assert_eq!(
        world.one("SELECT string_agg(u.email || ' ' || m.role, ', ' ORDER BY u.email) FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.until_at IS NULL AND u.email IS NOT NULL").await,
        "admin@example.org owner"
    );
    assert!(world.porter.admit(&key, "127.0.0.1".parse().unwrap(), world.clock.now()).await.unwrap().is_ok());
    assert_eq!(world.one("SELECT detail->>'ownership_moved' FROM audit WHERE action = 'member.leave'").await, "true");
}

#[tokio::test]
async fn every_column_of_a_tenants_table_that_names_a_user_is_known_here() {
    let world = World::new().await;
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT c.conrelid::regclass::text, a.attname::text
         FROM pg_constraint c
         CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS pair (own, theirs)
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = pair.own
         JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = pair.theirs
         WHERE c.contype = 'f' AND (c.confrelid, f.attname) IN (('users'::regclass, 'id'), ('memberships'::regclass, 'user_id'))
           AND c.conrelid <> 'closures'::regclass -- of an account or of an organization, never of a member
           AND c.conrelid NOT IN ('exports'::regclass, 'export_pieces'::regclass) -- whoever goes leaves nothing there: it ends within a week
           AND c.conrelid <> 'incident_assignees'::regclass -- whoever goes looks after nothing any more, and the incident says that nobody does
           -- Whoever goes is on call no more and told no more: turns, overrides, targets of policies and ways to reach a member end with the membership.
           AND c.conrelid NOT IN ('rotation_members'::regclass, 'schedule_overrides'::regclass, 'policy_targets'::regclass, 'member_channels'::regclass)
           AND EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.conrelid AND o.attname = 'org_id' AND NOT o.attisdropped)
         ORDER BY 1, 2",
    )
    .fetch_all(&mut world.superuser().await)
    .await
    .unwrap();
    let known: Vec<(String, String)> =
        HELD.iter().map(|(table, column)| ((*table).to_owned(), (*column).to_owned())).collect();
    assert_eq!(found, known, "add it to store::holdings, with what becomes of it when its member goes");
}
