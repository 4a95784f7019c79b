//! Random statements of one tenant, as the role of the application, on every table that tenants have: not a row of another
//! tenant is seen or touched.
//!
//! First with the rights that the role has, then with every right there is: then row security alone holds. Constraints other
//! than keys are taken away, so that they refuse nothing that row security has to refuse. Columns come from the catalogue;
//! a new table takes part by being there.

use std::fmt::Write as _;
use std::io::Write as _;

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row, raw_sql};

use crate::database::TestDatabase;

/// What the tenant's role must never hear; it is in every text of the other tenant.
const CANARY: &str = "of-the-other";
/// Rows that each tenant has in each table at first.
const ROWS: usize = 4;
/// From one comparison of what the other tenant has to the next.
const ROUND: usize = 500;
/// The day of the partition that rows lie in, in microseconds.
const DAY: i64 = 20_000 * 86_400_000_000;

/// A table that tenants have rows in.
#[derive(Clone, Debug)]
struct Table {
    name: String,
    /// The column that says whose a row is.
    owner: &'static str,
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    kind: String,
    /// It decides which partition a row lies in.
    places: bool,
}

/// What a run found.
#[derive(Debug, Default)]
struct Tally {
    statements: usize,
    /// Rows that were seen or touched, of the tenant itself.
    own: usize,
    /// The same, of anybody else.
    foreign: usize,
    /// Errors that say something of the other tenant's rows.
    told: usize,
    /// Refused by row security, and for want of a right.
    hidden: usize,
    denied: usize,
    /// Refused for another reason.
    refused: usize,
    /// Tables in which something of the other tenant is not as it was.
    changed: Vec<String>,
}

async fn tables(superuser: &mut PgConnection) -> Vec<Table> {
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL),
                coalesce(a.attnum = ANY (p.partattrs::int2[]), false)
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND (c.relname = 'organizations'
           OR EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = 'org_id')) ORDER BY 1, a.attnum",
    )
    .fetch_all(superuser)
    .await
    .unwrap();
    let mut tables: Vec<Table> = Vec::new();
    for (table, name, kind, places) in columns {
        if tables.last().is_none_or(|last| last.name != table) {
            let owner = if table == "organizations" { "id" } else { "org_id" };
            tables.push(Table { name: table, owner, columns: Vec::new() });
        }
        if let Some(table) = tables.last_mut() {
            table.columns.push(Column { name, kind, places });
        }
    }
    tables
}

/// Some value of a column, as SQL writes it. Numbers are few, so that rows meet; texts say whose they are.
fn value(column: &Column, whose: &str, rng: &mut Rng) -> String {
    let n = rng.u32(..30);
    if column.name == "manager_id" {
        // A tenant sees by whom it is managed, and whom it manages: not this one.
        return (n + 3).to_string();
    }
    match column.kind.as_str() {
        "bigint" if column.places => (DAY + i64::from(n)).to_string(),
        "bigint" | "integer" | "smallint" => n.to_string(),
        "real" | "double precision" => format!("{n}.5"),
        "boolean" => rng.bool().to_string(),
        "text" => format!("'{whose}-{n}'"),
        "text[]" => format!("'{{{whose}-{n}}}'"),
        "bigint[]" | "integer[]" => format!("'{{{n}}}'"),
        "json" | "jsonb" => format!("'{{\"n\":\"{whose}-{n}\"}}'"),
        "bytea" => format!("sha256('{whose}-{}')", rng.u32(..)),
        "uuid" => format!("'{:032x}'", u128::from(n)),
        "inet" => format!("'192.0.2.{n}'"),
        "\"char\"" => "'s'".to_owned(),
        other => unreachable!("say here what a value of the type {other} may be"),
    }
}

/// What the tenant with this number writes into its texts.
fn voice(org: i64) -> &'static str {
    if org == 1 { "own" } else { CANARY }
}

impl Table {
    fn any<'a>(&'a self, rng: &mut Rng) -> &'a Column {
        &self.columns[rng.usize(..self.columns.len())]
    }

    fn insert(&self, org: &str, whose: &str, rng: &mut Rng) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|column| if column.name == self.owner { org.to_owned() } else { value(column, whose, rng) })
            .collect();
        format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
            self.name,
            names.join(", "),
            values.join(", ")
        )
    }
}

/// A condition on rows of `table`, some of which would choose the other tenant's.
fn condition(table: &Table, all: &[Table], rng: &mut Rng) -> String {
    let (name, owner) = (&table.name, table.owner);
    let other = &all[rng.usize(..all.len())];
    match rng.u8(..9) {
        0 => "true".to_owned(),
        1 => format!("{name}.{owner} = 2"),
        2 => format!("{name}.{owner} <> 1"),
        3 => format!("EXISTS (SELECT FROM {} o WHERE o.{} = 2)", other.name, other.owner),
        4 => format!("{name}.{owner} IN (SELECT o.{} FROM {} o)", other.owner, other.name),
        5 => format!("NOT ({})", condition(table, all, rng)),
        6 => format!("({} OR {})", condition(table, all, rng), condition(table, all, rng)),
        7 => format!("{name}.{} IS NOT NULL", table.any(rng).name),
        _ => {
            let column = table.any(rng);
            if column.kind == "json" {
                return "true".to_owned();
            }
            format!("{name}.{} >= {}", column.name, value(column, "", rng))
        }
    }
}

