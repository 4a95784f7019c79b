//! Large exports are made by a task, kept sealed for a week, and taken by who asked, or who owns the organization.

use std::time::Duration;

use picket_collector::config::Retention;
use picket_collector::ops::retention;
use picket_collector::vault::Class;
use serde_json::{Value, json};

use super::Program;
use crate::common::{Browser, World};
use crate::mailbox::MAILS;

/// Monitors and results of an organization, so many.
async fn results(world: &World, org: i64, count: i64) {
    world
        .sql(&format!(
            "SELECT ensure_partition('results', 20000);
             WITH m AS (INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
                 VALUES (gen_random_uuid(), {org}, 'canary-monitor-{org}', 'tcp', 't:1', '{{\"kind\":\"tcp\",\"host\":\"t\",\"port\":1}}', 60, 1000, 1, 0, 0) RETURNING id),
             p AS (INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at) VALUES (gen_random_uuid(), 1, 'p{org}', '', 0) RETURNING id)
             INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status, self_check, late_us, total_us)
                 SELECT {org}, m.id, 1, p.id, 1728000000000000 + n, 0, 1, 's', 'u', 'g', 0, n FROM m, p, generate_series(1, {count}) n"
        ))
        .await;
}

async fn made(world: &World) -> usize {
    let mut made = 0;
    while world.exports.run(&world.clock).await.unwrap() {
        made += 1;
    }
    made
}

#[tokio::test]
async fn what_is_too_large_for_an_answer_is_made_and_taken_as_the_same_document() {
    let world = World::with(MAILS).await;
    let owner = Program::of(&world, "owner").await;
    results(&world, 1, 100_100).await;
    results(&world, 2, 3).await;
    let refused = owner.get("/account/export").await;
    assert_eq!(refused.problem(), (409, "export-too-large", vec![]));
    assert!(refused.text("/detail").contains("POST /api/v1/account/exports"), "{}", refused.json);
    assert_eq!(
        owner.get("/account/export?format=csv&part=organization&table=results").await.problem().1,
        "export-too-large"
    );
    assert_eq!(owner.get("/account/export?format=csv&part=organization&table=monitors").await.status, 200);
    assert_eq!(owner.get("/account/export?only=configuration").await.status, 200);

    let asked = owner.post("/organization/exports", json!({})).await;
    assert_eq!((asked.status, asked.text("/state"), asked.at("/file")), (201, "waiting", &Value::Null));
    let path = format!("/organization/exports/{}", asked.text("/id"));
    assert_eq!(owner.post("/organization/exports", json!({})).await.text("/id"), asked.text("/id"), "one is under way");
    assert_eq!(owner.get(&format!("{path}/file")).await.problem(), (409, "not-ready", vec![]));
    assert_eq!(made(&world).await, 1);
    let ready = owner.get(&path).await;
    assert_eq!((ready.text("/state"), ready.at("/failure")), ("ready", &Value::Null), "{}", ready.json);
    assert!(ready.at("/bytes").as_i64().unwrap() > 10_000_000, "{}", ready.at("/bytes"));
    let tables = ready.at("/tables").as_array().unwrap();
    assert!(tables.iter().any(|table| table["table"] == "results" && table["rows"] == 100_100), "{tables:?}");
    let file = owner.get(&format!("{path}/file")).await;
    assert_eq!(file.json["organization"]["results"].as_array().unwrap().len(), 100_100);
    assert_eq!(file.at("/manifest/tables"), ready.at("/tables"));
    assert!(file.json["account"].is_null());
    file.answer.hides("canary-monitor-2");

    // At rest it is sealed, and in pieces that are small however large the file is.
    let largest = "SELECT max(length(sealed_piece)) || ' ' || max(size) || ' ' || count(*) FROM export_pieces";
    let largest = world.one(largest).await;
    assert!(largest.split(' ').nth(1).is_some_and(|size| size == "262144"), "{largest}");
    assert_eq!(
        world.one("SELECT count(*) FROM export_pieces WHERE position('canary'::bytea IN sealed_piece) > 0").await,
        "0"
    );
    let mail = "SELECT sealed_parameters, uuid FROM account_mails WHERE template = 'export_ready'";
    assert!(world.sealed(Class::AccountMail, mail).await.contains("owner@example.org"));
    let log = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'export.%'";
    assert_eq!(world.one(log).await, "export.ask export.take");
    // After a week it is gone.
    world.clock.advance(Duration::from_secs(7 * 86_400));
    retention::run(&world.pools(), &Retention::default(), world.clock.now()).await.unwrap();
    assert_eq!(world.one("SELECT (SELECT count(*) FROM exports) + (SELECT count(*) FROM export_pieces)").await, "0");
}

