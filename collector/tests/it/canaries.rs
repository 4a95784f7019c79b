//! In every column that can hold a text lies a canary, for one user and organization and for another: an export holds every canary that
//! the classes say it holds, and none of the other; after the erasure a plain dump has none left, and all of the other.
//!
//! Tables and columns come from the catalogue; a new one takes part by being there.

use std::collections::BTreeMap;

use picket_collector::domain::column_class::{ColumnClass, Erase, Subject};
use picket_collector::ops::erasure;
use picket_collector::privacy::erase::Receipts;
use picket_collector::privacy::export::{Export, Wanted};
use picket_collector::privacy::ledger::Ledger;
use picket_collector::store::{OrgKey, UserKey};
use picket_collector::vault::KeyRing;
use picket_shared::ids::CollectorId;
use picket_shared::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use uuid::Uuid;

use crate::database::TestDatabase;

/// The day of the partition that rows lie in, in microseconds.
pub(crate) const DAY: i64 = 20_000 * 86_400_000_000;

pub(crate) struct Column {
    pub(crate) table: String,
    pub(crate) name: String,
    kind: String,
    /// It decides which partition a row lies in.
    places: bool,
    nullable: bool,
    pub(crate) class: Option<ColumnClass>,
}

impl Column {
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.kind.as_str(), "text" | "text[]" | "json" | "jsonb")
    }

    /// What nobody else says: a word of its own, and the address in its place in a text.
    fn canary(&self, n: i64) -> String {
        let address = format!("canary-{n}@example.org");
        match (self.table.as_str(), self.name.as_str()) {
            (_, "email") => address,
            (_, "actor") => format!("user:{address}"),
            (table, column) => format!("canary-{n}-{table}-{column} {address}"),
        }
    }

    pub(crate) fn value(&self, n: i64) -> String {
        let canary = self.canary(n);
        match self.kind.as_str() {
            // What is over, deleted or somebody's in particular would hide the row from an export.
            "bigint" if self.nullable && !self.name.ends_with("_id") && self.name != "id" => "NULL".to_owned(),
            "bigint" if self.name == "service_org_id" => "NULL".to_owned(),
            "bigint" if self.places => (DAY + n).to_string(),
            "bigint" | "integer" | "smallint" => n.to_string(),
            "real" | "double precision" => format!("{n}.5"),
            "boolean" => "false".to_owned(),
            "text" if self.name == "role" => "'owner'".to_owned(),
            "text" if self.table == "users" && self.name == "service_name" => "NULL".to_owned(),
            "text" => format!("'{canary}'"),
            "text[]" => format!("ARRAY['{canary}']"),
            "bigint[]" | "integer[]" => format!("'{{{n}}}'"),
            "json" | "jsonb" => format!("'{{\"n\":\"{canary}\"}}'"),
            "bytea" => format!("sha256('{canary}')"),
            "uuid" => format!("'{:032x}'", n),
            "inet" => format!("'192.0.2.{n}'"),
            "\"char\"" => "'s'".to_owned(),
            other => unreachable!("say here what a value of the type {other} may be"),
        }
    }
}

async fn columns(superuser: &mut PgConnection) -> Vec<Column> {
    type Row = (String, String, String, bool, bool, String);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL),
                coalesce(a.attnum = ANY (p.partattrs::int2[]), false), NOT a.attnotnull, coalesce(col_description(c.oid, a.attnum), '')
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relname NOT IN ('_sqlx_migrations', 'instance', 'closures') AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
         ORDER BY 1, a.attnum",
    )
    .fetch_all(superuser)
    .await
    .unwrap();
    let column = |(table, name, kind, places, nullable, class): Row| Column {
        table,
        name,
        kind,
        places,
        nullable,
        class: class.parse().ok(),
    };
    rows.into_iter().map(column).collect()
}

/// A row of each table for a user and an organization of this number.
async fn seed(superuser: &mut PgConnection, columns: &[Column], n: i64) {
    let mut tables: BTreeMap<&str, Vec<&Column>> = BTreeMap::new();
    for column in columns {
        tables.entry(&column.table).or_default().push(column);
    }
    for (table, columns) in tables {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = columns.iter().map(|column| column.value(n)).collect();
        let sql = format!(
            "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) ON CONFLICT DO NOTHING",
            names.join(", "),
            values.join(", ")
        );
        let done = superuser.execute(AssertSqlSafe(sql)).await.unwrap();
        assert!(done.rows_affected() == 1 || n == 2, "{table} has no row");
    }
}

pub(crate) async fn seeded() -> (TestDatabase, Vec<Column>) {
    let database = TestDatabase::new().await;
    let mut superuser = database.login("postgres").await;
    superuser
        .execute(
            "SELECT ensure_partition(relname::text, 20000) FROM pg_class WHERE relkind = 'p';
             DO $$ DECLARE c record; BEGIN
                 FOR c IN SELECT conrelid::regclass AS tab, conname FROM pg_constraint WHERE contype = 'c'
                          AND connamespace = 'public'::regnamespace AND coninhcount = 0 AND conrelid <> 0 LOOP
                     EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.tab, c.conname);
                 END LOOP;
             END $$;
             SET session_replication_role = replica",
        )
        .await
        .unwrap();
    let columns = columns(&mut superuser).await;
    for n in [1, 2] {
        seed(&mut superuser, &columns, n).await;
    }
    superuser.execute("SELECT setval(oid::regclass, 100) FROM pg_class WHERE relkind = 'S'").await.unwrap();
    (database, columns)
}

