//! People without an account: every row in which an address stands, and the same rows without it. Which columns are looked through,
//! and what becomes of each, is made from the classes of columns and the rights of the eraser: a new column takes part by being there.
//!
//! Names of tables and columns come from PostgreSQL's own catalogue and are quoted; the address is bound.

use picket_shared::time::Timestamp;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, types::Uuid};

use super::catalogue::{Catalogue, Column, Table, quoted, value};
use super::{ChannelKey, Conn, Eraser, OrgKey, StoreError};
use crate::domain::column_class::{Erase, Subject};

/// Most rows of a table that are told one by one.
pub const MOST: i64 = 1_000;

/// What becomes of what was found when it is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Becomes {
    /// Its row goes.
    Goes,
    /// It is emptied, or masked as a whole, and the row stays.
    Emptied,
    /// A word takes the place of the address.
    Masked,
    /// A channel is switched off, without its destination.
    SwitchedOff,
    /// It stays: something works by it, or it is kept as it was.
    Stays,
}

impl Becomes {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Goes => "row-goes",
            Self::Emptied => "emptied",
            Self::Masked => "masked",
            Self::SwitchedOff => "switched-off",
            Self::Stays => "stays",
        }
    }

    /// What it means.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Goes => "its row goes",
            Self::Emptied => "it is emptied",
            Self::Masked => "a word takes the place of the address",
            Self::SwitchedOff => "the channel is switched off, and its organization's owners are told",
            Self::Stays => "it stays, for something works by it or it is kept as it was: whose it is changes it",
        }
    }
}

/// A row in which the address stands.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its table.
    pub table: String,
    /// Its key, column by column.
    pub key: Value,
    /// Whose organization's it is.
    pub org: Option<OrgKey>,
    /// The columns that name it: what for, and what becomes of it.
    pub columns: Vec<(String, String, Becomes)>,
    /// What the row says about the person.
    pub told: Value,
}

/// A column that is looked through.
struct Looked<'a> {
    column: &'a Column,
    becomes: Becomes,
}

fn is_text(column: &Column) -> bool {
    ["text", "text[]", "json", "jsonb"].contains(&column.kind.as_str())
}

fn of_people(column: &Column) -> bool {
    matches!(column.class.subject, Subject::User | Subject::Contact)
}

fn becomes(table: &Table, column: &Column, writable: &[(String, String)]) -> Becomes {
    match column.class.erase {
        Erase::Delete if column.name == "email" && table.name != "users" => Becomes::Goes,
        Erase::Null | Erase::Mask if of_people(column) => Becomes::Emptied,
        _ if writable.iter().any(|(name, of)| *name == table.name && *of == column.name) => Becomes::Masked,
        _ => Becomes::Stays,
    }
}

/// Every column, and which of them the eraser may change.
#[derive(Debug)]
pub struct Columns {
    catalogue: Catalogue,
    writable: Vec<(String, String)>,
}

impl Columns {
    /// Reads them.
    ///
    /// # Errors
    /// When the database fails or a column is not classified.
    pub async fn read(conn: &mut Eraser) -> Result<Self, StoreError> {
        let catalogue = Catalogue::read(conn).await?;
        let writable = sqlx::query_as(
            "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND has_column_privilege(c.oid, a.attnum, 'UPDATE')",
        )
        .fetch_all(conn.conn())
        .await?;
        Ok(Self { catalogue, writable })
    }

    /// What is looked through of a table.
    fn looked<'a>(&self, table: &'a Table) -> Vec<Looked<'a>> {
        let texts = table.columns.iter().filter(|column| is_text(column));
        texts.map(|column| Looked { column, becomes: becomes(table, column, &self.writable) }).collect()
    }

    fn table(&self, name: &str) -> Option<&Table> {
        self.catalogue.tables().iter().find(|table| table.name == name)
    }
}

/// Looking takes as long as it takes: tables of outcomes may be large, and an operator waits.
async fn patiently(conn: &mut Eraser) -> Result<(), StoreError> {
    sqlx::query("SET LOCAL statement_timeout = '2h'").execute(conn.conn()).await?;
    Ok(())
}

