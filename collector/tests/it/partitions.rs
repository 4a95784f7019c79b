//! Partitions are made and dropped by two functions, and nobody else can touch one.

use sqlx::{Connection as _, query_scalar};

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

#[tokio::test]
async fn transactions_that_need_the_same_partition_at_once_after_they_read_its_parent_all_succeed() {
    let database = TestDatabase::new().await;
    let late = async || -> Result<(), sqlx::Error> {
        let mut conn = database.login("picket_intake").await;
        let mut tx = conn.begin().await?;
        query_scalar::<_, i64>("SELECT count(*) FROM receipts").fetch_one(&mut *tx).await?;
        for parent in ["receipts", "results"] {
            query_scalar::<_, bool>(ENSURE).bind(parent).bind(20_000_i64).fetch_one(&mut *tx).await?;
        }
        tx.commit().await
    };
    let (a, b, c, d) = tokio::join!(late(), late(), late(), late());
    for done in [a, b, c, d] {
        done.unwrap();
    }
}
