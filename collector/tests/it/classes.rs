//! Every column says whose data it holds, what for, how long, and what becomes of it.

use picket_collector::domain::column_class::{ColumnClass, Erase};

use crate::database::TestDatabase;

/// What is wrong with a column's class.
fn complaint(comment: &str, nullable: bool) -> Option<String> {
    match comment.parse::<ColumnClass>() {
        Err(unclassified) => Some(unclassified.to_string()),
        Ok(class) if class.erase == Erase::Null && !nullable => {
            Some("is to be erased to null but is NOT NULL".to_owned())
        }
        Ok(_) => None,
    }
}

async fn complaints(database: &TestDatabase) -> Vec<String> {
    let columns: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT c.relname || '.' || a.attname, coalesce(col_description(c.oid, a.attnum), ''), NOT a.attnotnull
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relname <> '_sqlx_migrations' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1",
    )
    .fetch_all(&mut database.login("picket_owner").await)
    .await
    .unwrap();
    assert!(columns.len() > 200, "only {} columns were looked at", columns.len());
    let wrong = columns
        .into_iter()
        .filter_map(|(column, comment, nullable)| Some(format!("{column} {}", complaint(&comment, nullable)?)));
    wrong.collect()
}

#[tokio::test]
async fn every_column_is_classified() {
    let database = TestDatabase::new().await;
    assert_eq!(complaints(&database).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_new_column_without_a_class_is_found() {
    let database = TestDatabase::new().await;
    let mut owner = database.login("picket_owner").await;
    sqlx::query("ALTER TABLE monitors ADD COLUMN nickname text").execute(&mut owner).await.unwrap();
    let found = complaints(&database).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("monitors.nickname"), "{found:?}");
}

#[test]
fn what_cannot_be_emptied_is_not_to_be() {
    let class = "subject=user; purpose=names it; retention=account; export=yes; erase=null";
    assert_eq!(complaint(class, true), None);
    assert!(complaint(class, false).is_some());
    assert!(complaint("subject=user", true).is_some());
}
