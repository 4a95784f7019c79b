//! How PostgreSQL hands its WAL over, and whether the one that runs does so.

use sqlx::Connection;

use super::{Access, PostgresError};

/// How PostgreSQL hands its WAL over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archiving {
    /// What it runs for each file (`archive_command`).
    pub command: String,
    /// After so many seconds a segment that was begun is handed over, full or not.
    pub switch_seconds: u16,
}

/// The settings with which PostgreSQL is started.
pub(super) fn settings(told: Option<&Archiving>) -> Vec<String> {
    match told {
        Some(archiving) => vec![
            "archive_mode=on".to_owned(),
            format!("archive_command={}", archiving.command),
            format!("archive_timeout={}s", archiving.switch_seconds),
        ],
        None => vec!["archive_mode=off".to_owned()],
    }
}

/// Whether the server that runs hands its WAL over as it should: `archive_mode` cannot be changed while it runs, and what is
/// written meanwhile would be missing in the archive.
pub(super) async fn is_as_told(access: &Access, told: Option<&Archiving>) -> bool {
    let Ok(mut conn) = access.connect_admin("postgres").await else { return false };
    let sql = "SELECT current_setting('archive_mode'), current_setting('archive_command'), \
               (SELECT setting FROM pg_settings WHERE name = 'archive_timeout')";
    let found: Result<(String, String, String), _> = sqlx::query_as(sql).fetch_one(&mut conn).await;
    let _ = conn.close().await;
    found.is_ok_and(|(mode, command, seconds)| match told {
        Some(told) => mode == "on" && command == told.command && seconds == told.switch_seconds.to_string(),
        None => mode == "off",
    })
}

impl Access {
    /// Ends the segment of the WAL that is being written: it is handed over now. Of a managed cluster.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn switch_wal(&self) -> Result<(), PostgresError> {
        let mut conn = self.connect_admin("postgres").await?;
        sqlx::query("SELECT pg_switch_wal()").execute(&mut conn).await?;
        Ok(conn.close().await?)
    }
}
