//! Where the text of a key ring comes from: a file, a credential of systemd, the environment, or a command.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use picket_shared::secret::SecretString;
use zeroize::Zeroizing;

use super::{KeyRing, VaultError, files, keyring};
use crate::config::{Keys, KeysFrom as From};

/// The name of the credential of systemd.
const CREDENTIAL: &str = "picket-master-keys";
/// The name of the environment variable.
const VARIABLE: &str = "PICKET_MASTER_KEYS";
/// For so long a command may run.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Most that a ring can be, in bytes: some hundred keys.
const MOST: u64 = 64 * 1024;

impl KeyRing {
    /// Reads the ring; `None` where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, it is damaged, or the command fails.
    pub fn load(keys: &Keys) -> Result<Option<Self>, VaultError> {
        let Some(text) = text(keys)? else { return Ok(None) };
        Self::parse(text.expose()).map(Some).map_err(|line| match keys.from {
            From::File => VaultError::Damaged { path: keyring::file(keys.directory()), line },
            _ => VaultError::NoRing { place: place(keys), why: format!("line {line} is no line of a key ring") },
        })
    }
}

/// Where the ring comes from, for people.
pub fn place(keys: &Keys) -> String {
    match keys.from {
        From::File => keyring::file(keys.directory()).display().to_string(),
        From::Credential => format!("the credential {CREDENTIAL}"),
        From::Environment => format!("the environment variable {VARIABLE}"),
        From::Command => format!("the command {}", keys.command.first().map_or("", String::as_str)),
    }
}

fn text(keys: &Keys) -> Result<Option<SecretString>, VaultError> {
    match keys.from {
        From::File => files::read(&keyring::file(keys.directory())),
        From::Credential => {
            let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else { return Ok(None) };
            files::read_credential(&PathBuf::from(folder).join(CREDENTIAL))
        }
        // A unit's file can hold one line alone: a backslash and an n stand for its end.
        From::Environment => Ok(std::env::var(VARIABLE).ok().map(|text| SecretString::new(text.replace("\\n", "\n")))),
        From::Command => printed(keys).map(Some),
    }
}

/// What the command prints. Its own words about a failure are told, what it prints never.
fn printed(keys: &Keys) -> Result<SecretString, VaultError> {
    let failed = |why: String| VaultError::NoRing { place: place(keys), why };
    let [program, arguments @ ..] = keys.command.as_slice() else { return Err(failed("names no program".to_owned())) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(format!("could not be started: {error}")))?;
    let (out, said) = (child.stdout.take(), child.stderr.take());
    // Both are read meanwhile: a pipe that is full would hold it up.
    let out = std::thread::spawn(move || {
        let mut text = Zeroizing::new(String::new());
        out.map(|out| out.take(MOST).read_to_string(&mut text)).transpose().map(|_| text)
    });
    let said = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = said.map(|said| said.take(1_000).read_to_end(&mut text));
        String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    });
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? else {
            std::thread::sleep(LOOK);
            continue;
        };
        let text = out.join().map_err(|_| failed("broke off".to_owned()))?;
        return match (status.success(), text) {
            (true, Ok(text)) => Ok(SecretString::new(text.to_string())),
            (true, Err(error)) => Err(failed(format!("printed what is no text: {error}"))),
            (false, _) => Err(failed(format!("ended with {status}: {}", said.join().unwrap_or_default()))),
        };
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(failed(format!("did not end within {} s", PATIENCE.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::time::Timestamp;

    fn by(script: &str) -> Keys {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let mut keys = Keys::default();
        (keys.from, keys.command) = (From::Command, command);
        keys
    }

    #[test]
    fn what_a_command_prints_is_a_ring_or_an_error_that_says_why_and_never_what_it_printed() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(folder.path(), Timestamp::from_seconds(9)).unwrap();
        let file = keyring::file(folder.path());
        let read = KeyRing::load(&by(&format!("cat {}", file.display()))).unwrap().unwrap();
        assert_eq!(read.ids(), ring.ids());
        let said = |script: &str| KeyRing::load(&by(script)).unwrap_err().to_string();
        assert!(said("echo no key here >&2; echo s3cret; exit 3").contains("no key here"), "{}", said("exit 3"));
        for script in ["echo s3cret; exit 3", "echo s3cret", "head -c 100000 /dev/zero | tr '\\0' s"] {
            assert!(!said(script).contains("s3cret"), "{}", said(script));
        }
        assert!(said("true").contains("line 1"), "{}", said("true"));
        let mut none = by("");
        none.command = vec!["/nowhere".to_owned()];
        assert!(KeyRing::load(&none).unwrap_err().to_string().contains("could not be started"));
    }
}
