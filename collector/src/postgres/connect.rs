//! How to reach the database, and one pool a role.

use std::path::PathBuf;
use std::time::Duration;

use picket_shared::secret::SecretString;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::{DATABASE, PostgresError, roles};
use crate::store::Pools;

/// The way to the database.
#[derive(Clone, Debug)]
pub enum Access {
    /// Through the unix socket of the managed cluster; the system user is mapped to every role.
    Socket(PathBuf),
    /// By URL; the login is a member of every role and takes one on with SET ROLE.
    Url(SecretString),
}

impl Access {
    /// A connection as `role`; for the managed cluster the role logs in itself.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn connect_as(&self, role: &'static str) -> Result<PgConnection, PostgresError> {
        let mut conn = PgConnection::connect_with(&self.options(Some(role), role)?).await?;
        if matches!(self, Self::Url(_)) {
            conn.execute(sqlx::AssertSqlSafe(format!("SET ROLE {role}"))).await?;
        }
        Ok(conn)
    }

    /// A connection by the login itself, which may end the sessions of that login.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn connect_by_login(&self) -> Result<PgConnection, PostgresError> {
        self.connect_admin(DATABASE).await
    }

    /// A connection that may make roles, to the maintenance database of a managed cluster.
    pub(super) async fn connect_admin(&self, database: &str) -> Result<PgConnection, PostgresError> {
        let mut options = self.options(None, "picket admin")?;
        if matches!(self, Self::Socket(_)) {
            options = options.username("postgres").database(database);
        }
        Ok(PgConnection::connect_with(&options).await?)
    }

    fn options(&self, role: Option<&str>, name: &str) -> Result<PgConnectOptions, PostgresError> {
        let options = match self {
            Self::Socket(directory) => {
                let options = PgConnectOptions::new_without_pgpass().socket(directory).database(DATABASE);
                options.username(role.unwrap_or("postgres"))
            }
            Self::Url(url) => {
                let options: PgConnectOptions = url.expose().trim().parse()?;
                // "prefer" is the library's default, and no protection at all.
                let mode =
                    if url.expose().contains("sslmode=") { options.get_ssl_mode() } else { PgSslMode::VerifyFull };
                options.ssl_mode(mode)
            }
        };
        Ok(options.application_name(name).disable_statement_logging())
    }

    /// Makes database, schema and roles, then runs the migrations that are missing; how many ran.
    ///
    /// # Errors
    /// The first thing that the database refused.
    pub async fn prepare(&self) -> Result<usize, PostgresError> {
        match self {
            Self::Socket(_) => {
                let mut admin = self.connect_admin("postgres").await?;
                roles::ensure_roles(&mut admin, true).await?;
                roles::ensure_database(&mut admin, DATABASE).await?;
                admin.close().await?;
                let mut admin = self.connect_admin(DATABASE).await?;
                roles::ensure_schema(&mut admin).await?;
                admin.close().await?;
            }
            Self::Url(_) => {
                let mut admin = self.connect_admin(DATABASE).await?;
                roles::ensure_roles(&mut admin, false).await?;
                roles::ensure_schema(&mut admin).await?;
                admin.close().await?;
            }
        }
        let mut owner = self.connect_as("picket_owner").await?;
        let ran = roles::migrate(&mut owner).await?;
        owner.close().await?;
        Ok(ran)
    }
}

/// Opens the pools, of at most `size` connections each; one erasure runs at a time.
///
/// # Errors
/// When the options cannot be; connections are made when they are first needed.
pub fn open_pools(access: &Access, size: u32) -> Result<Pools, PostgresError> {
    Ok(Pools {
        app: pool(access, "picket_app", size, ("10s", "10s"))?,
        // A batch of a collector that stands still must not keep its probe out of the other.
        intake: pool(access, "picket_intake", size, ("10s", "5s"))?,
        worker: pool(access, "picket_worker", size, ("60s", "60s"))?,
        auth: pool(access, "picket_auth", size, ("10s", "10s"))?,
        eraser: pool(access, "picket_eraser", 2, ("60s", "60s"))?,
        fence: None,
    })
}

/// `limit` is how long a statement may take, and `idle` how long a transaction may wait for the next.
fn pool(
    access: &Access,
    role: &'static str,
    size: u32,
    (limit, idle): (&'static str, &'static str),
) -> Result<PgPool, PostgresError> {
    let options = access.options(Some(role), role)?.options([
        ("statement_timeout", limit),
        ("idle_in_transaction_session_timeout", idle),
        ("timezone", "UTC"),
    ]);
    let set_role = matches!(access, Access::Url(_));
    Ok(PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_secs(300))
        .after_connect(move |conn, _| {
            Box::pin(async move {
                if set_role {
                    conn.execute(sqlx::AssertSqlSafe(format!("SET ROLE {role}"))).await?;
                }
                Ok(())
            })
        })
        .connect_lazy_with(options))
}
