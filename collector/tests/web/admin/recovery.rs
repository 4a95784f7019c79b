//! What an administrator sees of recovery: what is missing for it, and the drills, with what failed.

use axum::http::StatusCode;

use super::administrator;
use crate::common::World;

#[tokio::test]
async fn an_administrator_sees_what_recovery_lacks_and_the_drills() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    let page = browser.get("/admin/recovery").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Not recoverable") && page.text.contains("There is no archive"), "{}", page.text);
    assert!(page.text.contains("There was no restore drill yet"), "{}", page.text);
    assert!(browser.get("/admin").await.text.contains("Not recoverable"));
    world
        .sql(
            "INSERT INTO drills (began_at, ended_at, outcome, asked_by, by_kit, restore_ms, row_count, steps)
             VALUES (1, 2, 'passed', 'schedule', false, 4200, 12345, '[]'),
                    (3, 4, 'failed', 'command', true, NULL, NULL,
                     '[{\"name\": \"restore\", \"state\": \"failed\", \"says\": \"part-000000 <is damaged>\"}]')",
        )
        .await;
    let page = browser.get("/admin/recovery").await.text;
    assert!(page.contains("restore: part-000000 &#60;is damaged&#62;"), "{page}");
    assert!(page.contains("12345") && page.contains("5 s") && page.contains("The schedule"), "{page}");
    assert!(page.contains("Failed") && page.contains("Somebody, from a kit"), "{page}");
}
