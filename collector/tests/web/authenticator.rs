//! An authenticator of software with one passkey in it, whose every claim can be bent.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_collector::domain::passkey::Proof;
use serde_json::Value;

use crate::common::{Answer, Browser};

/// Where passkeys are added and taken away.
pub(crate) const PAGE: &str = "/account/second-factor";

/// An authenticator with one passkey in it.
pub(crate) struct Authenticator {
    /// What it signs with.
    pub(crate) key: EcdsaKeyPair,
    /// What it calls its passkey.
    pub(crate) id: Vec<u8>,
    /// Whose it says that is.
    pub(crate) handle: Vec<u8>,
    /// For whom it signs.
    pub(crate) party: String,
    /// Whose page the browser names.
    pub(crate) origin: String,
    /// How often it says that it signed.
    pub(crate) count: u32,
    /// Whether it knows who is there.
    pub(crate) verifies: bool,
}

impl Authenticator {
    /// With a new key; it names nobody yet.
    pub(crate) fn new(id: &str) -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: id.as_bytes().to_vec(),
            handle: Vec::new(),
            party: "localhost".to_owned(),
            origin: "http://localhost:8080".to_owned(),
            count: 0,
            verifies: true,
        }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{}","crossOrigin":false}}"#, self.origin)
            .into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let flags = 1 | more | if self.verifies { 4 } else { 0 };
        [digest(&SHA256, self.party.as_bytes()).as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    /// `attestationObject` without an attestation.
    fn attestation(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let id = [&[0; 16], &u16::try_from(self.id.len()).unwrap().to_be_bytes()[..], &self.id].concat();
        let key = [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", &point[1..33], b"\x22\x58\x20", &point[33..]].concat();
        let data = [self.data(0x40), id, key].concat();
        let length = u8::try_from(data.len()).unwrap();
        [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat()
    }

    /// What it signs.
    pub(crate) fn proof(&self, challenge: &str) -> Proof {
        let (client_data, authenticator_data) = (self.client_data("webauthn.get", challenge), self.data(0));
        let message = [&authenticator_data, digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &message).unwrap().as_ref().to_vec();
        Proof { id: self.id.clone(), client_data, authenticator_data, signature, user_handle: self.handle.clone() }
    }

    /// What the script fills into a form.
    fn fields(&self, challenge: &str) -> BTreeMap<&'static str, String> {
        let proof = self.proof(challenge);
        BTreeMap::from([
            ("id", URL_SAFE_NO_PAD.encode(proof.id)),
            ("client_data", URL_SAFE_NO_PAD.encode(proof.client_data)),
            ("authenticator_data", URL_SAFE_NO_PAD.encode(proof.authenticator_data)),
            ("signature", URL_SAFE_NO_PAD.encode(proof.signature)),
            ("user_handle", URL_SAFE_NO_PAD.encode(proof.user_handle)),
        ])
    }

    /// Answers what `path` asks for in a browser.
    pub(crate) async fn answer(&self, browser: &mut Browser<'_>, path: &str) -> Answer {
        let options = options(browser, path).await;
        self.send(browser, path, options["challenge"].as_str().unwrap()).await
    }

    /// Answers this challenge.
    pub(crate) async fn send(&self, browser: &mut Browser<'_>, path: &str, challenge: &str) -> Answer {
        let fields = self.fields(challenge);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post(path, &fields).await
    }

    /// Has a passkey made in a browser that is signed in.
    pub(crate) async fn add(&mut self, browser: &mut Browser<'_>, name: &str) -> Answer {
        browser.get(PAGE).await;
        let options = json(&browser.post(PAGE, &[("do", "passkey_options")]).await);
        assert_eq!((&options["rp"]["id"], &options["attestation"]), (&Value::from("localhost"), &Value::from("none")));
        self.handle = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        self.made(browser, name, options["challenge"].as_str().unwrap()).await
    }

    /// Has a passkey made for this challenge.
    pub(crate) async fn made(&self, browser: &mut Browser<'_>, name: &str, challenge: &str) -> Answer {
        let client_data = URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", challenge));
        let attestation = URL_SAFE_NO_PAD.encode(self.attestation());
        let fields =
            [("do", "passkey_add"), ("name", name), ("client_data", &client_data), ("attestation", &attestation)];
        browser.post(PAGE, &fields).await
    }
}

fn json(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"), "{}", answer.text);
    serde_json::from_str(&answer.text).unwrap()
}

/// What `path` asks for.
pub(crate) async fn options(browser: &mut Browser<'_>, path: &str) -> Value {
    json(&browser.post(&format!("{path}/options"), &[]).await)
}
