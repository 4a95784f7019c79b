//! Delivery: [`Courier`] is the pure rule of what goes when, [`post`] sends one batch and says what the answer means.
//!
//! At most one batch in flight plus one; while the collector is away one at a time, with full jitter, for ever. After
//! an outage of more than five minutes nothing is sent before a small request has shown that the collector is back;
//! then the newest batch goes first, and after it the oldest.

use std::collections::VecDeque;
use std::time::Duration;

use picket_shared::batch::{GapReason, MAX_AGE, Receipt};
use picket_shared::retry::RetryPolicy;
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use crate::link::{Answer, Frozen, Link, LinkError, Stop};

/// A longer time without success is an outage.
pub const OUTAGE: Duration = Duration::from_secs(300);
/// A batch that was cut so far ahead of the collector's clock is refused.
const AHEAD: Duration = Duration::from_secs(2);
/// Most batches in flight.
const IN_FLIGHT: usize = 2;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this batch.
    Send(Frozen),
    /// Cut this batch anew: it is from a time that is still to come, as the collector's clock was set back.
    CutAnew(Frozen),
    /// Ask for keys: shows whether the collector is back.
    AskKeys,
    /// Cut a batch of the newest outcomes, now.
    CutNewest,
    /// A batch may be cut and sent when it is due.
    Ready,
    /// Nothing before this time, or before an answer comes.
    Wait(Option<Timestamp>),
}

/// What became of a batch, or of asking for keys.
#[derive(Debug)]
pub enum Verdict {
    /// Stored.
    Delivered(Receipt),
    /// Try again, not before the time asked for.
    Retry {
        /// Asked for by the collector.
        after: Option<Duration>,
        /// For the log.
        why: String,
    },
    /// Send it in halves; where it cannot be halved, never again if the collector itself said so.
    TooLarge {
        /// For the log.
        why: String,
        /// Whether it was the collector, and not something in between.
        by_collector: bool,
    },
    /// Never send it again.
    Refused {
        /// What its slots are missed for.
        reason: GapReason,
        /// For the log.
        why: String,
    },
    /// The probe must end.
    Stop(Stop),
}

/// Which batch goes when. Pure: time and randomness are arguments.
#[derive(Debug)]
pub struct Courier {
    waiting: VecDeque<Frozen>,
    in_flight: Vec<Frozen>,
    asking: bool,
    failures: u32,
    failing_since: Option<Timestamp>,
    not_before: Option<Timestamp>,
    newest_first: bool,
}

impl Default for Courier {
    fn default() -> Self {
        Self::new()
    }
}

