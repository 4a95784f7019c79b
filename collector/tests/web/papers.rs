//! Papers: who else works on the data, and the agreement with each organization. What is told is told once, whenever it breaks off.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::config::{Config, Privacy};
use picket_collector::domain::sub_processors::SubProcessor;
use picket_collector::privacy::documents::Said;
use picket_collector::privacy::office::{Office, Report};

use crate::common::{Browser, SetUp, World};
use crate::mailbox::MAILS;

fn other(name: &str, since: &str) -> SubProcessor {
    SubProcessor {
        name: name.to_owned(),
        purpose: "runs <b>servers</b>".to_owned(),
        country: "DE".to_owned(),
        data: "everything, sealed".to_owned(),
        url: Some("https://other.example/privacy".to_owned()),
        since: since.to_owned(),
        until: None,
    }
}

fn stating(others: &[SubProcessor]) -> Config {
    let controller = Some("Example Ltd, Vienna".to_owned());
    let privacy = Privacy { controller, sub_processors: others.to_vec(), ..Privacy::default() };
    Config { privacy, ..Config::default() }
}

/// A world with these settings, whose two organizations have an owner each.
async fn world(others: &[SubProcessor]) -> World {
    let world = World::of(SetUp { settings: MAILS, config: stating(others), ..SetUp::default() }).await;
    world.member("owner").await;
    world
        .sql(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 VALUES (gen_random_uuid(), 'eve@example.org', 'x', 0, 0);
             INSERT INTO memberships (org_id, user_id, role, created_at)
                 SELECT 2, id, 'owner', 0 FROM users WHERE email = 'eve@example.org'",
        )
        .await;
    world
}

/// The same office after a restart, with other settings.
fn restarted(world: &World, config: &Config) -> Office {
    let said = Said::of(config, picket_collector::web::texts::measures());
    Office::new(world.pools(), said, world.sealer.clone(), true)
}

async fn mails(world: &World, template: &str) -> String {
    world.one(&format!("SELECT count(*) FROM account_mails WHERE template = '{template}'")).await
}

#[tokio::test]
async fn everybody_sees_who_else_works_on_the_data_and_who_will() {
    let world = world(&[other("Old Hosting", "2020-01-01"), other("New Mail", "2099-01-01")]).await;
    let page = Browser::new(&world).get("/sub-processors").await;
    assert_eq!(page.status, StatusCode::OK);
    for shown in [
        "Old Hosting",
        "New Mail",
        "Begins later",
        "runs &#60;b&#62;servers",
        "https://other.example/privacy",
        "30 days",
    ] {
        page.shows(shown);
    }
    let bare = World::new().await;
    Browser::new(&bare).get("/sub-processors").await.shows("Nobody else works on the data");
}

#[tokio::test]
async fn each_organization_is_told_once_of_what_changed_whenever_it_breaks_off() {
    let world = world(&[other("Hosting", "2020-01-01")]).await;
    world.office.look(world.clock.now()).await.unwrap();
    assert_eq!(mails(&world, "sub_processors").await, "0", "the first list tells nothing");
    world.clock.advance(Duration::from_secs(60));
    let config = stating(&[other("Hosting", "2020-01-01"), other("Mailer", "2099-01-01")]);
    let office = restarted(&world, &config);
    // It broke off after the first of two.
    world.sql("ALTER TABLE sub_processor_notices ADD CONSTRAINT broken CHECK (org_id <> 2)").await;
    assert!(office.look(world.clock.now()).await.is_err());
    assert_eq!(mails(&world, "sub_processors").await, "1", "what is not written down was not sent");
    world.sql("ALTER TABLE sub_processor_notices DROP CONSTRAINT broken").await;
    assert_eq!(restarted(&world, &config).look(world.clock.now()).await.unwrap().told, 1);
    assert_eq!(restarted(&world, &config).look(world.clock.now()).await.unwrap(), Report::default());
    assert_eq!(mails(&world, "sub_processors").await, "2");
    let rows = "SELECT string_agg(org_id || ' ' || list || ' ' || owners || ' ' || (told_at > 0), ',' ORDER BY org_id) FROM sub_processor_notices";
    assert_eq!(world.one(rows).await, "1 2 1 true,2 2 1 true");
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'sub_processors.tell'").await, "2");
    // Who comes later has it in the agreement.
    world.clock.advance(Duration::from_secs(60));
    let now = world.clock.now().micros();
    world
        .sql(&format!("INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'late', {now})"))
        .await;
    assert_eq!(restarted(&world, &config).look(world.clock.now()).await.unwrap().told, 0);
    Browser::new(&world).get("/sub-processors").await.shows("New:");
}

