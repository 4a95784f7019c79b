//! The collector's own certificate authority: for collectors without a certificate that the world trusts.
//!
//! It is made once and lies beside the key ring, key and certificate in one private file. Its certificate's SHA-256 is
//! the `pin` in enrolment tokens; the certificates that it signs live 90 days, in memory only.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use picket_shared::secret::SecretString;
use picket_shared::signing::body_hash;
use picket_shared::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{VaultError, files, token};

/// The file's name in the keys' directory.
const FILE: &str = "own-authority.pem";
const DAY: Duration = Duration::from_secs(86_400);
/// How long the authority itself lasts.
const LIFE: Duration = DAY.saturating_mul(3653);
/// How long a certificate that it signed lasts.
const ISSUED_LIFE: Duration = DAY.saturating_mul(90);
/// A certificate is replaced when less than this is left of it.
pub const RENEW_BEFORE: Duration = DAY.saturating_mul(30);
/// Clocks of probes may be behind.
const BACKDATED: Duration = DAY;

/// The authority, ready to sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    pin: String,
}

/// A certificate that the authority signed.
#[derive(Debug)]
pub struct Issued {
    /// It and the authority's own certificate, in PEM: what is pinned must be sent.
    pub chain_pem: String,
    /// Its private key in PEM.
    pub key_pem: SecretString,
    /// When it ends.
    pub not_after: Timestamp,
}

impl fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("pin", &self.pin).finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads the authority from the keys' directory; `None` when it was never made.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it is damaged.
    pub fn load(directory: &Path) -> Result<Option<Self>, VaultError> {
        let path = file(directory);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        Self::parse(text.expose()).map(Some).map_err(|why| {
            VaultError::Authority(format!(
                "{} is damaged ({why}): put back your copy of it, or remove it and add every probe anew",
                path.display()
            ))
        })
    }

    /// Makes the authority and writes it; an existing one is never overwritten.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn create(directory: &Path, now: Timestamp) -> Result<Self, VaultError> {
        let failed = |error: rcgen::Error| VaultError::Authority(error.to_string());
        let key = new_key()?;
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        // It signs servers, and no further authority.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Two installations are told apart in a list of certificates.
        let mark = u32::from_be_bytes(token::random_bytes()?);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("Picket collector {mark:08x}"));
        (params.not_before, params.not_after) = (system(now - BACKDATED).into(), system(now + LIFE).into());
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        let text = SecretString::new(format!("{}{certificate}", *zeroize::Zeroizing::new(key.serialize_pem())));
        files::write_new(&file(directory), text.expose())?;
        Self::parse(text.expose()).map_err(VaultError::Authority)
    }

    /// SHA-256 of its certificate in hexadecimal: what probes pin.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// Its certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Signs a new certificate for these host names and addresses.
    ///
    /// # Errors
    /// When a name is none.
    pub fn issue(&self, names: &BTreeSet<String>, now: Timestamp) -> Result<Issued, VaultError> {
        let failed = |error: rcgen::Error| VaultError::Authority(error.to_string());
        let key = new_key()?;
        let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>()).map_err(failed)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Picket collector");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let not_after = Timestamp::from_seconds((now + ISSUED_LIFE).seconds());
        (params.not_before, params.not_after) = (system(now - BACKDATED).into(), system(not_after).into());
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Issued {
            chain_pem: format!("{}{}", certificate.pem(), self.certificate_pem),
            key_pem: SecretString::new(key.serialize_pem()),
            not_after,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let key = KeyPair::from_pem(text).map_err(|error| error.to_string())?;
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|error| error.to_string())?;
        let pin = body_hash(&der);
        let at = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_default();
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| error.to_string())?;
        Ok(Self { issuer, certificate_pem: text[at..].to_owned(), pin })
    }
}

/// Where the authority lies in a directory.
pub fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// ECDSA on P-256: what every TLS library knows.
fn new_key() -> Result<KeyPair, VaultError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| VaultError::Authority(error.to_string()))
}

fn system(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + at.since(Timestamp::from_micros(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn it_is_made_once_private_and_the_same_at_every_start() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        assert!(Authority::load(&directory).unwrap().is_none());
        let made = Authority::create(&directory, NOW).unwrap();
        assert_eq!(fs::metadata(file(&directory)).unwrap().mode() & 0o777, 0o600);
        let read = Authority::load(&directory).unwrap().unwrap();
        assert_eq!((made.pin(), made.certificate_pem()), (read.pin(), read.certificate_pem()));
        assert!(!read.certificate_pem().contains("PRIVATE"));
        assert!(Authority::create(&directory, NOW).is_err(), "it is never overwritten");
        assert_eq!(Authority::load(&directory).unwrap().unwrap().pin(), made.pin());
        fs::set_permissions(file(&directory), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Authority::load(&directory), Err(VaultError::Exposed { .. })));
    }

    #[test]
    fn a_damaged_one_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        Authority::create(folder.path(), NOW).unwrap();
        let path = file(folder.path());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = Authority::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("put back your copy") && !error.contains("PRIVATE"), "{error}");
    }

    #[test]
    fn what_it_signs_is_for_these_names_for_90_days_and_sent_with_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(folder.path(), NOW).unwrap();
        let issued = authority.issue(&names(&["picket.example", "192.0.2.7", "2001:db8::7"]), NOW).unwrap();
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!((chain.len(), body_hash(&chain[1]).as_str()), (2, authority.pin()));
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let (_, root) = X509Certificate::from_der(&chain[1]).unwrap();
        let end = |certificate: &X509Certificate<'_>| certificate.validity().not_after.timestamp();
        assert_eq!(end(&leaf), NOW.seconds() + 90 * 86_400);
        assert_eq!(issued.not_after, Timestamp::from_seconds(end(&leaf)));
        assert!(end(&root) - NOW.seconds() > 10 * 365 * 86_400);
        let constraints = root.basic_constraints().unwrap().unwrap().value;
        assert_eq!((constraints.ca, constraints.path_len_constraint), (true, Some(0)));
        assert!(!leaf.is_ca());
        let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
        let of = |wanted: &dyn Fn(&GeneralName<'_>) -> bool| names.iter().any(wanted);
        assert!(of(&|name| matches!(name, GeneralName::DNSName("picket.example"))));
        assert!(of(&|name| matches!(name, GeneralName::IPAddress([192, 0, 2, 7]))));
        assert_eq!(names.len(), 3);
    }
}
