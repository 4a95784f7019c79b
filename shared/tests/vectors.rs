//! Both sides must reproduce the golden vectors, which `vectors/generate.py` made without any code of ours,
//! and must read what a version that is newer than they are may send.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read fails the test")]

use picket_shared::assignment::{Assignments, phase_us};
use picket_shared::batch::{Batch, GapReason, Receipt, RejectReason};
use picket_shared::check::{CheckSpec, Kind};
use picket_shared::daykeys::{self, DayKeyGrant, KeyId, SigningKey};
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{CollectorId, MonitorId, ProbeId, Region};
use picket_shared::manual::{ManualAnswer, ManualCheck, ManualReceipt, ManualReject};
use picket_shared::outcome::{FailureKind, SelfCheck, Status, Trigger};
use picket_shared::secret::SecretBytes;
use picket_shared::signing::{self, BatchClaims, Claims, RequestClaims};
use picket_shared::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

fn vector(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap().to_owned()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// `value` is read as `T` and written again as the very same JSON.
#[track_caller]
fn survives<T: Serialize + DeserializeOwned>(value: Value) {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), value);
}

/// The claims as Python signed them with the key's bytes: only the same key verifies them.
#[track_caller]
fn is_key(key: &SigningKey, kid: KeyId, expected: &[u8]) {
    let collector = CollectorId(uuid::Uuid::from_u128(1));
    let claims = json!({
        "iss": kid.probe, "sub": kid.probe, "aud": collector, "iat": 100, "nbf": 100, "exp": 160,
        "jti": uuid::Uuid::nil(), "boot": uuid::Uuid::nil(), "method": "GET", "path": "/", "bh": "",
    });
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.typ = Some(signing::REQUEST_TYPE.to_owned());
    header.kid = Some(kid.to_string());
    let token = jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(expected)).unwrap();
    signing::verify::<RequestClaims>(&token, kid, key, collector, Timestamp::from_seconds(100)).unwrap();
}

#[test]
fn keys_are_derived_as_python_derives_them() {
    for row in vector("keys")["keys"].as_array().unwrap() {
        let secret = SecretBytes::new(unhex(&text(row, "secret")));
        let probe: ProbeId = text(row, "probe").parse().unwrap();
        let grant: DayKeyGrant = serde_json::from_value(row["grant"].clone()).unwrap();
        let day = daykeys::day_key(&secret, probe, &grant).unwrap();
        is_key(&day, KeyId { probe, day: Some(grant.number) }, &unhex(&text(row, "day_key")));
        let request = daykeys::request_key(&secret, probe).unwrap();
        is_key(&request, KeyId { probe, day: None }, &unhex(&text(row, "request_key")));
    }
}

fn refusal<C: Claims>(token: &str, kid: KeyId, key: &SigningKey, collector: CollectorId, at: Timestamp) -> Value {
    match signing::verify::<C>(token, kid, key, collector, at) {
        Ok(_) => Value::Null,
        Err(error) => Value::from(error.refusal().as_str()),
    }
}

#[test]
fn tokens_are_taken_and_refused_as_documented() {
    let file = vector("tokens");
    let secret = SecretBytes::new(unhex(&text(&file, "secret")));
    let probe: ProbeId = text(&file, "probe").parse().unwrap();
    let collector: CollectorId = text(&file, "collector").parse().unwrap();
    let grant = DayKeyGrant {
        number: 1,
        nonce: text(&file, "nonce"),
        not_before: Timestamp::default(),
        not_after: Timestamp::default(),
    };
    let day_key = daykeys::day_key(&secret, probe, &grant).unwrap();
    let request_key = daykeys::request_key(&secret, probe).unwrap();
    for row in file["tokens"].as_array().unwrap() {
        let at = Timestamp::from_seconds(row["at"].as_i64().unwrap());
        let found = match row["type"].as_str().unwrap() {
            "batch" => {
                let kid = KeyId { probe, day: Some(1) };
                refusal::<BatchClaims>(&text(row, "token"), kid, &day_key, collector, at)
            }
            _ => {
                let kid = KeyId { probe, day: None };
                refusal::<RequestClaims>(&text(row, "token"), kid, &request_key, collector, at)
            }
        };
        assert_eq!(found, row["refused"], "{}", row["name"]);
    }
    survives::<BatchClaims>(file["batch_claims"].clone());
    survives::<RequestClaims>(file["request_claims"].clone());
}

