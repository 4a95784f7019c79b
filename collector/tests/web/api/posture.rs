//! Whether promises are kept, for programs.

use std::time::Duration;

use picket_collector::config::{Config, Posture, TrustPage};
use picket_collector::domain::access::Right;
use picket_collector::domain::posture::Finding;
use picket_collector::store::posture::note;

use super::Program;
use crate::common::{SetUp, World};

#[tokio::test]
async fn programs_read_what_the_page_shows() {
    let world = World::new().await;
    let program = Program { world: &world, key: world.key("viewer", &[Right::AccountRead], &[]).await };
    assert_eq!(program.get("/posture").await.at("/items"), &serde_json::json!([]));
    for finding in [Finding::fail("bad").with("the operator's"), Finding::pass("good")] {
        world.clock.advance(Duration::from_secs(600));
        let pools = world.pools();
        let mut worker = pools.worker().await.unwrap();
        note(&mut worker, "isolation", &finding, world.clock.now()).await.unwrap();
        worker.commit().await.unwrap();
    }
    let reply = program.get("/posture").await;
    assert_eq!((reply.text("/items/0/control"), reply.text("/items/0/state")), ("isolation", "pass"));
    assert_eq!((reply.text("/items/0/before/0/state"), reply.text("/items/0/before/0/evidence")), ("fail", "bad"));
    assert!(!reply.answer.text.contains("the operator's"), "{}", reply.json);
    world.clock.advance(Duration::from_secs(7_201));
    let reply = program.get("/posture").await;
    assert_eq!(reply.text("/items/0/state"), "not_measured", "nobody has looked for two hours");
}

#[tokio::test]
async fn where_the_settings_take_it_away_it_is_not_there() {
    let config = Config { posture: Posture { page: TrustPage::Off }, ..Config::default() };
    let world = World::of(SetUp { config, ..SetUp::default() }).await;
    let program = Program::of(&world, "owner").await;
    assert_eq!(program.get("/posture").await.problem().1, "not-found");
}
