//! The collector's settings: one section a file, each with its own validation. Unknown keys are refused.

mod database;
mod egress;
mod http;
mod keys;
mod limits;
mod log;
mod mail;
mod outbound;
mod retention;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use database::{Database, Mode};
pub use egress::Egress;
pub use http::Http;
pub use keys::Keys;
pub use limits::Limits;
pub use log::{Format, Log};
pub use mail::{Mail, MailTls};
pub use outbound::Outbound;
pub use retention::Retention;

/// Every key with its default and a sentence; compiled in, and parsed by a test.
pub const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// Where settings are looked for when none are named.
const USUAL_PLACES: [&str; 2] = ["config.toml", "/etc/picket/config.toml"];

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where pages, API and probes connect.
    pub http: Http,
    /// Where the data lies.
    pub database: Database,
    /// Where the key ring lies.
    pub keys: Keys,
    /// How mail is sent.
    pub mail: Mail,
    /// How the collector itself reaches the outside.
    pub outbound: Outbound,
    /// Which private addresses webhooks may reach.
    pub egress: Egress,
    /// How long data is kept.
    pub retention: Retention,
    /// How much is taken in.
    pub limits: Limits,
    /// What is logged.
    pub log: Log,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}. Name a readable file with --config, or leave it out to run with every default", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not TOML, or has a key or value that cannot be.
    #[error("{}: {error}", file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What and where.
        error: Box<toml::de::Error>,
    },
    /// A value cannot be.
    #[error("[{section}] {key}: {message}")]
    Invalid {
        /// Which section.
        section: &'static str,
        /// Which key.
        key: &'static str,
        /// What is wrong, and what would be right.
        message: String,
    },
}

impl ConfigError {
    fn invalid(section: &'static str, key: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { section, key, message: message.into() }
    }
}

impl Config {
    /// The file that settings come from: the one named, else the first usual place that exists, else none.
    pub fn find(named: Option<PathBuf>) -> Option<PathBuf> {
        named.or_else(|| USUAL_PLACES.into_iter().map(PathBuf::from).find(|place| place.is_file()))
    }

    /// Reads and validates. Without a file, every default. Relative paths in a file are relative to its folder.
    ///
    /// # Errors
    /// The first thing that is wrong, with what would be right.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(file) = file else {
            let config = Self::default();
            config.validate()?;
            return Ok(config);
        };
        let text =
            std::fs::read_to_string(file).map_err(|error| ConfigError::Unreadable { file: file.to_owned(), error })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Malformed { file: file.to_owned(), error: Box::new(error) })?;
        config.resolve_paths(file.parent().unwrap_or(Path::new("")));
        config.validate()?;
        Ok(config)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let paths = [
            Some(&mut self.database.data_dir),
            self.database.binaries_dir.as_mut(),
            self.database.url_file.as_mut(),
            self.keys.directory.as_mut(),
            self.http.certificate_file.as_mut(),
            self.http.key_file.as_mut(),
            self.mail.password_file.as_mut(),
            self.outbound.ca_file.as_mut(),
        ];
        for path in paths.into_iter().flatten() {
            if path.is_relative() {
                *path = folder.join(&*path);
            }
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.http.validate()?;
        self.database.validate()?;
        self.keys.validate(&self.database)?;
        self.mail.validate()?;
        self.outbound.validate()?;
        self.retention.validate()?;
        self.limits.validate()
    }

    /// Where the key ring lies: as configured, else beside the data, never in it.
    pub fn keys_directory(&self) -> PathBuf {
        self.keys.directory.clone().unwrap_or_else(|| {
            let mut beside = self.database.data_dir.clone().into_os_string();
            beside.push(".keys");
            PathBuf::from(beside)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_names_every_key_with_its_default() {
        let example: Config = toml::from_str(EXAMPLE).expect("config.example.toml parses");
        assert_eq!(example, Config::default());
        let uncommented: String =
            EXAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
        toml::from_str::<Config>(&uncommented).expect("the optional keys of config.example.toml parse");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = toml::from_str::<Config>("[http]\nlisten_on = \"x\"").unwrap_err().to_string();
        assert!(error.contains("listen_on") && error.contains("listen"), "{error}");
    }

    #[test]
    fn keys_lie_beside_the_data_and_never_in_it() {
        let mut config = Config::default();
        config.database.data_dir = "/srv/picket".into();
        assert_eq!(config.keys_directory(), PathBuf::from("/srv/picket.keys"));
        config.keys.directory = Some("/srv/picket/keys".into());
        assert!(config.validate().unwrap_err().to_string().contains("[keys] directory"));
    }
}
