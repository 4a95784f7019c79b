//! The settings of the collector: one file, one section a module, each with its own check.
//!
//! In comes a TOML file; out goes a [`Config`] whose values are known to be sensible, whose paths are absolute and whose
//! secrets have been read from the files that hold them (root may read what the collector later may not).

mod archive;
mod audit;
mod database;
mod dkim;
mod egress;
mod http;
mod keys;
mod limits;
mod log;
mod login;
mod mail;
mod metrics;
mod operator;
mod outbound;
mod posture;
mod privacy;
mod residency;
mod retention;
mod security;

use std::path::{Component, Path, PathBuf};

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

pub use archive::{Archive, Place, S3Settings};
pub use audit::Audit;
pub use database::{Database, DatabaseMode};
pub use dkim::Dkim;
pub use egress::Egress;
pub use http::{Certificate, Http, Served};
pub use keys::{From as KeysFrom, Keys};
pub use limits::Limits;
pub use log::{Format, Level, Log};
pub use login::{Login, LoginMode};
pub use mail::{Mail, MailPlace, MailTls};
pub use metrics::Metrics;
pub use operator::Operator;
pub use outbound::Outbound;
pub use posture::{Posture, TrustPage};
pub use privacy::{PLACES, Privacy};
pub use residency::{Attestation, Residency};
pub use retention::Retention;
pub use security::Security;

/// The example file: every key, its default and one sentence.
pub const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// Every setting. [`Config::default`] is what an empty file means, before paths are made absolute.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where people and probes reach the collector.
    pub http: Http,
    /// Which PostgreSQL, and where its data lies.
    pub database: Database,
    /// Where the master key lies.
    pub keys: Keys,
    /// Where base backups and WAL are put.
    pub archive: Archive,
    /// Where the heads of the audit log are put outside the database.
    pub audit: Audit,
    /// How people come to an account.
    pub login: Login,
    /// The server that takes mail.
    pub mail: Mail,
    /// Whether everything keeps to the EU.
    pub residency: Residency,
    /// How the collector reaches mail servers and providers.
    pub outbound: Outbound,
    /// Who is told of the instance itself.
    pub operator: Operator,
    /// Which private addresses a target may have.
    pub egress: Egress,
    /// How long what is kept.
    pub retention: Retention,
    /// How much may come in.
    pub limits: Limits,
    /// Who may read the figures of this instance.
    pub metrics: Metrics,
    /// Whom to tell of a weakness of this instance.
    pub security: Security,
    /// Who may see whether promises are kept.
    pub posture: Posture,
    /// Who answers for the data, and who else works on it.
    pub privacy: Privacy,
    /// What is logged, and how.
    pub log: Log,
    /// The file this was read from; `None` when all is default.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// Why the settings cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{key}: {path} cannot be read: {error}", path = path.display())]
    Unreadable {
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is not TOML, or holds an unknown key or a value of the wrong kind.
    #[error("{path}: {error}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        error: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{key}: {why}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong with it, and the way out.
        why: String,
    },
}

impl ConfigError {
    fn invalid(key: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { key, why: why.into() }
    }
}

impl Config {
    /// Finds and reads the settings: `named` (from `--config` or `PICKET_CONFIG`), else ./config.toml, else
    /// /etc/picket/config.toml, else the defaults.
    ///
    /// # Errors
    /// When a file cannot be read or a value makes no sense.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let usual = [here.join("config.toml"), PathBuf::from("/etc/picket/config.toml")];
        let file = named.map(|path| here.join(path)).or_else(|| usual.into_iter().find(|path| path.exists()));
        let Some(path) = file else { return Self::default().checked(&here) };
        let text = read("--config", &path)?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Syntax { path: path.clone(), error: Box::new(error) })?;
        let base = path.parent().unwrap_or(&here).to_owned();
        config.file = Some(path);
        config.checked(&base)
    }

    /// Makes paths absolute from `base`, reads the files that are named, and checks every section.
    ///
    /// # Errors
    /// What is wrong first, with the way out.
    pub fn checked(mut self, base: &Path) -> Result<Self, ConfigError> {
        self.log.validate()?;
        self.http.validate(base)?;
        self.database.validate(base)?;
        self.keys.validate(base, &self.database.data_dir)?;
        self.archive.validate(base, &self.database.data_dir, self.keys.directory())?;
        self.archive.validate_replication(base, self.database.mode)?;
        self.audit.validate(base, &self.database.data_dir)?;
        self.mail.validate(base)?;
        self.login.validate(self.mail.host.is_some())?;
        self.outbound.validate(base)?;
        self.egress.validate()?;
        self.retention.validate()?;
        self.limits.validate()?;
        self.metrics.validate(base)?;
        self.security.validate()?;
        self.operator.validate()?;
        self.privacy.validate(base)?;
        Ok(self)
    }

    /// What a person vouches for where nothing can be looked at: that a store or a relay lies in the EU.
    pub fn attestations(&self) -> Vec<Attestation> {
        let mut found = Vec::new();
        if let (Some(s3), Some(text)) = (self.archive.s3(), self.archive.attested()) {
            let host = s3.url.host_str().unwrap_or_default().to_owned();
            found.push(Attestation { what: "archive", host, text: text.to_owned() });
        }
        if let (Some(host), MailPlace::Attested(text)) = (&self.mail.host, self.mail.place()) {
            found.push(Attestation { what: "mail", host: host.clone(), text: text.to_owned() });
        }
        found
    }
}

