//! Whether anybody is told of a tenant's incidents. Every channel gets what every monitor has to tell, so the answer is the
//! same for each monitor.

use crate::store::{Conn, Scoped, StoreError};

/// How many channels there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Telling {
    /// Those that are told.
    pub verified: i64,
    /// Those that are not, because nobody proved that they are wanted.
    pub unverified: i64,
}

impl Telling {
    /// Whether anybody is told.
    pub const fn is_told(self) -> bool {
        self.verified > 0
    }

    /// Why nobody is told, and what to do; `None` when somebody is.
    pub const fn why(self) -> Option<&'static str> {
        match self {
            Self { verified: 1.., .. } => None,
            Self { unverified: 1.., .. } => {
                Some("nobody is told: verify a channel (picket-collector channel verify CHANNEL CODE)")
            }
            _ => Some("nobody is told: add and verify a channel (picket-collector channel add ...)"),
        }
    }
}

/// Counts the channels of the tenant.
///
/// # Errors
/// When the database fails.
pub async fn of(scoped: &mut Scoped) -> Result<Telling, StoreError> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE verified_at IS NOT NULL) AS verified,
                count(*) FILTER (WHERE verified_at IS NULL) AS unverified
         FROM channels WHERE deleted_at IS NULL",
    )
    .fetch_one(scoped.conn())
    .await?)
}
