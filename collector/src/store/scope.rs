//! The five connection types. Each is a transaction as its own role; what it may touch is decided by PostgreSQL.
//!
//! A transaction is always begun in a task of its own: dropping `Pool::begin` half-way gives a connection that is inside
//! an open transaction back to the pool (sqlx 0.9.0), and later writes on it could be acknowledged and rolled back.

use std::net::IpAddr;

use sqlx::postgres::{PgPool, Postgres};
use sqlx::{PgConnection, Transaction};

use super::audit::Author;
use super::{OrgKey, StoreError};
use crate::wake::{Bell, CHANNEL};

/// The number of a term of leadership ([`super::leadership`]); a newer term has a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// One pool a role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pools {
    /// Tenants' reads and writes (`picket_app`).
    pub app: PgPool,
    /// What probes send (`picket_intake`); its own pool, so that pages cannot starve it.
    pub intake: PgPool,
    /// Judge, dispatch, deliver, retention (`picket_worker`).
    pub worker: PgPool,
    /// What must be found before a tenant is known, and what belongs to the operator (`picket_auth`).
    pub auth: PgPool,
    /// Erasure of what was closed (`picket_eraser`).
    pub eraser: PgPool,
    /// Those of a task have the number of the term in which it runs: no transaction of theirs outlives it.
    pub fence: Option<Fence>,
}

/// A transaction that sees the rows of one tenant.
#[derive(Debug)]
pub struct Scoped {
    tx: Transaction<'static, Postgres>,
    org: OrgKey,
    author: Author,
}

/// A transaction that stores what probes send.
#[derive(Debug)]
pub struct Intake(Transaction<'static, Postgres>);

/// A transaction of a background stage.
#[derive(Debug)]
pub struct Worker(Transaction<'static, Postgres>);

/// A transaction before a tenant is known, or of the operator.
#[derive(Debug)]
pub struct Auth(Transaction<'static, Postgres>);

/// A transaction that erases.
#[derive(Debug)]
pub struct Eraser(Transaction<'static, Postgres>);

impl Pools {
    /// The same for the tasks of a term: each transaction holds on to its number from its beginning, and fails once another collector
    /// leads.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }

    /// To be asked right before something is done outside the database that cannot be taken back: whether the term still lasts.
    ///
    /// # Errors
    /// [`StoreError::Deposed`] when another collector leads, or no connection can be had.
    pub async fn confirm(&self) -> Result<(), StoreError> {
        match self.fence {
            Some(_) => Ok(self.begin(&self.worker).await?.rollback().await?),
            None => Ok(()),
        }
    }

    async fn begin(&self, pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut tx = begin(pool).await?;
        if let Some(Fence(fence)) = self.fence {
            sqlx::query("SELECT hold_leadership($1)").bind(fence).execute(&mut *tx).await?;
        }
        Ok(tx)
    }

    /// Begins a transaction for one tenant.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn scoped(&self, org: OrgKey) -> Result<Scoped, StoreError> {
        let mut tx = self.begin(&self.app).await?;
        sqlx::query("SELECT set_config('picket.org', $1, true)").bind(org.0.to_string()).execute(&mut *tx).await?;
        let author = Author { org: Some(org), ..Author::of_instance("collector") };
        Ok(Scoped { tx, org, author })
    }

    /// Begins a transaction that stores what probes send.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn intake(&self) -> Result<Intake, StoreError> {
        self.begin(&self.intake).await.map(Intake)
    }

    /// Begins a transaction of a background stage.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn worker(&self) -> Result<Worker, StoreError> {
        self.begin(&self.worker).await.map(Worker)
    }

    /// Begins a transaction before a tenant is known, or of the operator.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn auth(&self) -> Result<Auth, StoreError> {
        self.begin(&self.auth).await.map(Auth)
    }

    /// Begins a transaction that erases.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn eraser(&self) -> Result<Eraser, StoreError> {
        self.begin(&self.eraser).await.map(Eraser)
    }

    /// Closes every pool, after what runs on them has ended.
    pub async fn close(&self) {
        for pool in [&self.app, &self.intake, &self.worker, &self.auth, &self.eraser] {
            pool.close().await;
        }
    }
}

async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    let pool = pool.clone();
    match tokio::spawn(async move { pool.begin().await }).await {
        Ok(begun) => Ok(begun?),
        Err(_) => Err(StoreError::Database(sqlx::Error::WorkerCrashed)),
    }
}

/// What every connection type can do; functions that any role may call take `&mut impl Conn`.
pub trait Conn: Send {
    /// The connection, inside its transaction. For `store` alone.
    fn conn(&mut self) -> &mut PgConnection;

    /// Rings a bell when this transaction commits.
    ///
    /// # Errors
    /// When the connection is lost.
    fn ring(&mut self, bell: Bell) -> impl Future<Output = Result<(), StoreError>> + Send {
        async move {
            sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(bell.as_str()).execute(self.conn()).await?;
            Ok(())
        }
    }
}

macro_rules! connections {
    ($($name:ident => $field:tt),+) => {$(
        impl Conn for $name {
            fn conn(&mut self) -> &mut PgConnection {
                &mut self.$field
            }
        }

        impl $name {
            /// Makes everything done durable and visible.
            ///
            /// # Errors
            /// When the outcome of the commit is unknown or it failed; nothing may be acknowledged then.
            pub async fn commit(self) -> Result<(), StoreError> {
                Ok(self.$field.commit().await?)
            }
        }
    )+};
}

connections! { Scoped => tx, Intake => 0, Worker => 0, Auth => 0, Eraser => 0 }

impl Scoped {
    /// Whose rows this sees.
    pub fn org(&self) -> OrgKey {
        self.org
    }

    /// The same, on behalf of someone: `command:USER`. Else what is changed is the collector's doing.
    #[must_use]
    pub fn by(self, actor: impl Into<String>) -> Self {
        Self { author: Author { actor: actor.into(), ..self.author }, ..self }
    }

    /// The same, at the request of a client at this address.
    #[must_use]
    pub fn from(self, origin: Option<IpAddr>) -> Self {
        let origin = origin.map(|address| address.to_string());
        Self { author: Author { origin, ..self.author }, ..self }
    }

    /// Who is behind this.
    pub fn actor(&self) -> &str {
        &self.author.actor
    }

    /// Who is behind this, for the audit log.
    pub fn author(&self) -> &Author {
        &self.author
    }
}
