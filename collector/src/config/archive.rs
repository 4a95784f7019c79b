//! `[archive]`: where base backups and WAL are put, and how long they are kept.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{Statfs, statfs};
use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::outbound::provider;
use super::residency::{attests, in_the_eu, is_known};
use super::{ConfigError, DatabaseMode, read_secret, resolve};

/// The archive of the database; there is none until a place for it is named.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    directory: Option<PathBuf>,
    s3_url: Option<String>,
    s3_bucket: Option<String>,
    s3_region: Option<String>,
    s3_prefix: Option<String>,
    s3_access_key_file: Option<PathBuf>,
    s3_secret_key_file: Option<PathBuf>,
    eu_attested: Option<String>,
    /// Days back to any second of which the database can be restored.
    pub keep_days: u16,
    /// After so many seconds a segment of WAL that was begun is archived, full or not.
    pub switch_seconds: u16,
    /// So often a restore is tried, in hours; never by itself when 0.
    pub drill_hours: u16,
    drill_directory: Option<PathBuf>,
    elsewhere_attested: Option<String>,
    replication_url_file: Option<PathBuf>,
    #[serde(skip)]
    s3: Option<S3Settings>,
    #[serde(skip)]
    replication_url: Option<SecretString>,
}

/// A bucket, and the keys to it.
#[derive(Clone, Debug, PartialEq)]
pub struct S3Settings {
    /// The service.
    pub url: Url,
    /// The bucket.
    pub bucket: String,
    /// The region, as the service calls it.
    pub region: String,
    /// What the names of all objects begin with; empty, or with a slash at its end.
    pub prefix: String,
    /// The name of the key.
    pub access_key: SecretString,
    /// The key.
    pub secret_key: SecretString,
}

/// Where an archive is, as a recovery kit holds it, sealed.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "named as the settings are")]
pub enum Place {
    /// A folder.
    Directory { directory: PathBuf },
    /// A bucket, with its keys.
    Bucket {
        s3_url: String,
        s3_bucket: String,
        s3_region: String,
        s3_prefix: String,
        s3_access_key: String,
        s3_secret_key: String,
    },
}

impl Place {
    /// In words, without secrets.
    pub fn says(&self) -> String {
        match self {
            Self::Directory { directory } => directory.display().to_string(),
            Self::Bucket { s3_url, s3_bucket, s3_prefix, .. } => {
                format!("the bucket {s3_bucket} of {s3_url} (names begin with {s3_prefix:?})")
            }
        }
    }
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            directory: None,
            s3_url: None,
            s3_bucket: None,
            s3_region: None,
            s3_prefix: None,
            s3_access_key_file: None,
            s3_secret_key_file: None,
            eu_attested: None,
            keep_days: 30,
            switch_seconds: 30,
            drill_hours: 24,
            drill_directory: None,
            elsewhere_attested: None,
            replication_url_file: None,
            s3: None,
            replication_url: None,
        }
    }
}

/// Hosts of services that say of themselves that what is stored there lies in the EU.
const IN_THE_EU: &[&str] = &[
    "s3.eu-central-1.amazonaws.com",
    "s3.eu-west-1.amazonaws.com",
    "s3.eu-west-3.amazonaws.com",
    "s3.eu-north-1.amazonaws.com",
    "s3.eu-south-1.amazonaws.com",
    "s3.eu-south-2.amazonaws.com",
    "s3.fr-par.scw.cloud",
    "s3.nl-ams.scw.cloud",
    "s3.pl-waw.scw.cloud",
    "fsn1.your-objectstorage.com",
    "nbg1.your-objectstorage.com",
    "hel1.your-objectstorage.com",
];

/// File systems that lie on other machines, by the number that the kernel gives them: NFS, SMB, CIFS, SMB2, AFS, Ceph, 9P, Lustre.
const OF_THE_NETWORK: &[u32] =
    &[0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x5346_414F, 0x00C3_6400, 0x0102_1997, 0x0BD0_0BD0];

fn magic(found: &Statfs) -> u32 {
    // The kernel's numbers have 32 bits, whatever the type is on this machine.
    u32::try_from(found.filesystem_type().0 & 0xFFFF_FFFF).unwrap_or(0)
}

