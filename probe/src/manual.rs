//! What people want checked now: runs each check at once, beside everything that is scheduled, and answers straight
//! away. Nothing waits here longer than somebody waits for it: what comes too late is dropped and counted nowhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use picket_shared::manual::{ManualAnswer, ManualCheck, ManualOutcome, ManualReceipt};
use picket_shared::outcome::{Failure, FailureKind, SelfCheck, Status};
use picket_shared::retry::RetryPolicy;
use picket_shared::time::{Stopwatch, Timestamp};
use picket_shared::wire;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checks::{self, Env, Found};
use crate::link::{Link, LinkError};

/// Most manual checks that run or answer at once.
pub const AT_ONCE: usize = 8;
/// Most that wait for a place; more are not taken in.
pub const WAITING: usize = 64;
/// How much longer than its timeout a check may take before it is given up from outside.
const GRACE: Duration = Duration::from_secs(2);

/// The probe's last judgement of its own network, for an outcome at that address.
pub type OwnNetwork = Arc<dyn Fn(Option<IpAddr>) -> SelfCheck + Send + Sync>;

/// What a manual check needs.
#[derive(Clone)]
pub struct Means {
    /// Where the answer goes.
    pub link: Arc<Link>,
    /// What checks need.
    pub env: Env,
    /// How the probe's own network is.
    pub own_network: OwnNetwork,
}

/// Runs what is asked until `stop`; what runs then is dropped.
pub async fn run(means: Means, mut asked: mpsc::Receiver<ManualCheck>, stop: CancellationToken) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(ended) = running.join_next(), if !running.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!("A manual check broke off by a defect in the probe: {error}");
                }
            }
            check = asked.recv(), if running.len() < AT_ONCE => match check {
                Some(check) => drop(running.spawn(one(means.clone(), check))),
                None => return,
            },
        }
    }
}

async fn one(means: Means, asked: ManualCheck) {
    let at = means.link.clock().now();
    if at >= asked.until {
        return;
    }
    let timeout = asked.timeout().min(asked.until.since(at));
    let clock = Stopwatch::start();
    let check = Box::pin(checks::run(&asked.check, &means.env, timeout));
    let found = tokio::time::timeout(timeout + GRACE, check).await;
    let outcome = match found {
        Ok(found) => {
            let self_check = (means.own_network)(found.address);
            outcome(found, at, self_check)
        }
        Err(_) => overrun(at, clock.elapsed()),
    };
    let answer = ManualAnswer { id: asked.id, outcome: outcome.fitted() };
    Box::pin(deliver(&means.link, &answer, asked.until)).await;
}

/// What a check found, as the outcome of a manual check.
pub fn outcome(found: Found, at: Timestamp, self_check: SelfCheck) -> ManualOutcome {
    ManualOutcome {
        at,
        status: found.status,
        total_us: found.total_us,
        phases: found.phases,
        address: found.address,
        code: found.code,
        failure: found.failure,
        self_check,
        hops: found.hops,
        certificate: found.certificate,
        answers: found.answers,
    }
}

/// A check that does not end in its time is a fault of the probe.
fn overrun(at: Timestamp, after: Duration) -> ManualOutcome {
    ManualOutcome {
        at,
        status: Status::Unmeasured,
        total_us: u32::try_from(after.as_micros()).unwrap_or(u32::MAX),
        phases: picket_shared::outcome::Phases::default(),
        address: None,
        code: None,
        failure: Some(Failure::new(FailureKind::ProbeFault, "the check did not end in its time")),
        self_check: SelfCheck::Unverified,
        hops: Vec::new(),
        certificate: None,
        answers: None,
    }
}

/// Tries until somebody took it, nobody wants it, or it is too late.
async fn deliver(link: &Link, answer: &ManualAnswer, until: Timestamp) {
    let mut failures = 0;
    loop {
        let sent = link.post(wire::MANUAL_PATH, answer).await.and_then(crate::link::Answer::read::<ManualReceipt>);
        let error = match sent {
            Ok(receipt) => {
                if let Some(reason) = receipt.rejected {
                    tracing::debug!(manual.id = %answer.id, "The answer to manual check {} was not taken: {reason:?}", answer.id);
                }
                return;
            }
            // The other stages hear it too, and end the probe.
            Err(LinkError::Stop(_)) => return,
            Err(error) => error,
        };
        failures += 1;
        let delay = RetryPolicy::PROBE.delay(failures, error.retry_after(), fastrand::f64());
        let refused = matches!(error, LinkError::Refused { status: 400..=499, retry_after: None, .. });
        if refused || link.clock().now() + delay >= until {
            tracing::warn!(manual.id = %answer.id, "The answer to manual check {} is dropped: {error}", answer.id);
            return;
        }
        tokio::time::sleep(delay).await;
    }
}
