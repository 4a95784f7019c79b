//! A PostgreSQL of the test's own: one cluster a binary, one database a test, copied from a migrated template.
//!
//! PostgreSQL refuses root, so root starts it as `nobody`. It ends with the test process, however that ends: a shell in
//! front of it waits for the end of a pipe that only the test holds open.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use picket_collector::postgres::roles::ensure_roles;
use picket_collector::store::Pools;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};
use tokio::sync::OnceCell;

/// Every migration.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const NOBODY: u32 = 65534;
const TEMPLATE: &str = "template_picket";

/// Initialises, serves until standard input ends, then stops and clears up. `$1` is PostgreSQL's folder of programs.
const SERVE: &str = r#"
"$1/initdb" -D data -U postgres -A trust --locale=C.UTF-8 -E UTF8 >initdb.log 2>&1 || exit 1
"$1/postgres" -D data -k "$PWD" -c listen_addresses= -c fsync=off -c max_connections=300 >postgres.log 2>&1 &
read -r _
kill -INT $!
wait $!
rm -rf "$PWD"
"#;

struct Cluster {
    folder: PathBuf,
    /// Its standard input is the pipe; it must stay open as long as the tests run.
    _shell: Child,
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A database of one test.
pub(crate) struct TestDatabase {
    name: String,
    folder: PathBuf,
    /// Its pools, each as its own role.
    pub(crate) pools: Pools,
}

impl TestDatabase {
    /// A fresh database with every migration and no rows but those that migrations make.
    pub(crate) async fn new() -> Self {
        Self::of(TEMPLATE).await
    }

    /// A fresh database without any migration.
    pub(crate) async fn empty() -> Self {
        let database = Self::of("template0").await;
        database.login("postgres").await.execute("ALTER SCHEMA public OWNER TO picket_owner").await.unwrap();
        database
    }

    async fn of(template: &str) -> Self {
        let cluster = CLUSTER.get_or_init(Cluster::start).await;
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut conn = connect(&cluster.folder, "postgres", "postgres").await;
        let make = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER picket_owner");
        conn.execute(AssertSqlSafe(make)).await.unwrap();
        let pool = |role: &str| lazy_pool(options(&cluster.folder, &name, &format!("picket_{role}")));
        let pools = Pools {
            app: pool("app"),
            intake: pool("intake"),
            worker: pool("worker"),
            auth: pool("auth"),
            eraser: pool("eraser"),
            fence: None,
        };
        Self { name, folder: cluster.folder.clone(), pools }
    }

    /// A connection as a role of the collector, or as `postgres`, whom nothing holds back.
    pub(crate) async fn login(&self, role: &str) -> PgConnection {
        connect(&self.folder, &self.name, role).await
    }
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("picket-pg-").tempdir().unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SERVE, "sh"]).arg(programs()).current_dir(&folder).stdin(Stdio::piped()).process_group(0);
        if nix::unistd::geteuid().is_root() {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
            shell.uid(NOBODY).gid(NOBODY);
        }
        let shell = shell.spawn().unwrap();
        prepare(&folder).await;
        Self { folder, _shell: shell }
    }
}

/// Makes the roles and the migrated template.
async fn prepare(folder: &Path) {
    let mut conn = connect(folder, "postgres", "postgres").await;
    ensure_roles(&mut conn, true).await.unwrap();
    conn.execute(AssertSqlSafe(format!("CREATE DATABASE {TEMPLATE} OWNER picket_owner"))).await.unwrap();
    let mut template = connect(folder, TEMPLATE, "postgres").await;
    template.execute("ALTER SCHEMA public OWNER TO picket_owner").await.unwrap();
    drop(template);
    let mut owner = connect(folder, TEMPLATE, "picket_owner").await;
    MIGRATIONS.run(&mut owner).await.unwrap();
    sqlx::Connection::close(owner).await.unwrap();
    // A template cannot be copied while a session is still leaving it.
    let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    while sqlx::query_scalar::<_, i64>(left).bind(TEMPLATE).fetch_one(&mut conn).await.unwrap() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn options(folder: &Path, database: &str, role: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(folder).database(database).username(role)
}

fn lazy_pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(3).connect_lazy_with(options)
}

/// Connects, waiting for a server that is still starting.
async fn connect(folder: &Path, database: &str, role: &str) -> PgConnection {
    for _ in 0..600 {
        match options(folder, database, role).connect().await {
            Err(sqlx::Error::Io(_)) => {}
            // 57P03: the server is starting up.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => {}
            other => return other.unwrap(),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    options(folder, database, role).connect().await.unwrap()
}

/// The newest PostgreSQL that Debian's packages installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().flatten();
    let version =
        |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
    versions
        .map(|entry| entry.path())
        .filter(|path| version(path).is_some())
        .max_by_key(|path| version(path))
        .unwrap()
        .join("bin")
}
