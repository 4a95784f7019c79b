//! An authority of our own, and the certificates a target may show.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use picket_shared::daykeys::hex;
use picket_shared::time::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

const HALF_A_DAY: Duration = Duration::from_secs(43_200);

/// Signs for whom it is told to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its own certificate in PEM form.
    pub file: PathBuf,
}

/// A certificate with its key, as files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate in PEM form.
    pub file: PathBuf,
    /// Its private key in PEM form.
    pub key: PathBuf,
    /// SHA-256 of its DER form, in lower-case hexadecimal.
    pub fingerprint: String,
}

impl Authority {
    /// A new authority that keeps its files in `folder`.
    pub fn new(folder: &Path) -> Self {
        let mut params = params(&[], "The tests' own authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::create_dir_all(folder).unwrap();
        let file = folder.join("authority.pem");
        fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned(), file }
    }

    /// A certificate that is good for `names` (which may be addresses).
    pub fn good(&self, names: &[&str]) -> Certificate {
        self.issue("good", params(names, names[0]))
    }

    /// One that ended in 2020.
    pub fn expired(&self, names: &[&str]) -> Certificate {
        let mut params = params(names, names[0]);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue("expired", params)
    }

    /// One that is good from half a day before `now` until half a day after it.
    pub fn good_today(&self, names: &[&str], now: Timestamp) -> Certificate {
        let mut params = params(names, names[0]);
        let now = date_time_ymd(1970, 1, 1) + now.since(Timestamp::default());
        (params.not_before, params.not_after) = (now - HALF_A_DAY, now + HALF_A_DAY);
        self.issue("today", params)
    }

    /// One that is good, for a name that nobody asks for.
    pub fn for_another_name(&self) -> Certificate {
        self.issue("other", params(&["another.test"], "another.test"))
    }

    /// One for which nobody vouches but itself.
    pub fn self_signed(&self, names: &[&str]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names, names[0]).self_signed(&key).unwrap();
        self.keep("self-signed", &certificate, &key)
    }

    fn issue(&self, label: &str, params: CertificateParams) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.keep(label, &certificate, &key)
    }

    fn keep(&self, label: &str, certificate: &rcgen::Certificate, key: &KeyPair) -> Certificate {
        let fingerprint = hex(digest::digest(&digest::SHA256, certificate.der()).as_ref());
        let stem = format!("{label}-{}", &fingerprint[..8]);
        let (file, key_file) = (self.folder.join(format!("{stem}.pem")), self.folder.join(format!("{stem}.key")));
        fs::write(&file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        // Programs that have dropped their privileges read it too.
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
        Certificate { file, key: key_file, fingerprint }
    }
}

fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    params
}
