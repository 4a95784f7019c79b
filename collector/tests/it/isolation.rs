//! Who sees which rows: asked of PostgreSQL's catalogue, and tried.

use picket_collector::store::{Conn, OrgKey};
use sqlx::{AssertSqlSafe, Executor, query, query_scalar};

use crate::database::TestDatabase;

/// Tables that a role may see without being a tenant, by policy. A new one is added here on purpose or not at all.
const ALL_ROWS: &[(&str, &str)] = &[
    ("api_keys", "auth backup"),
    ("audit", "auth backup intake owner worker"),
    ("audit_bases", "auth backup owner worker"),
    ("changes", "backup intake worker"),
    ("channel_proofs", "backup worker"),
    ("channels", "backup worker"),
    ("deliveries", "backup worker"),
    ("delivery_attempts", "backup worker"),
    ("gaps", "backup intake worker"),
    ("incident_events", "backup worker"),
    ("incidents", "backup worker"),
    ("manual_checks", "backup intake worker"),
    ("memberships", "auth backup worker"),
    ("monitor_regions", "backup intake worker"),
    ("monitors", "backup intake worker"),
    ("notices", "backup worker"),
    ("organizations", "auth backup worker"),
    ("probes", "auth backup intake worker"),
    ("rechecks", "backup intake worker"),
    ("region_states", "backup intake worker"),
    ("replays", "backup intake worker"),
    ("results", "backup intake worker"),
    ("spans", "backup worker"),
    ("standing_alarms", "backup worker"),
    ("states", "backup intake worker"),
];

/// Two organizations, 1 and 2, each with a row in tables of several kinds.
async fn two_tenants() -> TestDatabase {
    let database = TestDatabase::new().await;
    let mut conn = database.login("postgres").await;
    conn.execute(
        "SELECT ensure_partition('results', 20000);
         INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'one', 0), (gen_random_uuid(), 'two', 0);
         INSERT INTO regions (code, network, eu, created_at) VALUES ('eu', 'n', true, 0);
         INSERT INTO probes (uuid, region_id, org_id, name, sealed_secret, created_at)
             SELECT gen_random_uuid(), 1, id, 'private', '', 0 FROM organizations;
         INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
             SELECT gen_random_uuid(), id, 'm', 'tcp', 't', '{}', 60, 1000, 1, 0, 0 FROM organizations;
         INSERT INTO monitor_regions SELECT org_id, id, 1 FROM monitors;
         INSERT INTO audit (org_id, at, actor, action, subject) SELECT id, 0, 'a', 'b', 'c' FROM organizations;
         INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
             SELECT gen_random_uuid(), id, 'c', 'email', 'h', '', 0 FROM organizations;
         INSERT INTO spans (org_id, monitor_id, from_at, verdict, noted_at) SELECT org_id, id, 0, 'up', 0 FROM monitors;
         INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status, self_check, late_us, total_us)
             SELECT org_id, id, 1, 1, 1728000000000000, 0, 1, 's', 'u', 'g', 0, 0 FROM monitors;
         INSERT INTO manual_checks (uuid, org_id, region_id, kind, spec, eu_only, timeout_ms, asked_by, asked_at, expires_at)
             SELECT gen_random_uuid(), id, 1, 'tcp', '{}', false, 1000, 'a', 0, 1 FROM organizations",
    )
    .await
    .unwrap();
    database
}

/// The tables filled above, each with the column that says whose row it is.
const FILLED: [(&str, &str); 9] = [
    ("organizations", "id"),
    ("probes", "org_id"),
    ("monitors", "org_id"),
    ("monitor_regions", "org_id"),
    ("audit", "org_id"),
    ("channels", "org_id"),
    ("spans", "org_id"),
    ("results", "org_id"),
    ("manual_checks", "org_id"),
];

async fn owners(conn: &mut impl Conn, table: &str, column: &str) -> Vec<i64> {
    let select = AssertSqlSafe(format!("SELECT {column} FROM {table} ORDER BY 1"));
    query_scalar(select).fetch_all(conn.conn()).await.unwrap()
}