/// `path` from `base`, without `.` and `..`, so that "inside" can be told by comparing.
fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn read(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { key, path: path.to_owned(), error })
}

/// A secret from its file, without the line break that editors leave at the end.
fn read_secret(key: &'static str, path: &Path) -> Result<SecretString, ConfigError> {
    let text = SecretString::new(read(key, path)?);
    let trimmed = text.expose().trim_end_matches(['\r', '\n']);
    if trimmed.is_empty() {
        return Err(ConfigError::invalid(key, format!("{} is empty; write the secret into it", path.display())));
    }
    Ok(SecretString::new(trimmed.to_owned()))
}

/// Makes an optional path absolute and reads it.
fn resolve(base: &Path, path: &mut Option<PathBuf>) -> Option<PathBuf> {
    if let Some(path) = path {
        *path = absolute(base, path);
    }
    path.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example with the comment sign taken from each line that holds a key.
    fn example_with_every_key() -> String {
        let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
            Some(key) if is_key(key) => key,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_default_in_the_example_is_the_default_of_the_code() {
        assert_eq!(toml::from_str::<Config>(EXAMPLE).unwrap(), Config::default());
    }

    #[test]
    fn every_key_of_the_example_is_known_once_its_comment_sign_is_taken_away() {
        toml::from_str::<Config>(&example_with_every_key()).unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let error = toml::from_str::<Config>("[http]\nlisten_on = \"x\"").unwrap_err();
        assert!(error.to_string().contains("listen_on"), "{error}");
    }

    #[test]
    fn relative_paths_are_resolved_and_keys_lie_beside_the_data() {
        let config = Config::default().checked(Path::new("/srv/picket")).unwrap();
        assert_eq!(config.database.data_dir, Path::new("/srv/picket/data"));
        assert_eq!(config.keys.directory(), Path::new("/srv/picket/data.keys"));
        assert_eq!(config.http.public_url(), "http://localhost:8080");
    }

    #[test]
    fn an_absolute_path_loses_its_dots() {
        assert_eq!(absolute(Path::new("/a/b"), Path::new("../c/./d")), Path::new("/a/c/d"));
    }

    #[track_caller]
    fn refused(text: &str, with: &str) {
        let error = toml::from_str::<Config>(text).unwrap().checked(Path::new("/srv")).unwrap_err().to_string();
        assert!(error.contains(with), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_way_out() {
        refused("[http]\nlisten = \"0.0.0.0:80\"\ntrusted_proxies = [\"10.0.0.0/8\"]", "http.public_url");
        refused("[http]\ntrusted_proxies = [\"0.0.0.0/0\"]", "http.trusted_proxies");
        refused("[http]\nprobe_listen = \"8443\"", "http.probe_listen");
        refused("[metrics]\ntoken_file = \"/dev/null\"", "metrics.token_file");
        refused("[http]\npublic_url = \"ftp://x\"", "http.public_url");
        refused("[keys]\ndirectory = \"data/keys\"", "outside");
        let signed = |domain: &str, selector: &str| {
            let mail = "[mail]\nhost = \"localhost\"\nfrom = \"Picket <picket@mail.example.org>\"";
            format!("{mail}\ndkim.domain = \"{domain}\"\ndkim.selector = \"{selector}\"\ndkim.key_file = \"/dev/null\"")
        };
        refused(&signed("example.net", "picket"), "mails come from mail.example.org");
        refused(&signed("ample.org", "picket"), "mails come from mail.example.org");
        refused(&signed("example.org", "pick et"), "mail.dkim.selector");
        refused(&signed("example.org", "picket"), "mail.dkim.key_file");
        refused("[audit]\nanchors_file = \"data/x\"", "outside");
        refused("[retention]\naudit_days = 365", "retention.audit_days");
        refused("[archive]\ndirectory = \"data/archive\"", "apart from the data");
        refused("[archive]\ndirectory = \"data.keys/archive\"", "apart from the keys");
        refused("[archive]\nkeep_days = 36", "archive.keep_days");
        refused("[archive]\ndirectory = \"/a\"\ns3_url = \"https://s3.eu-central-1.amazonaws.com\"", "one of the two");
        refused("[archive]\ns3_url = \"http://s3.eu-central-1.amazonaws.com\"", "archive.s3_url");
        refused("[archive]\ns3_url = \"https://s3.eu-central-1.amazonaws.com\"", "archive.s3_bucket");
        refused("[archive]\ns3_bucket = \"b\"", "archive.s3_url");
        let us =
            "[archive]\ns3_url = \"https://s3.us-east-1.amazonaws.com\"\ns3_bucket = \"b\"\ns3_region = \"us-east-1\"";
        refused(us, "archive.eu_attested");
        refused(&format!("{us}\neu_attested = \"trust me\""), "archive.eu_attested");
        refused(&us.replace("us-east-1", "eu-central-1"), "archive.s3_access_key_file");
        refused("[archive]\nswitch_seconds = 0", "archive.switch_seconds");
        refused("[database]\nmode = \"external\"", "url_file");
        refused("[database]\nmode = \"external\"\nurl = \"postgres://a:b@c/d\"", "url_file");
        let external = "[database]\nmode = \"external\"\nurl = \"postgres://a@c/picket\"\n[archive]\n";
        refused(&format!("{external}directory = \"/a\""), "archive.replication_url_file");
        refused("[archive]\nreplication_url_file = \"/x\"", "archive.replication_url_file");
        refused("[mail]\nhost = \"mail.example.org\"\ntls = \"none\"\nfrom = \"a@b.example\"", "starttls");
        refused("[mail]\nhost = \"mail.example.org\"", "mail.from");
        let relay = "[mail]\nhost = \"mail.example.org\"\nfrom = \"a@b.example\"";
        refused(relay, "mail.eu_attested: mail.example.org is no service that Picket knows to be in the EU");
        refused(&relay.replace("mail.example.org", "email-smtp.eu-west-2.amazonaws.com"), "mail.eu_attested");
        refused(&relay.replace("mail.example.org", "9.9.9.9"), "mail.eu_attested");
        refused(&format!("{relay}\neu_attested = \"trust me\""), "mail.eu_attested: name who made sure");
        refused("[retention]\nreceipts_days = 1", "retention.receipts_days");
        refused("[outbound]\nproxy = \"localhost:3128\"", "outbound.proxy");
        refused("[outbound]\ntelegram_url = \"http://bots.example.org\"", "outbound.telegram_url");
        refused("[outbound]\nslack_url = \"https://me:secret@slack.example.org\"", "outbound.slack_url");
        refused("[egress]\nnat64 = [\"64:ff9b::/33\"]", "egress.nat64");
        refused("[security]\ncontacts = [\"security@example.org\"]", "security.contacts");
        refused("[limits]\nbatches_per_second = 0", "limits.batches_per_second");
    }

    #[test]
    fn a_relay_is_of_the_network_known_or_attested() {
        let with = |host: &str, more: &str| {
            let text = format!("[mail]\nhost = \"{host}\"\nfrom = \"a@b.example\"\n{more}");
            toml::from_str::<Config>(&text).unwrap().checked(Path::new("/srv")).unwrap()
        };
        for (host, place) in [
            ("localhost", MailPlace::Own),
            ("10.0.0.7", MailPlace::Own),
            ("fd00::7", MailPlace::Own),
            ("smtp.eu.mailgun.org", MailPlace::Known),
            ("email-smtp.eu-central-1.amazonaws.com", MailPlace::Known),
        ] {
            let config = with(host, "");
            assert_eq!((config.mail.place(), config.attestations()), (place, Vec::new()), "{host}");
        }
        let said = "Jane Doe, 2026-11-23, Falkenstein (DE)";
        let config = with("mail.example.org", &format!("eu_attested = \"{said}\""));
        assert_eq!(config.mail.place(), MailPlace::Attested(said));
        let attestation = Attestation { what: "mail", host: "mail.example.org".to_owned(), text: said.to_owned() };
        assert_eq!(config.attestations(), [attestation]);
        assert_eq!(Config::default().mail.place(), MailPlace::Nowhere);
    }
}
