//! The certificate of a listener: what new handshakes show, replaced while everything else goes on.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files hold something else.
    #[error("the certificate or its key is not PEM: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// There is no certificate in the first.
    #[error("there is no certificate in it: give the chain in PEM, the server's own certificate first")]
    Empty,
    /// The key is that of another certificate.
    #[error("the key is not that of the certificate: were both files replaced?")]
    Mismatch,
    /// They cannot be used.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The certificate is none that can be read.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
}

/// A certificate with its key, known to belong together.
#[derive(Clone, Debug)]
pub struct Pair {
    key: Arc<CertifiedKey>,
    /// When the server's own certificate ends.
    pub not_after: Timestamp,
    /// The host names and addresses that it is for.
    pub names: BTreeSet<String>,
}

impl Pair {
    /// From a certificate chain (the server's own first) and its key, both in PEM.
    ///
    /// # Errors
    /// When they cannot be read or do not belong together.
    pub fn parse(chain_pem: &str, key_pem: &SecretString) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let own = chain.first().ok_or(TlsError::Empty)?;
        let unreadable = |error: &dyn std::fmt::Display| TlsError::Unreadable(error.to_string());
        let (_, certificate) = X509Certificate::from_der(own).map_err(|error| unreadable(&error))?;
        let not_after = Timestamp::from_seconds(certificate.validity().not_after.timestamp());
        let names = names_of(&certificate);
        let key = PrivateKeyDer::from_pem_slice(key_pem.expose().as_bytes())?;
        let key = CertifiedKey::new(chain, provider().key_provider.load_private_key(key)?);
        match key.keys_match() {
            // Keys that do not tell their public half cannot be compared; ours all do.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(TlsError::Mismatch),
            Err(error) => return Err(error.into()),
        }
        Ok(Self { key: Arc::new(key), not_after, names })
    }
}

/// What a listener shows. Handshakes that began go on with what they were given.
#[derive(Debug)]
pub struct Certificates(RwLock<Pair>);

impl Certificates {
    /// Shows this pair first.
    pub fn new(pair: Pair) -> Self {
        Self(RwLock::new(pair))
    }

    /// Shows another from now on.
    pub fn replace(&self, pair: Pair) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pair;
    }

    /// What is shown now.
    pub fn shown(&self) -> Pair {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown().key)
    }
}

/// Settings for HTTPS with what `certificates` shows at each handshake.
///
/// # Errors
/// When the library offers no version of TLS.
pub fn server_config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> (String, SecretString) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), SecretString::new(made.signing_key.serialize_pem()))
    }

    #[test]
    fn only_a_certificate_and_its_own_key_are_taken() {
        let (one, one_key) = made(&["a.example", "192.0.2.1", "2001:db8::1"]);
        let (two, two_key) = made(&["b.example"]);
        let pair = Pair::parse(&one, &one_key).unwrap();
        assert_eq!(
            pair.names.iter().map(String::as_str).collect::<Vec<_>>(),
            ["192.0.2.1", "2001:db8::1", "a.example"]
        );
        assert!(matches!(Pair::parse(&one, &two_key), Err(TlsError::Mismatch)));
        assert!(matches!(Pair::parse("", &two_key), Err(TlsError::Empty)));
        assert!(matches!(Pair::parse(&two[..two.len() / 2], &two_key), Err(TlsError::Pem(_) | TlsError::Empty)));
        assert!(matches!(Pair::parse(&two, &SecretString::new(String::new())), Err(TlsError::Pem(_))));
    }

    #[test]
    fn what_is_replaced_is_shown_at_once() {
        let pair = |name: &str| {
            let (chain, key) = made(&[name]);
            Pair::parse(&chain, &key).unwrap()
        };
        let certificates = Certificates::new(pair("old.example"));
        certificates.replace(pair("new.example"));
        assert!(certificates.shown().names.contains("new.example"));
    }
}