impl Courier {
    /// With nothing to send.
    pub const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            asking: false,
            failures: 0,
            failing_since: None,
            not_before: None,
            newest_first: false,
        }
    }

    /// What to do at `now`. A batch that it gives to send is in flight until [`Courier::landed`].
    pub fn next(&mut self, now: Timestamp) -> Step {
        let most = if self.failures > 0 { 1 } else { IN_FLIGHT };
        if self.asking || self.in_flight.len() >= most {
            return Step::Wait(None);
        }
        if let Some(time) = self.not_before.filter(|time| now < *time) {
            return Step::Wait(Some(time));
        }
        if self.failing_since.is_some_and(|since| now.since(since) > OUTAGE) {
            self.asking = true;
            return Step::AskKeys;
        }
        if std::mem::take(&mut self.newest_first) {
            return Step::CutNewest;
        }
        match self.waiting.pop_front() {
            Some(frozen) if frozen.id.cut_at().is_some_and(|cut| cut.since(now) > AHEAD) => Step::CutAnew(frozen),
            Some(frozen) => {
                self.in_flight.push(frozen.clone());
                Step::Send(frozen)
            }
            None => Step::Ready,
        }
    }

    /// The collector's clock was set back to `now`: nothing waits for a time that was to come soon.
    pub fn set_back(&mut self, now: Timestamp) {
        self.not_before = self.not_before.filter(|time| *time <= now);
        self.failing_since = self.failing_since.map(|since| since.min(now));
    }

    /// Takes a batch that is to be sent after those that wait.
    pub fn add(&mut self, frozen: Frozen) {
        self.waiting.push_back(frozen);
    }

    /// Takes a batch that is to be sent before those that wait.
    pub fn add_first(&mut self, frozen: Frozen) {
        self.waiting.push_front(frozen);
    }

    /// A batch has landed, for good or not: gives it back unless it will be tried again.
    pub fn landed(&mut self, frozen: &Frozen, verdict: &Verdict, now: Timestamp, random: f64) -> Option<Frozen> {
        let index = self.in_flight.iter().position(|flying| flying.id == frozen.id)?;
        let frozen = self.in_flight.swap_remove(index);
        match verdict {
            Verdict::Retry { after, .. } if !is_too_old(&frozen, now) => {
                self.failed(*after, now, random);
                let place = self.waiting.partition_point(|waiting| waiting.seq < frozen.seq);
                self.waiting.insert(place, frozen);
                None
            }
            Verdict::Retry { after, .. } => {
                self.failed(*after, now, random);
                Some(frozen)
            }
            _ => {
                self.succeeded();
                Some(frozen)
            }
        }
    }

    /// Asking for keys brought an answer or not; after one, the newest batch goes first.
    pub fn asked(&mut self, reached: bool, after: Option<Duration>, now: Timestamp, random: f64) {
        self.asking = false;
        if reached {
            self.succeeded();
            self.newest_first = true;
        } else {
            self.failed(after, now, random);
        }
    }

    /// The earliest slot in any batch that is not delivered.
    pub fn earliest_slot(&self) -> Option<Timestamp> {
        self.in_flight.iter().chain(&self.waiting).filter_map(|frozen| frozen.earliest_slot).min()
    }

    /// Bytes of all batches that are not delivered.
    pub fn bytes(&self) -> usize {
        self.in_flight.iter().chain(&self.waiting).map(|frozen| frozen.body.len()).sum()
    }

    /// Whether every batch is delivered.
    pub fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }

    /// How many tries have failed since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn failed(&mut self, after: Option<Duration>, now: Timestamp, random: f64) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        self.not_before = Some(now + RetryPolicy::PROBE.delay(self.failures, after, random));
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.failing_since = None;
        self.not_before = None;
    }
}

fn is_too_old(frozen: &Frozen, now: Timestamp) -> bool {
    frozen.id.cut_at().is_some_and(|cut| now.since(cut) > MAX_AGE)
}

/// What an errand asks the collector for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For day keys.
    Keys,
    /// To take the batch.
    Batch,
}

/// What follows from an answer.
#[derive(Debug)]
pub enum Next {
    /// Ask for this.
    Ask(Ask),
    /// The errand is over.
    Done(Verdict),
}

/// The way of one batch to the collector: what is asked for, one after the other, anew with fresh keys if the collector
/// does not accept the one used. Pure; [`post`] runs it.
#[derive(Clone, Copy, Debug)]
pub struct Errand {
    refreshed: bool,
    early: bool,
}

impl Errand {
    /// An errand, and what it asks for first: keys where they are wanted.
    pub const fn start(wants_keys: bool) -> (Self, Ask) {
        (Self { refreshed: false, early: wants_keys }, if wants_keys { Ask::Keys } else { Ask::Batch })
    }

    /// Keys came, or did not.
    pub fn keys(&mut self, answer: Result<(), LinkError>) -> Next {
        // The key in use may hold for another hour, so keys asked for early need not come; without any key the send
        // that follows says so.
        if std::mem::take(&mut self.early) {
            return Next::Ask(Ask::Batch);
        }
        answer.map_or_else(|error| Next::Done(failed(error)), |()| Next::Ask(Ask::Batch))
    }

