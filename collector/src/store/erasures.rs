//! Erasure: what the classes of columns say becomes of rows when whose they are goes, as statements of the eraser. Tables come in
//! such an order that no row is deleted to which another still points; rows go some at a time, each piece counted as it goes.
//!
//! Names of tables and columns come from PostgreSQL's own catalogue and are quoted; whose rows are wanted is bound.

use std::collections::{BTreeMap, BTreeSet};

use picket_shared::time::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;

use super::catalogue::{Catalogue, Column, Part, Table, quoted};
use super::{Conn, Eraser, StoreError, erasure_receipts};
use crate::domain::column_class::{Erase, Subject};

/// Rows that go in one transaction.
pub const PIECE: i64 = 2_000;
/// What stands in the place of a text that named somebody.
const MASKED: &str = "erased";

/// Whose rows are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// Of an account, or of an organization.
    pub part: Part,
    /// The row of either.
    pub key: i64,
    /// What names a person in texts: addresses, in lower case, and the id; nothing for an organization.
    pub names: Vec<String>,
}

/// Something closed that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its row; none of what a ledger says is gone, and a restored copy has again.
    pub closure: Option<i64>,
    /// Of an account, or of an organization.
    pub part: Part,
    /// The row of either.
    pub key: i64,
    /// What names it outside.
    pub subject: Uuid,
}

/// What is done with one table.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which.
    pub table: String,
    /// The statement: `$1` is the row, `$2` the names, `$3` how many at most, `$4` a monitor where it goes by monitors.
    sql: String,
    by_monitors: bool,
}

/// Table, table to which it points, columns by which it does.
type Reference = (String, String, Vec<String>);

/// What is done, in order; what was closed itself comes last.
///
/// # Errors
/// When the database fails, a column is not classified, or tables point to each other in a circle.
pub async fn plan(conn: &mut Eraser, part: Part) -> Result<Vec<Step>, StoreError> {
    let catalogue = Catalogue::read(conn).await?;
    let references: Vec<Reference> = sqlx::query_as(
        "SELECT k.conrelid::regclass::text, k.confrelid::regclass::text,
                ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND NOT c.relispartition AND k.conparentid = 0",
    )
    .fetch_all(conn.conn())
    .await?;
    let order = ordered(&catalogue, &references)?;
    let tables = order.iter().filter_map(|name| catalogue.tables().iter().find(|table| table.name == *name));
    Ok(tables.flat_map(|table| steps(table, part, &references)).collect())
}

/// Tables, none before one that points to it.
fn ordered(catalogue: &Catalogue, references: &[Reference]) -> Result<Vec<String>, StoreError> {
    let mut left: BTreeSet<&str> = catalogue.tables().iter().map(|table| &*table.name).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let points = |from: &str, to: &str| {
            references.iter().any(|(child, parent, _)| child == from && parent == to && child != parent)
        };
        let free: Vec<&str> = left
            .iter()
            .copied()
            .filter(|table| !left.iter().any(|child| child != table && points(child, table)))
            .collect();
        if free.is_empty() {
            return Err(StoreError::Inconsistent { table: "pg_constraint", column: "confrelid", row: 0 });
        }
        for table in free {
            left.remove(table);
            order.push(table.to_owned());
        }
    }
    Ok(order)
}

/// How a table's rows are found, by columns of this class.
fn columns<'a>(table: &'a Table, root: &str, name: &str, references: &[Reference]) -> Vec<&'a Column> {
    let refers = |column: &Column| {
        references
            .iter()
            .any(|(child, parent, by)| *child == table.name && parent == root && by.len() == 1 && by[0] == column.name)
    };
    table.columns.iter().filter(|column| column.name == name || refers(column)).collect()
}

fn steps(table: &Table, part: Part, references: &[Reference]) -> Vec<Step> {
    // The closure itself is what says that there is something to be done: it goes with the last statement.
    if table.name == "closures" {
        return Vec::new();
    }
    let (root, name) = match part {
        Part::Account => ("users", "user_id"),
        Part::Organization => ("organizations", "org_id"),
    };
    let own = table.name == root;
    let found = if own { Vec::new() } else { columns(table, root, name, references) };
    let deletes = |column: &&Column| column.class.erase == Erase::Delete;
    let mut places: Vec<String> = found
        .iter()
        .copied()
        .filter(|column| deletes(column))
        .map(|column| format!("t.{} = $1", quoted(&column.name)))
        .collect();
    if part == Part::Account
        && let Some(email) = table.column("email").filter(|_| !own).filter(deletes)
    {
        places.push(format!("t.{} = ANY ($2)", quoted(&email.name)));
    }
    let goes = own && table.columns.iter().any(|column| column.name == "id" && column.class.erase == Erase::Delete);
    if goes {
        places.push("t.id = $1".to_owned());
    }
    let mut steps = Vec::new();
    if !places.is_empty() {
        steps.push(delete(table, &places.join(" OR ")));
    }
    steps.extend(change(table, part, (own && !goes, &found)));
    steps
}

