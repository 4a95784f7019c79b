//! Who sees which rows: asked of PostgreSQL's catalogue, and tried.

mod tables;

use picket_collector::store::read::{organizations, probes};
use picket_collector::store::{Conn, OrgKey};
use picket_shared::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor, query, query_scalar};

use self::tables::ALL_ROWS;
use crate::database::TestDatabase;

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
    query_scalar(AssertSqlSafe(format!("SELECT {column} FROM {table} ORDER BY 1")))
        .fetch_all(conn.conn())
        .await
        .unwrap()
}

/// Tables without an organization that the application may read anything of. A new one is added here on purpose.
const OF_THE_INSTANCE: &[&str] = &["assignment_clock", "instance", "probe_status", "region_holds", "regions"];

/// Tables in which tenants also see rows that are nobody's, and write none.
const SHARED: &[&str] = &["gaps", "probes"];

/// What administration counts, and what an export of an account names: tables of tenants of which the role that lets people in may
/// read these columns alone.
const COUNTED: [(&str, &str); 3] =
    [("incidents", "id uuid"), ("monitor_regions", "monitor_id region_id"), ("monitors", "deleted_at id org_id")];

/// Tables of which a managing organization sees rows of those that it manages, and writes none; and by which condition.
const MANAGED: [(&str, &str); 2] = [
    ("managements", "(manager_id = current_org())"),
    (
        "organization_summaries",
        "(org_id IN ( SELECT g.org_id\n   FROM managements g\n  WHERE ((g.manager_id = current_org()) AND (g.accepted_at IS NOT NULL) AND (g.ended_at IS NULL))))",
    ),
];

/// Of what tenants have, the eraser deletes only what is of an organization that was closed. It finds an address everywhere, and takes it
/// out of texts, which a trigger holds it to (`people.rs`).
const CLOSED: &str =
    "(org_id IN (SELECT organizations.id FROM organizations WHERE (organizations.deleted_at IS NOT NULL)))";

/// Tables of tenants that name people: the eraser reaches every row of these.
const OF_PEOPLE: &[&str] = &[
    "api_keys",
    "audit",
    "closures",
    "dpas",
    "export_pieces",
    "exports",
    "incident_assignees",
    "incident_events",
    "invitations",
    "maintenances",
    "managements",
    "manual_checks",
    "member_channels",
    "memberships",
    "policy_targets",
    "rotation_members",
    "schedule_overrides",
];

/// What runs with the rights of its owner, who is held by row security too.
const OF_THE_OWNER: &[&str] = &["audit_remove", "drop_partition", "ensure_partition", "hold_leadership"];

/// Tables and partitions that have rows of tenants.
const TENANTS: &str = "SELECT c.oid, c.relname, c.relispartition, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (c.relname = 'organizations'
       OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped))";

