//! What every column is, as its comment says, and the rows of whoever they are about: made for every table alike, so that a new
//! table is exported without a word about it anywhere.
//!
//! Names of tables and columns come from PostgreSQL's own catalogue and are quoted; whose rows are wanted is bound.

use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use super::{Auth, Conn, OrgKey, Scoped, StoreError, UserKey};
use crate::domain::column_class::ColumnClass;

/// What an organization is set up with (`domain::import::picket` reads it).
const CONFIGURATION: [&str; 4] = ["channels", "monitor_regions", "monitors", "organizations"];
/// Rows that are read at a time.
const PIECE: usize = 1_000;

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as PostgreSQL writes it.
    pub kind: String,
    /// What stands in it.
    pub class: ColumnClass,
    /// Its place in the primary key, from zero.
    place: Option<usize>,
    /// Whether the roles that export read it: of an account, of an organization.
    readable: (bool, bool),
}

impl Column {
    /// Whether there is a sealed value, as an export tells it; none where it is no such column, or who exports cannot know.
    fn sealed(&self, part: Part) -> Option<(String, String)> {
        let what = self.name.strip_prefix("sealed_").filter(|_| self.kind == "bytea")?;
        let readable = if part == Part::Account { self.readable.0 } else { self.readable.1 };
        let name = quoted(&self.name);
        readable.then(|| (format!("holds_{what}"), format!("(t.{name} IS NOT NULL AND t.{name} <> '')")))
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    /// The columns of the primary key, in its order.
    pub(super) fn key(&self) -> Vec<&Column> {
        let mut key: Vec<_> = self.columns.iter().filter(|column| column.place.is_some()).collect();
        key.sort_by_key(|column| column.place);
        key
    }
}

/// Every table.
#[derive(Clone, Debug)]
pub struct Catalogue(Vec<Table>);

/// Table, column, type, comment, place in the primary key, who reads it.
type ColumnRow = (String, String, String, String, Option<i32>, bool, bool);

impl Catalogue {
    /// Reads it.
    ///
    /// # Errors
    /// When the database fails or a column is not classified.
    pub async fn read(conn: &mut impl Conn) -> Result<Self, StoreError> {
        let rows: Vec<ColumnRow> = sqlx::query_as(
            "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), coalesce(col_description(c.oid, a.attnum), ''),
                    (SELECT k.place::integer - 1 FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                     WHERE i.indrelid = c.oid AND i.indisprimary AND k.attnum = a.attnum),
                    has_column_privilege('picket_auth', c.oid, a.attnum, 'SELECT'), has_column_privilege('picket_app', c.oid, a.attnum, 'SELECT')
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND c.relname <> '_sqlx_migrations' AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY c.relname, a.attnum",
        )
        .fetch_all(conn.conn())
        .await?;
        let mut tables: Vec<Table> = Vec::new();
        for (table, name, kind, comment, place, account, organization) in rows {
            // A test holds every migration to it.
            let class = comment.parse().map_err(|_| StoreError::Inconsistent {
                table: "pg_description",
                column: "description",
                row: 0,
            })?;
            let place = place.and_then(|place| place.try_into().ok());
            let column = Column { name, kind, class, place, readable: (account, organization) };
            match tables.last_mut().filter(|last| last.name == table) {
                Some(last) => last.columns.push(column),
                None => tables.push(Table { name: table, columns: vec![column] }),
            }
        }
        Ok(Self(tables))
    }

    /// Of an empty database.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Every table, by name.
    pub fn tables(&self) -> &[Table] {
        &self.0
    }

    fn table(&self, name: &str) -> Option<&Table> {
        self.0.iter().find(|table| table.name == name)
    }

    /// How the rows of `part` are read from every table that has some.
    pub fn readings(&self, part: Part) -> Vec<Reading> {
        self.0.iter().filter_map(|table| Reading::of(self, table, part)).collect()
    }

    /// Whether a table holds what an organization is set up with, which another Picket takes.
    pub fn is_configuration(table: &str) -> bool {
        CONFIGURATION.contains(&table)
    }

    /// Which columns of `part` are not given: of which table, and what they are for. Numbers of rows are not told.
    pub fn left_out(&self, part: Part) -> Vec<(&str, &str, &str)> {
        let tables = self.0.iter().filter(|table| whose(table, part).is_some());
        let columns = tables.flat_map(|table| table.columns.iter().map(move |column| (table, column)));
        let is_number = |column: &Column| column.name == "id" || column.name.ends_with("_id");
        let left_out = columns.filter(|(table, column)| !is_told(table, column, part) && !is_number(column));
        left_out.map(|(table, column)| (&*table.name, &*column.name, &*column.class.purpose)).collect()
    }

    /// What a column refers to that holds the number of a row elsewhere: the table, and the column that names its rows outside.
    fn referred(&self, column: &Column) -> Option<(&Table, &Column)> {
        let stem = column.name.strip_suffix("_id").filter(|_| column.kind == "bigint")?;
        let plural = stem.strip_suffix('y').map_or_else(|| format!("{stem}s"), |stem| format!("{stem}ies"));
        let table = self.table(&plural)?;
        Some((table, ["uuid", "code"].into_iter().find_map(|name| table.column(name))?))
    }