fn delete(table: &Table, place: &str) -> Step {
    let name = quoted(&table.name);
    let key: Vec<String> = table.key().iter().map(|column| quoted(&column.name)).collect();
    // `$2` is there also where nothing asks for it: its type must be known.
    let used = "coalesce(cardinality($2::text[]), 0) >= 0";
    let (sql, by_monitors) = if key.is_empty() && table.has("monitor_id") && table.has("at") {
        let of = format!("FROM {name} t WHERE ({place}) AND t.monitor_id = $4 AND {used}");
        let until = format!("(SELECT max(at) FROM (SELECT t.at {of} ORDER BY t.at LIMIT $3) x)");
        (format!("DELETE {of} AND t.at <= {until}"), true)
    } else if key.is_empty() {
        (format!("DELETE FROM {name} t WHERE ({place}) AND {used} AND $3::bigint > 0"), false)
    } else {
        let key = key.join(", ");
        (
            format!(
                "DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} t WHERE ({place}) AND {used} LIMIT $3)"
            ),
            false,
        )
    };
    Step { table: table.name.clone(), sql, by_monitors }
}

/// What is emptied or masked of rows that stay.
fn change(table: &Table, part: Part, (own, found): (bool, &[&Column])) -> Option<Step> {
    let of_people = |column: &&Column| matches!(column.class.subject, Subject::User | Subject::Contact);
    let changed = table.columns.iter().filter(|column| match part {
        Part::Organization => own || !found.is_empty(),
        Part::Account => of_people(column),
    });
    let (mut sets, mut texts, mut still) = (Vec::new(), Vec::new(), Vec::new());
    let mut empties = false;
    for column in changed {
        let name = quoted(&column.name);
        match column.class.erase {
            Erase::Null => {
                empties = true;
                sets.push(format!("{name} = NULL"));
                still.push(format!("t.{name} IS NOT NULL"));
            }
            Erase::Mask if part == Part::Account => {
                sets.push(format!("{name} = CASE WHEN names_one_of({name}, $2) THEN '{MASKED}' ELSE {name} END"));
            }
            Erase::Mask => {
                sets.push(format!("{name} = '{MASKED}'"));
                still.push(format!("t.{name} <> '{MASKED}'"));
            }
            Erase::Delete | Erase::Keep => continue,
        }
        if ["text", "json", "jsonb"].contains(&column.kind.as_str()) {
            texts.push(format!("names_one_of(t.{name}::text, $2)"));
        }
    }
    if sets.is_empty() {
        return None;
    }
    let place = match part {
        Part::Account if texts.is_empty() => return None,
        Part::Account => texts.join(" OR "),
        Part::Organization => {
            let by = if own {
                vec!["t.id = $1".to_owned()]
            } else {
                found.iter().map(|column| format!("t.{} = $1", quoted(&column.name))).collect()
            };
            format!("({}) AND ({})", by.join(" OR "), still.join(" OR "))
        }
    };
    // A probe of nobody's would work for everybody.
    if table.name == "probes" {
        sets.push("revoked_at = coalesce(revoked_at, created_at)".to_owned());
    }
    debug_assert!(empties || !texts.is_empty());
    let (name, key) =
        (quoted(&table.name), table.key().iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", "));
    let used = "$1::bigint IS NOT NULL AND coalesce(cardinality($2::text[]), 0) >= 0";
    let sql = format!(
        "UPDATE {name} SET {} WHERE ({key}) IN (SELECT {key} FROM {name} t WHERE ({place}) AND {used} LIMIT $3)",
        sets.join(", ")
    );
    Some(Step { table: table.name.clone(), sql, by_monitors: false })
}

/// Does a step with some rows; gives how many, and none when there are no more.
///
/// # Errors
/// When the database fails.
pub async fn piece(conn: &mut Eraser, step: &Step, whose: &Whose, closure: Option<i64>) -> Result<u64, StoreError> {
    let mut query = sqlx::query(AssertSqlSafe(step.sql.clone())).bind(whose.key).bind(&whose.names).bind(PIECE);
    if step.by_monitors {
        let monitor: Option<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT m.id FROM monitors m WHERE m.org_id = $1 AND EXISTS (SELECT FROM {} t WHERE t.org_id = $1 AND t.monitor_id = m.id)
             ORDER BY m.id LIMIT 1",
            quoted(&step.table)
        )))
        .bind(whose.key)
        .fetch_optional(conn.conn())
        .await?;
        let Some(monitor) = monitor else { return Ok(0) };
        query = query.bind(monitor);
    }
    let done = query.execute(conn.conn()).await?.rows_affected();
    if done > 0
        && let Some(closure) = closure
    {
        sqlx::query(
            "UPDATE closures SET counts = jsonb_set(counts, ARRAY[$2], to_jsonb(coalesce((counts ->> $2)::bigint, 0) + $3))
             WHERE id = $1",
        )
        .bind(closure)
        .bind(&step.table)
        .bind(i64::try_from(done).unwrap_or(i64::MAX))
        .execute(conn.conn())
        .await?;
    }
    Ok(done)
}

