//! What went over the wire, as an independent witness: every batch that a probe sent, and every receipt that the
//! collector gave for it. The product's own tables are compared with it afterwards ([`crate::audit`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use picket_shared::time::{Clock, Stopwatch, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

/// The ledger of one world; all its recorders write into the same.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pages: Mutex<Pages>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pages {
    sendings: Vec<Sending>,
    statuses: BTreeMap<(String, u16), u32>,
}

/// One try to deliver a batch, as the recorder saw it.
#[derive(Clone, Debug)]
pub struct Sending {
    /// From which region it came.
    pub region: String,
    /// Which batch.
    pub batch: Uuid,
    /// Which start of the probe.
    pub boot: Uuid,
    /// Its number in that start.
    pub seq: u64,
    /// What it held.
    pub body: Body,
    /// When it was handed to the collector.
    pub at: Timestamp,
    /// What became of it.
    pub end: End,
}

/// What became of a try.
#[derive(Clone, Debug)]
pub enum End {
    /// The collector has it and has not answered.
    Open,
    /// There was no answer.
    Lost,
    /// It was answered with this status; with a receipt if it was a success.
    Answered(u16, Option<Receipt>),
}

/// What a batch holds, as far as it must be accounted for.
#[derive(Clone, Debug, Deserialize)]
pub struct Body {
    /// Up to where the probe says that all slots are told.
    pub through: i64,
    /// What was found.
    pub outcomes: Vec<Outcome>,
    /// Slots without an outcome.
    pub missed: Vec<Missed>,
}

/// One outcome, as far as it must be accounted for.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of docs/wire.md")]
pub struct Outcome {
    pub monitor: Uuid,
    pub trigger: String,
    pub at: i64,
    pub status: String,
}

/// A range of slots that a probe says it missed.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of docs/wire.md")]
pub struct Missed {
    pub monitor: Uuid,
    pub from: i64,
    pub to: i64,
    pub reason: String,
}

/// The collector's word that a batch is stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields of docs/wire.md")]
pub struct Receipt {
    pub batch: Uuid,
    pub accepted: usize,
    pub rejected: Vec<Rejected>,
}

/// An outcome that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields of docs/wire.md")]
pub struct Rejected {
    pub index: usize,
    pub reason: String,
}

#[derive(Deserialize)]
struct Claims {
    jti: Uuid,
    boot: Uuid,
    seq: u64,
}

/// A try that is under way; dropped without an answer it is lost.
#[derive(Debug)]
pub struct Flight {
    ledger: Ledger,
    index: usize,
}

impl Ledger {
    /// Writes down that a batch is handed to the collector; `None` if it cannot be read as one.
    pub fn sends(&self, region: &str, token: &str, body: &[u8]) -> Option<Flight> {
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let body: Body = serde_json::from_slice(&zstd::decode_all(body).ok()?).ok()?;
        let sending = Sending {
            region: region.to_owned(),
            batch: claims.jti,
            boot: claims.boot,
            seq: claims.seq,
            body,
            at: Clock::system().now(),
            end: End::Open,
        };
        let mut pages = self.0.pages.lock().unwrap();
        pages.sendings.push(sending);
        self.0.changed.notify_all();
        Some(Flight { ledger: self.clone(), index: pages.sendings.len() - 1 })
    }

    /// Writes down how a request was answered.
    pub fn answered(&self, path: &str, status: u16) {
        *self.0.pages.lock().unwrap().statuses.entry((path.to_owned(), status)).or_default() += 1;
    }

    /// How often each path was answered with each status but these.
    pub fn statuses_but(&self, expected: &[u16]) -> BTreeMap<(String, u16), u32> {
        let mut statuses = self.0.pages.lock().unwrap().statuses.clone();
        statuses.retain(|(_, status), _| !expected.contains(status));
        statuses
    }

    /// Every try so far, in the order in which they were handed over.
    pub fn sendings(&self) -> Vec<Sending> {
        self.0.pages.lock().unwrap().sendings.clone()
    }

    /// How many tries there were so far.
    pub fn len(&self) -> usize {
        self.0.pages.lock().unwrap().sendings.len()
    }

