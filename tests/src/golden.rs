//! A probe of long ago: its requests as they were recorded once, and how they are sent again to a collector of today.
//!
//! At a replay these are replaced, as text, and nothing else of a body changes by a byte:
//! - who speaks: probe, collector and key in head and claims of a token, which is signed anew;
//! - the monitors' ids, by those that the collector of today gave;
//! - times, all moved by the same whole number of seconds: the integers of a body that lie in the hours of the recording, the
//!   times of the claims, and the time in a batch's id.
//!
//! Keys are derived here as `docs/wire.md` says, not by the code under test.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_shared::daykeys::DayKeyGrant;
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::signing::body_hash;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::Recorded;
use crate::forger::{self, Answer, compress};

/// Integers of a body that lie so near to the recording are times of it; a certificate's are not.
const HOURS_US: i64 = 6 * 3600 * 1_000_000;

/// What was recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Golden {
    /// Which program, and how it was recorded.
    pub about: String,
    /// What was watched: a name for it, and the monitor's id then.
    pub monitors: BTreeMap<String, String>,
    /// In the order in which they came.
    pub requests: Vec<Recorded>,
}

impl Golden {
    /// Reads a recording of `tests/golden/`.
    pub fn load(name: &str) -> Self {
        let file = file(name);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap()
    }

    /// Writes it there.
    pub fn save(&self, name: &str) {
        let file = file(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, serde_json::to_string_pretty(self).unwrap() + "\n").unwrap();
    }

    /// The same, as a probe would say it that knows more than we do: fields at every level, values of every enumeration, a
    /// kind of check, a header and a claim that nobody knows yet.
    #[must_use]
    pub fn of_tomorrow(mut self) -> Self {
        for (number, request) in self.requests.iter_mut().enumerate() {
            request.headers.insert("picket-of-tomorrow".to_owned(), "7".to_owned());
            request.claims["of_tomorrow"] = json!({ "deep": [1, { "er": true }] });
            request.token_head["of_tomorrow"] = json!(7);
            if !request.body.is_empty() {
                let mut body: Value = serde_json::from_str(&request.body).unwrap();
                add_fields(&mut body, "");
                add_values(&mut body, number);
                request.body = body.to_string();
            }
        }
        self
    }

    /// When the last request was made, in seconds.
    fn ended(&self) -> i64 {
        self.requests.iter().filter_map(|request| request.claims["iat"].as_i64()).max().unwrap()
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name).join("requests.json")
}

fn add_fields(value: &mut Value, name: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| add_fields(item, name)),
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, field)| add_fields(field, name));
            // These two are no records: any name is known in them, and their values have one type.
            let more = match name {
                "evidence" => json!("of tomorrow"),
                "dropped" => json!(7),
                _ => json!({ "deep": [1, null, { "er": true }] }),
            };
            fields.insert("of_tomorrow".to_owned(), more);
        }
        _ => {}
    }
}

