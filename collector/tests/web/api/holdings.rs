//! What hangs on a member, and its removal, for programs.

use picket_collector::domain::access::Right;
use serde_json::json;

use super::Program;
use crate::common::World;

async fn id(world: &World, role: &str) -> String {
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

#[tokio::test]
async fn a_removal_names_what_hangs_on_the_member_until_it_is_said_who_takes_over() {
    let world = World::new().await;
    let program = Program::of(&world, "owner").await;
    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    let path = format!("/members/{}", id(&world, "editor").await);
    let held = program.get(&format!("{path}/holdings")).await;
    assert_eq!((held.text("/keys/0/id"), held.text("/keys/0/name")), (&key[9..17], "test"));
    assert_eq!((held.at("/successor_needed"), held.at("/sole_owner")), (&json!(true), &json!(false)));
    assert_eq!(held.text("/member/email"), "editor@example.org");
    assert_eq!(program.delete(&path).await.problem(), (409, "successor-needed", vec!["keys[0]"]));
    for wrong in ["nobody", "01900000-0000-7000-8000-0000000000bb"] {
        let answer = program.delete(&format!("{path}?successor={wrong}")).await;
        assert_eq!(answer.problem(), (400, "invalid-query", vec!["successor"]), "{wrong}");
    }
    let service = program.post("/members", json!({ "name": "deploy", "role": "viewer" })).await;
    let heir = service.text("/id");
    assert_eq!(program.delete(&format!("{path}?successor={heir}")).await.status, 204);
    let moved = Program { world: &world, key };
    assert_eq!(moved.get("/monitors").await.status, 200);
    assert_eq!(program.get(&format!("{path}/holdings")).await.problem().1, "not-found");
    // A service member goes with what it holds, unasked.
    let held = program.get(&format!("/members/{heir}/holdings")).await;
    assert_eq!((held.at("/keys").as_array().unwrap().len(), held.at("/successor_needed")), (1, &json!(false)));
    assert_eq!(program.delete(&format!("/members/{heir}")).await.status, 204);
    assert_eq!(moved.get("/monitors").await.problem().1, "invalid-key");
    let narrow = Program { world: &world, key: world.key("owner", &[Right::MembersRead], &[]).await };
    assert_eq!(narrow.get(&format!("{path}/holdings")).await.problem().1, "missing-scope");
}