/// What a row says about the person: columns of people that an export has, when it was, and whatever names the address.
fn told(table: &Table, looked: &[Looked<'_>]) -> String {
    let is_time = |column: &Column| column.name.ends_with("_at") || column.name == "at";
    let mut parts = Vec::new();
    for column in &table.columns {
        let name = quoted(&column.name);
        if column.class.export && (of_people(column) || is_time(column)) {
            parts.push(format!("{} AS {name}", value(column)));
        } else if looked.iter().any(|looked| looked.column.name == column.name) {
            parts.push(format!("CASE WHEN names_one_of(t.{name}::text, $1) THEN t.{name} END AS {name}"));
        }
    }
    if parts.is_empty() {
        return "'{}'::json".to_owned();
    }
    format!("(SELECT json_strip_nulls(row_to_json(x)) FROM (SELECT {}) x)", parts.join(", "))
}

fn org(table: &Table) -> &'static str {
    match table.name.as_str() {
        "organizations" => "t.id",
        _ if table.has("org_id") => "t.org_id",
        _ => "NULL::bigint",
    }
}

fn key(table: &Table) -> (String, Vec<String>) {
    let mut columns: Vec<String> = table.key().iter().map(|column| quoted(&column.name)).collect();
    if columns.is_empty() {
        let named = ["monitor_id", "region_id", "at"].into_iter().filter(|name| table.has(name));
        columns = named.map(quoted).collect();
    }
    let list: Vec<String> = columns.iter().map(|column| format!("t.{column}")).collect();
    (format!("(SELECT row_to_json(k) FROM (SELECT {}) k)", list.join(", ")), columns)
}

/// Every row of every table in which a text names the address; at most [`MOST`] of each table, and how many there are more.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Eraser, columns: &Columns, name: &str) -> Result<(Vec<Found>, u64), StoreError> {
    patiently(conn).await?;
    let (mut found, mut more) = (Vec::new(), 0);
    for table in columns.catalogue.tables() {
        let looked = columns.looked(table);
        if looked.is_empty() {
            continue;
        }
        let names = |looked: &Looked<'_>| format!("names_one_of(t.{}::text, $1)", quoted(&looked.column.name));
        let place = looked.iter().map(names).collect::<Vec<_>>().join(" OR ");
        let which = looked.iter().map(|one| format!("CASE WHEN {} THEN {} END", names(one), literal(&one.column.name)));
        let which = which.collect::<Vec<_>>().join(", ");
        let query = format!(
            "SELECT {}, {}, array_remove(ARRAY[{which}], NULL), {}, count(*) OVER () FROM {} t WHERE {place} LIMIT {MOST}",
            key(table).0,
            org(table),
            told(table, &looked),
            quoted(&table.name),
        );
        type Row = (Json<Value>, Option<OrgKey>, Vec<String>, Json<Value>, i64);
        let rows: Vec<Row> =
            sqlx::query_as(AssertSqlSafe(query)).bind([name].as_slice()).fetch_all(conn.conn()).await?;
        more += rows.first().map_or(0, |(.., all)| u64::try_from(all - MOST).unwrap_or(0));
        found.extend(rows.into_iter().map(|(key, org, which, told, _)| {
            let column = |name: &String| {
                let one = looked.iter().find(|one| one.column.name == *name)?;
                Some((name.clone(), one.column.class.purpose.clone(), one.becomes))
            };
            let columns = which.iter().filter_map(column).collect();
            Found { table: table.name.clone(), key: key.0, org, columns, told: told.0 }
        }));
    }
    Ok((found, more))
}