impl Archive {
    /// The folder of the archive; absolute once checked.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Where drills make their copy and remove it again, if not in the data directory; absolute once checked.
    pub fn drill_directory(&self) -> Option<&Path> {
        self.drill_directory.as_deref()
    }

    /// The bucket of the archive.
    pub fn s3(&self) -> Option<&S3Settings> {
        self.s3.as_ref()
    }

    /// Where it is, with what opens it; `None` when there is none.
    pub fn place(&self) -> Option<Place> {
        match (&self.s3, &self.directory) {
            (Some(s3), _) => Some(Place::Bucket {
                s3_url: s3.url.to_string(),
                s3_bucket: s3.bucket.clone(),
                s3_region: s3.region.clone(),
                s3_prefix: s3.prefix.clone(),
                s3_access_key: s3.access_key.expose().clone(),
                s3_secret_key: s3.secret_key.expose().clone(),
            }),
            (None, Some(directory)) => Some(Place::Directory { directory: directory.clone() }),
            (None, None) => None,
        }
    }

    /// An archive at that place; `None` when it is none.
    pub fn at(place: Place) -> Option<Self> {
        Some(match place {
            Place::Directory { directory } => Self { directory: Some(directory), ..Self::default() },
            Place::Bucket { s3_url, s3_bucket, s3_region, s3_prefix, s3_access_key, s3_secret_key } => {
                let s3 = S3Settings {
                    url: provider(&s3_url)?,
                    bucket: s3_bucket,
                    region: s3_region,
                    prefix: s3_prefix,
                    access_key: SecretString::new(s3_access_key),
                    secret_key: SecretString::new(s3_secret_key),
                };
                Self { s3_url: Some(s3_url), s3: Some(s3), ..Self::default() }
            }
        })
    }

    /// Whether it is somewhere that a loss of this machine leaves whole: in a bucket of another one, in a folder of a file system
    /// of the network, or where a person says that it is.
    pub fn is_elsewhere(&self) -> bool {
        if self.elsewhere_attested.is_some() {
            return true;
        }
        match (&self.s3, &self.directory) {
            (Some(s3), _) => match s3.url.host() {
                Some(Host::Domain(name)) => name != "localhost",
                Some(Host::Ipv4(address)) => !address.is_loopback(),
                Some(Host::Ipv6(address)) => !address.is_loopback(),
                None => false,
            },
            (None, Some(directory)) => statfs(directory).is_ok_and(|found| OF_THE_NETWORK.contains(&magic(&found))),
            (None, None) => false,
        }
    }

    /// Whether a place for it is named.
    pub fn is_on(&self) -> bool {
        self.directory.is_some() || self.s3_url.is_some()
    }

    /// Who says that the bucket lies in the EU, where its service does not say so itself.
    pub fn attested(&self) -> Option<&str> {
        let host = self.s3.as_ref()?.url.host_str().unwrap_or_default();
        self.eu_attested.as_deref().filter(|_| !is_known(host, IN_THE_EU))
    }

    /// The URL by which an external database is copied, with its password.
    pub fn replication_url(&self) -> Option<&SecretString> {
        self.replication_url.as_ref()
    }

    /// How an external database is reached to be copied; a managed one needs no such thing.
    pub(super) fn validate_replication(&mut self, base: &Path, mode: DatabaseMode) -> Result<(), ConfigError> {
        const KEY: &str = "archive.replication_url_file";
        let file = resolve(base, &mut self.replication_url_file);
        self.replication_url = match (mode, file) {
            (DatabaseMode::External, Some(file)) => Some(read_secret(KEY, &file)?),
            (DatabaseMode::External, None) if self.is_on() => {
                let why = "an external database is archived by a login that may replicate: name the file that holds its URL \
                           (docs/backups.md), or take [archive] away and let whoever runs the database back it up";
                return Err(ConfigError::invalid(KEY, why));
            }
            (DatabaseMode::Managed, Some(_)) => {
                let why = "it is for mode = \"external\" only: a managed database is copied by its own socket";
                return Err(ConfigError::invalid(KEY, why));
            }
            (_, None) => None,
        };
        Ok(())
    }

