//! What can go wrong in the store, and whether trying again helps.

use super::limits::Exceeded;

/// What `hold_leadership` raises.
const DEPOSED: &str = "PK001";

/// A statement failed, or the rows are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL or the way to it failed.
    #[error("the database: {0}")]
    Database(#[source] sqlx::Error),
    /// The transaction was a task's of a collector that does not lead any more; nothing of it is kept.
    #[error("this collector does not lead any more: {0}")]
    Deposed(String),
    /// The organization may not have so much.
    #[error(transparent)]
    Limit(Exceeded),
    /// A value in a row cannot be what it must be.
    #[error("table {table}, column {column}, row {row}: the value cannot be read")]
    Inconsistent {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row.
        row: i64,
    },
    /// A write touched another number of rows than it must.
    #[error("table {table}: {touched} rows were written instead of {expected}")]
    RowCount {
        /// Which table.
        table: &'static str,
        /// How many it must be.
        expected: u64,
        /// How many it was.
        touched: u64,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(refused) = &error
            && refused.code().is_some_and(|code| code == DEPOSED)
        {
            return Self::Deposed(refused.message().to_owned());
        }
        Exceeded::of(&error).map_or(Self::Database(error), Self::Limit)
    }
}

impl StoreError {
    /// Whether the same call may succeed later: the connection or the server failed, not the statement.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                // Classes 08 connection, 40 rollback, 53 resources, 57 operator intervention, 58 system error.
                error
                    .code()
                    .is_some_and(|code| ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)))
            }
            Self::Database(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
                    | sqlx::Error::Protocol(_)
            ),
            Self::Deposed(_) | Self::Limit(_) | Self::Inconsistent { .. } | Self::RowCount { .. } => false,
        }
    }

    /// The name of the constraint that refused a write, to be turned into a field's error.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }

    /// Checks how many rows a write touched.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when it is another number.
    pub fn expect_rows(table: &'static str, expected: u64, touched: u64) -> Result<(), Self> {
        if touched == expected { Ok(()) } else { Err(Self::RowCount { table, expected, touched }) }
    }
}
