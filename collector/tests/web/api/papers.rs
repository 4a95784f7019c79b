//! Papers, for programs.

use picket_collector::config::{Config, Privacy};
use picket_collector::domain::access::Right;
use picket_collector::domain::sub_processors::SubProcessor;
use serde_json::json;

use super::Program;
use crate::common::{SetUp, World};

#[tokio::test]
async fn programs_list_who_else_works_on_the_data() {
    let one = SubProcessor {
        name: "Hosting".to_owned(),
        purpose: "servers".to_owned(),
        country: "DE".to_owned(),
        data: "all".to_owned(),
        url: None,
        since: "2099-01-01".to_owned(),
        until: None,
    };
    let privacy = Privacy { sub_processors: vec![one], ..Privacy::default() };
    let world = World::of(SetUp { config: Config { privacy, ..Config::default() }, ..SetUp::default() }).await;
    let program = Program { world: &world, key: world.key("viewer", &[Right::AccountRead], &[]).await };
    let reply = program.get("/sub-processors").await;
    assert_eq!((reply.text("/items/0/name"), reply.text("/items/0/standing")), ("Hosting", "upcoming"));
    assert_eq!(reply.at("/notice_days"), &json!(30));
    let without = Program { world: &world, key: world.key("viewer", &[Right::MonitorsRead], &[]).await };
    assert_eq!(without.get("/sub-processors").await.problem().1, "missing-scope");
}

#[tokio::test]
async fn an_agreement_is_read_by_every_key_and_accepted_by_an_owners() {
    let world = World::new().await;
    let (owner, admin, viewer) =
        (Program::of(&world, "owner").await, Program::of(&world, "admin").await, Program::of(&world, "viewer").await);
    assert_eq!(viewer.get("/organization/dpa").await.problem().1, "not-found");
    world.office.look(world.clock.now()).await.unwrap();
    let reply = viewer.get("/organization/dpa").await;
    assert_eq!(reply.at("/version"), &json!(1));
    assert!(reply.text("/text").contains("between **acme**") && reply.at("/accepted_at").is_null());
    assert_eq!(viewer.get("/organization/dpa?version=2").await.problem().1, "not-found");
    assert_eq!(viewer.get("/organization/dpa?version=x").await.problem().1, "invalid-query");
    let accept = json!({ "version": 1 });
    assert_eq!(viewer.post("/organization/dpa/accept", accept.clone()).await.problem().1, "missing-scope");
    assert_eq!(admin.post("/organization/dpa/accept", accept.clone()).await.problem().1, "not-allowed");
    assert_eq!(owner.post("/organization/dpa/accept", json!({})).await.problem().1, "invalid-body");
    assert_eq!(owner.post("/organization/dpa/accept", json!({ "version": 2 })).await.problem().1, "changed-meanwhile");
    assert_eq!(world.one("SELECT count(*) FROM dpas WHERE accepted_at IS NOT NULL").await, "0");
    assert_eq!(owner.post("/organization/dpa/accept", accept).await.status, 204);
    let reply = viewer.get("/organization/dpa?version=1").await;
    assert!(reply.text("/accepted_by").ends_with("user:owner@example.org"), "{}", reply.json);
    assert!(reply.text("/versions/0/accepted_at").starts_with("2026-"), "{}", reply.json);
}
