//! Where PostgreSQL's programs lie.

use std::path::{Path, PathBuf};

use super::PostgresError;

/// The oldest major version that Picket runs on.
const OLDEST: u32 = 15;
/// Where Debian and Ubuntu keep one directory a major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Finds the programs that fit the data: those of the cluster's own major version, or the newest for a new cluster.
    ///
    /// # Errors
    /// When there are none, with what to install.
    pub fn find(configured: Option<&Path>, pgdata: &Path) -> Result<Self, PostgresError> {
        let needed = std::fs::read_to_string(pgdata.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
        Self::that_fit(configured, needed, pgdata)
    }

    /// Finds the programs of one major version.
    ///
    /// # Errors
    /// When there are none, with what to install.
    pub fn of_major(configured: Option<&Path>, major: u32) -> Result<Self, PostgresError> {
        Self::that_fit(configured, Some(major), Path::new("the archive"))
    }

    fn that_fit(configured: Option<&Path>, needed: Option<u32>, pgdata: &Path) -> Result<Self, PostgresError> {
        if let Some(directory) = configured {
            return Self::configured(directory, needed);
        }
        let mut found = installed();
        found.sort_unstable();
        match needed {
            Some(major) => found.into_iter().find(|(version, _)| *version == major).map(|(_, directory)| Self { directory }).ok_or_else(|| {
                PostgresError::Programs(format!(
                    "the data in {} is of PostgreSQL {major}, whose programs are not installed: install them with \
                     `apt-get install postgresql-{major}`, or upgrade the data as docs/operations.md says",
                    pgdata.display()
                ))
            }),
            None => found.pop().map(|(_, directory)| Self { directory }).ok_or_else(|| {
                PostgresError::Programs(format!(
                    "PostgreSQL {OLDEST} or newer is not installed: run `apt-get install postgresql`, or set [database] binaries_dir"
                ))
            }),
        }
    }

    fn configured(directory: &Path, needed: Option<u32>) -> Result<Self, PostgresError> {
        let wrong =
            |why: String| PostgresError::Programs(format!("[database] binaries_dir {}: {why}", directory.display()));
        if !directory.join("initdb").is_file() {
            return Err(wrong(
                "there is no initdb in it: name the directory that holds PostgreSQL's programs".to_owned(),
            ));
        }
        let version = major_of(directory).ok_or_else(|| wrong("`postgres --version` does not answer".to_owned()))?;
        match needed {
            Some(major) if major != version => Err(wrong(format!(
                "these programs are of PostgreSQL {version}, and the data is of {major}: name those of {major}"
            ))),
            _ if version < OLDEST => {
                Err(wrong(format!("PostgreSQL {version} is too old: {OLDEST} or newer is needed")))
            }
            _ => Ok(Self { directory: directory.to_owned() }),
        }
    }

    /// The path of one program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }
}

fn installed() -> Vec<(u32, PathBuf)> {
    let majors = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = majors
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(major, directory)| *major >= OLDEST && directory.join("initdb").is_file())
        .collect();
    if found.is_empty() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::env::split_paths(&path).filter(|directory| directory.join("initdb").is_file());
        found.extend(
            directories.filter_map(|directory| Some((major_of(&directory).filter(|v| *v >= OLDEST)?, directory))),
        );
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
