//! The review of access for programs.

use axum::body::Body;
use axum::http::{Request, header};
use picket_collector::domain::access::Right;
use serde_json::json;

use super::Program;
use crate::common::World;

#[tokio::test]
async fn the_review_is_json_or_csv_as_it_is_asked_for_and_each_look_is_logged() {
    let world = World::new().await;
    let program = Program { world: &world, key: world.key("admin", &[Right::MembersReview], &[]).await };
    let review = program.get("/members/review").await;
    assert_eq!(review.text("/items/0/email"), "admin@example.org");
    assert_eq!((review.at("/items/0/keys"), review.at("/items/0/passkeys")), (&json!(1), &json!(0)));
    assert_eq!(review.at("/items/0/signed_in_at"), &json!(null));
    assert_eq!(review.text("/items/0/key_last_used_at"), review.text("/at"), "this very key");
    let accepting = async |path: &str, accept: &str| {
        let request = Request::builder()
            .uri(format!("/api/v1{path}"))
            .header(header::HOST, "localhost:8080")
            .header(header::AUTHORIZATION, format!("Bearer {}", program.key))
            .header(header::ACCEPT, accept);
        program.call(request.body(Body::empty()).unwrap()).await
    };
    for (path, accept, csv) in [
        ("/members/review", "text/csv", true),
        ("/members/review", "application/json, text/csv;q=0.5", false),
        ("/members/review?format=csv", "application/json", true),
        ("/members/review?format=json", "text/csv", false),
    ] {
        let reply = accepting(path, accept).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.answer.text.starts_with("id,email,service,role,"),
            csv,
            "{path} {accept}: {}",
            reply.answer.text
        );
    }
    assert_eq!(accepting("/monitors", "text/csv").await.problem().1, "missing-scope", "others know no CSV");
    assert_eq!(program.get("/members/review?format=xls").await.problem(), (400, "invalid-query", vec!["format"]));
    assert_eq!(
        world.one("SELECT string_agg(detail->>'form', ' ' ORDER BY id) FROM audit WHERE action = 'member.review' AND actor LIKE 'key:% user:admin@example.org'").await,
        "json csv json csv json"
    );
}
