//! The commands, one a file: each reports for a person or, with `--json`, for a program, and answers an exit code.

pub mod channel;
pub mod config;
pub mod doctor;
pub mod file_text;
pub mod migrate;
pub mod monitor;
pub mod print;
pub mod probe;
pub mod serve;
pub mod up;

use crate::app::AppError;
use crate::config::ConfigError;
use crate::postgres::PostgresError;
use crate::store::StoreError;
use crate::vault::VaultError;

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

from_errors! { probe::ProbeError, AppError, ConfigError, PostgresError, StoreError, VaultError, std::io::Error, serde_json::Error }
