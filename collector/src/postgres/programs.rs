//! Where PostgreSQL's programs lie.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::PostgresError;
use super::recovery::run;

/// The oldest major version that Picket runs on.
const OLDEST: u32 = 15;
/// Where Debian and Ubuntu keep one directory a major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    major: u32,
    directory: PathBuf,
}

impl Programs {
    /// Finds the programs that fit the data: those of the cluster's own major version, or the newest for a new cluster.
    ///
    /// # Errors
    /// When there are none, with what to install.
    pub fn find(configured: Option<&Path>, pgdata: &Path) -> Result<Self, PostgresError> {
        let needed = std::fs::read_to_string(pgdata.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
        let Some(major) = needed else { return Self::newest(configured) };
        Self::that_fit(configured, major)?.ok_or_else(|| {
            PostgresError::Programs(format!(
                "the data in {} is of PostgreSQL {major}, whose programs are not installed: install them with `apt-get install \
                 postgresql-{major}`; `picket-collector database upgrade`, which needs them too, brings the data to a newer version \
                 (docs/operations.md)",
                pgdata.display()
            ))
        })
    }

    /// Finds the programs of one major version: in the directory that is configured, else where the system keeps them.
    ///
    /// # Errors
    /// When there are none, with what to install.
    pub fn of_major(configured: Option<&Path>, major: u32) -> Result<Self, PostgresError> {
        Self::that_fit(configured, major)?.ok_or_else(|| {
            PostgresError::Programs(format!(
                "this needs the programs of PostgreSQL {major}, which are not installed: install them with `apt-get install \
                 postgresql-{major}`, or name the directory that holds them"
            ))
        })
    }

    /// Finds those that a new cluster is made with: in the directory that is configured, else the newest that the system has.
    ///
    /// # Errors
    /// When there are none, with what to install.
    pub fn newest(configured: Option<&Path>) -> Result<Self, PostgresError> {
        if let Some(directory) = configured {
            return Self::within(directory);
        }
        installed().into_iter().max_by_key(|found| found.major).ok_or_else(|| {
            PostgresError::Programs(format!(
                "PostgreSQL {OLDEST} or newer is not installed: run `apt-get install postgresql`, or set [database] binaries_dir"
            ))
        })
    }

    fn that_fit(configured: Option<&Path>, major: u32) -> Result<Option<Self>, PostgresError> {
        let configured = configured.map(Self::within).transpose()?;
        Ok(configured.into_iter().chain(installed()).find(|found| found.major == major))
    }

    /// Those in a directory.
    ///
    /// # Errors
    /// When there are none in it, or they are too old.
    pub fn within(directory: &Path) -> Result<Self, PostgresError> {
        let wrong = |why: String| PostgresError::Programs(format!("the programs in {}: {why}", directory.display()));
        if !directory.join("initdb").is_file() {
            return Err(wrong("there is no initdb: name the directory that holds PostgreSQL's programs".to_owned()));
        }
        let unknown = || wrong("`postgres --version` does not answer: may this user enter the directory?".to_owned());
        match major_of(directory).ok_or_else(unknown)? {
            major if major < OLDEST => {
                Err(wrong(format!("PostgreSQL {major} is too old: {OLDEST} or newer is needed")))
            }
            major => Ok(Self { major, directory: directory.to_owned() }),
        }
    }

    /// Their major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes an empty cluster as Picket runs it.
    ///
    /// # Errors
    /// What initdb says.
    pub async fn initdb(&self, pgdata: &Path) -> Result<(), PostgresError> {
        let mut command = Command::new(self.path("initdb"));
        command.arg("--pgdata").arg(pgdata);
        command.args(["--username=postgres", "--auth-local=peer", "--auth-host=reject", "--data-checksums"]);
        command.args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]).kill_on_drop(true);
        run("initdb", command).await
    }

    /// The path of one program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }
}

fn installed() -> Vec<Programs> {
    let majors = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<Programs> = majors
        .filter_map(|entry| {
            Some(Programs { major: entry.file_name().to_str()?.parse().ok()?, directory: entry.path().join("bin") })
        })
        .filter(|found| found.major >= OLDEST && found.path("initdb").is_file())
        .collect();
    if found.is_empty() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        found.extend(std::env::split_paths(&path).filter_map(|directory| Programs::within(&directory).ok()));
    }
    found
}

/// `postgres (PostgreSQL) 15.18 (Debian ...)` -> 15.
fn major_of(directory: &Path) -> Option<u32> {
    let output = std::process::Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_a_version_that_is_not_installed_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("PG_VERSION"), "9\n").unwrap();
        let error = Programs::find(None, folder.path()).unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 9") && error.contains("apt-get install postgresql-9"), "{error}");
    }

    #[test]
    fn a_directory_without_programs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Programs::find(Some(folder.path()), folder.path()).unwrap_err().to_string();
        assert!(error.contains("no initdb"), "{error}");
    }
}