/// A statement; what it returns are the numbers of tenants whose rows it saw or touched.
fn statement(all: &[Table], rng: &mut Rng) -> String {
    let table = &all[rng.usize(..all.len())];
    let other = &all[rng.usize(..all.len())];
    let Table { name, owner, .. } = table;
    let org = if rng.bool() { "1" } else { "2" };
    let mut sql = match rng.u8(..12) {
        0 | 1 => format!("SELECT {owner} FROM {name} WHERE {}", condition(table, all, rng)),
        2 => format!(
            "SELECT unnest(ARRAY[a.{owner}, b.{}]) FROM {name} a, {} b WHERE b.{} <> 1 OR {}",
            other.owner,
            other.name,
            other.owner,
            rng.bool()
        ),
        3 => {
            let foreign = format!("count(*) FILTER (WHERE {owner} IS DISTINCT FROM 1)");
            format!("SELECT 1 + {foreign} FROM {name} WHERE {}", condition(table, all, rng))
        }
        4 => format!("SELECT {owner} FROM {name} UNION ALL SELECT {} FROM {}", other.owner, other.name),
        5 => format!("SELECT {owner} FROM {name} WHERE {} FOR UPDATE", condition(table, all, rng)),
        6..=8 => {
            let column = table.any(rng);
            let new = if column.name == *owner { org.to_owned() } else { value(column, "own", rng) };
            let mut sql = format!("UPDATE {name} SET {} = {new}", column.name);
            // Without a condition and without a look at what was done, only policies for changing are asked.
            if rng.bool() {
                let _ = write!(sql, " WHERE {}", condition(table, all, rng));
            }
            sql
        }
        9 => format!("DELETE FROM {name} WHERE {}", condition(table, all, rng)),
        10 => {
            let insert = table.insert(org, "own", rng);
            if rng.bool() { insert } else { format!("{insert} ON CONFLICT DO NOTHING") }
        }
        _ => {
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let taken: Vec<String> = table
                .columns
                .iter()
                .map(|column| if column.name == *owner { org.to_owned() } else { format!("{name}.{}", column.name) })
                .collect();
            let condition = condition(table, all, rng);
            let (columns, taken) = (columns.join(", "), taken.join(", "));
            format!(
                "INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {taken} FROM {name} WHERE {condition} LIMIT 1"
            )
        }
    };
    if !sql.starts_with("SELECT") && rng.bool() {
        let _ = write!(sql, " RETURNING {name}.{owner}");
    }
    sql
}

/// Two tenants, 1 and 2, each with rows in every table.
async fn two_tenants(database: &TestDatabase, rng: &mut Rng) -> Vec<Table> {
    let mut superuser = database.login("postgres").await;
    superuser
        .execute(
            "SELECT ensure_partition('results', 20000);
             DO $$ DECLARE c record; BEGIN
                 FOR c IN SELECT conrelid::regclass AS tab, conname FROM pg_constraint WHERE contype IN ('c', 'f')
                          AND connamespace = 'public'::regnamespace AND coninhcount = 0 AND conrelid <> 0 LOOP
                     EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.tab, c.conname);
                 END LOOP;
             END $$",
        )
        .await
        .unwrap();
    let all = tables(&mut superuser).await;
    for org in [1, 2] {
        fill(&mut superuser, &all, org, rng).await;
    }
    all
}

/// Gives a tenant its rows again, whatever it did with them.
async fn fill(superuser: &mut PgConnection, all: &[Table], org: i64, rng: &mut Rng) {
    superuser.execute("SET session_replication_role = replica").await.unwrap();
    for table in all {
        let empty = AssertSqlSafe(format!("DELETE FROM {} WHERE {} = {org}", table.name, table.owner));
        superuser.execute(empty).await.unwrap();
        let wanted = if table.name == "organizations" { 1 } else { ROWS };
        let mut made = 0;
        for _ in 0..200 {
            let sql = format!("{} ON CONFLICT DO NOTHING", table.insert(&org.to_string(), voice(org), rng));
            made += superuser.execute(AssertSqlSafe(sql)).await.unwrap().rows_affected();
            if made >= wanted as u64 {
                break;
            }
        }
        assert!(made > 0, "tenant {org} has no row in {}", table.name);
    }
    superuser.execute("SET session_replication_role = origin").await.unwrap();
}

/// All that is not tenant 1's, table by table.
async fn others(superuser: &mut PgConnection, all: &[Table]) -> Vec<(String, i64, String)> {
    let of = |Table { name, owner, .. }: &Table| {
        format!(
            "SELECT '{name}', count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {name} t
             WHERE {owner} IS DISTINCT FROM 1"
        )
    };
    let query = all.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ");
    sqlx::query_as(AssertSqlSafe(query)).fetch_all(superuser).await.unwrap()
}