    /// What stands in the place of such a column: its name there, and how it is found.
    fn reference(&self, column: &Column) -> Option<(String, String)> {
        let (table, named) = self.referred(column)?;
        let told = column.class.export || (table.has("org_id") && named.class.export);
        let found =
            format!("(SELECT r.{} FROM {} r WHERE r.id = t.{})", named.name, quoted(&table.name), quoted(&column.name));
        told.then(|| (column.name.trim_end_matches("_id").to_owned(), found))
    }

    /// Whether a column refers to what the role that exports an account may not look up: to what the organization has.
    fn is_of_others(&self, column: &Column, part: Part) -> bool {
        part == Part::Account && self.referred(column).is_some_and(|(_, named)| !named.readable.0)
    }
}

/// About whom rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Somebody who signs in.
    Account,
    /// An organization.
    Organization,
}

impl Part {
    /// Its name in an export.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Organization => "organization",
        }
    }
}

/// How the rows about somebody are read from a table.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Which table.
    pub table: String,
    /// What a row has, in this order. `user_id` stands for who it is.
    pub fields: Vec<String>,
    select: String,
    walk: Walk,
    /// Which rows.
    place: String,
}

/// In which order rows are read.
#[derive(Clone, Debug)]
enum Walk {
    /// By the primary key: its columns and their types.
    Key(Vec<(String, String)>),
    /// Monitor by monitor, and of each by time: such rows have no key, and several may have one time.
    Monitors,
}

impl Reading {
    fn of(catalogue: &Catalogue, table: &Table, part: Part) -> Option<Self> {
        let whose = whose(table, part).filter(|_| table.columns.iter().any(|column| column.class.export))?;
        let (mut fields, mut parts) = (Vec::new(), Vec::new());
        for column in table.columns.iter().filter(|column| !catalogue.is_of_others(column, part)) {
            let is_user = part == Part::Organization && column.name == "user_id";
            let found = match catalogue.reference(column) {
                Some(reference) => Some(reference),
                None if part == Part::Account && column.name == "org_id" => Some((
                    "organization".to_owned(),
                    "(SELECT o.name FROM organizations o WHERE o.id = t.org_id)".to_owned(),
                )),
                None if is_user || is_told(table, column, part) => Some((column.name.clone(), value(column))),
                // What is sealed is not told, but that there is something.
                None => column.sealed(part),
            };
            if let Some((name, value)) = found {
                parts.push(format!("{value} AS {}", quoted(&name)));
                fields.push(name);
            }
        }
        let key: Vec<_> = table.key().iter().map(|column| (quoted(&column.name), column.kind.clone())).collect();
        let walk = if key.is_empty() { Walk::Monitors } else { Walk::Key(key) };
        let place: Vec<String> = match &walk {
            Walk::Key(key) => key.iter().map(|(name, _)| format!("t.{name}::text")).collect(),
            Walk::Monitors => vec!["t.monitor_id::text".to_owned(), "t.at::text".to_owned()],
        };
        let select = format!(
            "SELECT (SELECT row_to_json(x) FROM (SELECT {}) x)::text, ARRAY[{}] FROM {} t WHERE {whose}",
            parts.join(", "),
            place.join(", "),
            quoted(&table.name)
        );
        Some(Self { table: table.name.clone(), fields, select, walk, place: whose.to_owned() })
    }

    /// The statement that counts them, up to `$3`.
    fn count(&self) -> String {
        let (table, place) = (quoted(&self.table), &self.place);
        let rows = match &self.walk {
            Walk::Key(_) => format!("SELECT 1 FROM {table} t WHERE {place} LIMIT $3"),
            Walk::Monitors => format!(
                "SELECT 1 FROM monitors m CROSS JOIN LATERAL (SELECT 1 FROM {table} t WHERE t.monitor_id = m.id LIMIT $3) r
                 WHERE m.org_id = $1 LIMIT $3"
            ),
        };
        format!("SELECT count(*) FROM ({rows}) c WHERE $1::bigint IS NOT NULL AND $2::text IS NOT NULL")
    }

    /// The statement for the rows after a place, or the first ones.
    fn statement(&self, after: bool) -> String {
        match &self.walk {
            Walk::Key(key) => {
                let names = key.iter().map(|(name, _)| format!("t.{name}")).collect::<Vec<_>>().join(", ");
                let values = key.iter().enumerate().map(|(at, (_, kind))| format!("$3[{}]::{kind}", at + 1));
                let values = values.collect::<Vec<_>>().join(", ");
                let after = if after { format!(" AND ({names}) > ({values})") } else { String::new() };
                format!("{}{after} ORDER BY {names} LIMIT {PIECE}", self.select)
            }
            Walk::Monitors => format!(
                "{} AND t.monitor_id = $3[1]::bigint AND t.at > $3[2]::bigint
                 ORDER BY t.at FETCH FIRST {PIECE} ROWS WITH TIES",
                self.select
            ),
        }
    }
}

