//! What a certificate says, read from its DER form. Pure.

use std::net::IpAddr;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use picket_shared::outcome::{Certificate, Failure, FailureKind};
use picket_shared::time::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

const MAX_NAMES: usize = 50;

/// The facts of the first certificate of a chain, and the chain; nothing if it cannot be read.
pub(super) fn facts(chain: &[CertificateDer<'_>]) -> Option<Certificate> {
    let leaf = chain.first()?;
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let validity = certificate.validity();
    Some(Certificate {
        fingerprint: hex(digest::digest(&digest::SHA256, leaf).as_ref()),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names(&certificate),
        not_before: Timestamp::from_seconds(validity.not_before.timestamp()),
        not_after: Timestamp::from_seconds(validity.not_after.timestamp()),
        chain: texts(chain),
    })
}

/// The time in which every certificate of a chain is good; `None` if one of them cannot be read.
pub(super) fn common_validity(chain: &[CertificateDer<'_>]) -> Option<(Timestamp, Timestamp)> {
    let mut common = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
    for certificate in chain {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let validity = certificate.validity();
        common.0 = common.0.max(Timestamp::from_seconds(validity.not_before.timestamp()));
        common.1 = common.1.min(Timestamp::from_seconds(validity.not_after.timestamp()));
    }
    Some(common)
}

/// The certificates of a chain as they travel.
pub(super) fn texts(chain: &[CertificateDer<'_>]) -> Vec<String> {
    chain.iter().map(|certificate| STANDARD.encode(certificate)).collect()
}

/// Whether the certificate names itself as its issuer.
pub(super) fn is_self_signed(leaf: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(leaf).is_ok_and(|(_, it)| it.subject().as_raw() == it.issuer().as_raw())
}

/// What a person needs of a certificate at fault.
pub(super) fn evidence(mut failure: Failure, certificate: &Certificate) -> Failure {
    let least: &[&str] = match failure.kind {
        FailureKind::CertificateExpired | FailureKind::CertificateExpiresSoon => &["not_after"],
        FailureKind::CertificateNotYetValid => &["not_before"],
        FailureKind::CertificateWrongName => &["names"],
        _ => &[],
    };
    let all = [
        ("not_after", format!("{:.0}", certificate.not_after)),
        ("not_before", format!("{:.0}", certificate.not_before)),
        ("issuer", certificate.issuer.clone()),
        ("subject", certificate.subject.clone()),
        ("fingerprint", certificate.fingerprint.clone()),
        ("names", certificate.names.join(", ")),
    ];
    // The fact at fault comes first, so that it has room whatever the others hold.
    for (what, value) in all.iter().filter(|(what, _)| least.contains(what)) {
        failure.evidence.add(what, value);
    }
    for (what, value) in all.iter().filter(|(what, _)| !least.contains(what)) {
        failure.evidence.add(what, value);
    }
    failure
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).take(MAX_NAMES).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}