#[tokio::test]
async fn every_table_and_partition_with_an_organization_has_forced_row_security() {
    let database = two_tenants().await;
    let tables: Vec<(String, bool)> = sqlx::query_as(
        "SELECT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (c.relname = 'organizations'
           OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id')) ORDER BY 1",
    )
    .fetch_all(&mut database.login("picket_owner").await)
    .await
    .unwrap();
    let open: Vec<_> = tables.iter().filter(|(_, secured)| !secured).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(tables.iter().any(|(table, _)| table.starts_with("results_")), "{tables:?}");
}

#[tokio::test]
async fn without_a_tenant_no_row_is_seen() {
    let database = two_tenants().await;
    let mut tx = database.pools.app.begin().await.unwrap();
    for (table, _) in FILLED {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        assert_eq!(query_scalar::<_, i64>(count).fetch_one(&mut *tx).await.unwrap(), 0, "{table}");
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_no_others() {
    let database = two_tenants().await;
    for org in [1, 2] {
        let mut scoped = database.pools.scoped(OrgKey(org)).await.unwrap();
        for (table, column) in FILLED {
            assert_eq!(owners(&mut scoped, table, column).await, [org], "{table}");
        }
    }
}

#[tokio::test]
async fn a_tenant_does_not_outlive_its_transaction() {
    let database = two_tenants().await;
    // As many as the pool holds, so that the next one gets a used connection.
    for _ in 0..3 {
        database.pools.scoped(OrgKey(1)).await.unwrap().commit().await.unwrap();
    }
    let seen: i64 = query_scalar("SELECT count(*) FROM monitors").fetch_one(&database.pools.app).await.unwrap();
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn a_tenant_can_neither_change_nor_plant_rows_of_another() {
    let database = two_tenants().await;
    let mut scoped = database.pools.scoped(OrgKey(1)).await.unwrap();
    let changed = query("UPDATE monitors SET name = 'mine' WHERE org_id = 2").execute(scoped.conn()).await.unwrap();
    assert_eq!(changed.rows_affected(), 0);
    let planted = query("INSERT INTO audit (org_id, at, actor, action, subject) VALUES (2, 0, 'a', 'b', 'c')");
    let error = planted.execute(scoped.conn()).await.unwrap_err().to_string();
    assert!(error.contains("row-level security"), "{error}");
}

#[tokio::test]
async fn a_partition_cannot_be_read_past_its_parent() {
    let database = two_tenants().await;
    let partition: String =
        query_scalar("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'results'::regclass")
            .fetch_one(&mut database.login("picket_owner").await)
            .await
            .unwrap();
    for role in ["picket_app", "picket_intake", "picket_worker", "picket_auth", "picket_reader"] {
        let read = AssertSqlSafe(format!("SELECT count(*) FROM {partition}"));
        let error = database.login(role).await.execute(read).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{role}: {error}");
    }
}

#[tokio::test]
async fn only_listed_tables_show_every_row_to_a_role() {
    let database = TestDatabase::new().await;
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT tablename::text, string_agg(substr(who::text, 8), ' ' ORDER BY who::text)
         FROM pg_policies, unnest(roles) who WHERE policyname <> 'tenant' GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(&mut database.login("picket_owner").await)
    .await
    .unwrap();
    let found: Vec<_> = found.iter().map(|(table, roles)| (table.as_str(), roles.as_str())).collect();
    assert_eq!(found, ALL_ROWS);
}

#[tokio::test]
async fn tenants_cannot_read_secrets_that_they_or_others_have_written() {
    let database = two_tenants().await;
    for sql in [
        "SELECT sealed_secret FROM probes",
        "SELECT nonce FROM probe_keys",
        "SELECT sealed_settings FROM channels",
        "SELECT sealed_code FROM channel_proofs",
        "SELECT sealed_secret FROM manual_checks",
        "SELECT key_hash FROM api_keys",
    ] {
        let error = database.login("picket_app").await.execute(sql).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
}