/// Which rows of a table are about somebody: `$1` is the row of the user or the organization, `$2` the user's address.
fn whose(table: &Table, part: Part) -> Option<&'static str> {
    match part {
        Part::Organization if table.name == "organizations" => Some("t.id = $1"),
        Part::Organization => table.has("org_id").then_some("t.org_id = $1"),
        Part::Account if table.name == "users" => Some("t.id = $1"),
        Part::Account if table.name == "audit" => {
            Some("(t.actor = 'user:' || $2 OR right(t.actor, length($2) + 6) = ' user:' || $2)")
        }
        Part::Account => match (table.has("user_id"), table.has("email")) {
            (true, true) => Some("(t.user_id = $1 OR t.email = $2)"),
            (true, false) => Some("t.user_id = $1"),
            (false, true) => Some("t.email = $2"),
            (false, false) => None,
        },
    }
}

/// Whether who it is about gets it. To what somebody did something, and how, is the organization's, also once the member is gone.
fn is_told(table: &Table, column: &Column, part: Part) -> bool {
    let of_others = part == Part::Account && table.name == "audit";
    column.class.export && (!of_others || ["at", "actor", "action", "origin"].contains(&column.name.as_str()))
}

/// A column as it is exported: times as RFC 3339 writes them, bytes in hexadecimal.
pub(super) fn value(column: &Column) -> String {
    let name = format!("t.{}", quoted(&column.name));
    let is_time = column.name.ends_with("_at") || ["at", "since", "fold_last"].contains(&column.name.as_str());
    match column.kind.as_str() {
        "bigint" if is_time => format!(
            "to_char(timestamp 'epoch' + {name} * interval '1 microsecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        ),
        "bytea" => format!("encode({name}, 'hex')"),
        _ => name,
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Rows, and the place after which the next ones come; none when these were the last.
#[derive(Debug)]
pub struct Piece {
    /// The rows.
    pub rows: Vec<Map<String, Value>>,
    /// Where it goes on.
    pub next: Option<Vec<String>>,
}

/// Rows about the user of that row and address.
///
/// # Errors
/// When the database fails.
pub async fn of_account(
    auth: &mut Auth,
    reading: &Reading,
    (user, email): (UserKey, &str),
    after: Option<&[String]>,
) -> Result<Piece, StoreError> {
    fetch(auth, reading, (user.0, email), after).await
}

/// Rows of the tenant.
///
/// # Errors
/// When the database fails.
pub async fn of_organization(
    scoped: &mut Scoped,
    reading: &Reading,
    after: Option<&[String]>,
) -> Result<Piece, StoreError> {
    let org = scoped.org();
    let Walk::Monitors = reading.walk else { return fetch(scoped, reading, (org.0, ""), after).await };
    let first = [String::new(), i64::MIN.to_string()];
    let after = match after {
        Some(after) => Some(after.to_vec()),
        None => next_monitor(scoped, org, 0).await?.map(|monitor| [monitor, first[1].clone()].to_vec()),
    };
    let Some(after) = after else { return Ok(Piece { rows: Vec::new(), next: None }) };
    let mut piece = fetch(scoped, reading, (org.0, ""), Some(&after)).await?;
    if piece.next.is_none() {
        let monitor = after.first().and_then(|monitor| monitor.parse().ok()).unwrap_or(i64::MAX);
        piece.next = next_monitor(scoped, org, monitor).await?.map(|monitor| [monitor, first[1].clone()].to_vec());
    }
    Ok(piece)
}

async fn next_monitor(scoped: &mut Scoped, org: OrgKey, after: i64) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT id::text FROM monitors WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT 1")
        .bind(org)
        .bind(after)
        .fetch_optional(scoped.conn())
        .await?)
}

async fn fetch(
    conn: &mut impl Conn,
    reading: &Reading,
    (key, email): (i64, &str),
    after: Option<&[String]>,
) -> Result<Piece, StoreError> {
    let statement = AssertSqlSafe(reading.statement(after.is_some()));
    let found: Vec<(String, Vec<String>)> =
        sqlx::query_as(statement).bind(key).bind(email).bind(after.unwrap_or_default()).fetch_all(conn.conn()).await?;
    let next = found.last().filter(|_| found.len() >= PIECE).map(|(_, place)| place.clone());
    let rows = found.into_iter().map(|(row, _)| serde_json::from_str(&row));
    let rows = rows.collect::<Result<_, _>>();
    let rows = rows.map_err(|_| StoreError::Inconsistent { table: "export", column: "row", row: key })?;
    Ok(Piece { rows, next })
}

/// How many rows there are of whose they are, up to `most`.
///
/// # Errors
/// When the database fails.
pub async fn count(
    conn: &mut impl Conn,
    reading: &Reading,
    (key, email): (i64, &str),
    most: i64,
) -> Result<i64, StoreError> {
    let statement = AssertSqlSafe(reading.count());
    Ok(sqlx::query_scalar(statement).bind(key).bind(email).bind(most).fetch_one(conn.conn()).await?)
}
