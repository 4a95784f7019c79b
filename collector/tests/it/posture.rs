//! What controls see of a real database: a good one passes, and each thing that somebody breaks is found.

use picket_collector::domain::posture::{Finding, State};
use picket_collector::store::posture::{Guarding, entering, forget_old, guarding, note, watching};
use picket_collector::store::read::posture::controls;
use picket_collector::store::sealed::{self, Place};
use picket_collector::vault::opener::key_of;
use picket_shared::time::Timestamp;
use sqlx::Executor;
use std::time::Duration;

use crate::database::TestDatabase;

const NOON: Timestamp = Timestamp::from_seconds(1_790_000_000);

async fn looked(database: &TestDatabase) -> Guarding {
    guarding(&mut database.pools.auth().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_migrated_database_guards_everything_and_says_so() {
    let database = TestDatabase::new().await;
    let seen = looked(&database).await;
    assert!(seen.tables > 25 && seen.columns > 300, "{seen:?}");
    let none: [&[String]; 4] = [&seen.unsecured, &seen.unbound, &seen.may_rewrite, &seen.unclassified];
    assert!(none.iter().all(|list| list.is_empty()), "{seen:?}");
    assert!(!seen.hashes_are_read, "{seen:?}");
}

#[tokio::test]
async fn each_guard_that_somebody_takes_away_is_missed() {
    let database = TestDatabase::new().await;
    let mut conn = database.login("postgres").await;
    let owner = |statement: &str| format!("SET ROLE picket_owner; {statement}; RESET ROLE");
    for (statement, found) in [
        ("ALTER TABLE monitors NO FORCE ROW LEVEL SECURITY", "monitors"),
        ("ALTER TABLE channels DISABLE ROW LEVEL SECURITY", "channels"),
        ("DROP POLICY tenant ON incidents", "incidents"),
        ("CREATE POLICY wide ON notices TO picket_app USING (true)", "notices"),
        ("CREATE POLICY wider ON deliveries FOR INSERT TO public WITH CHECK (true)", "deliveries"),
    ] {
        conn.execute(sqlx::AssertSqlSafe(owner(statement))).await.unwrap();
        assert!(looked(&database).await.unsecured.contains(&found.to_owned()), "{statement}");
    }
    conn.execute(sqlx::AssertSqlSafe(owner(
        "GRANT UPDATE (link) ON audit TO picket_app; GRANT DELETE ON audit TO picket_worker",
    )))
    .await
    .unwrap();
    assert_eq!(looked(&database).await.may_rewrite, ["picket_app", "picket_worker"]);
    conn.execute(sqlx::AssertSqlSafe(owner("GRANT SELECT (key_hash) ON api_keys TO picket_app"))).await.unwrap();
    assert!(looked(&database).await.hashes_are_read);
    conn.execute(sqlx::AssertSqlSafe(owner("COMMENT ON COLUMN users.email IS NULL"))).await.unwrap();
    assert_eq!(looked(&database).await.unclassified, ["users.email"]);
}

#[tokio::test]
async fn every_column_of_sealed_values_is_looked_at() {
    let database = TestDatabase::new().await;
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname LIKE 'sealed%'
           AND c.relname <> 'manual_checks' ORDER BY 1",
    )
    .fetch_all(&mut database.login("postgres").await)
    .await
    .unwrap();
    assert_eq!(found, Place::ALL.map(Place::name));
}

#[tokio::test]
async fn people_keys_and_monitors_are_counted() {
    let database = TestDatabase::new().await;
    let mut conn = database.login("postgres").await;
    conn.execute(
        "SELECT ensure_partition('results', 20000);
         INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'one', 0);
         INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES
             (gen_random_uuid(), 'a@example.org', '$argon2id$v=19$x', 0, 0), (gen_random_uuid(), 'b@example.org', '$2b$12$x', 0, 0);
         INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 1, id, 'owner', 0 FROM users;
         INSERT INTO sessions (uuid, token_hash, user_id, created_at, seen_at, expires_at)
             SELECT gen_random_uuid(), sha256(email::bytea), id, 1790000000000000, 1790000000000000, 1790000000000000 + 31 * 86400000000 FROM users;
         INSERT INTO api_keys (org_id, user_id, public_id, key_hash, name, scopes, created_at)
             VALUES (1, 1, 'abcdefgh', sha256('x'), 'k', '{monitors:read}', 0);
         INSERT INTO admin_grants (uuid, user_id, granted_by, from_at, until_at)
             VALUES (gen_random_uuid(), 1, 'command:root', 1790000000000000, 1790000000000000 + 86400000000);
         INSERT INTO regions (code, network, eu, created_at) VALUES ('eu', 'n', true, 0), ('us', 'n', false, 0);
         INSERT INTO probes (uuid, region_id, org_id, name, sealed_secret, created_at) VALUES (gen_random_uuid(), 1, NULL, 'p', '', 0);
         INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, eu_only, sealed_secret)
             VALUES (gen_random_uuid(), 1, 'm', 'tcp', 't', '{}', 60, 1000, 1, 0, 0, false, '\\x01000000ffaa'),
                    (gen_random_uuid(), 1, 'n', 'tcp', 't', '{}', 60, 1000, 1, 0, 0, true, NULL);
         INSERT INTO monitor_regions SELECT org_id, id, 2 FROM monitors;
         INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status, self_check, late_us, total_us)
             VALUES (1, 1, 1, 1, 1728000000000000, 0, 1, 's', 'u', 'g', 0, 0)",
    )
    .await
    .unwrap();
    let mut auth = database.pools.auth().await.unwrap();
    let seen = entering(&mut auth, NOON).await.unwrap();
    assert_eq!((seen.passwords, seen.weak_hashes, seen.sessions, seen.longest_session_days), (2, 1, 2, 31));
    assert_eq!((seen.keys, seen.bad_keys), (1, 0));
    assert_eq!((seen.grants, seen.grants_without_factor, seen.longest_grant_days), (1, 1, 1));
    let mut worker = database.pools.worker().await.unwrap();
    let seen = watching(&mut worker).await.unwrap();
    assert_eq!((seen.monitors, seen.regions, seen.regions_elsewhere), (2, 2, 1));
    assert_eq!((seen.strays, seen.secrets_elsewhere, seen.oldest_day), (1, 1, Some(20_000)));
    let values = sealed::count(&mut worker, &mut auth).await.unwrap();
    assert_eq!(values.iter().filter_map(|(_, beginning, _)| key_of(beginning)).collect::<Vec<_>>(), [255]);
}

