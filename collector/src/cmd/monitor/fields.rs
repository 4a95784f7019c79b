//! What can be said of a monitor on the command line, and how it becomes a specification.

use std::time::Duration;

use clap::ValueEnum;
use picket_shared::assignment::{MAX_INTERVAL, MIN_INTERVAL};
use picket_shared::check::{
    CheckSpec, DnsMatch, DnsSpec, HttpAuth, HttpSpec, InvalidSpec, Kind, RecordType, StatusRange, TcpSpec, TlsSpec,
    Verify,
};
use picket_shared::ids::Region;
use picket_shared::secret::{Sealed, SecretString};
use uuid::Uuid;

use crate::cmd::CmdError;
use crate::cmd::file_text::{self, FileText};
use crate::domain::briefing::{self, Briefing};
use crate::domain::defaults;
use crate::domain::incident::Severity;
use crate::domain::outage::QuorumRule;
use crate::store::monitors::Settings;
use crate::vault::{Class, Sealer};

use super::parse::{duration, header, host_port};

/// Everything but the target.
#[derive(Debug, clap::Args)]
pub(super) struct Fields {
    /// http, dns, tls or tcp; http for a URL unless given.
    #[arg(long)]
    kind: Option<Kind>,
    /// What to call it; its target unless given.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// From check to check: 30s, 5m, 1h; 60s unless given.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    every: Option<Duration>,
    /// After which a check is given up; 10s unless given, less for short intervals.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Where to watch from, once for each region; everywhere unless given.
    #[arg(long, value_name = "REGION")]
    pub(super) region: Vec<Region>,
    /// How many regions must see a failure: any, majority, all, or a number.
    #[arg(long)]
    pub(super) quorum: Option<QuorumRule>,
    /// Only regions in the EU may run it.
    #[arg(long, conflicts_with = "not_eu_only")]
    pub(super) eu_only: bool,
    /// Regions outside the EU may run it although it holds credentials.
    #[arg(long)]
    pub(super) not_eu_only: bool,
    /// A word to find it by, any number of times.
    #[arg(long)]
    pub(super) tag: Vec<String>,
    /// How bad it is when the monitor is down: critical, error or warning; critical unless given.
    #[arg(long)]
    severity: Option<Severity>,
    /// Who looks after it, as messages say; '' for nobody.
    #[arg(long, value_name = "TEXT", value_parser = |text: &str| briefing::owner(text))]
    owner: Option<Option<String>>,
    /// Where it is written what to do, as messages say; '' for nowhere.
    #[arg(long, value_name = "URL", value_parser = |text: &str| briefing::runbook_url(text))]
    runbook_url: Option<Option<String>>,
    /// http: the method.
    #[arg(long)]
    method: Option<String>,
    /// http: a header as 'Name: value', any number of times.
    #[arg(long, value_parser = header, value_name = "HEADER")]
    header: Vec<(String, String)>,
    /// http: a file with the request's body.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    body_file: Option<FileText>,
    /// http: statuses that are good: 204 or 200-399, any number of times.
    #[arg(long, value_name = "RANGE")]
    status: Vec<StatusRange>,
    /// http: a text that must be in the body, any number of times.
    #[arg(long, value_name = "TEXT")]
    contains: Vec<String>,
    /// http: a text that must not be in the body, any number of times.
    #[arg(long, value_name = "TEXT")]
    must_not_contain: Vec<String>,
    /// http: how many redirects to follow.
    #[arg(long, value_name = "N")]
    max_redirects: Option<u8>,
    /// http: the user of basic credentials.
    #[arg(long, requires = "basic_password_file")]
    basic_user: Option<String>,
    /// http: a file with the password of basic credentials.
    #[arg(long, requires = "basic_user", value_name = "FILE", value_parser = file_text::read)]
    basic_password_file: Option<FileText>,
    /// http: a file with a bearer token.
    #[arg(long, conflicts_with = "basic_user", value_name = "FILE", value_parser = file_text::read)]
    bearer_file: Option<FileText>,
    /// http, tls: a file with certificates (PEM) of further authorities to trust.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    ca_file: Option<FileText>,
    /// http, tls: 'off' accepts any certificate, and says so wherever the monitor is shown.
    #[arg(long, value_name = "on|off")]
    verify: Option<OnOff>,
    /// tls: fewer days than this before the certificate ends are degraded; 0 turns that off.
    #[arg(long, value_name = "DAYS")]
    min_days: Option<u16>,
    /// tls: the name to ask for and to expect; the host unless given.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// dns: the record type.
    #[arg(long)]
    record: Option<RecordType>,
    /// dns: the name server to ask; the probe's own resolver unless given.
    #[arg(long, value_name = "HOST")]
    server: Option<String>,
    /// dns, tls, tcp: the port.
    #[arg(long)]
    port: Option<u16>,
    /// dns: a record that must be in the answer, any number of times.
    #[arg(long, value_name = "RECORD")]
    expect: Vec<String>,
    /// dns: how the expected records are compared: all, any or exact.
    #[arg(long = "match", value_name = "HOW")]
    matching: Option<Matching>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnOff {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Matching {
    All,
    Any,
    Exact,
}

impl Fields {
    /// The specification of a new monitor.
    pub(super) fn spec(&self, target: &str) -> Result<CheckSpec, CmdError> {
        let is_url = target.contains("://");
        let kind = match self.kind {
            Some(kind) => kind,
            None if is_url => Kind::Http,
            None if target.is_empty() => return Err(CmdError::new("the target is empty: give a URL")),
            None => {
                return Err(CmdError::new(format!(
                    "{target:?} is no URL: give one such as https://{target}/, or say --kind dns, tls or tcp"
                )));
            }
        };
        let bare = match kind {
            Kind::Http => CheckSpec::Http(HttpSpec::get(target)),
            Kind::Dns => CheckSpec::Dns(DnsSpec::ask(target, RecordType::A)),
            Kind::Tls => {
                let (host, port) = host_port(target)?;
                CheckSpec::Tls(TlsSpec::connect(host, port.unwrap_or(443)))
            }
            Kind::Tcp => {
                let (host, port) = host_port(target)?;
                let port =
                    self.port.or(port).ok_or_else(|| CmdError::new("a tcp monitor needs a port: give HOST:PORT"))?;
                CheckSpec::Tcp(TcpSpec { host, port })
            }
            Kind::Other => return Err(CmdError::new("use --kind http, dns, tls or tcp")),
        };
        self.changed(&bare, None)
    }

    /// A specification with what is named here changed.
    pub(super) fn changed(&self, old: &CheckSpec, target: Option<&str>) -> Result<CheckSpec, CmdError> {
        let mut spec = old.clone();
        self.refuse_foreign(spec.kind())?;
        match &mut spec {
            CheckSpec::Http(http) => self.change_http(http, target),
            CheckSpec::Dns(dns) => self.change_dns(dns, target),
            CheckSpec::Tls(tls) => self.change_tls(tls, target)?,
            CheckSpec::Tcp(tcp) => {
                if let Some(target) = target {
                    let (host, port) = host_port(target)?;
                    tcp.host = host;
                    tcp.port = port.unwrap_or(tcp.port);
                }
                tcp.port = self.port.unwrap_or(tcp.port);
            }
            CheckSpec::Other => {}
        }
        spec.validate()?;
        Ok(spec)
    }

    fn change_http(&self, http: &mut HttpSpec, target: Option<&str>) {
        set(&mut http.url, target.map(str::to_owned));
        set(&mut http.method, self.method.as_deref().map(str::to_ascii_uppercase));
        set_list(&mut http.headers, &self.header);
        set_list(&mut http.accept_status, &self.status);
        set_list(&mut http.contains, &self.contains);
        set_list(&mut http.must_not_contain, &self.must_not_contain);
        set(&mut http.max_redirects, self.max_redirects);
        set(&mut http.verify, self.verify());
        if let Some(file) = &self.body_file {
            http.body = Some(file.text().to_owned());
        }
        if let Some(file) = &self.ca_file {
            http.extra_ca = Some(file.text().to_owned());
        }
    }

    fn change_dns(&self, dns: &mut DnsSpec, target: Option<&str>) {
        set(&mut dns.name, target.map(str::to_owned));
        set(&mut dns.record, self.record);
        set(&mut dns.port, self.port);
        set_list(&mut dns.expect, &self.expect);
        if self.server.is_some() {
            dns.server.clone_from(&self.server);
        }
        let matching = self.matching.map(|matching| match matching {
            Matching::All => DnsMatch::All,
            Matching::Any => DnsMatch::Any,
            Matching::Exact => DnsMatch::Exact,
        });
        set(&mut dns.matching, matching);
    }

    fn change_tls(&self, tls: &mut TlsSpec, target: Option<&str>) -> Result<(), CmdError> {
        if let Some(target) = target {
            let (host, port) = host_port(target)?;
            tls.host = host;
            tls.port = port.unwrap_or(tls.port);
        }
        set(&mut tls.port, self.port);
        set(&mut tls.min_days_left, self.min_days);
        set(&mut tls.verify, self.verify());
        if self.server_name.is_some() {
            tls.server_name.clone_from(&self.server_name);
        }
        if let Some(file) = &self.ca_file {
            tls.extra_ca = Some(file.text().to_owned());
        }
        Ok(())
    }

    fn verify(&self) -> Option<Verify> {
        self.verify.map(|verify| match verify {
            OnOff::On => Verify::On,
            OnOff::Off => Verify::Off,
        })
    }

    /// A field of another kind is a mistake, not something to pass over.
    fn refuse_foreign(&self, kind: Kind) -> Result<(), CmdError> {
        use Kind::{Dns, Http, Tcp, Tls};
        let named: [(&str, bool, &[Kind]); 18] = [
            ("--method", self.method.is_some(), &[Http]),
            ("--header", !self.header.is_empty(), &[Http]),
            ("--body-file", self.body_file.is_some(), &[Http]),
            ("--status", !self.status.is_empty(), &[Http]),
            ("--contains", !self.contains.is_empty(), &[Http]),
            ("--must-not-contain", !self.must_not_contain.is_empty(), &[Http]),
            ("--max-redirects", self.max_redirects.is_some(), &[Http]),
            ("--basic-user", self.basic_user.is_some(), &[Http]),
            ("--bearer-file", self.bearer_file.is_some(), &[Http]),
            ("--ca-file", self.ca_file.is_some(), &[Http, Tls]),
            ("--verify", self.verify.is_some(), &[Http, Tls]),
            ("--min-days", self.min_days.is_some(), &[Tls]),
            ("--server-name", self.server_name.is_some(), &[Tls]),
            ("--record", self.record.is_some(), &[Dns]),
            ("--server", self.server.is_some(), &[Dns]),
            ("--port", self.port.is_some(), &[Dns, Tls, Tcp]),
            ("--expect", !self.expect.is_empty(), &[Dns]),
            ("--match", self.matching.is_some(), &[Dns]),
        ];
        match named.iter().find(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
            Some((option, _, kinds)) => {
                let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
                Err(CmdError::new(format!(
                    "{option} is for {} monitors, and this one is {kind}: leave it out",
                    kinds.join(", ")
                )))
            }
            None => Ok(()),
        }
    }

    /// A monitor keeps its kind: results of two kinds are no one history.
    pub(super) fn refuse_other_kind(&self, is: Kind) -> Result<(), CmdError> {
        match self.kind.filter(|kind| *kind != is) {
            Some(kind) => Err(CmdError::new(format!(
                "this monitor is {is} and stays so: make another with `monitor add --kind {kind}`, and delete this one"
            ))),
            None => Ok(()),
        }
    }

    /// The credentials given.
    pub(super) fn credentials(&self) -> Option<HttpAuth> {
        if let (Some(user), Some(file)) = (&self.basic_user, &self.basic_password_file) {
            return Some(HttpAuth::Basic { user: user.clone(), password: file.secret() });
        }
        self.bearer_file.as_ref().map(|file| HttpAuth::Bearer { token: file.secret() })
    }

    /// What messages say of it, with what is named here changed.
    pub(super) fn briefing(&self, old: Briefing) -> Briefing {
        Briefing {
            severity: self.severity.unwrap_or(old.severity),
            owner: self.owner.clone().unwrap_or(old.owner),
            runbook_url: self.runbook_url.clone().unwrap_or(old.runbook_url),
        }
    }

    /// Seconds from slot to slot.
    pub(super) fn interval_s(&self, old: Option<i32>) -> Result<i32, CmdError> {
        let every = match (self.every, old) {
            (None, Some(old)) => return Ok(old),
            (every, _) => every.unwrap_or(defaults::INTERVAL),
        };
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&every) || every.subsec_nanos() != 0 {
            return Err(CmdError::new("--every: use whole seconds from 5s to 24h"));
        }
        Ok(i32::try_from(every.as_secs()).unwrap_or(i32::MAX))
    }

    /// Milliseconds after which a check is given up: below the interval.
    pub(super) fn timeout_ms(&self, old: Option<i32>) -> i32 {
        let default = defaults::timeout(self.every.unwrap_or(defaults::INTERVAL));
        let new = self.timeout.map(|timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        new.or(old).unwrap_or_else(|| i32::try_from(default.as_millis()).unwrap_or(i32::MAX))
    }
}

/// Checks what no single field can tell.
pub(super) fn check(settings: &Settings) -> Result<(), CmdError> {
    if settings.name.is_empty() || settings.name.chars().count() > 200 || settings.name.chars().any(char::is_control) {
        return Err(CmdError::new("--name: use 1 to 200 characters on one line"));
    }
    if !(100..=120_000).contains(&settings.timeout_ms)
        || i64::from(settings.timeout_ms) >= i64::from(settings.interval_s) * 1000
    {
        return Err(CmdError::new(
            "--timeout: use 100ms to 120s, and less than the time from check to check (--every)",
        ));
    }
    if settings.tags.iter().any(|tag| tag.is_empty() || tag.len() > 64 || tag.chars().any(char::is_control)) {
        return Err(CmdError::new("--tag: use 1 to 64 characters"));
    }
    Ok(())
}

/// Seals credentials for the row of that id.
pub(super) fn seal(sealer: &Sealer, id: Uuid, credentials: Option<&HttpAuth>) -> Result<Option<Sealed>, CmdError> {
    let Some(credentials) = credentials else { return Ok(None) };
    let plain = SecretString::new(serde_json::to_string(credentials)?);
    Ok(Some(sealer.seal(Class::MonitorSecret, id.as_bytes(), plain.expose().as_bytes())?))
}

impl From<InvalidSpec> for CmdError {
    fn from(error: InvalidSpec) -> Self {
        Self::new(error.to_string())
    }
}

fn set<T>(field: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *field = new;
    }
}

fn set_list<T: Clone>(field: &mut Vec<T>, new: &[T]) {
    if !new.is_empty() {
        *field = new.to_vec();
    }
}
