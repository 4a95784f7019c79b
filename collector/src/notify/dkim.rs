//! Signatures of mails by the operator's key: DKIM, RFC 6376, with RSA and SHA-256, or Ed25519 (RFC 8463).
//!
//! Canonicalisation is relaxed for header and body. From, To and Subject are named once more than they are there, so that none can be
//! added to a mail that is signed (RFC 6376, 8.15). lettre would sign by the crate `rsa`, which is banned here; this signs by aws-lc-rs.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use picket_shared::time::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::config::Dkim;

/// RFC 8301: keys of RSA have 1024 bits at least; Picket asks for what is thought to hold.
const RSA_BYTES: usize = 256;
/// What is signed, where it is there.
const SIGNED: [&str; 10] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "auto-submitted",
    "mime-version",
    "content-type",
];
/// What must not be added.
const GUARDED: [&str; 3] = ["from", "to", "subject"];
/// One string of a TXT record holds no more (RFC 1035, 3.3).
const TXT: usize = 255;
/// So much of a signature is on a line.
const LINE: usize = 72;

/// A key that no mail can be signed by.
#[derive(Debug, thiserror::Error)]
#[error(
    "[mail.dkim] key_file holds no key that signs mails: give an RSA key of 2048 bits or more, or an Ed25519 key, in PEM, such as \
     `openssl genpkey -algorithm ed25519` makes"
)]
pub struct BadKey;

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// Signs mails.
pub struct Signer {
    key: Key,
    domain: String,
    selector: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, {})", self.name(), self.algorithm())
    }
}

impl Signer {
    /// By these settings.
    ///
    /// # Errors
    /// When the key is none.
    pub fn new(settings: &Dkim) -> Result<Self, BadKey> {
        let der = PrivateKeyDer::from_pem_slice(settings.key().as_bytes()).map_err(|_| BadKey)?;
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()).ok())?,
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                    Ok(key) => Key::Ed25519(key),
                    Err(_) => rsa(RsaKeyPair::from_pkcs8(der).ok())?,
                }
            }
            _ => return Err(BadKey),
        };
        Ok(Self { key, domain: settings.domain.clone(), selector: settings.selector.clone() })
    }

    /// The name of the TXT record that holds the public key.
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// What the TXT record says.
    ///
    /// # Errors
    /// When the public key cannot be written, which is a fault of the library.
    pub fn record(&self) -> Result<String, BadKey> {
        let (kind, key) = match &self.key {
            Key::Rsa(key) => {
                let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| BadKey)?;
                ("rsa", BASE64_STANDARD.encode(der.as_ref()))
            }
            Key::Ed25519(key) => ("ed25519", BASE64_STANDARD.encode(key.public_key().as_ref())),
        };
        Ok(format!("v=DKIM1; k={kind}; p={key}"))
    }

    /// The record as a line of a zone file: in strings of 255 characters at most.
    ///
    /// # Errors
    /// As [`Signer::record`].
    pub fn zone_line(&self) -> Result<String, BadKey> {
        let record = self.record()?;
        // It is ASCII, so it may be cut anywhere.
        let strings = record.as_bytes().chunks(TXT).map(|part| format!("\"{}\"", String::from_utf8_lossy(part)));
        Ok(format!("{}. IN TXT ( {} )", self.name(), strings.collect::<Vec<_>>().join(" ")))
    }

    /// The mail with its signature in front. One that cannot be signed is an error: who publishes a policy has unsigned mails refused.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn signed(&self, mail: &[u8], at: Timestamp) -> Result<Vec<u8>, BadKey> {
        let (head, body) = split(mail);
        let fields = fields(head);
        let names = names(&fields);
        let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, &relaxed_body(body)));
        let front = format!(
            "v=1; a={}; c=relaxed/relaxed; d={}; s={}; t={};\r\n h={};\r\n bh={hash};\r\n b=",
            self.algorithm(),
            self.domain,
            self.selector,
            at.seconds(),
            names.join(":\r\n  "),
        );
        let mut input = Vec::new();
        for (index, name) in names.iter().enumerate() {
            // Of several of one name the last comes first (RFC 6376, 5.4.2); what is named once more adds nothing.
            let earlier = names[..index].iter().filter(|other| other == &name).count();
            let of_name = fields.iter().rev().filter(|(found, _)| found.eq_ignore_ascii_case(name));
            if let Some((found, value)) = of_name.into_iter().nth(earlier) {
                input.extend(relaxed_field(found, value).bytes());
                input.extend(b"\r\n");
            }
        }
        input.extend(relaxed_field("DKIM-Signature", &front).bytes());
        let signature = BASE64_STANDARD.encode(self.sign(&input)?);
        let lines: Vec<_> = signature.as_bytes().chunks(LINE).map(String::from_utf8_lossy).collect();
        let mut signed = format!("DKIM-Signature: {front}{}\r\n", lines.join("\r\n  ")).into_bytes();
        signed.extend(mail);
        Ok(signed)
    }

    const fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, BadKey> {
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).map_err(|_| BadKey)?;
                Ok(signature)
            }
            // RFC 8463, 3: what is signed is the hash.
            Key::Ed25519(key) => Ok(key.sign(digest::digest(&digest::SHA256, input).as_ref()).as_ref().to_vec()),
        }
    }
}