/// What is open to tenants that should not be, of all that there is in the catalogue.
async fn open(database: &TestDatabase) -> Vec<String> {
    // Every policy is for all commands, and says twice whose rows: of those that are there, and of those that come. The one
    // of tenants is for the two roles that have tenants; any other shows all rows, and is for neither of them. What tenants
    // share they may look at alone: without a policy for it nobody writes.
    let unsecured = format!(
        "WITH tenants AS ({TENANTS}), policies AS (
             SELECT t.oid, p.polname, p.polname = 'tenant' AS is_tenant, p.polcmd = '*' AND p.polpermissive AS is_whole,
                    t.relname = ANY ($1) AND p.polcmd = 'r' AS is_look, t.relname = ANY ($2) AND p.polcmd = 'r' AS is_count,
                    p.polname = 'managing' AND p.polcmd = 'r' AS is_managing,
                    t.relname = 'channels' AND p.polcmd = 'a' AS is_addition,
                    t.relname = ANY ($6) AS of_people,
                    p.polroles = ARRAY['picket_eraser'::regrole::oid] AND (p.polname = 'picket_eraser_finds' AND p.polcmd = 'r'
                        OR p.polname = 'picket_eraser_masks' AND p.polcmd = 'w' AND pg_get_expr(p.polqual, p.polrelid)
                            = '(NULLIF(current_setting(''picket.erasing''::text, true), ''''::text) IS NOT NULL)') AS is_finder,
                    t.relname = 'organizations' AND p.polroles = ARRAY['picket_eraser'::regrole::oid] AND (
                        p.polname = 'picket_eraser' AND p.polcmd = 'r' OR p.polname = 'picket_eraser_closed' AND p.polcmd = 'w'
                        AND pg_get_expr(p.polqual, p.polrelid) = '(deleted_at IS NOT NULL)') AS is_eraser,
                    (SELECT condition FROM unnest($3::text[], $4::text[]) m (relname, condition) WHERE m.relname = t.relname) AS managed,
                    pg_get_expr(p.polqual, p.polrelid) AS seen, pg_get_expr(p.polwithcheck, p.polrelid) AS written,
                    CASE t.relname WHEN 'organizations' THEN '(id = current_org())' ELSE '(org_id = current_org())' END AS own,
                    ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) r ORDER BY 1) AS roles
             FROM tenants t JOIN pg_policy p ON p.polrelid = t.oid)
         SELECT relname || ': row security is not enabled' FROM tenants WHERE NOT relrowsecurity
         UNION ALL SELECT relname || ': row security is not forced' FROM tenants WHERE NOT relforcerowsecurity
         UNION ALL SELECT relname || ': no policy keeps tenants apart' FROM tenants t WHERE NOT relispartition
             AND NOT EXISTS (SELECT FROM policies p WHERE p.oid = t.oid AND p.is_tenant)
         UNION ALL SELECT oid::regclass || ': the policy ' || polname || ' lets too much through' FROM policies WHERE NOT coalesce(
             CASE WHEN is_tenant AND roles <> '{{picket_app,picket_reader}}' THEN false
                  WHEN is_tenant AND is_look THEN seen = '(' || own || ' OR (org_id IS NULL))' AND written IS NULL
                  WHEN is_tenant THEN is_whole AND seen = own AND written = own
                  WHEN is_managing THEN seen = managed AND written IS NULL AND roles = '{{picket_app,picket_reader}}'
                  WHEN polname = 'picket_eraser' AND roles = '{{picket_eraser}}' AND written = 'true' THEN is_whole AND (
                      seen = 'true' AND of_people OR replace(regexp_replace(seen, '\\s+', ' ', 'g'), '( ', '(') IN ($5, '(' || $5 || ' OR (org_id IS NULL))'))
                  WHEN is_eraser OR is_finder THEN true
                  WHEN is_addition THEN seen IS NULL AND written = 'true' AND roles = '{{picket_auth}}'
                  WHEN is_count THEN seen = 'true' AND written IS NULL AND roles = '{{picket_auth}}'
                  ELSE is_whole AND seen = 'true' AND written = 'true' AND NOT roles && '{{picket_app,picket_reader,-}}' END, false)"
    );
    let rest = format!(
        "SELECT c.oid::regclass || ': tenants may read it, and it says not whose a row is' FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.oid NOT IN (SELECT oid FROM ({TENANTS}) t)
           AND NOT c.relname = ANY ($1) AND (has_any_column_privilege('picket_app', c.oid, 'SELECT, INSERT, UPDATE')
                                             OR has_table_privilege('picket_app', c.oid, 'DELETE, TRUNCATE'))
         UNION ALL SELECT c.oid::regclass || ': it shows what its owner sees' FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
           AND NOT coalesce(c.reloptions && '{{security_invoker=true,security_invoker=on}}', false)
         UNION ALL SELECT p.oid::regprocedure || ': it runs with the rights of its owner' FROM pg_proc p
         WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND NOT p.proname = ANY ($2)
         UNION ALL SELECT rolname || ': passes by row security, or owns something' FROM pg_roles r
         WHERE rolname LIKE 'picket%' AND (rolsuper OR rolbypassrls OR rolcreaterole OR (rolname <> 'picket_owner' AND (
             EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) OR EXISTS (SELECT FROM pg_proc WHERE proowner = r.oid)
             OR EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid))))
         UNION ALL SELECT relname || ': administration may do more than count' FROM unnest($3::text[], $4::text[]) t (relname, columns)
         WHERE has_any_column_privilege('picket_auth', relname, 'INSERT, UPDATE') OR has_table_privilege('picket_auth', relname, 'DELETE, TRUNCATE')
           OR columns <> (SELECT coalesce(string_agg(attname, ' ' ORDER BY attname), '') FROM pg_attribute
                          WHERE attrelid = relname::regclass AND attnum > 0 AND NOT attisdropped
                            AND has_column_privilege('picket_auth', attrelid, attnum, 'SELECT'))"
    );
    let (counted, columns): (Vec<&str>, Vec<&str>) = COUNTED.into_iter().unzip();
    let mut owner = database.login("picket_owner").await;
    let (managed, conditions): (Vec<&str>, Vec<&str>) = MANAGED.into_iter().unzip();
    let unsecured = query_scalar(AssertSqlSafe(unsecured))
        .bind(SHARED)
        .bind(&counted)
        .bind(managed)
        .bind(conditions)
        .bind(CLOSED)
        .bind(OF_PEOPLE);
    let mut found: Vec<String> = unsecured.fetch_all(&mut owner).await.unwrap();
    let rest = query_scalar(AssertSqlSafe(rest)).bind(OF_THE_INSTANCE).bind(OF_THE_OWNER).bind(counted).bind(columns);
    found.extend(rest.fetch_all(&mut owner).await.unwrap());
    found
}

#[tokio::test]
async fn every_table_of_tenants_has_forced_row_security_for_all_commands_and_no_role_passes_by_it() {
    let database = two_tenants().await;
    assert_eq!(open(&database).await, Vec::<String>::new());
    let tables = AssertSqlSafe(format!("SELECT relname::text FROM ({TENANTS}) t"));
    let tables: Vec<String> = query_scalar(tables).fetch_all(&mut database.login("picket_owner").await).await.unwrap();
    assert!(tables.len() > 24 && tables.iter().any(|table| table.starts_with("results_")), "{tables:?}");
}

#[tokio::test]
async fn what_is_open_to_other_tenants_is_found() {
    let policy =
        "CALL secure_table('pets', '{picket_worker}'); DROP POLICY tenant ON pets; CREATE POLICY tenant ON pets";
    let to = "TO picket_app, picket_reader";
    for (sql, wanted) in [
        (String::new(), vec!["row security is not enabled", "row security is not forced", "no policy keeps tenants apart"]),
        ("CALL secure_table('pets', '{picket_worker}')".to_owned(), vec![]),
        ("CALL secure_table('pets', '{}'); ALTER TABLE pets NO FORCE ROW LEVEL SECURITY".to_owned(), vec!["not forced"]),
        (format!("{policy} {to} USING (org_id = current_org())"), vec!["lets too much"]),
        (format!("{policy} FOR SELECT {to} USING (org_id = current_org())"), vec!["lets too much"]),
        (format!("{policy} {to} USING (true) WITH CHECK (org_id = current_org())"), vec!["lets too much"]),
        (format!("{policy} USING (org_id = current_org()) WITH CHECK (org_id = current_org())"), vec!["lets too much"]),
        ("CALL secure_table('pets', '{picket_app}')".to_owned(), vec!["lets too much"]),
        (
            "CALL secure_table('pets', '{}'); CREATE POLICY more ON pets USING (true) WITH CHECK (true)".to_owned(),
            vec!["lets too much"],
        ),
        (
            "CALL secure_table('pets', '{}'); CREATE TABLE toys (id bigint); GRANT SELECT (id) ON toys TO picket_app".to_owned(),
            vec!["says not whose"],
        ),
        ("CALL secure_table('pets', '{}'); CREATE VIEW all_pets AS SELECT * FROM pets".to_owned(), vec!["its owner sees"]),
        (
            "CALL secure_table('pets', '{}'); CREATE FUNCTION pet() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN 1".to_owned(),
            vec!["rights of its owner"],
        ),
        ("CALL secure_table('pets', '{}'); GRANT SELECT (target) ON monitors TO picket_auth".to_owned(), vec!["than count"]),
        (
            "CALL secure_table('pets', '{}'); CREATE POLICY managing ON pets FOR SELECT TO picket_app, picket_reader USING (true)".to_owned(),
            vec!["lets too much"],
        ),
        (
            "CALL secure_table('pets', '{}'); DROP POLICY managing ON managements; CREATE POLICY managing ON managements TO picket_app
             USING (manager_id = current_org())".to_owned(),
            vec!["lets too much"],
        ),
        ("CALL secure_table('pets', '{}'); GRANT DELETE ON monitor_regions TO picket_auth".to_owned(), vec!["than count"]),
        (
            "CALL secure_table('pets', '{}'); DROP POLICY picket_auth ON monitors; CREATE POLICY picket_auth ON monitors
             TO picket_auth USING (org_id < 2)".to_owned(),
            vec!["lets too much"],
        ),
    ] {
        let database = TestDatabase::new().await;
        let sql = format!("CREATE TABLE pets (id bigint, org_id bigint NOT NULL); {sql}");
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut database.login("picket_owner").await).await.unwrap();
        let found = open(&database).await;
        assert_eq!(found.len(), wanted.len(), "{sql}: {found:?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.contains(wanted), "{sql}: {found:?}");
        }
    }
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
        "SELECT tablename::text, string_agg(DISTINCT substr(who::text, 8), ' ' ORDER BY substr(who::text, 8))
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
        "SELECT token_hash FROM invitations",
    ] {
        let error = database.login("picket_app").await.execute(sql).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn administration_counts_monitors_and_reads_nothing_else_of_them() {
    let database = two_tenants().await;
    let mut auth = database.pools.auth().await.unwrap();
    let rows = organizations::page(&mut auth, "").await.unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.members, row.monitors)).collect();
    assert_eq!(seen, [("one", 0, 1), ("two", 0, 1)]);
    assert_eq!(probes::regions(&mut auth, Timestamp::from_seconds(0)).await.unwrap()[0].monitors, 2);
    drop(auth);
    for sql in [
        "SELECT name FROM monitors",
        "SELECT target FROM monitors",
        "SELECT spec FROM monitors",
        "SELECT sealed_secret FROM monitors",
        "UPDATE monitors SET deleted_at = 1",
        "DELETE FROM monitor_regions",
        "SELECT FROM states",
        "SELECT FROM results",
        "SELECT message FROM incidents",
        "UPDATE incidents SET resolved_at = 1",
        "SELECT FROM channels",
        "SELECT id FROM channels",
        "UPDATE channels SET verified_at = 1",
        "DELETE FROM channels",
        "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at) VALUES (gen_random_uuid(), 1, 'n', 'email', 'h', '', 0, 1)",
        "DELETE FROM admin_grants",
        "UPDATE admin_grants SET until_at = until_at + 1",
    ] {
        let error = database.login("picket_auth").await.execute(sql).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
    for role in ["picket_app", "picket_intake", "picket_worker", "picket_reader"] {
        let error = database.login(role).await.execute("SELECT FROM admin_grants").await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{role}: {error}");
    }
}

#[tokio::test]
async fn no_grant_is_for_longer_than_thirty_days_whoever_writes_it() {
    let database = TestDatabase::new().await;
    let mut conn = database.login("postgres").await;
    conn.execute("INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES (gen_random_uuid(), 'a@b.c', '', 0, 0)")
        .await
        .unwrap();
    let day: i64 = 86_400_000_000;
    for (until, fits) in [(30 * day, true), (30 * day + 1, false), (0, false), (-1, false)] {
        let given = query(
            "INSERT INTO admin_grants (uuid, user_id, granted_by, from_at, until_at) VALUES (gen_random_uuid(), 1, 'c', 0, $1)",
        );
        assert_eq!(given.bind(until).execute(&mut conn).await.is_ok(), fits, "{until}");
    }
}
