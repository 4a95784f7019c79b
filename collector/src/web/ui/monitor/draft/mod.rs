//! A monitor as it stands in the form, and what it would be: pure.
//!
//! Every field is text as typed. [`Draft::read`] gives what can be stored, or a message for each field that cannot be.

mod briefing;
mod credentials;
mod stored;

use std::time::Duration;

use picket_shared::assignment::{MAX_INTERVAL, MIN_INTERVAL};
use picket_shared::check::{
    CheckSpec, DnsMatch, DnsSpec, HttpAuth, HttpSpec, Kind, RecordType, TcpSpec, TlsSpec, Verify,
};
use picket_shared::secret::SecretString;

use crate::domain::briefing::Briefing;
use crate::domain::defaults;
use crate::domain::outage::QuorumRule;
use crate::domain::written::{self, BadHeader};
use crate::web::extract::form::Form;
use crate::web::texts::{filled, text};

/// What was typed.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the form")]
pub struct Draft {
    pub kind: Kind,
    pub target: String,
    pub name: String,
    pub every: String,
    pub timeout: String,
    pub regions: Vec<String>,
    pub tags: String,
    pub severity: String,
    pub owner: String,
    pub runbook_url: String,
    /// The id of the policy that it names, or nothing.
    pub policy: String,
    pub quorum: String,
    /// `yes`, `no`, or nothing: where it holds credentials.
    pub eu_only: String,
    pub method: String,
    pub headers: String,
    pub body: String,
    pub statuses: String,
    pub contains: String,
    pub must_not_contain: String,
    pub redirects: String,
    /// `none`, `basic`, `bearer`, or `keep` for those that are there.
    pub auth: String,
    pub user: String,
    pub secret: SecretString,
    pub verify_off: bool,
    pub extra_ca: String,
    pub record: String,
    pub server: String,
    pub port: String,
    pub expect: String,
    pub matching: String,
    pub server_name: String,
    pub min_days: String,
}

/// What it would be.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "as in `store::monitors::Settings`")]
pub struct Parsed {
    pub name: String,
    pub spec: CheckSpec,
    pub interval_s: i32,
    pub timeout_ms: i32,
    pub quorum: Option<QuorumRule>,
    pub eu_only: bool,
    pub tags: Vec<String>,
    pub briefing: Briefing,
    /// New ones; the old ones stay when `keep` says so.
    pub credentials: Option<HttpAuth>,
    pub keep: bool,
}

