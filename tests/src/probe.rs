//! The real probe, enrolled and run as an operator does.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::collector::Collector;
use crate::net::Place;
use crate::process::{Process, logged, our_program};

/// How a probe is to run.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Where it runs.
    pub place: &'a Place,
    /// Its region.
    pub region: &'a str,
    /// The network it is in, if it matters.
    pub network: Option<&'a str>,
    /// A folder for its configuration and its log.
    pub folder: &'a Path,
    /// The authority that the collector is trusted by.
    pub authority: &'a Path,
    /// The private ranges that its checks may reach.
    pub allow: &'a [String],
    /// The name servers that it asks.
    pub resolvers: &'a [SocketAddr],
    /// What tells it whether its own network is good, as in its configuration.
    pub references: &'a [String],
}

/// A running probe; dropping it ends it.
#[derive(Debug)]
pub struct Probe {
    /// Its id.
    pub id: String,
    place: Place,
    token: String,
    config: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

impl Probe {
    /// Adds it to the collector and starts it.
    pub fn start(collector: &Collector, settings: &Settings<'_>) -> Self {
        fs::create_dir_all(settings.folder).unwrap();
        let network: Vec<&str> = settings.network.iter().flat_map(|network| ["--network", network]).collect();
        let (id, token) = collector.add_probe(settings.region, &network);
        let config = settings.folder.join(format!("{}.toml", settings.region));
        fs::write(&config, configuration(collector, settings)).unwrap();
        let log = settings.folder.join(format!("{}.log", settings.region));
        let mut probe = Self { id, place: settings.place.clone(), token, config, log, process: None };
        probe.starts();
        probe
    }

    /// Runs the one command that `probe add` printed, in `place`, and nothing else: no configuration, no file.
    pub fn pasted(place: &Place, printed: &str, log: &Path) -> Self {
        let line = printed.lines().find_map(|line| line.trim().strip_prefix("PICKET_TOKEN=")).unwrap();
        let token = line.strip_suffix(" picket-probe run").unwrap().to_owned();
        let id = printed.split(['(', ')']).nth(1).unwrap().to_owned();
        let mut probe =
            Self { id, place: place.clone(), token, config: PathBuf::new(), log: log.to_owned(), process: None };
        probe.starts();
        probe
    }

    /// Starts it (again), as a new boot.
    pub fn starts(&mut self) {
        let mut command = self.place.command(our_program("picket-probe"));
        command.arg("run").env("PICKET_TOKEN", &self.token).env_remove("PICKET_PROBE_CONFIG");
        if self.config.is_file() {
            command.env("PICKET_PROBE_CONFIG", &self.config);
        }
        self.process = Some(Process::start("picket-probe run", command, &self.log));
    }

    /// Stops it as the service manager does; it ships what it has.
    pub fn stops(&mut self) {
        self.process.take().unwrap().stop();
    }

    /// Ends it as a power cut does.
    pub fn crashes(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.process.as_ref().unwrap().pid()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        logged(&self.log)
    }
}

fn configuration(collector: &Collector, settings: &Settings<'_>) -> String {
    let list = |items: Vec<String>| items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
    let mut text = format!("collector_url = \"{}\"\n", collector.url);
    if collector.url.starts_with("https:") {
        let _ = writeln!(text, "ca_file = \"{}\"", settings.authority.display());
    }
    let resolvers = list(settings.resolvers.iter().map(ToString::to_string).collect());
    let allow = list(settings.allow.to_vec());
    let references = list(settings.references.to_vec());
    let _ = write!(
        text,
        "resolvers = [{resolvers}]\n[egress]\nallow = [{allow}]\n[self_check]\ntargets = [{references}]\nperiod_s = 5\n\
         [log]\nlevel = \"debug\"\n"
    );
    text
}
