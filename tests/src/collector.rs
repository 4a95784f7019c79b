//! The real collector, run and asked as an operator does.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ca::Certificate;
use crate::net::Place;
use crate::postgres::Postgres;
use crate::process::{Process, logged, our_program, stop_left_over_postgres};
use crate::wait;

pub use crate::shown::{Shown, Uptime};

/// How a collector is to run.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Where it runs.
    pub place: &'a Place,
    /// Its address there; the port is 8080, or 8443 with a certificate.
    pub address: Ipv4Addr,
    /// Its own folder.
    pub folder: &'a Path,
    /// With it over HTTPS, else over plain HTTP.
    pub certificate: Option<&'a Certificate>,
    /// The authority that mail servers and the like are trusted by.
    pub authority: &'a Path,
}

/// A running collector with its own database; dropping it ends both.
#[derive(Debug)]
pub struct Collector {
    place: Place,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where probes find it.
    pub url: String,
    config: PathBuf,
    data: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

/// The port at which a world's mail server listens, on the collector's address.
pub const MAIL_PORT: u16 = 2525;

impl Collector {
    /// Writes its configuration, starts it, and waits until it answers.
    pub fn start(settings: &Settings<'_>) -> Self {
        Self::start_with(settings, None)
    }

    /// The same; with `http` its configuration says that about listening, and it then listens there.
    pub fn start_with(settings: &Settings<'_>, http: Option<(&str, SocketAddr)>) -> Self {
        fs::create_dir_all(settings.folder).unwrap();
        let (scheme, port) = if settings.certificate.is_some() { ("https", 8443) } else { ("http", 8080) };
        let address = http.map_or_else(|| SocketAddr::from((settings.address, port)), |(_, address)| address);
        let url = format!("{scheme}://{address}");
        let (config, data) = (settings.folder.join("config.toml"), settings.folder.join("data"));
        fs::write(&config, configuration(settings, (http.map(|(text, _)| text), address, &url), &data)).unwrap();
        let log = settings.folder.join("collector.log");
        let mut collector = Self { place: settings.place.clone(), address, url, config, data, log, process: None };
        collector.starts();
        collector
    }

    /// Prepares one that uses the database at the URL in `url_file`, as others may; `http` is what its configuration says about listening.
    /// It is not started yet.
    pub fn of_external(settings: &Settings<'_>, (http, address): (&str, SocketAddr), url_file: &Path) -> Self {
        fs::create_dir_all(settings.folder).unwrap();
        let (config, data) = (settings.folder.join("config.toml"), settings.folder.join("data"));
        let url = format!("http://{address}");
        let text = configuration(settings, (Some(http), address, &url), &data);
        let managed = format!("mode = \"managed\"\ndata_dir = \"{}\"", data.display());
        let external = format!("mode = \"external\"\nurl_file = \"{}\"", url_file.display());
        assert!(text.contains(&managed), "{text}");
        fs::write(&config, text.replace(&managed, &external)).unwrap();
        let log = settings.folder.join("collector.log");
        Self { place: settings.place.clone(), address, url, config, data, log, process: None }
    }

    /// Starts it (again) on the same data, and waits until it answers.
    pub fn starts(&mut self) {
        self.begins_to_start();
        wait::until("the collector", Duration::from_secs(90), || {
            assert!(self.runs(), "the collector ended: {}", self.log());
            self.place.connect(self.address)
        });
    }

    /// Starts it, and does not wait: it may end again.
    pub fn begins_to_start(&mut self) {
        let mut command = self.place.command(our_program("picket-collector"));
        command.arg("--config").arg(&self.config).arg("serve");
        self.process = Some(Process::start("picket-collector serve", command, &self.log));
    }

    /// Stops it as the service manager does.
    pub fn stops(&mut self) {
        self.process.take().unwrap().stop();
    }

    /// The same; how it ended, `None` when it had to be killed.
    pub fn ends(&mut self) -> Option<ExitStatus> {
        self.process.take().unwrap().stop()
    }

