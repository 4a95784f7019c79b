//! The commands, one a file: each reports for a person or, with `--json`, for a program, and answers an exit code.

pub mod admin;
pub mod alarm;
mod archive;
pub mod audit;
pub mod backup;
mod certificates;
pub mod channel;
pub mod config;
pub mod database;
pub mod doctor;
pub mod drill;
mod entrances;
pub mod file_bytes;
pub mod file_text;
mod import_report;
pub mod keys;
mod lead;
pub mod mail;
pub mod maintenance;
pub mod migrate;
pub mod monitor;
pub mod organization;
pub mod policy;
pub mod posture;
pub mod print;
pub mod privacy;
pub mod probe;
pub mod region;
pub mod restore;
pub mod schedule;
pub mod serve;
pub mod start;
pub mod up;
pub mod user;
pub mod wal_fetch;
pub mod wal_push;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use picket_shared::time::Clock;

use crate::app::{App, AppError};
use crate::config::{Config, ConfigError, DatabaseMode};
use crate::login::{self, LoginError, Porter};
use crate::postgres::managed::Layout;
use crate::postgres::{Access, PostgresError, open_pools};
use crate::privacy::documents::Said;
use crate::privacy::office::{Office, PaperError};
use crate::store::StoreError;
use crate::vault::VaultError;
use crate::web::texts;

/// Why a command failed: one sentence for a person that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CmdError(String);

impl CmdError {
    /// With that sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

macro_rules! from_errors {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for CmdError {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )+};
}

from_errors! { probe::ProbeError, AppError, ConfigError, LoginError, PaperError, PostgresError, StoreError, VaultError, std::io::Error, serde_json::Error }

/// Connections of each pool.
const POOL_SIZE: u32 = 8;

/// Who runs the command, for the audit log.
fn actor() -> String {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    format!("command:{}", user.map_or_else(|| uid.to_string(), |user| user.name))
}

/// The file of this program, to be started by others.
fn this_program() -> Result<PathBuf, CmdError> {
    std::env::current_exe().map_err(|error| CmdError::new(format!("this program's own file cannot be found: {error}")))
}

/// What a wildcard listens on is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// What lets people in, as the settings say.
fn porter(app: &App) -> Result<Porter, VaultError> {
    let settings = login::Settings::of(&app.config);
    Porter::new(app.pools.clone(), app.org, app.sealer.clone(), app.opener.clone(), settings)
}

/// What issues papers, as the settings say.
fn office(app: &App) -> Office {
    let said = Said::of(&app.config, texts::measures());
    Office::new(app.pools.clone(), said, app.sealer.clone(), app.config.mail.host.is_some())
}

/// How the configured database is reached.
fn access(config: &Config) -> Result<Access, PostgresError> {
    match (config.database.mode, config.database.url()) {
        (DatabaseMode::External, Some(url)) => Ok(Access::Url(url.clone())),
        _ => Layout::of(&config.database.data_dir).access(),
    }
}

/// Everything that a command works with, on a database that a collector has started.
///
/// # Errors
/// When a part is missing, with what to do.
pub async fn open(config: Config, clock: Clock) -> Result<App, CmdError> {
    let pools = open_pools(&access(&config)?, POOL_SIZE)?;
    Ok(App::open(pools, config, clock).await?)
}