/// What is wrong: field and message.
pub type Faults = Vec<(&'static str, String)>;

impl Draft {
    /// What an empty form shows.
    pub fn blank(kind: Kind, target: &str) -> Self {
        let form = Form::parse(b"");
        Self {
            kind,
            target: target.to_owned(),
            every: "60s".to_owned(),
            auth: "none".to_owned(),
            ..Self::from_form(&form)
        }
    }

    /// What was sent.
    pub fn from_form(form: &Form) -> Self {
        let text = |name: &str| form.text(name).to_owned();
        Self {
            kind: form.text("kind").parse().unwrap_or(Kind::Http),
            target: text("target"),
            name: text("name"),
            every: text("every"),
            timeout: text("timeout"),
            regions: form.all("region").into_iter().map(str::to_owned).collect(),
            tags: text("tags"),
            severity: text("severity"),
            owner: text("owner"),
            runbook_url: text("runbook_url"),
            policy: text("policy"),
            quorum: text("quorum"),
            eu_only: text("eu_only"),
            method: text("method"),
            headers: text("headers"),
            body: form.raw("body").to_owned(),
            statuses: text("statuses"),
            contains: text("contains"),
            must_not_contain: text("must_not_contain"),
            redirects: text("redirects"),
            auth: text("auth"),
            user: text("user"),
            secret: form.secret("secret"),
            verify_off: form.ticked("verify_off"),
            extra_ca: text("extra_ca"),
            record: text("record"),
            server: text("server"),
            port: text("port"),
            expect: text("expect"),
            matching: text("matching"),
            server_name: text("server_name"),
            min_days: text("min_days"),
        }
    }

    /// What it would be.
    ///
    /// # Errors
    /// A message for each field that cannot be.
    pub fn read(&self) -> Result<Parsed, Faults> {
        let mut faults = Faults::new();
        let spec = self.spec(&mut faults);
        let interval = self.interval(&mut faults);
        let timeout_ms = self.timeout(interval, &mut faults);
        let quorum = self.quorum(&mut faults);
        let tags = self.tags(&mut faults);
        let briefing = self.briefing(&mut faults);
        let name = if self.name.is_empty() { spec.target().chars().take(200).collect() } else { self.name.clone() };
        if !self.target.is_empty() && (name.chars().count() > 200 || name.chars().any(char::is_control)) {
            faults.push(("name", text("form.bad_name").to_owned()));
        }
        let credentials = self.credentials(&mut faults);
        if faults.is_empty() {
            let mut whole = spec.clone();
            if let CheckSpec::Http(http) = &mut whole {
                http.auth.clone_from(&credentials);
            }
            if let Err(invalid) = whole.validate() {
                faults.push((field_of(invalid.field), invalid.message));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let keep = self.auth == "keep";
        Ok(Parsed {
            name,
            spec,
            interval_s: i32::try_from(interval.as_secs()).unwrap_or(i32::MAX),
            timeout_ms,
            quorum,
            eu_only: match self.eu_only.as_str() {
                "yes" => true,
                "no" => false,
                _ => credentials.is_some() || keep,
            },
            tags,
            briefing,
            credentials,
            keep,
        })
    }

    /// The same in an organization that keeps to the EU, where that is so: what is not said otherwise keeps to it, and nothing else may.
    ///
    /// # Errors
    /// Those of [`Draft::read`].
    pub fn read_where(&self, keeps_to_eu: bool) -> Result<Parsed, Faults> {
        let parsed = self.read()?;
        match self.eu_only.as_str() {
            "no" if keeps_to_eu => Err(vec![("eu_only", text("form.eu_refused").to_owned())]),
            _ => Ok(Parsed { eu_only: parsed.eu_only || keeps_to_eu, ..parsed }),
        }
    }

    fn spec(&self, faults: &mut Faults) -> CheckSpec {
        if self.target.is_empty() {
            faults.push((
                "target",
                text(match self.kind {
                    Kind::Dns => "form.no_name",
                    Kind::Tls | Kind::Tcp => "form.no_host",
                    Kind::Http | Kind::Other => "form.no_url",
                })
                .to_owned(),
            ));
        }
        match self.kind {
            Kind::Http | Kind::Other => CheckSpec::Http(self.http(faults)),
            Kind::Dns => CheckSpec::Dns(self.dns(faults)),
            Kind::Tls => {
                let (host, port) = self.host_port(faults);
                let mut tls = TlsSpec::connect(host, port.unwrap_or(443));
                tls.server_name = some(&self.server_name);
                tls.min_days_left = number(&self.min_days, "min_days", tls.min_days_left, faults);
                tls.verify = self.verify();
                tls.extra_ca = some(&self.extra_ca);
                CheckSpec::Tls(tls)
            }
            Kind::Tcp => {
                let (host, port) = self.host_port(faults);
                if port.is_none() && !self.target.is_empty() && faults.is_empty() {
                    faults.push(("target", text("form.no_port").to_owned()));
                }
                CheckSpec::Tcp(TcpSpec { host, port: port.unwrap_or(1) })
            }
        }
    }

    fn http(&self, faults: &mut Faults) -> HttpSpec {
        let plain = !self.target.is_empty() && !self.target.contains("://");
        let mut http = HttpSpec::get(if plain { format!("https://{}", self.target) } else { self.target.clone() });
        // One spelling, with the slash after the host.
        if let Ok(url) = url::Url::parse(&http.url) {
            http.url = url.to_string();
        }
        if !self.method.is_empty() {
            http.method = self.method.to_ascii_uppercase();
        }
        for line in self.headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match written::header(line) {
                Ok(header) => http.headers.push(header),
                Err(BadHeader::NoColon) => faults.push(("headers", filled("form.bad_header", line))),
                Err(BadHeader::Credentials) => faults.push(("headers", text("form.secret_header").to_owned())),
            }
        }
        http.body = (!self.body.is_empty()).then(|| self.body.clone());
        for range in self.statuses.split([',', ' ', '\n']).map(str::trim).filter(|range| !range.is_empty()) {
            match range.parse() {
                Ok(range) => http.accept_status.push(range),
                Err(error) => faults.push(("statuses", error.message)),
            }
        }
        http.contains = lines(&self.contains);
        http.must_not_contain = lines(&self.must_not_contain);
        http.max_redirects = number(&self.redirects, "redirects", http.max_redirects, faults);
        http.verify = self.verify();
        http.extra_ca = some(&self.extra_ca);
        http
    }

    fn dns(&self, faults: &mut Faults) -> DnsSpec {
        let record = if self.record.is_empty() {
            RecordType::A
        } else {
            RecordType::ALL.into_iter().find(|record| record.as_str() == self.record).unwrap_or(RecordType::A)
        };
        let mut dns = DnsSpec::ask(self.target.trim_end_matches('.'), record);
        dns.server = some(&self.server);
        dns.port = number(&self.port, "port", dns.port, faults);
        dns.expect = lines(&self.expect);
        dns.matching = match self.matching.as_str() {
            "any" => DnsMatch::Any,
            "exact" => DnsMatch::Exact,
            _ => DnsMatch::All,
        };
        dns
    }

    fn host_port(&self, faults: &mut Faults) -> (String, Option<u16>) {
        // Who pastes a URL means its host.
        let bare = self
            .target
            .split_once("://")
            .map_or(self.target.as_str(), |(_, rest)| rest.split('/').next().unwrap_or(rest));
        match written::host_port(bare) {
            Ok(found) => found,
            Err(message) => {
                faults.push(("target", message));
                (String::new(), None)
            }
        }
    }

    const fn verify(&self) -> Verify {
        if self.verify_off { Verify::Off } else { Verify::On }
    }

    fn interval(&self, faults: &mut Faults) -> Duration {
        let every = if self.every.is_empty() { Ok(defaults::INTERVAL) } else { written::duration(&self.every) };
        match every {
            Ok(every) if (MIN_INTERVAL..=MAX_INTERVAL).contains(&every) && every.subsec_nanos() == 0 => every,
            _ => {
                faults.push(("every", text("form.bad_interval").to_owned()));
                MAX_INTERVAL
            }
        }
    }

    fn timeout(&self, interval: Duration, faults: &mut Faults) -> i32 {
        let timeout =
            if self.timeout.is_empty() { Ok(defaults::timeout(interval)) } else { written::duration(&self.timeout) };
        match timeout {
            Ok(timeout) if (100..=120_000).contains(&timeout.as_millis()) && timeout < interval => {
                i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
            }
            _ => {
                faults.push(("timeout", text("form.bad_timeout").to_owned()));
                0
            }
        }
    }

    fn quorum(&self, faults: &mut Faults) -> Option<QuorumRule> {
        match self.quorum.as_str() {
            "" | "majority" => None,
            "any" => Some(QuorumRule::Any),
            "all" => Some(QuorumRule::All),
            number => match number.parse() {
                Ok(k) if k > 0 => Some(QuorumRule::AtLeast(k)),
                _ => {
                    faults.push(("quorum", text("form.bad_quorum").to_owned()));
                    None
                }
            },
        }
    }

    fn tags(&self, faults: &mut Faults) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for tag in self.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if tag.len() > 64 || tag.chars().any(char::is_control) {
                faults.push(("tags", text("form.bad_tag").to_owned()));
            } else if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }
}

/// The form's name of a field of a specification.
pub(super) fn field_of(field: &str) -> &'static str {
    match field {
        "method" => "method",
        "headers" => "headers",
        "body" => "body",
        "accept_status" => "statuses",
        "contains" => "contains",
        "must_not_contain" => "must_not_contain",
        "max_redirects" => "redirects",
        "auth" => "user",
        "extra_ca" => "extra_ca",
        "server" => "server",
        "port" => "port",
        "expect" => "expect",
        "server_name" => "server_name",
        "min_days_left" => "min_days",
        "timeout" => "timeout",
        "region" | "monitor" => "regions",
        _ => "target",
    }
}

