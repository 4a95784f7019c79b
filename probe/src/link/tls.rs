//! Whom to believe that it is the collector: Mozilla's authorities and the configured ones, or one pinned certificate.

use std::sync::Arc;

use picket_shared::signing::body_hash;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::config::Trust;

/// The TLS settings of the line to the collector.
///
/// # Errors
/// When a configured certificate cannot be used; a sentence.
pub fn client_config(trust: &Trust) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = match trust {
        Trust::Roots(more) => {
            let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            for certificate in more {
                roots.add(certificate.clone()).map_err(|error| format!("ca_file: {error}"))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Pin(sha256) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { sha256: sha256.clone(), provider }))
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Trusts the one certificate of the chain with this hash: as authority over the rest, or as the server's own.
#[derive(Debug)]
struct Pinned {
    sha256: String,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "what answers does not show the certificate that the token (or `pin`) names: its authority was made anew, or somebody is \
     in between. `picket-collector doctor` says which SHA-256 is right; a new token holds it"
)]
struct PinMismatch;

/// What this file itself has against a certificate, for a person: the library would show the error's inside.
pub(super) fn why(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) = error.downcast_ref() {
        return Some(why.to_string());
    }
    // It comes wrapped as a fault of the connection, more than once.
    why(error.downcast_ref::<std::io::Error>()?.get_ref()?)
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if body_hash(end_entity) == self.sha256 {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let authority = intermediates
            .iter()
            .find(|certificate| body_hash(certificate) == self.sha256)
            .ok_or_else(|| Error::from(CertificateError::Other(OtherError(Arc::new(PinMismatch)))))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::LinkError;
    use crate::link::testing::TestCollector;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    fn authority(name: &str) -> (CertificateDer<'static>, Issuer<'static, KeyPair>) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        (certificate, Issuer::new(params, key))
    }

    #[tokio::test]
    async fn a_collector_with_its_own_authority_is_reached_by_pin_or_file_and_not_without() {
        let (ours, issuer) = authority("ours");
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap().der().clone();
        let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let collector = TestCollector::start_tls(vec![leaf, ours.clone()], key).await;
        for good in [Trust::Pin(body_hash(&ours)), Trust::Roots(vec![ours.clone()])] {
            collector.link_with(good).refresh_keys().await.unwrap();
        }
        let (other, _) = authority("other");
        let refused = async |trust: Trust| match collector.link_with(trust).refresh_keys().await {
            Err(LinkError::Unreachable(why)) => why,
            other => panic!("{other:?}"),
        };
        let why = refused(Trust::Pin(body_hash(&other))).await;
        assert!(why.contains("does not show the certificate that the token") && !why.contains("OtherError"), "{why}");
        for bad in [Trust::Roots(vec![other]), Trust::Roots(Vec::new())] {
            refused(bad).await;
        }
        assert_eq!(collector.seen(picket_shared::wire::KEYS_PATH).len(), 2, "no token went to a stranger");
    }

    #[test]
    fn a_pin_trusts_what_its_authority_signed_for_that_name_and_nothing_else() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (ours, issuer) = authority("ours");
        let (other, _) = authority("other");
        let leaf_key = KeyPair::generate().unwrap();
        let leaf_params = CertificateParams::new(vec!["c.example".to_owned()]).unwrap();
        let leaf = leaf_params.signed_by(&leaf_key, &issuer).unwrap().der().clone();
        let check = |pin: &CertificateDer<'_>, chain: &[CertificateDer<'static>], name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            Pinned { sha256: body_hash(pin), provider: Arc::clone(&provider) }
                .verify_server_cert(&leaf, chain, &name, &[], UnixTime::now())
                .is_ok()
        };
        assert!(check(&ours, std::slice::from_ref(&ours), "c.example"));
        assert!(!check(&ours, &[], "c.example"), "the authority must be in the chain");
        assert!(!check(&ours, std::slice::from_ref(&ours), "d.example"));
        assert!(!check(&other, &[ours.clone(), other.clone()], "c.example"), "an authority that signed nothing here");
        assert!(check(&leaf, &[], "c.example") && !check(&leaf, &[], "d.example"));
    }
}