/// Runs so many statements as tenant 1.
async fn run(database: &TestDatabase, all: &[Table], statements: usize, rng: &mut Rng) -> Tally {
    let mut superuser = database.login("postgres").await;
    let mut app = database.login("picket_app").await;
    app.execute("SET picket.org = '1'").await.unwrap();
    let before = others(&mut superuser, all).await;
    assert!(before.iter().all(|(_, rows, _)| *rows > 0), "the other tenant has nothing to see: {before:?}");
    let mut tally = Tally::default();
    for n in 0..statements {
        if n % ROUND == 0 {
            fill(&mut superuser, all, 1, rng).await;
        }
        one(&mut app, &statement(all, rng), &mut tally).await;
        if (n + 1) % ROUND == 0 || n + 1 == statements {
            let now = others(&mut superuser, all).await;
            let changed = before.iter().zip(&now).filter(|(before, now)| before != now);
            tally.changed.extend(changed.map(|(_, (table, ..))| table.clone()));
            tally.changed.sort();
            tally.changed.dedup();
        }
    }
    tally
}

async fn one(app: &mut PgConnection, sql: &str, tally: &mut Tally) {
    tally.statements += 1;
    match raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut *app).await {
        Ok(rows) => {
            for row in rows {
                let org: Option<i64> = row.try_get(0).unwrap();
                if org == Some(1) { tally.own += 1 } else { tally.foreign += 1 }
            }
        }
        Err(error) => {
            let text = format!("{error:?}");
            if text.contains(CANARY) {
                tally.told += 1;
            }
            let code = error.as_database_error().and_then(|error| Some(error.code()?.into_owned())).unwrap_or_default();
            match code.as_str() {
                "42501" if text.contains("row-level security") => tally.hidden += 1,
                "42501" => tally.denied += 1,
                // Keys, NOT NULL, values out of range, columns that are always generated, what triggers refuse, no partition.
                "23502" | "23505" | "23514" | "22003" | "428C9" | "P0001" | "21000" => tally.refused += 1,
                _ => unreachable!("{sql} is no statement: {text}"),
            }
        }
    }
}

/// So many in a run: a million where there is time.
fn statements() -> usize {
    if std::env::var_os("PICKET_FULL").is_some() { 1_000_000 } else { 20_000 }
}

#[tokio::test]
async fn no_statement_of_a_tenant_sees_or_touches_a_row_of_another() {
    let (database, mut rng) = (TestDatabase::new().await, Rng::with_seed(1));
    let all = two_tenants(&database, &mut rng).await;
    assert!(all.len() > 20, "only {} tables", all.len());
    let half = statements() / 2;
    let delivered = run(&database, &all, half, &mut rng).await;
    let everything = "GRANT ALL ON ALL TABLES IN SCHEMA public TO picket_app";
    database.login("postgres").await.execute(everything).await.unwrap();
    let unbound = run(&database, &all, half, &mut rng).await;
    for (rights, tally) in [("its own rights", &delivered), ("every right", &unbound)] {
        let Tally { statements, own, foreign, hidden, denied, refused, .. } = tally;
        // Not print!, which nobody sees of a test that passes.
        let _ = writeln!(
            std::io::stdout().lock(),
            "{statements} random statements of a tenant with {rights} on {} tables: {own} rows of its own, {foreign} of others \
             ({hidden} refused by row security, {denied} by rights, {refused} by constraints)",
            all.len()
        );
        assert_eq!((tally.foreign, tally.told, &tally.changed), (0, 0, &Vec::new()), "{tally:?}");
        assert!(tally.own > half / 4 && tally.hidden > half / 100, "too little was tried: {tally:?}");
    }
    assert!(delivered.denied > half / 20 && unbound.denied == 0, "{delivered:?} {unbound:?}");
}

#[tokio::test]
async fn a_policy_that_lets_a_tenant_too_far_is_found() {
    for (weaken, table) in [
        ("ALTER POLICY tenant ON monitors USING (true)", "monitors"),
        ("ALTER POLICY tenant ON channels WITH CHECK (true)", "channels"),
        ("ALTER TABLE results DISABLE ROW LEVEL SECURITY; GRANT ALL ON results TO picket_app", "results"),
    ] {
        let (database, mut rng) = (TestDatabase::new().await, Rng::with_seed(2));
        let all = two_tenants(&database, &mut rng).await;
        raw_sql(weaken).execute(&mut database.login("postgres").await).await.unwrap();
        let mut tally = Tally::default();
        // Random statements come to a table the more seldom, the more tables there are.
        for _ in 0..10 {
            tally = run(&database, &all, 6_000, &mut rng).await;
            if tally.foreign > 0 || !tally.changed.is_empty() {
                break;
            }
        }
        assert!(tally.foreign > 0 || !tally.changed.is_empty(), "{weaken}: {tally:?}");
        assert!(tally.changed.is_empty() || tally.changed.contains(&table.to_owned()), "{weaken}: {tally:?}");
    }
}