    /// The collector answered the batch, or did not.
    pub fn batch(&mut self, answer: Result<Answer, LinkError>, frozen: &Frozen) -> Next {
        match answer {
            Ok(answer)
                if !self.refreshed && matches!(answer.code(), Some(RefusalCode::UnknownKey | RefusalCode::Expired)) =>
            {
                self.refreshed = true;
                Next::Ask(Ask::Keys)
            }
            Ok(answer) => Next::Done(judge(answer, frozen)),
            Err(error) => Next::Done(failed(error)),
        }
    }
}

fn failed(error: LinkError) -> Verdict {
    match error {
        LinkError::Stop(stop) => Verdict::Stop(stop),
        error => Verdict::Retry { after: error.retry_after(), why: error.to_string() },
    }
}

/// Sends a batch once and reads the answer.
pub async fn post(link: &Link, frozen: &Frozen) -> Verdict {
    let (mut errand, mut ask) = Errand::start(link.signer().wants_keys(link.clock().signing_time()));
    loop {
        let next = match ask {
            Ask::Keys => errand.keys(link.refresh_keys().await),
            Ask::Batch => errand.batch(link.post_batch(frozen).await, frozen),
        };
        match next {
            Next::Ask(next) => ask = next,
            Next::Done(verdict) => return verdict,
        }
    }
}

/// Asks for keys, to see whether the collector is back; `Err` carries what it asked to wait, or why to end.
///
/// # Errors
/// When it is not.
pub async fn ask_keys(link: &Link) -> Result<(), LinkError> {
    link.refresh_keys().await
}