/// Each row of each table as text, by table.
pub(crate) async fn rows(database: &TestDatabase, columns: &[Column]) -> Vec<(String, String)> {
    let mut superuser = database.login("postgres").await;
    let mut tables: Vec<&str> = columns.iter().map(|column| &*column.table).collect();
    tables.extend(["closures"]);
    tables.dedup();
    let mut found = Vec::new();
    for table in tables {
        let query = AssertSqlSafe(format!("SELECT '{table}', row_to_json(t)::text FROM {table} t"));
        found.extend(sqlx::query_as::<_, (String, String)>(query).fetch_all(&mut superuser).await.unwrap());
    }
    found
}

fn of(n: i64, rows: &[(String, String)]) -> Vec<&(String, String)> {
    rows.iter().filter(|(_, row)| row.contains(&format!("canary-{n}"))).collect()
}

#[tokio::test]
async fn an_export_holds_every_canary_that_it_should_and_none_of_another() {
    let (database, columns) = seeded().await;
    let wanted = Wanted {
        user: UserKey(1),
        id: Uuid::from_u128(1),
        email: Some("canary-1@example.org".to_owned()),
        org: Some(OrgKey(1)),
        configuration: false,
        only: None,
    };
    let export = Export::of(database.pools.clone(), wanted).await.unwrap();
    let tables: Vec<String> = export.tables().into_iter().map(|listed| listed.table).collect();
    let (sender, mut pieces) = tokio::sync::mpsc::channel(8);
    let writing = tokio::spawn(export.json(Timestamp::from_micros(DAY), sender));
    let mut text = String::new();
    while let Some(piece) = pieces.recv().await {
        text.push_str(&String::from_utf8_lossy(&piece.unwrap()));
    }
    writing.await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(document["manifest"].is_object() || document["manifest"].is_array(), "it has a manifest");
    assert!(!text.contains("canary-2"), "something of another is in it");
    let told =
        columns.iter().filter(|column| column.is_text() && column.class.as_ref().is_some_and(|class| class.export));
    let (mut seen, mut missing) = (0, Vec::new());
    for column in told {
        if !tables.contains(&column.table) || column.value(1) == "NULL" || column.name == "role" {
            continue;
        }
        seen += 1;
        let canary = column.canary(1);
        if !text.contains(&canary) {
            missing.push(canary);
        }
    }
    assert!(seen > 60, "only {seen} columns");
    assert_eq!(missing, Vec::<String>::new());
}

#[tokio::test]
async fn after_an_erasure_no_canary_is_left_and_every_one_of_another_is() {
    let (database, columns) = seeded().await;
    let before = rows(&database, &columns).await;
    assert!(of(1, &before).len() > 25, "only {} rows", of(1, &before).len());
    let mut superuser = database.login("postgres").await;
    superuser
        .execute(
            "INSERT INTO closures (uuid, user_id, org_id, closed_at, erase_at) VALUES (gen_random_uuid(), 1, NULL, 1, 2), (gen_random_uuid(), NULL, 1, 1, 2);
             UPDATE users SET deleted_at = 1 WHERE id = 1; UPDATE organizations SET deleted_at = 1 WHERE id = 1",
        )
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ring = KeyRing::generate().unwrap();
    let ledger = Ledger::of(folder.path().join("ended.ledger"), &ring, CollectorId(Uuid::from_u128(7))).unwrap();
    let receipts = Receipts { sealer: None, copies_until: None };
    let done = erasure::run(&database.pools, &ledger, &receipts, Timestamp::from_micros(DAY)).await.unwrap();
    assert_eq!(done.erased, 2);
    let after = rows(&database, &columns).await;
    // What is kept says so, or is of nobody.
    let stays = |class: &ColumnClass| class.erase == Erase::Keep || class.subject == Subject::None;
    let kept: Vec<String> = columns
        .iter()
        .filter(|column| column.class.as_ref().is_some_and(stays))
        .map(|column| column.canary(1))
        .collect();
    let left: Vec<_> = of(1, &after)
        .into_iter()
        .filter(|(_, row)| kept.iter().fold(row.clone(), |row, kept| row.replace(kept, "")).contains("canary-1"))
        .collect();
    assert_eq!(left, Vec::<&(String, String)>::new());
    let of_people = |class: &ColumnClass| matches!(class.subject, Subject::User | Subject::Contact);
    let texts = columns.iter().filter(|column| column.is_text());
    let kept: Vec<String> = texts
        .filter(|column| column.class.as_ref().is_some_and(|class| class.erase == Erase::Keep && of_people(class)))
        .map(|column| format!("{}.{}", column.table, column.name))
        .collect();
    assert_eq!(kept, Vec::<String>::new(), "a text about people that is kept");
    assert_eq!(of(2, &after), of(2, &before), "another's rows are as they were");
}
