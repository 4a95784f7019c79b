//! The bytes of an SQLite database -> rows of its tables (<https://www.sqlite.org/fileformat2.html>).
//!
//! It reads whole tables by name and nothing else: no query runs, so nothing that a stranger wrote into the file (views,
//! triggers, expressions) ever does. Each page is visited once at most, and what rows may hold in all is bounded by the
//! length of the file: a damaged or hostile one gives an error, never a loop. [`pager`] finds pages, [`btree`] the
//! payloads of a table, [`record`] the values of a payload, [`schema`] the names and defaults of columns, [`wal`] what a
//! write-ahead log holds beyond the file.

mod btree;
mod pager;
mod record;
mod schema;
mod wal;

use pager::Pager;
pub(super) use record::Value;
use schema::Column;

/// What every database begins with.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why the bytes are not a database that can be read: one sentence.
pub(super) type Damage = String;

/// A database in memory.
pub(super) struct Database<'a> {
    pager: Pager<'a>,
    tables: Vec<(String, Table)>,
}

struct Table {
    root: u32,
    sql: String,
}

/// The rows of a table.
pub(super) struct Rows {
    columns: Vec<Column>,
    rows: Vec<(i64, Vec<Value>)>,
}

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    columns: &'r [Column],
    id: i64,
    values: &'r [Value],
}

impl<'a> Database<'a> {
    /// Reads the schema. `wal` is the write-ahead log that lay beside the file, if one did.
    pub(super) fn open(bytes: &'a [u8], wal: Option<&'a [u8]>) -> Result<Self, Damage> {
        let pager = Pager::open(bytes, wal)?;
        let mut tables = Vec::new();
        btree::walk(&pager, 1, |_, payload| {
            let values = record::decode(payload, 5, pager.encoding())?;
            if let [Value::Text(kind), Value::Text(name), _, Value::Integer(root), Value::Text(sql)] = &values[..]
                && kind == "table"
                && let Ok(root) = u32::try_from(*root)
            {
                tables.push((name.clone(), Table { root, sql: sql.clone() }));
            }
            Ok(())
        })?;
        Ok(Self { pager, tables })
    }

    /// Whether there is such a table.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tables.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Every row of a table in the order of its row ids; `None` when there is no such table. `most` is how many rows
    /// there may be.
    pub(super) fn rows(&self, name: &str, most: usize) -> Result<Option<Rows>, Damage> {
        let Some((_, table)) = self.tables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let columns = schema::columns(&table.sql).ok_or_else(|| format!("its table {name} cannot be understood"))?;
        let mut rows = Vec::new();
        btree::walk(&self.pager, table.root, |id, payload| {
            if rows.len() >= most {
                return Err(format!("its table {name} has more than {most} rows"));
            }
            rows.push((id, record::decode(payload, columns.len(), self.pager.encoding())?));
            Ok(())
        })?;
        Ok(Some(Rows { columns, rows }))
    }
}

impl Rows {
    /// Each row.
    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(id, values)| Row { columns: &self.columns, id: *id, values })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl Row<'_> {
    /// The value of a column; NULL where the table has none of that name.
    pub(super) fn get(&self, name: &str) -> Value {
        let Some(at) = self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)) else {
            return Value::Null;
        };
        match (self.values.get(at), &self.columns[at]) {
            (_, column) if column.is_row_id => Value::Integer(self.id),
            (Some(value), _) => value.clone(),
            // The row is older than the column.
            (None, column) => column.default.clone(),
        }
    }
}
