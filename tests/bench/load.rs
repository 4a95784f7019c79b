//! Probes in our hands that send batches as real ones do.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use picket_shared::batch::Receipt;
use picket_shared::ids::MonitorId;
use picket_shared::outcome::{Failure, FailureKind, Outcome, Phases, SelfCheck, Status, Trigger};
use picket_shared::time::Timestamp;
use picket_tests::collector::Collector;
use picket_tests::forger::Forger;

/// A probe in our hands.
pub(crate) struct Sender {
    forger: Forger,
    sent: u64,
}

impl Sender {
    /// Enrols a probe of this name in a region.
    pub(crate) fn enrol(collector: &Collector, region: &str, name: &str) -> Self {
        let added = collector.json(&["probe", "add", "--region", region, "--network", region, "--eu", "--name", name]);
        Self { forger: Forger::enrol(collector.address, added["token"].as_str().unwrap()), sent: 0 }
    }

    /// Sends one batch of so many outcomes until it is taken.
    pub(crate) fn send(&mut self, body: &[u8], outcomes: usize) {
        self.sent += 1;
        let mut claims = self.forger.batch_claims(body);
        claims.seq = self.sent;
        loop {
            let token = self.forger.sign_batch(&claims);
            let answer = self.forger.send_batch(&token, body);
            match answer.status {
                200 => {
                    let receipt: Receipt = serde_json::from_value(answer.body).unwrap();
                    assert_eq!((receipt.accepted as usize, receipt.rejected), (outcomes, Vec::new()));
                    return;
                }
                // It asks for seconds, which would measure our patience.
                429 | 503 => thread::sleep(Duration::from_millis(100)),
                _ => panic!("the collector refused a batch: {answer:?}"),
            }
        }
    }
}

/// Scatters numbers, so that times do not compress better than real ones.
pub(crate) fn scattered(seed: i64) -> usize {
    let mixed = (seed.cast_unsigned() ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40).unwrap()
}

/// What a check found; slots of monitors do not coincide.
pub(crate) fn outcome(monitor: MonitorId, slot: Timestamp, number: usize, fails: bool) -> Outcome {
    let at = slot.shifted(i64::try_from(number).unwrap() * 500);
    let noise = |part: i64, most: usize| {
        Some(
            u32::try_from(1 + scattered(at.micros() * 8 + part + i64::try_from(number).unwrap() * 977) % most).unwrap(),
        )
    };
    let phases = Phases {
        resolve: noise(1, 3_000),
        connect: noise(2, 20_000),
        tls: noise(3, 40_000),
        send: noise(4, 200),
        wait: noise(5, 60_000),
        receive: noise(6, 1_000),
    };
    let parts = [phases.resolve, phases.connect, phases.tls, phases.send, phases.wait, phases.receive];
    let failure = || Failure::new(FailureKind::HttpStatus, "the server answered with status 503").seen("status", "503");
    Outcome {
        monitor,
        version: 1,
        trigger: Trigger::Scheduled,
        at,
        late_us: noise(7, 2_000).unwrap_or_default(),
        status: if fails { Status::Down } else { Status::Up },
        total_us: parts.iter().flatten().sum(),
        phases,
        address: Some(Ipv4Addr::new(93, 184, 216, 34).into()),
        code: Some(if fails { 503 } else { 200 }),
        failure: fails.then(failure),
        self_check: SelfCheck::Good,
        hops: Vec::new(),
        certificate: None,
        answers: None,
        fold: None,
    }
}
