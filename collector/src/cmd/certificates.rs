//! What the collector's listeners show: the operator's certificate, watched for its renewal, or one of the own authority,
//! renewed before it ends and whenever a name is missing in it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use picket_shared::time::Timestamp;

use super::CmdError;
use crate::config::{Certificate, Http, Keys};
use crate::probes::machine::Machine;
use crate::vault::authority::{self, RENEW_BEFORE};
use crate::vault::{Authority, VaultError};
use crate::web::tls::{Certificates, Pair, TlsError};

/// The operator's two files.
#[derive(Debug)]
pub(super) struct Files {
    shown: Certificate,
    certificates: Arc<Certificates>,
    /// What is wrong with what lies there now, and whether that was said.
    trouble: Option<(String, bool)>,
}

/// The certificate of the collector's own authority.
#[derive(Debug)]
pub(super) struct Own {
    authority: Authority,
    certificates: Arc<Certificates>,
    listens_on: IpAddr,
    public_host: Option<String>,
}

impl Files {
    /// As they were read with the settings.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(super) fn new(files: &Certificate) -> Result<Self, CmdError> {
        let pair = parse(files).map_err(|error| CmdError::new(format!("http.certificate_file: {error}")))?;
        Ok(Self { shown: files.clone(), certificates: Arc::new(Certificates::new(pair)), trouble: None })
    }

    /// What is shown.
    pub(super) fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Reads both files again, and shows what they hold if it is another pair that can be used. One that cannot be is
    /// told once, and only when it still lies there at the next look: two files are not replaced at one moment.
    pub(super) fn look(&mut self) {
        let read = Certificate::read(&self.shown.chain_file, &self.shown.key_file);
        let trouble = match read {
            Ok(same) if same == self.shown => {
                self.trouble = None;
                return;
            }
            Ok(other) => match parse(&other) {
                Ok(pair) => return self.take(other, pair),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let file = self.shown.chain_file.display();
        match &mut self.trouble {
            Some((same, told)) if *same == trouble => {
                if !std::mem::replace(told, true) {
                    let until = self.certificates.shown().not_after;
                    tracing::error!(
                        "What lies at {file} now cannot be used, and the certificate before it goes on to be shown; it \
                         ends at {until:.0}: {trouble}"
                    );
                }
            }
            other => *other = Some((trouble, false)),
        }
    }

    fn take(&mut self, files: Certificate, pair: Pair) {
        let (file, until) = (files.chain_file.display(), pair.not_after);
        tracing::info!("Took in the certificate that lies at {file} now; it ends at {until:.0}");
        self.certificates.replace(pair);
        (self.shown, self.trouble) = (files, None);
    }
}

fn parse(files: &Certificate) -> Result<Pair, TlsError> {
    Pair::parse(&files.chain_pem, &files.key_pem)
}

impl Own {
    /// Signs a first certificate; makes the authority when there is none.
    ///
    /// # Errors
    /// When the authority cannot be read or made.
    pub(super) fn new(
        keys: &Keys,
        http: &Http,
        listens_on: IpAddr,
        told: &[String],
        now: Timestamp,
    ) -> Result<Self, CmdError> {
        let authority = ready(keys, now)?;
        let public_host = http.given_url().and_then(host_of);
        let names = names(&Machine::look(), listens_on, public_host.as_deref(), told);
        let pair = signed(&authority, &names, now)?;
        Ok(Self { authority, certificates: Arc::new(Certificates::new(pair)), listens_on, public_host })
    }

    /// What is shown.
    pub(super) fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Signs a new certificate when the shown one ends soon or lacks a name. `told` are the URLs that probes were told.
    pub(super) fn look(&self, told: &[String], now: Timestamp) {
        let shown = self.certificates.shown();
        let names = names(&Machine::look(), self.listens_on, self.public_host.as_deref(), told);
        if names.is_subset(&shown.names) && shown.not_after.since(now) > RENEW_BEFORE {
            return;
        }
        match signed(&self.authority, &names, now) {
            Ok(pair) => {
                tracing::info!("Signed a new certificate of our own; it ends at {:.0}", pair.not_after);
                self.certificates.replace(pair);
            }
            Err(error) => tracing::error!("No new certificate of our own can be signed: {error}"),
        }
    }
}

/// Makes the authority when there is none.
///
/// # Errors
/// When it cannot be read or made.
pub(super) fn ready(keys: &Keys, now: Timestamp) -> Result<Authority, VaultError> {
    let directory = keys.directory();
    if let Some(authority) = Authority::load(directory)? {
        return Ok(authority);
    }
    let authority = Authority::create(directory, now)?;
    let file = authority::file(directory);
    tracing::info!(
        "Made an authority of our own, which probes will know by its SHA-256 {}: copy {} to where the copy of the key \
         ring is",
        authority.pin(),
        file.display()
    );
    Ok(authority)
}

fn signed(authority: &Authority, names: &BTreeSet<String>, now: Timestamp) -> Result<Pair, CmdError> {
    let issued = authority.issue(names, now)?;
    Pair::parse(&issued.chain_pem, &issued.key_pem).map_err(|error| CmdError::new(error.to_string()))
}

/// Most names that a certificate is for; what is beyond was told to nobody.
const MOST_NAMES: usize = 100;

/// What the certificate must be for: what probes and people were told, and else what this machine has.
fn names(machine: &Machine, listens_on: IpAddr, public: Option<&str>, told: &[String]) -> BTreeSet<String> {
    let fixed = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut names: BTreeSet<String> = told.iter().filter_map(|url| host_of(url)).take(MOST_NAMES).collect();
    names.extend(fixed);
    match (public, listens_on.is_unspecified()) {
        (Some(public), _) => names.extend([public.to_owned()]),
        (None, false) => names.extend([listens_on.to_string()]),
        (None, true) => {
            names.extend(machine.addresses.iter().take(MOST_NAMES).map(ToString::to_string));
            names.extend(machine.name.clone());
        }
    }
    names
}

/// The host of a URL, an IPv6 address without its brackets.
pub(super) fn host_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    use crate::config::Config;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn a_certificate_is_for_what_people_and_probes_were_told() {
        let machine =
            Machine { addresses: vec!["45.64.0.1".parse().unwrap()], routed: None, name: Some("box".to_owned()) };
        let listed = |listens_on: &str, public, told: &[&str]| {
            let told: Vec<String> = told.iter().map(|url| (*url).to_owned()).collect();
            let mut names = names(&machine, listens_on.parse().unwrap(), public, &told);
            for always in ["localhost", "127.0.0.1", "::1"] {
                assert!(names.remove(always));
            }
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(listed("::", None, &[]), "45.64.0.1 box");
        assert_eq!(listed("10.0.0.1", None, &["https://203.0.113.5:8443"]), "10.0.0.1 203.0.113.5");
        assert_eq!(listed("::", Some("p.example"), &["https://[2a01::1]:8443"]), "2a01::1 p.example");
    }

    fn write(folder: &std::path::Path, name: &str) -> Certificate {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        fs::write(&chain, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Certificate::read(&chain, &key).unwrap()
    }

    #[test]
    fn a_pair_is_shown_once_both_files_are_there_and_a_broken_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(&write(folder.path(), "one.example")).unwrap();
        let shows = |files: &Files, name: &str| files.certificates().shown().names.contains(name);
        let old_key = fs::read(folder.path().join("key.pem")).unwrap();
        write(folder.path(), "two.example");
        let new_key = fs::read(folder.path().join("key.pem")).unwrap();
        // The key comes a moment later.
        fs::write(folder.path().join("key.pem"), old_key).unwrap();
        files.look();
        assert!(shows(&files, "one.example") && matches!(files.trouble, Some((_, false))));
        fs::write(folder.path().join("key.pem"), new_key).unwrap();
        files.look();
        assert!(shows(&files, "two.example") && files.trouble.is_none());
        // What stays broken is said once, and mended by the next good pair.
        fs::write(folder.path().join("chain.pem"), "nothing").unwrap();
        files.look();
        files.look();
        assert!(shows(&files, "two.example") && matches!(files.trouble, Some((_, true))));
        fs::remove_file(folder.path().join("chain.pem")).unwrap();
        files.look();
        assert!(shows(&files, "two.example"));
        write(folder.path(), "three.example");
        files.look();
        assert!(shows(&files, "three.example") && files.trouble.is_none());
    }

    #[test]
    fn our_own_certificate_is_renewed_before_it_ends_and_for_a_new_name() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::default().checked(folder.path()).unwrap();
        let own = Own::new(&config.keys, &config.http, "192.0.2.1".parse().unwrap(), &[], NOW).unwrap();
        let end = || own.certificates().shown().not_after;
        let day = |n: u64| Duration::from_secs(n * 86_400);
        own.look(&[], NOW + day(59));
        assert_eq!(end(), NOW + day(90), "it holds for another month");
        own.look(&[], NOW + day(61));
        assert_eq!(end(), NOW + day(151));
        own.look(&["https://203.0.113.5:8443".to_owned()], NOW + day(62));
        assert_eq!(end(), NOW + day(152));
        let names = own.certificates().shown().names;
        assert!(names.contains("203.0.113.5") && names.contains("192.0.2.1"), "{names:?}");
    }
}
