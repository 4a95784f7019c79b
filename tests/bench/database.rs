//! The PostgreSQL of a measured collector, asked for what no command tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use picket_shared::ids::MonitorId;
use picket_shared::time::Clock;

/// The collector's own PostgreSQL, asked by its superuser.
pub(crate) struct Database {
    socket: PathBuf,
    pub(crate) postmaster: Pid,
}

impl Database {
    pub(crate) fn of(data: &Path) -> Self {
        let file = fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
        let lines: Vec<&str> = file.lines().collect();
        Self { socket: lines[4].into(), postmaster: Pid::from_raw(lines[0].parse().unwrap()) }
    }

    pub(crate) fn ask(&self, sql: &str) -> String {
        let mut command = Command::new("psql");
        command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "picket", "-h"]).arg(&self.socket);
        let output = command.arg("-c").arg(sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes these monitors, each of every region; thousands at once, which the command line is not for.
    pub(crate) fn add_monitors(&self, monitors: &[MonitorId]) {
        let ids: Vec<String> = monitors.iter().map(ToString::to_string).collect();
        let now = Clock::system().now().micros();
        self.ask(&format!(
            "WITH org AS (SELECT min(id) AS id FROM organizations), new AS (
                INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms,
                    assigned_at_version, created_at, updated_at)
                SELECT u, org.id, u::text, 'http', 'https://shop.example/',
                    '{{\"kind\":\"http\",\"url\":\"https://shop.example/\"}}', 60, 10000, 1, {now}, {now}
                FROM org, unnest('{{{}}}'::uuid[]) u RETURNING org_id, id
             ), run AS (
                INSERT INTO monitor_regions SELECT new.org_id, new.id, regions.id FROM new, regions
             )
             INSERT INTO states (org_id, monitor_id, state, since, data, watch)
             SELECT org_id, id, 'pending', {now}, '{{}}', false FROM new",
            ids.join(",")
        ));
    }

    /// Nothing is left that the judge was told of.
    pub(crate) fn wait_until_judged(&self) {
        while self.ask("SELECT count(*) FROM states WHERE dirty_at IS NOT NULL") != "0" {
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Bytes of all tables with their indexes, and of the log so far.
    pub(crate) fn bytes(&self) -> (f64, f64) {
        let tables = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'";
        let log = "SELECT pg_current_wal_lsn() - '0/0'";
        (self.ask(tables).parse().unwrap(), self.ask(log).parse().unwrap())
    }
}
