//! The chain of the audit log: made by the database whoever writes, verified by the collector, and closed to all roles but
//! for what is too old to be kept.

use picket_collector::domain::audit_chain::{Break, Fault, Mark, Verifier, Whole};
use picket_collector::store::audit::{self, Author};
use picket_collector::store::read::audit::{Filter, Walk, chains, read};
use picket_collector::store::{Conn, OrgKey};
use picket_shared::time::Timestamp;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor, query, query_scalar};

use crate::database::{MIGRATIONS, TestDatabase};

pub(crate) const NOON: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// An instance with two organizations, 1 and 2.
pub(crate) async fn two_tenants() -> TestDatabase {
    let database = TestDatabase::new().await;
    let make = "INSERT INTO organizations (uuid, name, created_at)
                VALUES (gen_random_uuid(), 'one', 0), (gen_random_uuid(), 'two', 0)";
    database.login("postgres").await.execute(make).await.unwrap();
    database
}

/// Adds an entry to a chain, as the role that writes to all of them.
pub(crate) async fn add(database: &TestDatabase, org: Option<i64>, action: &str, at: Timestamp) {
    let mut auth = database.pools.auth().await.unwrap();
    let author = Author { org: org.map(OrgKey), actor: "user:ada".to_owned(), origin: Some("192.0.2.7".to_owned()) };
    audit::append(&mut auth, &author.did(action, "thing", json!({ "name": "ü\"\\" }), at)).await.unwrap();
    auth.commit().await.unwrap();
}

/// Verifies one chain as it is.
pub(crate) async fn verify(database: &TestDatabase, org: Option<i64>, marks: Vec<Mark>) -> Result<Whole, Break> {
    let mut auth = database.pools.auth().await.unwrap();
    let chain = chains(&mut auth).await.unwrap().into_iter().find(|chain| chain.org == org.map(OrgKey)).unwrap();
    let mut verifier = Verifier::new(*chain.id.as_bytes(), chain.base.map(|base| base.mark), marks)?;
    let rows = read(&mut auth, chain.org, &Filter::default(), Walk::After(i64::MIN), 10_000).await.unwrap();
    rows.into_iter().try_for_each(|row| verifier.take(&row.entry()))?;
    verifier.finish()
}

fn whole(entries: u64, erased: u64) -> Result<Whole, Break> {
    Ok(Whole { entries, erased, marks: 0 })
}

/// As somebody whom nothing holds back.
async fn tamper(database: &TestDatabase, statement: &str) {
    let done = query(AssertSqlSafe(statement.to_owned())).execute(&mut database.login("postgres").await).await;
    assert!(done.unwrap().rows_affected() > 0, "{statement}");
}

/// How many entries are read for it, of a log of thousands.
async fn read_for(database: &TestDatabase, statement: &str) -> i64 {
    let mut conn = database.login("postgres").await;
    for part in ["BEGIN", statement] {
        conn.execute(AssertSqlSafe(part.to_owned())).await.unwrap();
    }
    let count = "SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_all_tables WHERE relname = 'audit'";
    query_scalar(count).fetch_one(&mut conn).await.unwrap()
}

#[tokio::test]
async fn an_entry_costs_the_same_however_long_its_chain_is_and_whose() {
    let database = two_tenants().await;
    let mut conn = database.login("postgres").await;
    for org in ["NULL", "1"] {
        let insert = format!(
            "INSERT INTO audit (org_id, at, actor, action, subject) SELECT {org}, n, 'web', 'user.sign_in_failed', '' FROM generate_series(1, 2000) n"
        );
        conn.execute(AssertSqlSafe(insert)).await.unwrap();
    }
    conn.execute("ANALYZE audit").await.unwrap();
    for org in ["NULL", "1"] {
        let one = format!("INSERT INTO audit (org_id, at, actor, action, subject) VALUES ({org}, 1, 'web', 'a', '')");
        assert!(read_for(&database, &one).await <= 2, "{org}: its head alone is read");
        let page = format!(
            "SELECT seq FROM audit WHERE org_id {} AND seq > 500 ORDER BY org_id, seq LIMIT 10",
            if org == "NULL" { "IS NULL" } else { "= 1" }
        );
        assert!(read_for(&database, &page).await <= 12, "{org}: a page alone is read");
    }
}

#[tokio::test]
async fn what_the_database_links_is_what_the_verifier_computes_for_each_chain_of_its_own() {
    let database = two_tenants().await;
    for round in 0..3 {
        for org in [None, Some(1), Some(2)] {
            add(&database, org, &format!("thing.{round}"), NOON).await;
        }
    }
    // Also without an origin, many at once, and by a statement that knows nothing of chains.
    tamper(
        &database,
        "INSERT INTO audit (org_id, at, actor, action, subject, detail, seq, link)
         SELECT 2, n, 'a', 'b', '', '{\"as\":  \"written\"}', 99, decode(repeat('ff', 32), 'hex') FROM generate_series(1, 40) n",
    )
    .await;
    assert_eq!(verify(&database, None, vec![]).await, whole(3, 0));
    assert_eq!(verify(&database, Some(1), vec![]).await, whole(3, 0));
    assert_eq!(verify(&database, Some(2), vec![]).await, whole(43, 0));
}