    /// Whether nothing was sent yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the collector has a batch with outcomes that was not there before, and has not answered it; gives its
    /// index among [`Ledger::sendings`].
    #[track_caller]
    pub fn until_in_flight(&self, limit: Duration) -> usize {
        let seen = self.len();
        let watch = Stopwatch::start();
        let mut pages = self.0.pages.lock().unwrap();
        loop {
            let fresh = pages.sendings.iter().enumerate().skip(seen);
            let open = fresh.rev().find(|(_, s)| matches!(s.end, End::Open) && !s.body.outcomes.is_empty());
            if let Some((index, _)) = open {
                return index;
            }
            assert!(watch.elapsed() < limit, "no batch was sent within {limit:?}");
            (pages, _) = self.0.changed.wait_timeout(pages, Duration::from_millis(100)).unwrap();
        }
    }

    /// Whether each of these regions has had a receipt for a batch that was handed over after `since`.
    ///
    /// # Errors
    /// The regions that have not.
    pub fn acknowledged_since(&self, since: Timestamp, regions: &[&str]) -> Result<(), Vec<String>> {
        let pages = self.0.pages.lock().unwrap();
        let has = |region: &&&str| {
            let mut mine = pages.sendings.iter().filter(|s| s.region == **region && s.at > since);
            mine.any(|s| s.receipt().is_some())
        };
        let wanting: Vec<String> = regions.iter().filter(|region| !has(region)).map(ToString::to_string).collect();
        if wanting.is_empty() { Ok(()) } else { Err(wanting) }
    }
}

impl Sending {
    /// The receipt that was given for it.
    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.end {
            End::Answered(_, receipt) => receipt.as_ref(),
            End::Open | End::Lost => None,
        }
    }

    /// The outcomes that its receipt says are stored.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Outcome> {
        let receipt = self.receipt();
        let taken = move |index: &usize| {
            receipt.is_some_and(|receipt| !receipt.rejected.iter().any(|rejected| rejected.index == *index))
        };
        self.body.outcomes.iter().enumerate().filter(move |(index, _)| taken(index)).map(|(_, outcome)| outcome)
    }
}

impl Flight {
    /// Writes down the answer.
    pub fn lands(self, status: u16, body: &[u8]) {
        let receipt = if status == 200 { serde_json::from_slice(body).ok() } else { None };
        self.ledger.0.pages.lock().unwrap().sendings[self.index].end = End::Answered(status, receipt);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut pages = self.ledger.0.pages.lock().unwrap();
        let end = &mut pages.sendings[self.index].end;
        if matches!(end, End::Open) {
            *end = End::Lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(batch: Uuid) -> String {
        let claims = serde_json::json!({ "jti": batch, "boot": Uuid::nil(), "seq": 3, "iss": "x" });
        format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn body(monitor: Uuid) -> Vec<u8> {
        let outcome =
            |at: i64| serde_json::json!({ "monitor": monitor, "trigger": "scheduled", "at": at, "status": "up" });
        let body =
            serde_json::json!({ "through": 9, "outcomes": [outcome(1), outcome(2)], "missed": [], "report": {} });
        zstd::encode_all(body.to_string().as_bytes(), 3).unwrap()
    }

    #[test]
    fn a_ledger_keeps_what_was_sent_and_what_was_acknowledged() {
        let (ledger, monitor) = (Ledger::default(), Uuid::from_u128(7));
        let [stored, lost] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let flight = ledger.sends("eu", &token(stored), &body(monitor)).unwrap();
        assert!(matches!(ledger.sendings()[0].end, End::Open));
        let rejected = serde_json::json!([{ "index": 0, "reason": "too_old" }]);
        let receipt = serde_json::json!({ "batch": stored, "accepted": 1, "rejected": rejected });
        flight.lands(200, receipt.to_string().as_bytes());
        drop(ledger.sends("eu", &token(lost), &body(monitor)).unwrap());
        let sendings = ledger.sendings();
        assert_eq!(sendings[0].acknowledged().map(|outcome| outcome.at).collect::<Vec<_>>(), [2]);
        assert_eq!((sendings[0].seq, sendings[0].receipt().unwrap().batch), (3, stored));
        assert!(matches!(sendings[1].end, End::Lost));
        assert_eq!(sendings[1].acknowledged().count(), 0);
        assert!(ledger.sends("eu", "no.token", b"").is_none());
        assert_eq!(ledger.acknowledged_since(Timestamp::from_micros(0), &["eu", "ap"]), Err(vec!["ap".to_owned()]));
    }
}
