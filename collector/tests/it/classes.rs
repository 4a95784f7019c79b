//! Every column says whose data it holds, what for, how long, and what becomes of it.

use std::collections::BTreeMap;

use crate::database::TestDatabase;

/// The words that each part of a class may be.
const WORDS: [(&str, &[&str]); 4] = [
    ("subject", &["none", "user", "contact", "tenant"]),
    ("retention", &["instance", "account", "expiry", "results", "receipts", "changes", "audit"]),
    ("export", &["yes", "no"]),
    ("erase", &["delete", "keep", "null"]),
];

/// What is wrong with a column's class.
fn complaint(comment: &str, nullable: bool) -> Option<String> {
    let parts: BTreeMap<&str, &str> = comment.split("; ").filter_map(|part| part.split_once('=')).collect();
    let keys: Vec<&str> = comment.split("; ").filter_map(|part| Some(part.split_once('=')?.0)).collect();
    if keys != ["subject", "purpose", "retention", "export", "erase"] {
        return Some(format!("is not of the form subject=; purpose=; retention=; export=; erase=: {comment:?}"));
    }
    if parts["purpose"].is_empty() {
        return Some("has no purpose".to_owned());
    }
    if let Some((key, _)) = WORDS.iter().find(|(key, words)| !words.contains(&parts[key])) {
        return Some(format!("has {key}={}, which is no word for it", parts[key]));
    }
    (parts["erase"] == "null" && !nullable).then(|| "is to be erased to null but is NOT NULL".to_owned())
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
fn a_class_with_a_wrong_word_is_found() {
    let class = |subject: &str, erase: &str| {
        format!("subject={subject}; purpose=names it; retention=account; export=yes; erase={erase}")
    };
    assert_eq!(complaint(&class("user", "null"), true), None);
    assert!(complaint(&class("user", "null"), false).is_some());
    assert!(complaint(&class("someone", "delete"), true).is_some());
    assert!(complaint(&class("user", "perhaps"), true).is_some());
    assert!(complaint("subject=user", true).is_some());
}