fn rsa(key: Option<RsaKeyPair>) -> Result<Key, BadKey> {
    key.filter(|key| key.public_modulus_len() >= RSA_BYTES).map(|key| Key::Rsa(Box::new(key))).ok_or(BadKey)
}

/// Header and body; the empty line belongs to neither.
fn split(mail: &[u8]) -> (&[u8], &[u8]) {
    match mail.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => (&mail[..at + 2], &mail[at + 4..]),
        None => (mail, b""),
    }
}

/// The fields of a header, each with its folded lines.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let head = String::from_utf8_lossy(head);
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push_str("\r\n");
                value.push_str(line);
            }
            (_, _, Some((name, value))) => fields.push((name.to_owned(), value.to_owned())),
            _ => {}
        }
    }
    fields
}

/// The fields that are signed, each as often as it is there, and some once more.
fn names(fields: &[(String, String)]) -> Vec<&'static str> {
    let times = |name: &str| {
        let there = fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)).count();
        there + usize::from(GUARDED.contains(&name))
    };
    SIGNED.iter().flat_map(|name| std::iter::repeat_n(*name, times(name))).collect()
}

/// RFC 6376, 3.4.2.
fn relaxed_field(name: &str, value: &str) -> String {
    let value = value.replace("\r\n", "");
    let words: Vec<_> = value.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    format!("{}:{}", name.trim().to_ascii_lowercase(), words.join(" "))
}

/// RFC 6376, 3.4.4.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    let mut empty = 0_usize;
    let mut rest = body;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let (line, after) = end.map_or((rest, &rest[rest.len()..]), |end| (&rest[..end], &rest[end + 2..]));
        rest = after;
        let line = relaxed_line(line);
        if line.is_empty() {
            empty += 1;
            continue;
        }
        relaxed.extend(b"\r\n".repeat(std::mem::take(&mut empty)));
        relaxed.extend(line);
        relaxed.extend(b"\r\n");
    }
    relaxed
}

fn relaxed_line(line: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(line.len());
    for byte in line {
        match byte {
            b' ' | b'\t' if relaxed.last() == Some(&b' ') => {}
            b' ' | b'\t' => relaxed.push(b' '),
            other => relaxed.push(*other),
        }
    }
    if relaxed.last() == Some(&b' ') {
        relaxed.pop();
    }
    relaxed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_body_are_relaxed_as_the_examples_of_the_rfc() {
        // RFC 6376, 3.4.5, example 1.
        let mail = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n";
        let (head, body) = split(mail);
        let fields = fields(head);
        let relaxed: Vec<_> = fields.iter().map(|(name, value)| relaxed_field(name, value)).collect();
        assert_eq!(relaxed, ["a:X", "b:Y Z"]);
        assert_eq!(relaxed_body(body), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b""), b"");
        assert_eq!(relaxed_body(b"\r\n\r\n"), b"");
        assert_eq!(relaxed_body(b"a\r\n\r\n\r\nb"), b"a\r\n\r\n\r\nb\r\n");
    }

    #[test]
    fn what_must_not_be_added_is_named_once_more_than_it_is_there() {
        let (head, _) = split(b"From: a\r\nDate: b\r\nX-Other: c\r\n\r\n");
        assert_eq!(names(&fields(head)), ["from", "from", "to", "subject", "date"]);
    }
}