#[tokio::test]
async fn an_agreement_is_issued_read_by_members_and_accepted_by_an_owner() {
    let world = world(&[]).await;
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get("/organization/dpa").await.shows("There is no agreement yet");
    assert_eq!(viewer.get("/organization/dpa/download").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        world.office.look(world.clock.now()).await.unwrap().issued,
        world.one("SELECT count(*) FROM organizations").await.parse::<usize>().unwrap()
    );
    assert_eq!(mails(&world, "dpa_issued").await, "2");
    let page = viewer.get("/organization/dpa").await;
    for shown in [
        "<strong>acme</strong>",
        "Example Ltd, Vienna",
        "Version 1",
        "not stated: set [privacy] dpo",
        "Annex 2",
        "Nobody sees or changes what belongs to another",
    ] {
        page.shows(shown);
    }
    page.shows("waits for an owner");
    page.hides("/organization/dpa/accept");
    let file = viewer.get("/organization/dpa/download").await;
    assert_eq!(file.header("content-type"), "text/markdown; charset=utf-8");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"data-processing-agreement-1.md\"");
    file.shows("between **acme** (the controller)");
    file.hides("{");
    for (strange, status) in [("7", StatusCode::NOT_FOUND), ("x", StatusCode::NOT_FOUND)] {
        assert_eq!(viewer.get(&format!("/organization/dpa?version={strange}")).await.status, status);
        assert_eq!(viewer.get(&format!("/organization/dpa/download?version={strange}")).await.status, status);
    }
    // An administrator of the organization does not sign for it.
    let mut admin = Browser::of(&world, "admin").await;
    admin.get("/organization/dpa/accept").await.shows("only an owner");
    let refused = admin.post("/organization/dpa/accept", &[("version", "1")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(world.one("SELECT count(*) FROM dpas WHERE accepted_at IS NOT NULL").await, "0");
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/organization/dpa/accept").await.shows("Accept version 1");
    let done = owner.post("/organization/dpa/accept", &[("version", "1")]).await;
    assert_eq!(done.to(), "/organization/dpa?done=dpa_accepted");
    let row = "SELECT org_id || ' ' || version || ' ' || accepted_by FROM dpas WHERE accepted_at IS NOT NULL";
    assert_eq!(world.one(row).await, "1 1 user:owner@example.org");
    let logged = "SELECT actor || ' ' || org_id || ' ' || subject FROM audit WHERE action = 'dpa.accept'";
    assert_eq!(world.one(logged).await, "user:owner@example.org 1 1");
    assert_eq!(mails(&world, "dpa_accepted").await, "1");
    owner.get("/organization/dpa/accept").await.shows("there is nothing to do");
    // Twice is once.
    assert_eq!(owner.post("/organization/dpa/accept", &[("version", "1")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(mails(&world, "dpa_accepted").await, "1");
}

#[tokio::test]
async fn what_was_accepted_stays_as_it_was_and_the_next_version_asks_again() {
    let world = world(&[]).await;
    world.office.look(world.clock.now()).await.unwrap();
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/organization/dpa/accept").await;
    owner.post("/organization/dpa/accept", &[("version", "1")]).await;
    let before = owner.get("/organization/dpa/download?version=1").await.text;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.office.look(world.clock.now()).await.unwrap(), Report::default(), "nothing changed");
    let config = stating(&[other("Hosting", "2020-01-01")]);
    let office = restarted(&world, &config);
    office.look(world.clock.now()).await.unwrap();
    assert_eq!(office.look(world.clock.now()).await.unwrap(), Report::default());
    assert_eq!(world.one("SELECT changed FROM dpa_versions WHERE number = 2").await, "[\"sub-processors\"]");
    let page = owner.get("/organization/dpa").await;
    page.shows("waits for you to read and accept it");
    page.shows("Version 2");
    assert_eq!(owner.get("/organization/dpa/download?version=1").await.text, before);
    owner.get("/organization/dpa/download").await.shows("Hosting");
    owner.get("/organization/dpa/accept").await;
    let stale = owner.post("/organization/dpa/accept", &[("version", "1")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert_eq!(owner.post("/organization/dpa/accept", &[("version", "2")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(mails(&world, "dpa_issued").await, "4");
    // No role may change what was issued.
    let mut auth = world.pools().auth.acquire().await.unwrap();
    let change = sqlx::query("UPDATE dpas SET body = 'x'").execute(&mut *auth).await;
    assert!(change.unwrap_err().to_string().contains("permission denied"));
    // An organization that is made has it from the beginning.
    let mut auth = world.pools().auth().await.unwrap();
    let made = world.porter.found(&mut auth, "eve@example.org", "fresh", "command:root", world.clock.now()).await;
    assert!(made.unwrap().is_ok());
    auth.commit().await.unwrap();
    let fresh = "SELECT d.version FROM dpas d JOIN organizations o ON o.id = d.org_id WHERE o.name = 'fresh' AND d.body LIKE '%**fresh**%'";
    assert_eq!(world.one(fresh).await, "2");
}

#[tokio::test]
async fn an_owner_takes_agreements_and_notices_along() {
    let world = world(&[]).await;
    world.office.look(world.clock.now()).await.unwrap();
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/account/data").await.shows("dpas");
    let export = owner.get("/account/data/export").await;
    let json: serde_json::Value = serde_json::from_str(&export.text).unwrap();
    let dpa = &json["organization"]["dpas"][0];
    assert_eq!((dpa["version"].as_i64(), dpa["accepted_at"].is_null()), (Some(1), true));
    assert!(dpa["body"].as_str().unwrap().contains("**acme**"));
    assert_eq!(json["organization"]["dpas"].as_array().unwrap().len(), 1, "nothing of another organization");
}