/// What was closed so long ago that it goes now, or began to go; organizations first. From then on nothing brings it back.
///
/// # Errors
/// When the database fails.
pub async fn begin_due(conn: &mut Eraser, now: Timestamp) -> Result<Vec<Due>, StoreError> {
    let rows: Vec<(i64, Option<i64>, Option<i64>)> = sqlx::query_as(
        "UPDATE closures SET began_at = coalesce(began_at, $1) WHERE erase_at <= $1 AND restored_at IS NULL
         RETURNING id, user_id, org_id",
    )
    .bind(now.micros())
    .fetch_all(conn.conn())
    .await?;
    let mut due = Vec::new();
    for (closure, user, org) in rows {
        let (part, key, table) = match (user, org) {
            (Some(user), _) => (Part::Account, user, "users"),
            (_, Some(org)) => (Part::Organization, org, "organizations"),
            (None, None) => continue,
        };
        let subject = sqlx::query_scalar(AssertSqlSafe(format!("SELECT uuid FROM {table} WHERE id = $1")))
            .bind(key)
            .fetch_one(conn.conn())
            .await?;
        due.push(Due { closure: Some(closure), part, key, subject });
    }
    due.sort_by_key(|due| (due.part == Part::Account, due.closure));
    Ok(due)
}

/// What is said to be erased and is there (again), and is not on its way; it is closed at once.
///
/// # Errors
/// When the database fails.
pub async fn there_again(
    conn: &mut Eraser,
    part: Part,
    subjects: &[Uuid],
    now: Timestamp,
) -> Result<Vec<Due>, StoreError> {
    let found: Vec<(i64, Uuid, Option<i64>)> = match part {
        Part::Account => sqlx::query_as(
            "SELECT u.id, u.uuid, c.id FROM users u LEFT JOIN closures c ON c.user_id = u.id WHERE u.uuid = ANY ($1)",
        ),
        Part::Organization => sqlx::query_as(
            "SELECT o.id, o.uuid, c.id FROM organizations o LEFT JOIN closures c ON c.org_id = o.id
             WHERE o.uuid = ANY ($1) AND (o.name <> 'erased' OR o.deleted_at IS NULL OR c.id IS NOT NULL)",
        ),
    }
    .bind(subjects)
    .fetch_all(conn.conn())
    .await?;
    let table = if part == Part::Account { "users" } else { "organizations" };
    let keys: Vec<i64> = found.iter().map(|(key, _, _)| *key).collect();
    sqlx::query(AssertSqlSafe(format!(
        "UPDATE {table} SET deleted_at = $2 WHERE id = ANY ($1) AND deleted_at IS NULL"
    )))
    .bind(&keys)
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(found.into_iter().map(|(key, subject, closure)| Due { closure, part, key, subject }).collect())
}

/// What names a person in texts: the address, those that entries of the audit log have about the same account, and the id.
///
/// # Errors
/// When the database fails.
pub async fn names(conn: &mut Eraser, due: &Due) -> Result<Vec<String>, StoreError> {
    if due.part == Part::Organization {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_scalar(
        "SELECT email FROM users WHERE id = $1 AND email IS NOT NULL
         UNION SELECT lower(substring(actor FROM 'user:([^ ]+@[^ ]+)')) FROM audit
             WHERE subject = $2::text AND (action LIKE 'user.sign%' OR action LIKE 'user.change%' OR action = 'user.confirm_address')
               AND actor LIKE '%user:%@%'
         UNION SELECT $2::text",
    )
    .bind(due.key)
    .bind(due.subject.to_string())
    .fetch_all(conn.conn())
    .await?)
}

/// To whom a receipt goes: the address that leaves, or those of who owned the organization.
///
/// # Errors
/// When the database fails.
pub async fn addresses(conn: &mut Eraser, due: &Due) -> Result<Vec<String>, StoreError> {
    let query = match due.part {
        Part::Account => "SELECT email FROM users WHERE id = $1 AND email IS NOT NULL AND $2::bigint IS NOT NULL",
        Part::Organization => {
            "SELECT u.email FROM closures c JOIN users u ON u.id = ANY (c.owners) AND u.email IS NOT NULL
             WHERE c.org_id = $1 AND c.id = $2 ORDER BY u.id"
        }
    };
    Ok(sqlx::query_scalar(query).bind(due.key).bind(due.closure).fetch_all(conn.conn()).await?)
}

/// Puts the receipt down in the place of the closure; gives what it counts.
///
/// # Errors
/// When the database fails.
pub async fn finish(
    conn: &mut Eraser,
    due: &Due,
    counted: &BTreeMap<String, u64>,
    (now, copies_until): (Timestamp, Option<Timestamp>),
) -> Result<BTreeMap<String, u64>, StoreError> {
    let kept: Option<Json<BTreeMap<String, u64>>> = match due.closure {
        Some(closure) => {
            sqlx::query_scalar("DELETE FROM closures WHERE id = $1 RETURNING counts")
                .bind(closure)
                .fetch_optional(conn.conn())
                .await?
        }
        None => None,
    };
    let counts = kept.map_or_else(|| counted.clone(), |kept| kept.0);
    erasure_receipts::put(conn, (due.subject, due.part.as_str()), &counts, (now, copies_until)).await?;
    Ok(counts)
}