#[tokio::test]
async fn entries_that_are_added_at_the_same_moment_make_one_chain() {
    let database = two_tenants().await;
    // Two connections at a time, sometimes on the same chain and sometimes not.
    for (one, other) in [(None, None), (Some(1), Some(1)), (None, Some(1)), (Some(1), None)].repeat(8) {
        tokio::join!(add(&database, one, "thing.add", NOON), add(&database, other, "thing.add", NOON));
    }
    assert_eq!(verify(&database, None, vec![]).await, whole(32, 0));
    assert_eq!(verify(&database, Some(1), vec![]).await, whole(32, 0));
}

#[tokio::test]
async fn whoever_may_do_everything_in_the_database_is_found_out() {
    let broken = |fault, seq, through| Err(Break { fault, seq, through });
    for (statement, expected) in [
        ("UPDATE audit SET at = at + 1 WHERE org_id = 1 AND seq = 4", broken(Fault::Changed, 4, 4)),
        ("UPDATE audit SET actor = 'user:eve' WHERE org_id = 1 AND seq = 4", broken(Fault::Changed, 4, 4)),
        ("UPDATE audit SET action = 'a' WHERE org_id = 1 AND seq = 1", broken(Fault::Changed, 1, 1)),
        ("UPDATE audit SET subject = '' WHERE org_id = 1 AND seq = 9", broken(Fault::Changed, 9, 9)),
        ("UPDATE audit SET detail = '{\"name\": \"x\"}' WHERE org_id = 1 AND seq = 2", broken(Fault::Changed, 2, 2)),
        ("UPDATE audit SET origin = NULL WHERE org_id = 1 AND seq = 5", broken(Fault::Changed, 5, 5)),
        ("UPDATE audit SET salt = sha256('') WHERE org_id = 1 AND seq = 5", broken(Fault::Changed, 5, 5)),
        ("DELETE FROM audit WHERE org_id = 1 AND seq IN (3, 4)", broken(Fault::Missing, 3, 4)),
        ("DELETE FROM audit WHERE org_id = 1 AND seq < 4", broken(Fault::Missing, 1, 3)),
        ("DELETE FROM audit WHERE org_id = 1 AND seq > 7", broken(Fault::CutOff, 8, 10)),
        ("DELETE FROM audit WHERE org_id = 1", broken(Fault::CutOff, 1, 10)),
        ("UPDATE audit SET org_id = NULL WHERE org_id = 1 AND seq = 10", broken(Fault::CutOff, 10, 10)),
        (
            "UPDATE audit a SET actor = b.actor, action = b.action, subject = b.subject, detail = b.detail, at = b.at,
                 origin = b.origin, salt = b.salt, commitment = b.commitment, link = b.link
             FROM audit b WHERE a.org_id = 1 AND b.org_id = 1 AND (a.seq, b.seq) IN ((6, 8), (8, 6))",
            broken(Fault::Changed, 6, 6),
        ),
    ] {
        let database = two_tenants().await;
        for n in 0..10 {
            add(&database, Some(1), &format!("thing.{n}"), NOON + std::time::Duration::from_secs(n)).await;
        }
        let head = chains(&mut database.pools.auth().await.unwrap()).await.unwrap()[1].head.unwrap();
        assert_eq!(verify(&database, Some(1), vec![head]).await.unwrap().entries, 10);
        tamper(&database, statement).await;
        assert_eq!(verify(&database, Some(1), vec![head]).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn an_entry_whose_payload_was_erased_holds_and_nothing_of_it_is_left() {
    let database = two_tenants().await;
    for _ in 0..3 {
        add(&database, Some(1), "thing.add", NOON).await;
    }
    let erase =
        "UPDATE audit SET salt = NULL, actor = NULL, subject = NULL, detail = NULL, origin = NULL WHERE seq = 2";
    tamper(&database, erase).await;
    assert_eq!(verify(&database, Some(1), vec![]).await, whole(3, 1));
    let halves = "UPDATE audit SET actor = NULL WHERE seq = 1";
    let error = database.login("postgres").await.execute(halves).await.unwrap_err().to_string();
    assert!(error.contains("audit_erased"), "{error}");
    let left: String = query_scalar("SELECT a::text FROM audit a WHERE seq = 2")
        .fetch_one(&mut database.login("postgres").await)
        .await
        .unwrap();
    assert!(!left.contains(":ada") && !left.contains("192.0.2.7") && left.contains("thing.add"), "{left}");
}

#[tokio::test]
async fn rows_of_before_the_chain_are_chained_by_the_migration() {
    const CHAIN: i64 = 62;
    let database = TestDatabase::empty().await;
    let mut owner = database.login("picket_owner").await;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version < CHAIN) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut owner).await.unwrap();
    }
    let old = "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'one', 0), (gen_random_uuid(), 'two', 0);
         INSERT INTO audit (org_id, at, actor, action, subject, detail)
             SELECT nullif(n % 3, 0), n, 'ü', 'thing.add', 's', '{\"b\": [1, null], \"a\": \"x\"}' FROM generate_series(1, 30) n";
    sqlx::raw_sql(old).execute(&mut database.login("postgres").await).await.unwrap();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version >= CHAIN) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut owner).await.unwrap();
    }
    add(&database, Some(2), "thing.add", NOON).await;
    for (org, entries) in [(None, 10), (Some(1), 10), (Some(2), 11)] {
        assert_eq!(verify(&database, org, vec![]).await, whole(entries, 0));
    }
    let forced: bool =
        query_scalar("SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relname IN ('audit', 'organizations')")
            .fetch_one(&mut owner)
            .await
            .unwrap();
    assert!(forced);
}

