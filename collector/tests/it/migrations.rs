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
async fn channels_that_are_there_stay_told_when_proofs_come() {
    const PROOFS: i64 = 20;
    let database = TestDatabase::empty().await;
    let mut owner = database.login("picket_owner").await;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version < PROOFS) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut owner).await.unwrap();
    }
    let mut conn = database.login("postgres").await;
    sqlx::raw_sql(
        "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', 0);
         INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
             VALUES (gen_random_uuid(), 1, 'hook', 'webhook', 'h', 'sealed', 42)",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version >= PROOFS) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut owner).await.unwrap();
    }
    let verified: (i64, String, bool) = sqlx::query_as(
        "SELECT verified_at, verified_by, (SELECT relforcerowsecurity FROM pg_class WHERE oid = 'channels'::regclass)
         FROM channels",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(verified, (42, "before".to_owned(), true));
}

#[tokio::test]
async fn channels_that_are_there_count_as_abroad_where_their_kind_may_be() {
    const RESIDENCY: i64 = 97;
    let database = TestDatabase::empty().await;
    let mut owner = database.login("picket_owner").await;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version < RESIDENCY) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut owner).await.unwrap();
    }
    let mut conn = database.login("postgres").await;
    sqlx::raw_sql(
        "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', 0);
         INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, deleted_at, unset_at, unset_why)
             SELECT gen_random_uuid(), 1, name, kind, 'h', '', 42, deleted, unset, CASE WHEN unset IS NOT NULL THEN 'erased' END
             FROM (VALUES ('mail', 'email', NULL::bigint, NULL::bigint), ('sms', 'twilio', NULL, NULL), ('bot', 'telegram', NULL, NULL),
                          ('gone', 'slack', 1, NULL), ('off', 'slack', NULL, 1)) x (name, kind, deleted, unset)",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version >= RESIDENCY) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut owner).await.unwrap();
    }
    let found: Vec<(String, String)> =
        sqlx::query_as("SELECT name, abroad FROM channels WHERE abroad IS NOT NULL ORDER BY name")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(
        found,
        [("bot", "Telegram"), ("sms", "Twilio")].map(|(name, abroad)| (name.to_owned(), abroad.to_owned()))
    );
    let forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'channels'::regclass";
    assert!(query_scalar::<_, bool>(forced).fetch_one(&mut conn).await.unwrap());
}

#[tokio::test]
async fn no_role_passes_by_row_security_and_none_but_the_owner_owns_anything() {
    let database = TestDatabase::new().await;
    let mut conn = database.login("postgres").await;
    // Who takes base backups replicates, and can nothing else.
    let mighty: Vec<String> = query_scalar(
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'picket\\_%'
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication <> (rolname = 'picket_backup'))",
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
