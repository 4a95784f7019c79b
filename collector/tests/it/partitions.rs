//! Partitions are made and dropped by two functions, and nobody else can touch one.

use sqlx::query_scalar;

use crate::database::TestDatabase;

const ENSURE: &str = "SELECT ensure_partition($1, $2)";
const DROP: &str = "SELECT drop_partition($1, $2)";

async fn call(database: &TestDatabase, role: &str, function: &'static str, parent: &str) -> Result<bool, sqlx::Error> {
    query_scalar(function).bind(parent).bind(20_000_i64).fetch_one(&mut database.login(role).await).await
}

#[tokio::test]
async fn a_partition_is_made_once_and_dropped_once() {
    let database = TestDatabase::new().await;
    for parent in ["results", "receipts"] {
        for (function, expected) in [(ENSURE, true), (ENSURE, false), (DROP, true), (DROP, false)] {
            assert_eq!(
                call(&database, "picket_worker", function, parent).await.unwrap(),
                expected,
                "{parent} {function}"
            );
        }
    }
}

#[tokio::test]
async fn no_other_table_can_be_named() {
    let database = TestDatabase::new().await;
    for function in [ENSURE, DROP] {
        assert!(call(&database, "picket_worker", function, "monitors").await.is_err(), "{function}");
    }
}

#[tokio::test]
async fn intake_may_make_a_partition_but_not_drop_one_and_tenants_may_do_neither() {
    let database = TestDatabase::new().await;
    assert!(call(&database, "picket_intake", ENSURE, "results").await.unwrap());
    for (role, function) in [
        ("picket_intake", DROP),
        ("picket_app", ENSURE),
        ("picket_app", DROP),
        ("picket_reader", DROP),
        ("picket_auth", DROP),
    ] {
        let error = call(&database, role, function, "results").await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{role} {function}: {error}");
    }
}
