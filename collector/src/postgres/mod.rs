//! The PostgreSQL that the collector uses: its own cluster (`managed`) or somebody else's (`external`).
//!
//! In the order of a start: [`owner`] becomes the unprivileged user that owns the data; [`managed`] starts the cluster,
//! and [`upgrade`] brings it to another major version;
//! [`roles`] makes database and roles; migrations run; `connect` opens the pools, each as its own role.

mod archiving;
mod connect;
pub mod copy;
mod layout;
pub mod managed;
pub mod owner;
pub mod programs;
pub mod recovery;
pub mod replication;
pub mod roles;
pub mod upgrade;

use std::path::PathBuf;

pub use archiving::Archiving;
pub use connect::{Access, open_pools};
pub use managed::Cluster;
pub use replication::Replication;

/// The database of the managed cluster.
pub const DATABASE: &str = "picket";

/// Why there is no database to work with.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// PostgreSQL's programs are not installed, or not in the version that the data needs.
    #[error("{0}")]
    Programs(String),
    /// A file or directory cannot be used.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Something is where a cluster is to be restored.
    #[error("there is a cluster in {} already, and nothing is ever restored over one: name an empty folder by --into", .0.display())]
    Occupied(PathBuf),
    /// The data was restored, and nobody said yet that it is to be used.
    #[error(
        "the data in {} is a restored copy, which does nothing until it is armed: look at it, make sure that the collector it is \
         a copy of does not run any more, then run `picket-collector restore --arm`", .0.display()
    )]
    Unarmed(PathBuf),
    /// Another collector uses the data directory.
    #[error("another collector uses the data directory {}: stop it first, or give this one its own data_dir", .0.display())]
    Taken(PathBuf),
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// The server did not begin to answer.
    #[error("PostgreSQL does not answer: {0}. Its log lies in {1}")]
    Silent(String, String),
    /// The collector does not run, so neither does its database.
    #[error("the collector is not running, and its database with it: start it with `picket-collector serve`")]
    NotRunning,
    /// The unprivileged user cannot be had.
    #[error("cannot become the unprivileged user {user}: {reason}")]
    Owner {
        /// Which user.
        user: String,
        /// Why.
        reason: String,
    },
    /// The database refused.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// A server that somebody else runs cannot be archived as it is.
    #[error("{0}")]
    Upstream(String),
    /// A migration failed.
    #[error("a migration of the database failed: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl PostgresError {
    /// Whether the same call may succeed later: the server or the way to it failed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
            // 57P03: the server is starting up.
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code == "57P03"),
            _ => false,
        }
    }

    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, error }
    }
}
