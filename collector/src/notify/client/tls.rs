//! Whom the ways out trust, and what keeps a client from being made.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::notify::dkim::BadKey;

/// What the operator set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadClient {
    /// The certificates.
    #[error("[outbound] ca_file holds no certificates that can be used ({0}): give one or more in PEM")]
    Roots(String),
    /// The key that signs mails.
    #[error(transparent)]
    Dkim(#[from] BadKey),
}

/// Settings of TLS that trust Mozilla's authorities, and those of `ca_pem`.
pub(super) fn config(ca_pem: Option<&str>) -> Result<ClientConfig, BadClient> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in ca_pem.map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes())).into_iter().flatten() {
        let certificate = certificate.map_err(|error| BadClient::Roots(error.to_string()))?;
        roots.add(certificate).map_err(|error| BadClient::Roots(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BadClient::Roots(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
