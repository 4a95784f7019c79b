//! Database and roles, made outside migrations under an advisory lock, so that several starts at once do no harm.

use sqlx::{Connection, Executor, PgConnection};

use super::PostgresError;

/// Every role: what it may do is granted by the migrations. None is a superuser, none passes by row security.
pub const ROLES: [&str; 8] = [
    "picket_owner",
    "picket_app",
    "picket_intake",
    "picket_worker",
    "picket_auth",
    "picket_reader",
    "picket_backup",
    "picket_eraser",
];

/// Taken while roles are made or migrations run; any number will do as long as it never changes.
const LOCK: i64 = 0x7069_636b_6574;

/// Makes the roles, each with or without the right to log in.
///
/// # Errors
/// When the login may not make roles.
pub async fn ensure_roles(conn: &mut PgConnection, login: bool) -> Result<(), PostgresError> {
    let mut tx = conn.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    let attributes = if login { "LOGIN" } else { "NOLOGIN" };
    for role in ROLES {
        let (exists,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(role)
            .fetch_one(&mut *tx)
            .await?;
        if !exists {
            // Only names and words of this file go into the statement.
            let statement = format!("CREATE ROLE {role} {attributes} NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS");
            tx.execute(sqlx::AssertSqlSafe(statement)).await?;
        }
        // A managed cluster's base backups are taken by this role.
        if login && role == "picket_backup" {
            tx.execute("ALTER ROLE picket_backup REPLICATION").await?;
        }
        if !login {
            tx.execute(sqlx::AssertSqlSafe(format!("GRANT {role} TO CURRENT_USER"))).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Lets every role log in that is there, and the one of backups replicate: in a copy of a server where they are only taken on.
///
/// # Errors
/// When the login may not change roles.
pub(super) async fn admit(conn: &mut PgConnection) -> Result<(), PostgresError> {
    let there: Vec<String> = sqlx::query_scalar("SELECT rolname::text FROM pg_roles").fetch_all(&mut *conn).await?;
    for role in ROLES.into_iter().filter(|role| there.iter().any(|name| name == role)) {
        let replicates = if role == "picket_backup" { " REPLICATION" } else { "" };
        // Only names and words of this file go into the statement.
        conn.execute(sqlx::AssertSqlSafe(format!("ALTER ROLE {role} LOGIN{replicates}"))).await?;
    }
    Ok(())
}

/// Makes the database, owned by `picket_owner`, unless it is there.
///
/// # Errors
/// When the login may not make databases.
pub async fn ensure_database(conn: &mut PgConnection, name: &str) -> Result<(), PostgresError> {
    let (exists,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut *conn)
        .await?;
    if !exists {
        let quoted = name.replace('"', "\"\"");
        conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{quoted}\" OWNER picket_owner"))).await?;
    }
    Ok(())
}

/// Hands the public schema to `picket_owner`; nobody else may make anything in it.
///
/// # Errors
/// When the login may not change the schema.
pub async fn ensure_schema(conn: &mut PgConnection) -> Result<(), PostgresError> {
    conn.execute("ALTER SCHEMA public OWNER TO picket_owner").await?;
    conn.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await?;
    conn.execute(
        "GRANT USAGE ON SCHEMA public TO picket_app, picket_intake, picket_worker, picket_auth, picket_reader, picket_backup, \
         picket_eraser",
    )
    .await?;
    Ok(())
}

/// Runs the migrations that are missing, as `picket_owner`. A database that a newer version has migrated is left as it is.
///
/// # Errors
/// When a migration fails; each runs in a transaction of its own, so nothing is left half done.
pub async fn migrate(conn: &mut PgConnection) -> Result<usize, PostgresError> {
    let before = applied(conn).await?;
    sqlx::migrate!("./migrations").set_ignore_missing(true).run(&mut *conn).await?;
    Ok(applied(conn).await? - before)
}

/// How many migrations are pending.
///
/// # Errors
/// When the database fails.
pub async fn pending(conn: &mut PgConnection) -> Result<usize, PostgresError> {
    let known = sqlx::migrate!("./migrations").iter().count();
    Ok(known.saturating_sub(applied(conn).await?))
}

async fn applied(conn: &mut PgConnection) -> Result<usize, PostgresError> {
    let (exists,): (bool,) =
        sqlx::query_as("SELECT to_regclass('public._sqlx_migrations') IS NOT NULL").fetch_one(&mut *conn).await?;
    if !exists {
        return Ok(0);
    }
    let (count,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(conn).await?;
    Ok(usize::try_from(count).unwrap_or(0))
}
