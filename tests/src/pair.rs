//! Two collectors on one external database, behind a load balancer.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::balancer::Balancer;
use crate::ca::Authority;
use crate::collector::{Collector, Settings};
use crate::curl;
use crate::external::External;
use crate::net::Place;
use crate::probe::{self, Probe};
use crate::target::{Ports, Target};
use crate::wait;
use crate::world::{folder, loopback};

/// Everything that shares one database. Fields end in this order.
pub struct Pair {
    /// The two, the first of which is started first.
    pub collectors: [Collector; 2],
    _balancer: Balancer,
    /// What they share.
    pub database: External,
    authority: Authority,
    /// Where everything listens.
    pub address: Ipv4Addr,
    /// Everything of theirs.
    pub folder: TempDir,
}

impl Pair {
    /// Starts a database and the first of two collectors; the second has no keys yet.
    pub fn start() -> Self {
        let (folder, address, place) = (folder(), loopback(), Place::here());
        let authority = Authority::new(&folder.path().join("certificates"));
        let database = External::start(&folder.path().join("postgres"), SocketAddr::from((address, 5432)));
        let front = SocketAddr::from((address, 8088));
        let listens = [8080, 8082].map(|port| SocketAddr::from((address, port)));
        let balancer = Balancer::start(front, &listens);
        let collectors = [("one", listens[0]), ("two", listens[1])].map(|(name, at)| {
            let http = format!("[http]\nlisten = \"{at}\"\npublic_url = \"http://{front}\"");
            let (folder, authority) = (&folder.path().join(name), &authority.file);
            let settings = Settings { place: &place, address, folder, certificate: None, authority };
            let mut collector = Collector::of_external(&settings, (&http, at), &database.url_file);
            // Where probes are told to call.
            collector.url = format!("http://{front}");
            collector
        });
        let mut pair = Self { collectors, _balancer: balancer, database, authority, address, folder };
        pair.collectors[0].starts();
        pair
    }

    /// The second collector gets the keys of the first, and starts.
    pub fn both(&mut self) {
        let [one, two] = [0, 1].map(|which| self.collectors[which].keys());
        copied(&one, &two);
        self.collectors[1].starts();
    }

    /// A probe in the region `eu`.
    pub fn probe(&self) -> Probe {
        let settings = probe::Settings {
            place: &Place::here(),
            region: "eu",
            network: None,
            folder: &self.folder.path().join("probes"),
            authority: &self.authority.file,
            allow: &[format!("{}/32", self.address)],
            resolvers: &[SocketAddr::from((self.address, 53))],
            references: &[],
        };
        Probe::start(&self.collectors[0], &settings)
    }

    /// A target.
    pub fn shop(&self, number: usize) -> Target {
        let (place, folder) = (Place::here(), self.folder.path().join(format!("shop-{number}")));
        Target::start(&place, self.address, ports(number), &folder, None, &[])
    }

    /// A monitor of it.
    pub fn monitor(&self, number: usize) -> String {
        let (url, name) = (format!("http://{}:{}/", self.address, ports(number).http), format!("shop {number}"));
        self.collectors[0].monitor(&url, "http", &["eu"], &["--name", &name])
    }

    /// The number of the term, and which of the two leads.
    ///
    /// # Errors
    /// What there is where none does.
    pub fn leads(&self) -> Result<(i64, usize), String> {
        let rows = self.database.rows("SELECT fence, host, holder IS NOT NULL AS held FROM leadership")?;
        let host = rows[0]["host"].as_str().unwrap_or_default();
        let which = self.collectors.iter().position(|one| host.contains(&format!("({})", one.address)));
        match which.filter(|_| rows[0]["held"] == true) {
            Some(which) => Ok((rows[0]["fence"].as_i64().unwrap(), which)),
            None => Err(format!("{rows:?}")),
        }
    }

    /// Waits for the next term.
    pub fn until_led_after(&self, term: i64, limit: Duration) -> (i64, usize) {
        wait::until("the next term", limit, || match self.leads() {
            Ok((newer, which)) if newer > term => Ok((newer, which)),
            other => Err(other),
        })
    }

    /// A figure of one of them; `None` where it has none.
    pub fn metric(&self, which: usize, name: &str) -> Option<String> {
        let got = curl::get(&Place::here(), &format!("http://{}/metrics", self.collectors[which].address), &[]);
        let line = got.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        assert_eq!(got.status, 200, "{}", got.body);
        line
    }

    /// Waits until one of them serves pages.
    pub fn answers(&self, which: usize) {
        let address = self.collectors[which].address;
        wait::until("an answer", Duration::from_secs(20), || {
            let of = |path: &str| curl::get(&Place::here(), &format!("http://{address}{path}"), &[]).status;
            let got = (of("/healthz"), of("/sign-in"));
            if got == (200, 200) { Ok(()) } else { Err(got) }
        });
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

fn ports(number: usize) -> Ports {
    let number = u16::try_from(number).unwrap();
    Ports { http: 8100 + number, https: 8200 + number }
}

/// Copies a folder of keys with owners and modes, in the place of what is there.
pub fn copied(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
