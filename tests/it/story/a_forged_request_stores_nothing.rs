//! Replayed, changed, foreign, expired, revoked and unsigned requests: each refused as `docs/wire.md` says, and
//! nothing stored.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use picket_shared::daykeys::KeyId;
use picket_shared::ids::{BatchId, MonitorId, ProbeId};
use picket_shared::outcome::{Outcome, Phases, SelfCheck, Status, Trigger};
use picket_shared::signing::BatchClaims;
use picket_shared::time::Timestamp;
use picket_shared::wire;
use picket_tests::forger::{Answer, Forger, compress, now};
use picket_tests::world::World;
use uuid::Uuid;

struct Story {
    world: World,
    forger: Forger,
    other: Forger,
    monitor: MonitorId,
}

impl Story {
    fn begin() -> Self {
        let world = World::local();
        let [own, other] = ["eu", "us-east"].map(|region| world.collector.add_probe(region, &[]).1);
        let monitor = world.collector.monitor("http://192.0.2.1/", "http", &["eu"], &["--name", "shop"]);
        let forger = Forger::enrol(world.collector.address, &own);
        let other = Forger::enrol(world.collector.address, &other);
        let answer = forger.request("GET", &format!("{}?since=0", wire::ASSIGNMENTS_PATH), b"");
        assert_eq!(answer.body["monitors"][0]["monitor"], monitor.as_str(), "{answer:?}");
        Self { world, forger, other, monitor: monitor.parse().unwrap() }
    }

    fn outcome(&self, at: Timestamp) -> Outcome {
        Outcome {
            monitor: self.monitor,
            version: 1,
            trigger: Trigger::Manual,
            at,
            late_us: 0,
            status: Status::Up,
            total_us: 1000,
            phases: Phases::default(),
            address: None,
            code: Some(200),
            failure: None,
            self_check: SelfCheck::Good,
            hops: Vec::new(),
            certificate: None,
            answers: None,
            fold: None,
        }
    }

    /// A body that no other call gives.
    fn body(&self) -> Vec<u8> {
        Forger::batch_body(vec![self.outcome(now())])
    }

    fn stored(&self) -> usize {
        self.world.collector.show(&self.monitor.to_string()).outcomes().len()
    }

    #[track_caller]
    fn refuses(&self, what: &str, answer: &Answer, expected: (u16, &str)) {
        assert_eq!(answer.refusal(), expected, "{what}: {answer:?}");
        assert!(answer.head.contains(wire::TIME_HEADER), "{what}: no time in {}", answer.head);
        assert_eq!(self.stored(), 1, "{what} stored something");
    }
}

#[test]
fn a_forged_request_stores_nothing() {
    let story = Story::begin();
    let body = story.body();
    let claims = story.forger.batch_claims(&body);
    a_replay_gets_the_same_receipt(&story, &claims, &body);
    a_changed_batch_is_refused(&story, &claims, &body);
    a_forged_batch_token_is_refused(&story);
    a_forged_request_token_is_refused(&story);
    an_unreadable_body_is_refused(&story);
    outcomes_of_others_are_rejected_one_by_one(&story);
    a_revoked_probe_is_refused(&story);
}

fn a_replay_gets_the_same_receipt(story: &Story, claims: &BatchClaims, body: &[u8]) {
    let first = story.forger.send_batch(&story.forger.sign_batch(claims), body);
    assert_eq!((first.status, &first.body["accepted"]), (200, &1.into()), "{first:?}");
    assert_eq!(first.body["batch"], claims.jti.to_string(), "{first:?}");
    // Signed anew, as a probe does that got no answer.
    let later = BatchClaims { exp: claims.exp + 1, ..claims.clone() };
    for token in [story.forger.sign_batch(claims), story.forger.sign_batch(&later)] {
        let again = story.forger.send_batch(&token, body);
        assert_eq!((again.status, &again.body), (200, &first.body), "{again:?}");
    }
    assert_eq!(story.stored(), 1);
}

fn a_changed_batch_is_refused(story: &Story, claims: &BatchClaims, body: &[u8]) {
    let forger = &story.forger;
    let token = forger.sign_batch(&forger.batch_claims(body));
    story.refuses("a changed body", &forger.send_batch(&token, &story.body()), (400, "body_mismatch"));
    let other = story.body();
    let same_id = BatchClaims { jti: claims.jti, ..forger.batch_claims(&other) };
    story.refuses("another body", &forger.send_batch(&forger.sign_batch(&same_id), &other), (409, "batch_conflict"));
}

