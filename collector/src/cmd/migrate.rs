//! `migrate`: runs the migrations that are missing.

use std::process::ExitCode;

use super::{CmdError, access, archive, print};
use crate::config::{Config, DatabaseMode};
use crate::postgres::Cluster;

/// Runs the migrations that are missing; starts the managed cluster for it when no collector runs it.
///
/// # Errors
/// When the database cannot be reached or refuses.
pub async fn run(config: &Config) -> Result<ExitCode, CmdError> {
    let ran = match access(config) {
        Ok(access) => access.prepare().await?,
        Err(crate::postgres::PostgresError::NotRunning) if config.database.mode == DatabaseMode::Managed => {
            let database = &config.database;
            let cluster =
                Cluster::start(&database.data_dir, database.binaries_dir.as_deref(), 20, archive::archiving(config)?)
                    .await?;
            let ran = cluster.access().prepare().await;
            cluster.stop().await?;
            ran?
        }
        Err(error) => return Err(error.into()),
    };
    print::line(&match ran {
        0 => "The database is up to date.".to_owned(),
        1 => "Ran 1 migration.".to_owned(),
        n => format!("Ran {n} migrations."),
    })?;
    Ok(ExitCode::SUCCESS)
}