/// What an answer to a batch means. Only the collector's own word makes a batch be given up: an answer that is not
/// Picket's comes from something in between, and may be another next time.
fn judge(answer: Answer, frozen: &Frozen) -> Verdict {
    if let Some(stop) = answer.stop() {
        return Verdict::Stop(stop);
    }
    let why = format!("the collector answered {}: {}", answer.status, answer.message());
    let retry = Verdict::Retry { after: answer.retry_after, why: why.clone() };
    if answer.is_success() {
        return match serde_json::from_slice::<Receipt>(&answer.body) {
            Ok(receipt) if receipt.batch == frozen.id => Verdict::Delivered(receipt),
            _ => Verdict::Retry { after: None, why: "the receipt cannot be read, or is for another batch".to_owned() },
        };
    }
    match (answer.status, answer.code()) {
        (413, code) => Verdict::TooLarge { why, by_collector: code.is_some() },
        (_, Some(RefusalCode::TooOld)) => Verdict::Refused { reason: GapReason::TooOld, why },
        (400 | 409 | 415 | 422, Some(_)) => Verdict::Refused { reason: GapReason::Other, why },
        _ => retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use picket_shared::ids::BatchId;

    const START: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn frozen(seq: u64) -> Frozen {
        let id = BatchId::at(START);
        Frozen { id, seq, body: Bytes::from_static(b"body"), hash: String::new(), earliest_slot: Some(START) }
    }

    fn delivered(frozen: &Frozen) -> Verdict {
        Verdict::Delivered(Receipt { batch: frozen.id, accepted: 0, rejected: Vec::new() })
    }

    fn away(after: Option<u64>) -> Verdict {
        Verdict::Retry { after: after.map(Duration::from_secs), why: String::new() }
    }

    #[test]
    fn one_in_flight_plus_one() {
        let mut courier = Courier::new();
        (1..=3).for_each(|seq| courier.add(frozen(seq)));
        assert!(matches!(courier.next(START), Step::Send(batch) if batch.seq == 1));
        assert!(matches!(courier.next(START), Step::Send(batch) if batch.seq == 2));
        assert_eq!(courier.next(START), Step::Wait(None));
    }

    #[test]
    fn a_batch_that_failed_comes_again_unchanged_and_not_before_its_time() {
        let mut courier = Courier::new();
        let batch = frozen(1);
        courier.add(batch.clone());
        assert_eq!(courier.next(START), Step::Send(batch.clone()));
        assert_eq!(courier.landed(&batch, &away(Some(8)), START, 0.5), None);
        assert_eq!(courier.next(START), Step::Wait(Some(START + Duration::from_secs(9))));
        assert_eq!(courier.earliest_slot(), Some(START));
        assert_eq!(courier.next(START + Duration::from_secs(9)), Step::Send(batch.clone()));
        assert_eq!(courier.landed(&batch, &delivered(&batch), START, 0.5), Some(batch));
        assert!(courier.is_empty() && courier.failures() == 0);
        assert_eq!(courier.next(START), Step::Ready);
    }

    #[test]
    fn after_an_outage_the_newest_goes_first_then_the_oldest() {
        let mut courier = Courier::new();
        let (old, new) = (frozen(1), frozen(2));
        courier.add(old.clone());
        courier.next(START);
        courier.landed(&old, &away(None), START, 1.0);
        let later = START + OUTAGE + Duration::from_secs(60);
        assert_eq!(courier.next(later), Step::AskKeys);
        assert_eq!(courier.next(later), Step::Wait(None));
        courier.asked(false, None, later, 1.0);
        let later = later + Duration::from_secs(60);
        assert_eq!(courier.next(later), Step::AskKeys);
        courier.asked(true, None, later, 1.0);
        assert_eq!(courier.next(later), Step::CutNewest);
        courier.add_first(new.clone());
        assert_eq!(courier.next(later), Step::Send(new));
        assert_eq!(courier.next(later), Step::Send(old));
    }

    #[test]
    fn a_batch_of_three_days_ago_is_given_up_instead_of_tried_again() {
        let mut courier = Courier::new();
        courier.add(frozen(1));
        courier.next(START);
        let later = START + MAX_AGE + Duration::from_secs(1);
        assert_eq!(courier.landed(&frozen_as(&courier), &away(None), later, 0.5).map(|batch| batch.seq), Some(1));
    }

    fn frozen_as(courier: &Courier) -> Frozen {
        courier.in_flight[0].clone()
    }

    #[test]
    fn only_the_collectors_own_word_gives_a_batch_up() {
        let answer = |status, code: Option<RefusalCode>| Answer {
            status,
            body: Vec::new(),
            refusal: code.map(|error| picket_shared::wire::Refusal { error, message: String::new(), time: START }),
            retry_after: None,
        };
        let verdict = |status, code| judge(answer(status, code), &frozen(1));
        assert!(matches!(
            verdict(400, Some(RefusalCode::Malformed)),
            Verdict::Refused { reason: GapReason::Other, .. }
        ));
        assert!(matches!(verdict(422, Some(RefusalCode::TooOld)), Verdict::Refused { reason: GapReason::TooOld, .. }));
        assert!(matches!(verdict(409, Some(RefusalCode::BatchConflict)), Verdict::Refused { .. }));
        assert!(matches!(verdict(409, Some(RefusalCode::Superseded)), Verdict::Stop(Stop::Superseded)));
        assert!(matches!(verdict(403, Some(RefusalCode::Revoked)), Verdict::Stop(Stop::Revoked)));
        assert!(matches!(verdict(413, None), Verdict::TooLarge { by_collector: false, .. }));
        for (status, code) in
            [(400, None), (403, None), (404, None), (200, None), (503, Some(RefusalCode::Unavailable))]
        {
            assert!(matches!(verdict(status, code), Verdict::Retry { .. }), "{status}");
        }
    }

    mod line {
        use super::*;
        use crate::link::testing::{Reply, TestCollector};
        use picket_shared::batch::{Batch, Report};
        use picket_shared::wire::BATCHES_PATH;

        fn real(link: &Link) -> Frozen {
            let now = link.clock().now();
            let batch =
                Batch { from: None, through: now, outcomes: Vec::new(), missed: Vec::new(), report: Report::default() };
            let body = Bytes::from(zstd::bulk::compress(&serde_json::to_vec(&batch).unwrap(), 3).unwrap());
            let hash = picket_shared::signing::body_hash(&body);
            Frozen { id: BatchId::at(now), seq: 1, body, hash, earliest_slot: None }
        }

        #[tokio::test]
        async fn a_batch_fetches_keys_if_it_has_none_and_is_delivered() {
            let collector = TestCollector::start().await;
            let link = collector.link();
            let batch = real(&link);
            assert!(matches!(post(&link, &batch).await, Verdict::Delivered(receipt) if receipt.batch == batch.id));
            let (claims, _) = collector.seen(BATCHES_PATH)[0].batch.clone().unwrap();
            assert_eq!((claims.jti, claims.seq, claims.bh), (batch.id, 1, batch.hash));
        }

        #[tokio::test]
        async fn after_a_lost_answer_the_same_bytes_and_the_same_id_come_again() {
            let collector = TestCollector::start().await;
            let link = collector.link();
            let batch = real(&link);
            collector.script(BATCHES_PATH, Reply::Lose);
            assert!(matches!(post(&link, &batch).await, Verdict::Retry { after: None, .. }));
            assert!(matches!(post(&link, &batch).await, Verdict::Delivered(_)));
            let seen = collector.seen(BATCHES_PATH);
            assert!(seen.len() >= 2 && seen.iter().all(|seen| seen.body == batch.body));
            let ids: Vec<_> = seen.iter().map(|seen| seen.batch.clone().unwrap().0.jti).collect();
            assert!(ids.iter().all(|id| *id == batch.id));
        }

        #[tokio::test]
        async fn retry_after_is_read_and_foreign_answers_are_tried_again() {
            let collector = TestCollector::start().await;
            let link = collector.link();
            let batch = real(&link);
            collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::Unavailable, Some(7)));
            collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::RateLimited, Some(2)));
            collector.script(BATCHES_PATH, Reply::Foreign(502));
            for expected in [Some(7), Some(2), None] {
                let verdict = post(&link, &batch).await;
                assert!(matches!(verdict, Verdict::Retry { after, .. } if after == expected.map(Duration::from_secs)));
            }
        }

        #[tokio::test]
        async fn a_key_that_is_not_accepted_any_more_is_replaced_within_the_same_send() {
            let collector = TestCollector::start().await;
            let link = collector.link();
            link.refresh_keys().await.unwrap();
            collector.change_keys();
            let batch = real(&link);
            assert!(matches!(post(&link, &batch).await, Verdict::Delivered(_)));
            collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::Expired, None));
            assert!(matches!(post(&link, &batch).await, Verdict::Delivered(_)));
        }

        #[tokio::test]
        async fn skew_is_corrected_and_signed_once_more() {
            let collector = TestCollector::start().await;
            let link = collector.link();
            link.refresh_keys().await.unwrap();
            collector.with(|state| state.ahead_us = 300_000_000);
            let batch = real(&link);
            assert!(matches!(post(&link, &batch).await, Verdict::Delivered(_)));
            assert_eq!(collector.seen(BATCHES_PATH).len(), 2);
        }

        #[tokio::test]
        async fn refusals_for_good_are_told_apart() {
            let collector = TestCollector::start().await;
            let link = collector.link();
            let batch = real(&link);
            let scripted =
                [RefusalCode::TooLarge, RefusalCode::Malformed, RefusalCode::Revoked, RefusalCode::Superseded];
            scripted.iter().for_each(|code| collector.script(BATCHES_PATH, Reply::Refuse(*code, None)));
            assert!(matches!(post(&link, &batch).await, Verdict::TooLarge { by_collector: true, .. }));
            assert!(matches!(post(&link, &batch).await, Verdict::Refused { .. }));
            assert!(matches!(post(&link, &batch).await, Verdict::Stop(Stop::Revoked)));
            assert!(matches!(post(&link, &batch).await, Verdict::Stop(Stop::Superseded)));
        }
    }
}