fn add_values(body: &mut Value, number: usize) {
    for kinds in ["/kinds", "/report/kinds"] {
        if let Some(Value::Array(kinds)) = body.pointer_mut(kinds) {
            kinds.push(json!("telepathy"));
        }
    }
    for version in ["/version", "/report/version"] {
        if let Some(version) = body.pointer_mut(version) {
            *version = json!("9.9.9");
        }
    }
    let outcomes = body["outcomes"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    // One value an outcome, so that each is seen to do no harm to the rest.
    for (index, outcome) in outcomes.iter_mut().enumerate() {
        match (number + index) % 4 {
            0 if outcome["status"] == "up" => outcome["status"] = json!("sideways"),
            1 => outcome["trigger"] = json!("sunrise"),
            2 => outcome["self_check"] = json!("partly"),
            _ if outcome.get("failure").is_some() => outcome["failure"]["kind"] = json!("quic_timeout"),
            _ => {}
        }
    }
    if let Some(Value::Array(missed)) = body.pointer_mut("/missed") {
        missed.iter_mut().for_each(|missed| missed["reason"] = json!("eclipse"));
    }
}

/// A recording that is being sent to a collector.
#[derive(Debug)]
pub struct Replay {
    address: SocketAddr,
    token: EnrolmentToken,
    ids: Vec<(String, String)>,
    around_us: i64,
    moved_s: i64,
    grant: Option<DayKeyGrant>,
}

impl Replay {
    /// To the collector at `address`, in the name of the probe that `token` enrolled there, as if the recording had ended
    /// now. `monitors` are those of today by the recording's names.
    pub fn new(golden: &Golden, address: SocketAddr, token: &str, monitors: &BTreeMap<String, String>) -> Self {
        let ids = golden.monitors.iter().map(|(name, then)| (then.clone(), monitors[name].clone())).collect();
        let ended = golden.ended();
        let moved_s = forger::now().seconds() - ended;
        Self { address, token: token.parse().unwrap(), ids, around_us: ended * 1_000_000, moved_s, grant: None }
    }

    /// Sends one request as it would have been made now, and keeps the keys that an answer grants.
    #[track_caller]
    pub fn send(&mut self, request: &Recorded) -> Answer {
        let body = if request.body.is_empty() { Vec::new() } else { compress(self.moved(&request.body).as_bytes()) };
        let token = self.sign(request, &body);
        let answer = forger::send_as_recorded(self.address, request, &token, &body);
        for keys in ["/keys/keys", "/keys"] {
            if let Some(keys) = answer.body.pointer(keys).filter(|keys| keys.is_array()) {
                let keys: Vec<DayKeyGrant> = serde_json::from_value(keys.clone()).unwrap();
                self.grant = keys.into_iter().max_by_key(|key| (key.signs_at(forger::now()), key.number));
            }
        }
        answer
    }

    /// The text with the ids and times of today.
    pub fn moved(&self, text: &str) -> String {
        let with_ids = self.ids.iter().fold(text.to_owned(), |text, (then, now)| text.replace(then, now));
        let mut moved = String::with_capacity(with_ids.len());
        let mut rest = with_ids.as_str();
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let length = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
            let digits = &rest[start..start + length];
            moved.push_str(&rest[..start]);
            match digits.parse::<i64>() {
                Ok(time) if time.abs_diff(self.around_us) < HOURS_US.unsigned_abs() => {
                    moved.push_str(&(time + self.moved_s * 1_000_000).to_string());
                }
                _ => moved.push_str(digits),
            }
            rest = &rest[start + length..];
        }
        moved + rest
    }

    /// A time of the recording as a time of now.
    pub fn time(&self, then: Timestamp) -> Timestamp {
        then.shifted(self.moved_s * 1_000_000)
    }

    fn sign(&self, request: &Recorded, body: &[u8]) -> String {
        let (mut head, mut claims) = (request.token_head.clone(), request.claims.clone());
        let is_batch = head["typ"] == "probe-batch+jwt";
        let name = if is_batch { self.grant.as_ref().unwrap().number.to_string() } else { "r".to_owned() };
        head["kid"] = json!(format!("{}.{name}", self.token.probe));
        for party in ["iss", "sub"] {
            claims[party] = json!(self.token.probe);
        }
        claims["aud"] = json!(self.token.collector);
        claims["bh"] = json!(body_hash(body));
        for time in ["iat", "nbf", "exp"] {
            claims[time] = json!(claims[time].as_i64().unwrap() + self.moved_s);
        }
        if is_batch {
            claims["jti"] = json!(self.moved_id(claims["jti"].as_str().unwrap()));
        }
        let salt = match &self.grant {
            Some(grant) if is_batch => unhex(&grant.nonce),
            _ => b"picket probe-request v1".to_vec(),
        };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key(&salt, &name)), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// A UUIDv7: its first 48 bits are milliseconds, the others stay.
    fn moved_id(&self, id: &str) -> Uuid {
        let id = id.parse::<Uuid>().unwrap().as_u128();
        let millis = i64::try_from(id >> 80).unwrap() + self.moved_s * 1000;
        Uuid::from_u128((u128::try_from(millis).unwrap() << 80) | (id & ((1 << 80) - 1)))
    }

    fn key(&self, salt: &[u8], name: &str) -> [u8; 32] {
        let probe = self.token.probe.to_string();
        let lengths = [&probe, name].map(|part| u16::try_from(part.len()).unwrap().to_be_bytes());
        let info = [&lengths[0][..], probe.as_bytes(), &lengths[1][..], name.as_bytes()].concat();
        let mut key = [0; 32];
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(self.token.secret.expose());
        extracted.expand(&[&info], hkdf::HKDF_SHA256).unwrap().fill(&mut key).unwrap();
        key
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