/// A word in a statement.
fn literal(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// The row of a table whose sealed column names the address, found by its id.
///
/// # Errors
/// When the database fails.
pub async fn sealed_row(
    conn: &mut Eraser,
    columns: &Columns,
    (table, column): (&str, &str),
    row: i64,
) -> Result<Option<Found>, StoreError> {
    let Some(of) = columns.table(table) else { return Ok(None) };
    let Some(class) = of.column(column).map(|column| &column.class) else { return Ok(None) };
    let by = of.key().first().map_or_else(|| "id".to_owned(), |column| column.name.clone());
    let query = format!(
        "SELECT {}, {}, {} FROM {} t WHERE t.{} = $2 AND $1::text[] IS NOT NULL",
        key(of).0,
        org(of),
        told(of, &[]),
        quoted(table),
        quoted(&by)
    );
    let row: Option<(Json<Value>, Option<OrgKey>, Json<Value>)> =
        sqlx::query_as(AssertSqlSafe(query)).bind([""].as_slice()).bind(row).fetch_optional(conn.conn()).await?;
    let becomes = match table {
        "channels" => Becomes::SwitchedOff,
        "account_mails" => Becomes::Goes,
        _ => Becomes::Stays,
    };
    Ok(row.map(|(key, org, told)| {
        let columns = vec![(column.to_owned(), class.purpose.clone(), becomes)];
        Found { table: table.to_owned(), key: key.0, org, columns, told: told.0 }
    }))
}

/// Whether somebody signs in with the address; and if the account was closed, when it is erased.
///
/// # Errors
/// When the database fails.
pub async fn account(conn: &mut Eraser, name: &str) -> Result<Option<Option<Timestamp>>, StoreError> {
    let row: Option<Option<i64>> = sqlx::query_scalar(
        "SELECT c.erase_at FROM users u LEFT JOIN closures c ON c.user_id = u.id WHERE u.email = $1 ORDER BY u.id DESC LIMIT 1",
    )
    .bind(name)
    .fetch_optional(conn.conn())
    .await?;
    Ok(row.map(|at| at.map(Timestamp::from_micros)))
}

/// Puts a word into the place of the address in every text of this table that the eraser may change; gives how many rows that were.
///
/// # Errors
/// When the database fails; constraint names say where a name is taken.
pub async fn mask(
    conn: &mut Eraser,
    columns: &Columns,
    table: &str,
    (name, word): (&str, &str),
) -> Result<u64, StoreError> {
    let Some(of) = columns.table(table) else { return Ok(0) };
    let masked = columns.looked(of).into_iter().filter(|looked| looked.becomes == Becomes::Masked);
    let columns: Vec<&Column> = masked.map(|looked| looked.column).collect();
    if columns.is_empty() {
        return Ok(0);
    }
    patiently(conn).await?;
    set(conn, (name, word)).await?;
    let put = |column: &&Column| {
        let (name, kind) = (quoted(&column.name), &column.kind);
        format!("{name} = without_name({name}::text, $1, $2)::{kind}")
    };
    let names = |column: &&Column| format!("names_one_of({}::text, ARRAY[$1])", quoted(&column.name));
    let query = format!(
        "UPDATE {} SET {} WHERE {}",
        quoted(table),
        columns.iter().map(put).collect::<Vec<_>>().join(", "),
        columns.iter().map(names).collect::<Vec<_>>().join(" OR ")
    );
    let done = sqlx::query(AssertSqlSafe(query)).bind(name).bind(word).execute(conn.conn()).await?.rows_affected();
    set(conn, ("", "")).await?;
    Ok(done)
}

/// Says whose address this transaction takes out, and which word stands there then.
async fn set(conn: &mut Eraser, (name, word): (&str, &str)) -> Result<(), StoreError> {
    sqlx::query("SELECT set_config('picket.erasing', $1, true), set_config('picket.erasing_word', $2, true)")
        .bind(name)
        .bind(word)
        .execute(conn.conn())
        .await?;
    Ok(())
}

/// Switches a channel off and forgets its destination; gives its id, and its name without the address. None when that is done already.
///
/// # Errors
/// When the database fails.
pub async fn switch_off(
    conn: &mut Eraser,
    key: ChannelKey,
    whose: (&str, &str),
    now: Timestamp,
) -> Result<Option<(Uuid, String)>, StoreError> {
    set(conn, whose).await?;
    let row = sqlx::query_as(
        "UPDATE channels SET sealed_settings = '', hint = 'erased', verified_at = NULL, verified_by = NULL, unset_at = $2,
             unset_why = 'erased', sealed_hook = NULL, sealed_key = NULL, sealed_former_key = NULL, former_key_until = NULL, name = without_name(name, $3, $4)
         WHERE id = $1 AND sealed_settings <> '' RETURNING uuid, name",
    )
    .bind(key)
    .bind(now.micros())
    .bind(whose.0)
    .bind(whose.1)
    .fetch_optional(conn.conn())
    .await?;
    set(conn, ("", "")).await?;
    Ok(row)
}

/// Deletes a mail.
///
/// # Errors
/// When the database fails.
pub async fn remove_mail(conn: &mut Eraser, id: i64) -> Result<u64, StoreError> {
    Ok(sqlx::query("DELETE FROM account_mails WHERE id = $1").bind(id).execute(conn.conn()).await?.rows_affected())
}

/// What an organization is called.
///
/// # Errors
/// When the database fails.
pub async fn organization(conn: &mut Eraser, org: OrgKey) -> Result<(Uuid, String), StoreError> {
    Ok(sqlx::query_as("SELECT uuid, name FROM organizations WHERE id = $1").bind(org).fetch_one(conn.conn()).await?)
}
