//! The migrations themselves, and the roles they grant to.

use sqlx::query_scalar;

use crate::database::{MIGRATIONS, TestDatabase};

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = TestDatabase::new().await;
    let mut owner = database.login("picket_owner").await;
    let applied = "SELECT array_agg(version || ' ' || installed_on ORDER BY version) FROM _sqlx_migrations";
    let before: Vec<String> = query_scalar(applied).fetch_one(&mut owner).await.unwrap();
    MIGRATIONS.run(&mut owner).await.unwrap();
    let after: Vec<String> = query_scalar(applied).fetch_one(&mut owner).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(before.len(), MIGRATIONS.iter().count());
}

#[tokio::test]
async fn no_role_passes_by_row_security_and_none_but_the_owner_owns_anything() {
    let database = TestDatabase::new().await;
    let mut conn = database.login("postgres").await;
    let mighty: Vec<String> = query_scalar(
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'picket\\_%'
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(mighty, Vec::<String>::new());
    let foreign: Vec<String> = query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
         AND pg_get_userbyid(relowner) <> 'picket_owner'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(foreign, Vec::<String>::new());
}
