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
    assert_eq!(program.get("/posture/export").await.problem().1, "not-found");
}

#[tokio::test]
async fn programs_get_the_answers_to_a_questionnaire() {
    let world = World::new().await;
    let program = Program { world: &world, key: world.key("viewer", &[Right::AccountRead], &[]).await };
    let pools = world.pools();
    let mut worker = pools.worker().await.unwrap();
    note(&mut worker, "isolation", &Finding::fail("bad").with("the operator's"), world.clock.now()).await.unwrap();
    worker.commit().await.unwrap();
    let reply = program.get("/posture/export?for=iso27001&lang=de").await;
    assert_eq!((reply.text("/for"), reply.text("/language")), ("iso27001", "de"));
    let answers = reply.at("/answers").as_array().unwrap();
    let answer = answers.iter().find(|answer| answer["id"] == "A.8.3").unwrap();
    assert_eq!(answer["answer"], "partly");
    let said = answer["said"].as_array().unwrap();
    let isolation = said.iter().find(|said| said["controls"][0]["control"] == "isolation").unwrap();
    assert_eq!((&isolation["stand"], &isolation["known"]), (&"not_kept".into(), &"measured".into()));
    assert_eq!(isolation["promises"], serde_json::json!(["S42", "S43"]));
    assert!(isolation["text"].as_str().unwrap().starts_with("Zeilensicherheit"), "{isolation}");
    assert!(!reply.answer.text.contains("the operator's"), "{}", reply.json);
    let unanswered = reply.at("/unanswered").as_array().unwrap();
    assert!(unanswered.contains(&serde_json::json!({ "id": "A.5.1", "why": "nothing_said" })), "{unanswered:?}");
    assert_eq!(program.get("/posture/export").await.text("/for"), "c5");
    let table = program.get("/posture/export?for=caiq&format=csv").await;
    assert!(table.answer.text.starts_with("\u{feff}id,answer,known by,"), "{}", table.answer.text);
    assert_eq!(program.get("/posture/export?for=soc2").await.problem(), (400, "invalid-query", vec!["for"]));
}