fn a_forged_batch_token_is_refused(story: &Story) {
    let (forger, body) = (&story.forger, story.body());
    let good = || forger.batch_claims(&body);
    let key = forger.batch_key();
    let send = |claims: &BatchClaims, kid: KeyId| forger.send_batch(&forger.sign_batch_as(claims, kid), &body);
    let foreign = KeyId { probe: story.other.token.probe, day: key.day };
    story.refuses("another probe's key id", &send(&good(), foreign), (401, "bad_token"));
    let posing = BatchClaims { iss: foreign.probe, sub: foreign.probe, ..good() };
    story.refuses("another probe's name and key id", &send(&posing, foreign), (401, "bad_token"));
    story.refuses("another probe's name", &send(&posing, key), (401, "bad_token"));
    let unknown = KeyId { day: Some(999), ..key };
    story.refuses("an unknown key", &send(&good(), unknown), (401, "unknown_key"));
    let nobody = KeyId { probe: ProbeId(Uuid::from_u128(7)), ..key };
    story.refuses("an unknown probe", &send(&good(), nobody), (403, "revoked"));
    let seconds = now().seconds();
    let expired = BatchClaims { iat: seconds - 50, nbf: seconds - 50, exp: seconds - 1, ..good() };
    story.refuses("an expired token", &send(&expired, key), (401, "expired"));
    let skewed = BatchClaims { iat: seconds - 120, nbf: seconds - 120, ..good() };
    story.refuses("a skewed clock", &send(&skewed, key), (401, "clock_skew"));
    let old = BatchClaims { jti: BatchId::at(now().shifted(-73 * 3600 * 1_000_000)), ..good() };
    story.refuses("an old batch", &send(&old, key), (422, "too_old"));
    let token = forger.sign_batch(&good());
    story.refuses("no token", &forger.send("POST", wire::BATCHES_PATH, None, &body), (401, "bad_token"));
    for alg in ["none", "None", "HS512", "RS256"] {
        let header = format!(r#"{{"alg":"{alg}","typ":"probe-batch+jwt","kid":"{key}"}}"#);
        let rest = token.split_once('.').unwrap().1;
        let unsigned = format!("{}.{}.", BASE64_URL_SAFE_NO_PAD.encode(&header), rest.split_once('.').unwrap().0);
        let signed = format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(&header));
        story.refuses(alg, &forger.send_batch(&unsigned, &body), (401, "bad_token"));
        story.refuses(alg, &forger.send_batch(&signed, &body), (401, "bad_token"));
    }
}

fn a_forged_request_token_is_refused(story: &Story) {
    let forger = &story.forger;
    let claims = forger.request_claims("GET", wire::KEYS_PATH, b"");
    let token = forger.sign_request(&claims);
    let elsewhere = forger.send("GET", wire::ASSIGNMENTS_PATH, Some(&token), b"");
    story.refuses("a token for another path", &elsewhere, (401, "bad_token"));
    let body = story.body();
    story.refuses("a request's token for a batch", &forger.send_batch(&token, &body), (401, "bad_token"));
}

fn an_unreadable_body_is_refused(story: &Story) {
    let forger = &story.forger;
    for (what, body) in [("no JSON", compress(b"{")), ("no batch", compress(b"[]")), ("no zstd", b"{}".to_vec())] {
        let answer = forger.send_batch(&forger.sign_batch(&forger.batch_claims(&body)), &body);
        story.refuses(what, &answer, (400, "malformed"));
    }
}

fn outcomes_of_others_are_rejected_one_by_one(story: &Story) {
    let body = Forger::batch_body(vec![Outcome { monitor: MonitorId(Uuid::from_u128(8)), ..story.outcome(now()) }]);
    let answer = story.forger.send_batch(&story.forger.sign_batch(&story.forger.batch_claims(&body)), &body);
    assert_eq!((answer.status, &answer.body["accepted"]), (200, &0.into()), "{answer:?}");
    assert_eq!(answer.body["rejected"][0]["reason"], "not_assigned", "{answer:?}");
    // The other probe is of another region: the monitor is not its own.
    let body = story.body();
    let answer = story.other.send_batch(&story.other.sign_batch(&story.other.batch_claims(&body)), &body);
    assert_eq!(answer.body["rejected"][0]["reason"], "not_assigned", "{answer:?}");
    assert_eq!(story.stored(), 1);
}

fn a_revoked_probe_is_refused(story: &Story) {
    let forger = &story.forger;
    story.world.collector.run(&["probe", "revoke", &forger.token.probe.to_string()]);
    // Revocation is effective within a second.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let body = story.body();
    let token = forger.sign_batch(&forger.batch_claims(&body));
    story.refuses("a revoked probe's batch", &forger.send_batch(&token, &body), (403, "revoked"));
    story.refuses("a revoked probe's request", &forger.request("GET", wire::KEYS_PATH, b""), (403, "revoked"));
}