fn lines(typed: &str) -> Vec<String> {
    typed.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn some(typed: &str) -> Option<String> {
    (!typed.is_empty()).then(|| typed.to_owned())
}

fn number<T: std::str::FromStr>(typed: &str, field: &'static str, default: T, faults: &mut Faults) -> T {
    if typed.is_empty() {
        return default;
    }
    typed.parse().unwrap_or_else(|_| {
        faults.push((field, filled("form.bad_number", typed)));
        default
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Result<Parsed, Vec<&'static str>> {
        Draft::from_form(&Form::parse(form.as_bytes()))
            .read()
            .map_err(|faults| faults.iter().map(|(field, _)| *field).collect())
    }

    #[test]
    fn a_url_alone_is_enough() {
        let parsed = read("kind=http&target=example.org").unwrap();
        assert_eq!(
            (parsed.spec.target().as_str(), parsed.name.as_str()),
            ("https://example.org/", "https://example.org/")
        );
        assert_eq!((parsed.interval_s, parsed.timeout_ms), (60, 10_000));
        let parsed = read("kind=http&target=http%3A%2F%2Fexample.org%2Fx&every=5s").unwrap();
        assert_eq!((parsed.spec.target().as_str(), parsed.timeout_ms), ("http://example.org/x", 4_000));
        assert_eq!(read("kind=tls&target=https%3A%2F%2Fexample.org%2Fx").unwrap().spec.target(), "example.org:443");
        assert_eq!(read("kind=dns&target=example.org.").unwrap().spec.kind(), Kind::Dns);
    }

    #[test]
    fn credentials_stay_in_the_eu_unless_somebody_says_otherwise() {
        let eu = |more: &str| read(&format!("kind=http&target=x.org{more}")).unwrap().eu_only;
        assert!(!eu("") && eu("&eu_only=yes"));
        assert!(eu("&auth=bearer&secret=t") && !eu("&auth=bearer&secret=t&eu_only=no"));
        let draft =
            |more: &str| Draft::from_form(&Form::parse(format!("kind=http&target=x.org&every=60s{more}").as_bytes()));
        assert!(draft("").read_where(true).unwrap().eu_only && !draft("").read_where(false).unwrap().eu_only);
        assert_eq!(draft("&eu_only=no").read_where(true).unwrap_err()[0].0, "eu_only");
        assert!(!draft("&eu_only=no").read_where(false).unwrap().eu_only);
    }

    #[test]
    fn each_field_that_cannot_be_is_named() {
        for (form, fields) in [
            ("kind=http&target=", vec!["target"]),
            ("kind=http&target=ftp%3A%2F%2Fx.org", vec!["target"]),
            ("kind=tcp&target=example.org", vec!["target"]),
            ("kind=http&target=x.org&every=1s&timeout=9h", vec!["every", "timeout"]),
            ("kind=http&target=x.org&headers=nonsense%0AAuthorization%3A+x", vec!["headers", "headers"]),
            ("kind=http&target=x.org&statuses=999&redirects=many", vec!["statuses", "redirects"]),
            ("kind=http&target=x.org&auth=basic", vec!["user"]),
            ("kind=http&target=x.org&auth=bearer&secret=+", vec!["secret"]),
            ("kind=http&target=x.org&auth=basic&user=a%3Ab", vec!["user"]),
            ("kind=http&target=x.org&quorum=0", vec!["quorum"]),
            ("kind=dns&target=x.org&port=70000", vec!["port"]),
        ] {
            assert_eq!(read(form).unwrap_err(), fields, "{form}");
        }
    }
}