    /// Ends it at once and alone; its PostgreSQL runs on.
    pub fn crashes(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Ends it at once, and then whatever it left, as the shipped unit does (`KillMode=mixed`).
    pub fn crashes_under_systemd(&mut self) {
        let left = self.postgres().processes();
        self.crashes();
        for pid in left {
            // Some end by themselves when they see their postmaster gone.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::runs)
    }

    /// Its PostgreSQL.
    pub fn postgres(&self) -> Postgres {
        Postgres::of(&self.data)
    }

    /// Starts it anew with another text in its configuration in the place of `from`.
    pub fn restarts_with(&mut self, from: &str, to: &str) {
        self.stops();
        self.is_told(from, to);
        self.starts();
    }

    /// From the next start on its data lies there.
    pub fn lives_in(&mut self, data: &Path) {
        let line = |data: &Path| format!("data_dir = \"{}\"", data.display());
        self.is_told(&line(&self.data), &line(data));
        data.clone_into(&mut self.data);
    }

    /// Puts another text in its configuration in the place of `from`; from the next start on it holds.
    #[track_caller]
    pub fn is_told(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        fs::write(&self.config, text.replace(from, to)).unwrap();
    }

    /// Where it runs.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The folder of its keys.
    pub fn keys(&self) -> PathBuf {
        self.data.with_file_name("keys")
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.process.as_ref().unwrap().pid()
    }

    /// The most memory it ever held, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        self.process.as_ref().unwrap().peak_memory_kib()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        logged(&self.log)
    }

    /// The link for the first administrator that it printed last.
    pub fn set_up_link(&self) -> String {
        wait::until("the set-up link", Duration::from_secs(20), || {
            let log = self.log();
            log.split_whitespace().rfind(|word| word.contains("/set-up/")).map(str::to_owned).ok_or(log)
        })
    }

    /// Runs `picket-collector` with these arguments.
    ///
    /// # Errors
    /// What it wrote to standard error, when its exit code is not 0.
    pub fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.place.command(our_program("picket-collector"));
        let output = command.arg("--config").arg(&self.config).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs `picket-collector` with these arguments; gives its exit code and what it wrote to both outputs.
    pub fn outcome(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        Self::outcome_of(self.program_under(self.place.command("env"), arguments))
    }

    /// `picket-collector` with these arguments, run by another program, whose own are given already.
    pub fn program_under(&self, mut other: Command, arguments: &[&str]) -> Command {
        other.arg(our_program("picket-collector")).arg("--config").arg(&self.config).args(arguments);
        other
    }

    /// Runs a command; gives its exit code and what it wrote to both outputs.
    pub fn outcome_of(mut command: Command) -> (Option<i32>, String, String) {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Runs a command whose exit code is an answer, and that prints JSON whatever it is.
    #[track_caller]
    pub fn judged(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let mut command = self.place.command(our_program("picket-collector"));
        let output = command.arg("--config").arg(&self.config).args(arguments).arg("--json").output().unwrap();
        let json = serde_json::from_slice(&output.stdout);
        (output.status.code(), json.unwrap_or_else(|error| panic!("{}: {error} in {output:?}", arguments.join(" "))))
    }

    /// What `doctor` finds by that name, and what it says; without what is asked of the network.
    #[track_caller]
    pub fn doctor(&self, name: &str) -> (String, String) {
        let mut command = self.place.command(our_program("picket-collector"));
        let output = command.arg("--config").arg(&self.config).args(["doctor", "--local", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["name"] == name);
        let found = found.unwrap_or_else(|| panic!("doctor has no finding {name}: {report:#}"));
        (text_of(found, "state"), text_of(found, "message"))
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        self.command(arguments).unwrap_or_else(|error| panic!("picket-collector {}: {error}", arguments.join(" ")))
    }

    /// Runs a command that must succeed and print JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error} in {text}", arguments.join(" ")))
    }

    /// What `doctor --local` finds, whether all of it is well or not.
    pub fn doctor_report(&self) -> Value {
        let mut command = self.place.command(our_program("picket-collector"));
        let output = command.arg("--config").arg(&self.config).args(["doctor", "--local", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Adds a monitor that is checked every 5 s with a timeout of 2 s; gives its id.
    #[track_caller]
    pub fn monitor(&self, target: &str, kind: &str, regions: &[&str], more: &[&str]) -> String {
        let mut arguments = vec!["monitor", "add", target, "--kind", kind, "--every", "5s", "--timeout", "2s"];
        for region in regions {
            arguments.extend(["--region", region]);
        }
        arguments.extend(more);
        text_of(&self.json(&arguments), "id")
    }

    /// Adds a channel that is told from the start, on the operator's word.
    #[track_caller]
    pub fn trusted_channel(&self, arguments: &[&str]) {
        self.run(&[&["channel", "add"], arguments, &["--trust"]].concat());
    }

    /// Verifies a channel by the code that came there.
    #[track_caller]
    pub fn verify_channel(&self, channel: &str, code: Option<String>) {
        let code = code.unwrap_or_else(|| panic!("no code came to {channel}"));
        assert_eq!(self.json(&["channel", "verify", channel, &code])["verified"], true);
    }

    /// Adds a probe; gives its id and its enrolment token.
    #[track_caller]
    pub fn add_probe(&self, region: &str, more: &[&str]) -> (String, String) {
        let added = self.json(&[&["probe", "add", "--region", region], more].concat());
        (text_of(&added, "id"), text_of(&added, "token"))
    }

    /// What is known of a monitor.
    #[track_caller]
    pub fn show(&self, monitor: &str) -> Shown {
        Shown(self.json(&["monitor", "show", monitor]))
    }

    /// Waits until a monitor looks as wanted.
    #[track_caller]
    pub fn until(&self, monitor: &str, what: &str, limit: Duration, wanted: impl Fn(&Shown) -> bool) -> Shown {
        wait::until(what, limit, || {
            let shown = self.show(monitor);
            if wanted(&shown) {
                return Ok(shown);
            }
            // Each look is a process and a few queries.
            thread::sleep(Duration::from_millis(400));
            Err(shown)
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.process.take());
        stop_left_over_postgres(&self.data);
    }
}

#[track_caller]
pub(crate) fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value:#}")).to_owned()
}

fn configuration(
    settings: &Settings<'_>,
    (http, address, url): (Option<&str>, SocketAddr, &str),
    data: &Path,
) -> String {
    let mut text = match http {
        Some(text) => format!("{text}\n"),
        None => format!("[http]\nlisten = \"{address}\"\npublic_url = \"{url}\"\n"),
    };
    if let Some(certificate) = settings.certificate {
        let (file, key) = (certificate.file.display(), certificate.key.display());
        let _ = writeln!(text, "certificate_file = \"{file}\"\nkey_file = \"{key}\"");
    }
    // Without TLS a provider may be on this machine only.
    let providers = if settings.address.is_loopback() {
        ["telegram", "twilio", "slack", "pagerduty", "discord", "teams", "pushover", "opsgenie"]
            .map(|kind| format!("{kind}_url = \"http://{}\"\n", settings.address))
            .concat()
    } else {
        String::new()
    };
    // An address of a network that could be anywhere.
    let attested =
        if settings.address.is_loopback() { "" } else { "eu_attested = \"the test, today, this machine\"\n" };
    let (keys, authority) = (settings.folder.join("keys"), settings.authority.display());
    let _ = write!(
        text,
        "[database]\nmode = \"managed\"\ndata_dir = \"{}\"\n[keys]\ndirectory = \"{}\"\n\
         [mail]\nhost = \"{host}\"\nport = {MAIL_PORT}\ntls = \"starttls\"\nfrom = \"picket@example.org\"\n{attested}\
         [outbound]\nca_file = \"{authority}\"\n{providers}[egress]\nallow = [\"{host}/32\"]\n[log]\nlevel = \"info\"\n",
        data.display(),
        keys.display(),
        host = settings.address,
    );
    text
}