#[tokio::test]
async fn no_role_may_change_or_delete_entries() {
    let database = two_tenants().await;
    let may: Vec<String> = query_scalar(
        "SELECT r.rolname || ' ' || p || ' ' || t FROM pg_roles r, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p,
                unnest(ARRAY['audit', 'audit_bases']) t
         WHERE r.rolname LIKE 'picket\\_%' AND r.rolname <> 'picket_owner' AND has_table_privilege(r.oid, t, p)
         UNION ALL
         SELECT r.rolname || ' UPDATE ' || a.attname FROM pg_roles r, pg_attribute a
         WHERE r.rolname LIKE 'picket\\_%' AND r.rolname <> 'picket_owner' AND a.attnum > 0
           AND a.attrelid IN ('audit'::regclass, 'audit_bases'::regclass)
           AND has_column_privilege(r.oid, a.attrelid, a.attnum, 'UPDATE')
           AND NOT (r.rolname = 'picket_eraser' AND a.attname IN ('actor', 'subject', 'detail', 'origin', 'salt'))
         UNION ALL
         SELECT r.rolname || ' audit_remove' FROM pg_roles r
         WHERE r.rolname LIKE 'picket\\_%' AND r.rolname <> 'picket_owner' AND r.rolname <> 'picket_worker'
           AND has_function_privilege(r.oid, 'audit_remove(bigint, bigint, bigint, bigint, bigint, bytea)', 'EXECUTE')
         UNION ALL
         SELECT r.rolname || ' INSERT audit_bases' FROM pg_roles r
         WHERE r.rolname LIKE 'picket\\_%' AND r.rolname <> 'picket_owner' AND has_table_privilege(r.oid, 'audit_bases', 'INSERT')",
    )
    .fetch_all(&mut database.login("postgres").await)
    .await
    .unwrap();
    assert_eq!(may, Vec::<String>::new());
    // Whom an entry names can be erased, and nothing can stand in the place.
    add(&database, Some(1), "thing.done", NOON).await;
    let mut eraser = database.login("picket_eraser").await;
    for set in [
        "actor = 'somebody else'",
        "actor = NULL",
        "subject = 'x', actor = NULL, detail = NULL, origin = NULL, salt = NULL",
    ] {
        let update = AssertSqlSafe(format!("UPDATE audit SET {set}"));
        let error = eraser.execute(update).await.unwrap_err().to_string();
        assert!(error.contains("erased or left alone"), "{set}: {error}");
    }
}

#[tokio::test]
async fn the_worker_removes_only_a_beginning_that_is_older_than_twelve_months() {
    const DAY: i64 = 86_400_000_000;
    let database = two_tenants().await;
    let old = NOON.shifted(-500 * DAY);
    for _ in 0..3 {
        add(&database, Some(1), "thing.old", old).await;
    }
    add(&database, Some(1), "thing.new", NOON).await;
    add(&database, Some(2), "thing.old", old).await;
    let cutoff = NOON.shifted(-400 * DAY).micros();
    for (why, org, through, cutoff, expected) in [
        ("eleven months", 1, 3, NOON.shifted(-334 * DAY).micros(), Err("twelve months")),
        ("what is new", 1, 4, cutoff, Err("not all")),
        ("the last", 2, 1, cutoff, Err("the last audit entry stays")),
        ("more than there is", 1, 9, cutoff, Err("not all")),
        ("nothing", 1, 0, cutoff, Err("there is no audit entry 0")),
        ("the beginning", 1, 2, cutoff, Ok(2_i64)),
        ("more of it", 1, 3, cutoff, Ok(1)),
    ] {
        let mut worker = database.pools.worker().await.unwrap();
        let removed: Result<i64, _> = query_scalar("SELECT audit_remove($1, $2, $3, 0, 0, '')")
            .bind(i64::from(org))
            .bind(i64::from(through))
            .bind(cutoff)
            .fetch_one(worker.conn())
            .await;
        match (removed, expected) {
            (Ok(removed), Ok(expected)) => assert_eq!(removed, expected, "{why}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{why}: {error}"),
            other => panic!("{why}: {other:?}"),
        }
        // A refusal ends its transaction.
        let _ = worker.commit().await;
    }
    assert_eq!(verify(&database, Some(1), vec![]).await, whole(1, 0));
}
