//! What a TLS handshake failed by: rustls's error -> our kind of failure, and a sentence.

use std::io;

use picket_shared::outcome::{Failure, FailureKind};
use rustls::{AlertDescription, CertificateError};
use rustls_pki_types::CertificateDer;
use url::Host;

use super::certificate;

/// The failure that an error of a handshake is, with the chain that the server showed and the name that was asked for.
pub(super) fn failure_of(error: &io::Error, chain: &[CertificateDer<'_>], name: &Host<String>) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        let message = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection during the TLS handshake".to_owned(),
            io::ErrorKind::ConnectionReset => "the server cut the connection during the TLS handshake".to_owned(),
            _ => format!("the TLS handshake broke off: {error}"),
        };
        return Failure::new(FailureKind::TlsHandshake, message);
    };
    let (kind, message) = match tls {
        rustls::Error::InvalidCertificate(why) => certificate_failure(why, chain, name),
        rustls::Error::PeerIncompatible(why) => {
            (FailureKind::TlsNoCommonProtocol, format!("no TLS version or cipher suite in common: {why:?}"))
        }
        rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => (
            FailureKind::TlsNoCommonProtocol,
            "the server knows no TLS version or cipher suite that the probe offers".to_owned(),
        ),
        rustls::Error::NoApplicationProtocol
        | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => (
            FailureKind::TlsNoCommonProtocol,
            "the server speaks no application protocol that the probe offers".to_owned(),
        ),
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            (FailureKind::TlsHandshake, format!("the server does not know the name {name}"))
        }
        rustls::Error::InvalidMessage(_) => {
            (FailureKind::TlsHandshake, "what listens there does not speak TLS".to_owned())
        }
        other => (FailureKind::TlsHandshake, format!("the TLS handshake failed: {other}")),
    };
    Failure::new(kind, message)
}

fn certificate_failure(
    why: &CertificateError,
    chain: &[CertificateDer<'_>],
    name: &Host<String>,
) -> (FailureKind, String) {
    let own = chain.len() == 1 && chain.first().is_some_and(certificate::is_self_signed);
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (FailureKind::CertificateExpired, "the certificate has expired".to_owned())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (FailureKind::CertificateNotYetValid, "the certificate is not valid yet".to_owned())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (FailureKind::CertificateWrongName, format!("the certificate is not for {name}"))
        }
        // An authority's certificate as a server's own is refused before anyone asks who signed it.
        CertificateError::UnknownIssuer | CertificateError::Other(_) if own => (
            FailureKind::CertificateSelfSigned,
            "the certificate is signed by itself, not by a trusted authority".to_owned(),
        ),
        // A signature that does not fit is that of another authority by the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            FailureKind::CertificateUntrusted,
            "no authority that this probe trusts vouches for the certificate".to_owned(),
        ),
        other => (FailureKind::CertificateInvalid, format!("the certificate cannot be used: {other}")),
    }
}