    pub(super) fn validate(&mut self, base: &Path, data_dir: &Path, keys: &Path) -> Result<(), ConfigError> {
        if let Some(directory) = resolve(base, &mut self.directory) {
            apart(&directory, data_dir, keys)?;
            if self.s3_url.is_some() {
                let why = "an archive lies in a folder (directory) or in a bucket (s3_url): name one of the two";
                return Err(ConfigError::invalid("archive.directory", why));
            }
        }
        let files = [resolve(base, &mut self.s3_access_key_file), resolve(base, &mut self.s3_secret_key_file)];
        self.s3 = self.bucket(files)?;
        if !(1..=35).contains(&self.keep_days) {
            let why = format!("{} must be from 1 to 35 days; 30 and 35 are usual", self.keep_days);
            return Err(ConfigError::invalid("archive.keep_days", why));
        }
        if let Some(directory) = resolve(base, &mut self.drill_directory)
            && self.directory.as_ref().is_some_and(|archive| directory.starts_with(archive))
        {
            let why = format!("{} must not lie in the archive: name a folder of its own", directory.display());
            return Err(ConfigError::invalid("archive.drill_directory", why));
        }
        if let Some(text) = &self.elsewhere_attested
            && !attests(text)
        {
            let why = "name who made sure, when, and where it is, with commas between";
            return Err(ConfigError::invalid("archive.elsewhere_attested", why));
        }
        if self.drill_hours > 24 * 31 {
            let why = format!("{} must be 0 (never by itself) or up to 744 (a month)", self.drill_hours);
            return Err(ConfigError::invalid("archive.drill_hours", why));
        }
        if !(5..=300).contains(&self.switch_seconds) {
            let why = format!("{} must be from 5 to 300 s", self.switch_seconds);
            return Err(ConfigError::invalid("archive.switch_seconds", why));
        }
        Ok(())
    }

    fn bucket(&self, [access, secret]: [Option<PathBuf>; 2]) -> Result<Option<S3Settings>, ConfigError> {
        let Some(text) = &self.s3_url else {
            let others = [&self.s3_bucket, &self.s3_region, &self.s3_prefix];
            if others.iter().any(|other| other.is_some()) || access.is_some() || secret.is_some() {
                return Err(ConfigError::invalid("archive.s3_url", "a bucket needs the address of its service"));
            }
            return Ok(None);
        };
        let why = "it is no address of a service: write it as https://HOST (http:// to loopback only)";
        let url = provider(text).ok_or_else(|| ConfigError::invalid("archive.s3_url", why))?;
        let bucket = named("archive.s3_bucket", self.s3_bucket.as_deref())?;
        let region = named("archive.s3_region", self.s3_region.as_deref())?;
        let host = url.host_str().unwrap_or_default();
        in_the_eu("archive.eu_attested", host, IN_THE_EU, self.eu_attested.as_deref())?;
        let mut prefix = self.s3_prefix.clone().unwrap_or_default();
        if !prefix.is_empty() {
            prefix = format!("{}/", named("archive.s3_prefix", Some(prefix.trim_end_matches('/')))?);
        }
        let file = |key: &'static str, file: Option<PathBuf>| match file {
            Some(file) => read_secret(key, &file),
            None => Err(ConfigError::invalid(key, "a bucket needs the file that holds this")),
        };
        let access_key = file("archive.s3_access_key_file", access)?;
        let secret_key = file("archive.s3_secret_key_file", secret)?;
        Ok(Some(S3Settings { url, bucket, region, prefix, access_key, secret_key }))
    }
}

/// A name of letters, digits, dots, dashes, underscores and slashes, which needs no quoting anywhere.
fn named(key: &'static str, text: Option<&str>) -> Result<String, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/');
    let good = |text: &&str| !text.is_empty() && !text.starts_with('/') && text.bytes().all(plain);
    let why = "name it, of letters, digits, dots, dashes and underscores";
    text.filter(good).map(str::to_owned).ok_or_else(|| ConfigError::invalid(key, why))
}

fn apart(directory: &Path, data_dir: &Path, keys: &Path) -> Result<(), ConfigError> {
    let within = |one: &Path, other: &Path| one.starts_with(other) || other.starts_with(one);
    let (why, other) = if within(directory, data_dir) {
        ("must lie apart from the data directory, best on another disk", data_dir)
    } else if within(directory, keys) {
        ("must lie apart from the keys: who gets the archive must not get them with it; they are in", keys)
    } else {
        return Ok(());
    };
    let why = format!("{} {why} ({})", directory.display(), other.display());
    Err(ConfigError::invalid("archive.directory", why))
}