#[tokio::test]
async fn nobody_takes_what_is_anothers_and_owners_take_what_is_the_organizations() {
    let world = World::new().await;
    let (owner, editor) = (Program::of(&world, "owner").await, Program::of(&world, "editor").await);
    assert_eq!(editor.post("/organization/exports", json!({})).await.problem(), (422, "invalid-body", vec![""]));
    let own = editor.post("/account/exports", json!({ "format": "csv" })).await.text("/id").to_owned();
    let organizations = owner.post("/organization/exports", json!({})).await.text("/id").to_owned();
    assert_eq!(made(&world).await, 2);
    world.clock.advance(Duration::from_secs(60));
    for (program, path, status) in [
        (&editor, format!("/account/exports/{own}"), 200),
        (&editor, format!("/organization/exports/{own}"), 404),
        (&owner, format!("/account/exports/{own}"), 404),
        (&owner, format!("/account/exports/{own}/file"), 404),
        (&editor, format!("/organization/exports/{organizations}"), 404),
        (&editor, format!("/organization/exports/{organizations}/file"), 404),
        (&owner, format!("/organization/exports/{organizations}/file"), 200),
    ] {
        assert_eq!(program.get(&path).await.status, status, "{path}");
    }
    // Who owns it no more has it no more.
    world.sql("UPDATE memberships SET role = 'viewer' WHERE user_id = (SELECT id FROM users WHERE email = 'owner@example.org')").await;
    let gone = owner.get(&format!("/organization/exports/{organizations}/file")).await;
    assert_ne!(gone.status, 200);
    let mut browser = Browser::of(&world, "editor").await;
    let file = browser.get(&format!("/account/data/exports/{own}/file")).await;
    assert_eq!((file.status.as_u16(), file.header("content-type")), (200, "application/zip"));
    file.shows("account/users.csv");
    assert_eq!(browser.get(&format!("/account/data/exports/{organizations}/file")).await.status.as_u16(), 404);
}

#[tokio::test]
async fn what_a_crash_takes_is_told_and_what_broke_off_is_made_anew() {
    let world = World::new().await;
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/account/data").await.shows("Have it made");
    assert_eq!(
        owner.post("/account/data", &[("part", "organization"), ("format", "json")]).await.to(),
        "/account/data?done=export_asked"
    );
    owner.get("/account/data?done=export_asked").await.shows("It is being made");
    owner.get("/account/data").await.shows("Waiting");
    // Somebody held it, and crashed.
    world.sql("UPDATE exports SET state = 'making', pieces = 5, leased_until = 1").await;
    assert_eq!(made(&world).await, 1);
    owner.get("/account/data").await.shows("Take the file");
    assert_eq!(world.one("SELECT pieces = (SELECT count(*) FROM export_pieces) FROM exports").await, "true");
    // PostgreSQL empties what is not logged when it crashes.
    world.sql("TRUNCATE export_pieces").await;
    assert_eq!(made(&world).await, 0);
    let page = owner.get("/account/data").await;
    page.shows("Not made");
    page.shows("ask again");
    // Who is an owner no more when it is made gets nothing.
    owner.post("/account/data", &[("part", "organization"), ("format", "csv")]).await;
    world.sql("UPDATE memberships SET role = 'viewer' WHERE user_id = (SELECT id FROM users WHERE email = 'owner@example.org')").await;
    assert_eq!(made(&world).await, 1);
    assert_eq!(
        world
            .one(
                "SELECT string_agg(state, ' ' ORDER BY id) || ' ' || (SELECT count(*) FROM export_pieces) FROM exports"
            )
            .await,
        "failed failed 0"
    );
}
