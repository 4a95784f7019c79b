//! A collector that is measured, and its PostgreSQL, asked for what no command tells.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use picket_shared::ids::MonitorId;
use picket_shared::time::Clock;
use picket_tests::ca::Authority;
use picket_tests::collector::{Collector, Settings};
use picket_tests::net::Place;
use picket_tests::postgres::Postgres;

/// Starts a collector at this address, with a database of its own.
pub(crate) fn start(folder: &Path, address: Ipv4Addr) -> (Collector, Database) {
    let authority = Authority::new(&folder.join("certificates"));
    let (place, home) = (Place::here(), folder.join("collector"));
    let settings = Settings { place: &place, address, folder: &home, certificate: None, authority: &authority.file };
    let listen = SocketAddr::from((address, 8080));
    // Who measures asks more than anybody may, and for many clients.
    let http = format!(
        "[limits]\nrequests_per_minute_per_address = 10000000\nrequests_per_minute_per_account = 10000000\n\
         [login]\nmode = \"open\"\n\
         [http]\nlisten = \"{listen}\"\npublic_url = \"http://{listen}\"\ntrusted_proxies = [\"127.0.0.0/8\"]"
    );
    let collector = Collector::start_with(&settings, Some((&http, listen)));
    let postgres = collector.postgres();
    let postmaster = postgres.postmaster().unwrap();
    (collector, Database { postgres, postmaster })
}

/// The collector's own PostgreSQL, asked by its superuser.
pub(crate) struct Database {
    postgres: Postgres,
    pub(crate) postmaster: Pid,
}

impl Database {
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.postgres.run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
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