#[tokio::test]
async fn a_row_lasts_as_long_as_the_same_is_found_and_the_past_is_kept_for_its_time() {
    let database = TestDatabase::new().await;
    let minute = |n: u32| NOON + Duration::from_secs(60) * n;
    let found = [
        (Finding::pass("1"), minute(0)),
        (Finding::pass("2"), minute(10)),
        (Finding::fail("3").with("where"), minute(20)),
        (Finding::pass("4"), minute(30)),
    ];
    for (finding, at) in &found {
        let mut worker = database.pools.worker().await.unwrap();
        note(&mut worker, "isolation", finding, *at).await.unwrap();
        note(&mut worker, "sessions", &Finding::not_measured("why"), *at).await.unwrap();
        worker.commit().await.unwrap();
    }
    let rows = controls(&mut database.pools.auth().await.unwrap(), minute(30)).await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .flat_map(|control| [&control.now].into_iter().chain(&control.before).map(|row| (control.id.as_str(), row)))
        .map(|(id, row)| (id, row.finding.state, row.finding.evidence.as_str(), row.first_at, row.last_at))
        .collect();
    assert_eq!(
        told,
        [
            ("isolation", State::Pass, "4", minute(30), minute(30)),
            ("isolation", State::Fail, "3", minute(20), minute(20)),
            ("isolation", State::Pass, "2", minute(0), minute(10)),
            ("sessions", State::NotMeasured, "why", minute(0), minute(30)),
        ]
    );
    let mut worker = database.pools.worker().await.unwrap();
    assert_eq!(forget_old(&mut worker, minute(15)).await.unwrap(), 1);
    assert_eq!(forget_old(&mut worker, minute(99)).await.unwrap(), 1, "what is so now stays");
}
