//! A PostgreSQL of somebody else's, as `mode = "external"` uses it: reached by TCP, with a login that is no superuser.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use picket_collector::postgres::programs::Programs;
use picket_collector::postgres::roles::ROLES;
use serde_json::Value;

use crate::process::Process;
use crate::wait;

/// PostgreSQL refuses root.
const NOBODY: u32 = 65534;

/// A running server with a database for a collector; dropping it ends it.
#[derive(Debug)]
pub struct External {
    socket: PathBuf,
    /// A file with the URL that collectors are given.
    pub url_file: PathBuf,
    process: Process,
}

impl External {
    /// Makes a cluster in `folder`, starts it at `address`, and prepares it as the manual says.
    pub fn start(folder: &Path, address: SocketAddr) -> Self {
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let (pgdata, log) = (folder.join("data"), folder.with_extension("log"));
        let root = nix::unistd::geteuid().is_root();
        if root {
            chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let programs = Programs::find(None, &pgdata).unwrap();
        let command = |program: &str| {
            let mut command = Command::new(programs.path(program));
            command.current_dir(folder).env("LC_ALL", "C.UTF-8");
            if root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let made = command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&pgdata)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = command("postgres");
        server.arg("-D").arg(&pgdata).arg("-k").arg(folder);
        server.args(["-c", &format!("listen_addresses={}", address.ip()), "-c", &format!("port={}", address.port())]);
        server.args(["-c", "fsync=off", "-c", "max_connections=200"]);
        let process = Process::start("postgres", server, &log);
        let url_file = folder.with_extension("url");
        fs::write(&url_file, format!("postgres://picket@{address}/picket?sslmode=disable")).unwrap();
        fs::set_permissions(&url_file, fs::Permissions::from_mode(0o600)).unwrap();
        let external = Self { socket: folder.to_owned(), url_file, process };
        let port = address.port();
        wait::until("PostgreSQL", Duration::from_secs(30), || external.psql(port, "postgres", "SELECT 1"));
        external.prepare(port);
        external
    }

    fn prepare(&self, port: u16) {
        let roles = ROLES.map(|role| format!("CREATE ROLE {role} NOLOGIN; GRANT {role} TO picket WITH ADMIN OPTION;"));
        self.psql(port, "postgres", &format!("CREATE ROLE picket LOGIN; {}", roles.concat())).unwrap();
        self.psql(port, "postgres", "CREATE DATABASE picket OWNER picket").unwrap();
        self.psql(port, "picket", "GRANT CREATE ON DATABASE picket TO picket_owner").unwrap();
    }

    /// Makes a login that proves itself by a password, also for replication, which it may not do yet.
    pub fn admits(&self, role: &str, password: &str) {
        self.run(&format!("SET password_encryption = 'scram-sha-256'; CREATE ROLE {role} LOGIN PASSWORD '{password}'"))
            .unwrap();
        let rules = self.socket.join("data/pg_hba.conf");
        let before = fs::read_to_string(&rules).unwrap();
        let lines = ["all", "replication"].map(|what| format!("host {what} {role} all scram-sha-256\n"));
        fs::write(&rules, format!("{}{before}", lines.concat())).unwrap();
        self.run("SELECT pg_reload_conf()").unwrap();
    }

    /// Its machine is gone, and all data with it.
    pub fn is_lost(&mut self) {
        self.process.kill();
        let data = self.socket.join("data");
        // Its children end when they see their postmaster gone, and may write until then.
        wait::until("the data to be gone", Duration::from_secs(30), || match fs::remove_dir_all(&data) {
            Err(error) if data.exists() => Err(error),
            _ => Ok(()),
        });
    }

    /// Runs a statement in the collectors' database as a superuser; gives what psql prints, values alone.
    ///
    /// # Errors
    /// What psql says.
    pub fn run(&self, statement: &str) -> Result<String, String> {
        self.psql(self.port(), "picket", statement)
    }

    /// What a query finds, one object a row.
    ///
    /// # Errors
    /// What psql says.
    pub fn rows(&self, query: &str) -> Result<Vec<Value>, String> {
        let text = self.run(&format!("SELECT coalesce(json_agg(x), '[]') FROM ({query}) x"))?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    fn port(&self) -> u16 {
        let url = fs::read_to_string(&self.url_file).unwrap();
        let address = url.split(['@', '/']).find_map(|part| part.parse::<SocketAddr>().ok());
        address.unwrap_or_else(|| panic!("no address in {url}")).port()
    }

    fn psql(&self, port: u16, database: &str, statement: &str) -> Result<String, String> {
        let mut command = Command::new("psql");
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--username=postgres", "--dbname"]);
        command.arg(database).arg("--host").arg(&self.socket).args(["--port", &port.to_string()]);
        command.args(["--set", "ON_ERROR_STOP=1", "--command", statement]).env("PGCONNECT_TIMEOUT", "5");
        let output = command.output().map_err(|error| format!("psql: {error}: install postgresql"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Drop for External {
    fn drop(&mut self) {
        // Its fast stop: collectors are gone by then, or are to see it go.
        self.process.signal_if_it_runs(Signal::SIGINT);
    }
}