#[test]
fn a_body_is_hashed_as_sent() {
    for row in vector("bodies").as_array().unwrap() {
        assert_eq!(signing::body_hash(text(row, "body").as_bytes()), text(row, "bh"));
    }
    let body = serde_json::to_vec(&vector("batch")).unwrap();
    assert!(serde_json::from_slice::<Batch>(&body).is_ok());
}

#[test]
fn enrolment_tokens_read_as_their_form_says() {
    for row in vector("enrolment").as_array().unwrap() {
        let token: EnrolmentToken = text(row, "token").parse().unwrap();
        let form = &row["form"];
        assert_eq!(token.probe.to_string(), text(form, "probe"));
        assert_eq!(token.collector.to_string(), text(form, "collector"));
        assert_eq!(token.secret.expose(), &(0..32).collect::<Vec<u8>>());
        assert_eq!(token.url.as_deref(), form["url"].as_str());
        assert_eq!(token.pin.as_deref(), form["pin"].as_str());
        let again: EnrolmentToken = token.to_text().expose().parse().unwrap();
        assert_eq!((again.probe, again.secret), (token.probe, token.secret));
    }
}

#[test]
fn slots_lie_where_the_hash_puts_them() {
    for row in vector("phases").as_array().unwrap() {
        let monitor: MonitorId = text(row, "monitor").parse().unwrap();
        let region: Region = text(row, "region").parse().unwrap();
        let interval = Duration::from_secs(row["interval_s"].as_u64().unwrap());
        assert_eq!(Value::from(phase_us(monitor, &region, interval)), row["phase_us"], "{row}");
    }
}

#[test]
fn batches_receipts_and_assignments_keep_their_form() {
    survives::<Batch>(vector("batch"));
    survives::<Receipt>(vector("receipt"));
    survives::<Assignments>(vector("assignments"));
}

#[test]
fn what_a_newer_probe_sends_is_read_and_what_is_unknown_becomes_other() {
    let batch: Batch = serde_json::from_value(vector("batch_of_a_newer_probe")).unwrap();
    let outcome = &batch.outcomes[0];
    assert_eq!((outcome.trigger, outcome.status), (Trigger::Other, Status::Other));
    assert_eq!(outcome.failure.as_ref().map(|failure| failure.kind), Some(FailureKind::Other));
    assert_eq!(outcome.self_check, SelfCheck::Unverified);
    assert_eq!(batch.missed[0].reason, GapReason::Other);
    assert_eq!(batch.report.kinds, [Kind::Http, Kind::Other]);
}

#[test]
fn what_a_newer_collector_sends_is_read_and_what_is_unknown_becomes_other() {
    let assignments: Assignments = serde_json::from_value(vector("assignments_of_a_newer_collector")).unwrap();
    assert_eq!(assignments.monitors[0].check, CheckSpec::Other);
    let receipt: Receipt = serde_json::from_value(vector("receipt_of_a_newer_collector")).unwrap();
    assert_eq!(receipt.rejected[0].reason, RejectReason::Other);
}

#[test]
fn manual_checks_keep_their_form_and_what_is_unknown_becomes_other() {
    let file = vector("manual");
    survives::<Assignments>(file["assignments"].clone());
    survives::<ManualAnswer>(file["answer"].clone());
    for receipt in file["receipts"].as_array().unwrap() {
        survives::<ManualReceipt>(receipt.clone());
    }
    let check: ManualCheck = serde_json::from_value(file["later"]["check"].clone()).unwrap();
    assert_eq!(check.check, CheckSpec::Other);
    let answer: ManualAnswer = serde_json::from_value(file["later"]["answer"].clone()).unwrap();
    assert_eq!(answer.outcome.status, Status::Other);
    let receipt: ManualReceipt = serde_json::from_value(file["later"]["receipt"].clone()).unwrap();
    assert_eq!(receipt.rejected, Some(ManualReject::Other));
}
