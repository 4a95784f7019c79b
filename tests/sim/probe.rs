//! A probe in virtual time: the real rota, packer, errands, signer and clock discipline, with the waiting and the
//! sending done by the world.

use std::collections::BTreeMap;
use std::time::Duration;

use picket_probe::checks::Found;
use picket_probe::clock::Discipline;
use picket_probe::link::{Answer, Frozen, LinkError};
use picket_probe::pipeline::packer::Packer;
use picket_probe::runner::rota::Rota;
use picket_probe::schedule::Due;
use picket_probe::ship::{Ask, Errand, Next, Verdict};
use picket_probe::sign::{SignError, Signer};
use picket_shared::daykeys::{DayKeyGrant, KeyId};
use picket_shared::outcome::{Failure, FailureKind, Phases, SelfCheck, Status};
use picket_shared::time::Timestamp;
use picket_shared::wire::{ASSIGNMENTS_PATH, HELLO_PATH, KEYS_PATH, Refusal, RefusalCode};

use super::wire::{Call, Reply, Request, Said, Shelf, Token};

/// A started probe.
pub(crate) struct Process {
    pub(crate) life: u32,
    pub(crate) signer: Signer,
    pub(crate) clock: Discipline,
    /// When it started, in true time, and for how long its clock has stood still since.
    pub(crate) started: i64,
    pub(crate) stood_still: i64,
    pub(crate) stood_until: i64,
    /// The sum of all steps that its clock has made, and what those forwards went over, until the ledger has it.
    pub(crate) steps: i64,
    pub(crate) stepped_over: Vec<(Timestamp, Timestamp)>,
    /// After hello.
    pub(crate) work: Option<Work>,
    pub(crate) calls: BTreeMap<u64, Pending>,
    pub(crate) next_call: u64,
    pub(crate) since: u64,
    pub(crate) poll_failures: u32,
    pub(crate) hello_failures: u32,
    /// The wake-up that counts.
    pub(crate) wake: u64,
}

/// What runs after hello.
pub(crate) struct Work {
    pub(crate) rota: Rota,
    pub(crate) packer: Packer<Shelf>,
    pub(crate) running: BTreeMap<u64, Running>,
    pub(crate) next_check: u64,
}

/// A check that runs.
pub(crate) struct Running {
    pub(crate) due: Due,
    pub(crate) at: Timestamp,
    pub(crate) late: Duration,
    pub(crate) began: i64,
    pub(crate) good: bool,
    pub(crate) self_check: SelfCheck,
}

/// A request that waits for its answer.
pub(crate) struct Pending {
    pub(crate) why: Why,
    /// It was signed once more already.
    pub(crate) again: bool,
    pub(crate) sent: Duration,
}

/// For what a request is made.
#[derive(Clone, Debug)]
pub(crate) enum Why {
    /// Before the first hello: what time it is.
    Time,
    Hello,
    Poll,
    Back,
    Errand(Errand, Ask, Box<Frozen>),
}

/// What an answer leads to.
pub(crate) enum Outcome {
    /// Another request.
    Ask(Why, bool),
    /// A hello that was heard.
    Heard,
    /// A hello or poll that brought nothing: wait so long.
    Failed(Why, Option<Duration>),
    /// Assignments, if there are any.
    Assigned(Option<Box<picket_shared::assignment::Assignments>>),
    /// Whether the collector is back.
    Back(bool, Option<Duration>),
    /// The end of an errand.
    Landed(Box<Frozen>, Verdict),
    /// The probe ends.
    Stop,
}

impl Process {
    pub(crate) fn elapsed(&self, time: i64) -> Duration {
        Duration::from_micros(u64::try_from(time - self.started - self.stood_still).unwrap_or(0))
    }

    pub(crate) fn now(&mut self, time: i64) -> Timestamp {
        let elapsed = self.elapsed(time);
        self.clock.now(elapsed)
    }

    /// The same for whatever keeps times, which must know of steps.
    pub(crate) fn time(&mut self, time: i64) -> (Timestamp, i64) {
        let now = self.now(time);
        let steps = self.clock.stepped_us();
        let by = steps - std::mem::replace(&mut self.steps, steps);
        if by > 0 {
            self.stepped_over.push((now.shifted(-by), now));
        }
        if let Some(work) = &mut self.work {
            work.packer.keep_time(now, steps);
        }
        (now, steps)
    }

    /// Makes a request; `Err` when nothing can be signed.
    pub(crate) fn call(
        &mut self,
        probe: usize,
        why: Why,
        again: bool,
        time: i64,
        wire: bool,
    ) -> Result<Call, SignError> {
        let now = self.clock.best(self.elapsed(time));
        let (ask, token) = match &why {
            Why::Hello => (Request::Hello, self.token("POST", HELLO_PATH, now, wire)?),
            Why::Poll => (Request::Poll { since: self.since }, self.token("GET", ASSIGNMENTS_PATH, now, wire)?),
            Why::Time => (Request::Time, Token::None),
            Why::Back | Why::Errand(_, Ask::Keys, _) => (Request::Keys, self.token("GET", KEYS_PATH, now, wire)?),
            Why::Errand(_, Ask::Batch, frozen) => {
                let token = if wire {
                    Token::Wire(self.signer.batch(frozen.id, frozen.seq, &frozen.hash, now)?)
                } else {
                    let (grant, claims) = self.signer.batch_claims(frozen.id, frozen.seq, &frozen.hash, now)?;
                    Token::Batch(KeyId { probe: claims.iss, day: Some(grant.number) }, Box::new(claims))
                };
                (Request::Batch(frozen.body.clone()), token)
            }
        };
        self.next_call += 1;
        let sent = self.elapsed(time);
        self.calls.insert(self.next_call, Pending { why, again, sent });
        Ok(Call { probe, life: self.life, id: self.next_call, token, ask, came: 0 })
    }

    fn token(&self, method: &str, path: &str, now: Timestamp, wire: bool) -> Result<Token, SignError> {
        Ok(if wire {
            Token::Wire(self.signer.request(method, path, b"", now)?)
        } else {
            Token::Other(Box::new(self.signer.request_claims(method, path, b"", now)))
        })
    }

    /// Takes an answer in; `None` when nobody waits for it any more. No `reply` is none in time.
    pub(crate) fn answered(&mut self, id: u64, reply: Option<Reply>, time: i64) -> Option<Outcome> {
        let Pending { why, again, sent } = self.calls.remove(&id)?;
        let elapsed = self.elapsed(time);
        let Some(reply) = reply else { return Some(self.concluded(why, Err(unreachable()))) };
        if let Some(server) = reply.time {
            self.clock.observe(server, (elapsed.saturating_sub(sent), reply.held), elapsed);
        }
        let answer = match answer(&reply) {
            Some(answer) if answer.is_skewed() && !again => return Some(Outcome::Ask(why, true)),
            Some(answer) => Ok((answer, reply.said)),
            None => Err(unreachable()),
        };
        Some(self.concluded(why, answer))
    }

    /// What a request that could not even be signed leads to.
    pub(crate) fn unsigned(&mut self, why: Why, error: SignError) -> Outcome {
        self.concluded(why, Err(error.into()))
    }

    fn concluded(&mut self, why: Why, answer: Result<(Answer, Said), LinkError>) -> Outcome {
        match why {
            Why::Errand(mut errand, ask, frozen) => {
                let next = match ask {
                    Ask::Batch => errand.batch(answer.map(|(answer, _)| answer), &frozen),
                    Ask::Keys => errand.keys(answer.and_then(|answer| self.keys(answer))),
                };
                match next {
                    Next::Ask(ask) => Outcome::Ask(Why::Errand(errand, ask, frozen), false),
                    Next::Done(verdict) => Outcome::Landed(frozen, verdict),
                }
            }
            Why::Back => match answer.and_then(|answer| self.keys(answer)) {
                Ok(()) => Outcome::Back(true, None),
                Err(LinkError::Stop(_)) => Outcome::Stop,
                Err(error) => Outcome::Back(false, error.retry_after()),
            },
            Why::Time => match answer {
                Ok(_) => Outcome::Ask(Why::Hello, false),
                Err(error) => Outcome::Failed(Why::Time, error.retry_after()),
            },
            Why::Hello => match answer.and_then(|answer| self.keys(answer)) {
                Ok(()) => Outcome::Heard,
                Err(LinkError::Stop(_)) => Outcome::Stop,
                Err(error) => Outcome::Failed(Why::Hello, error.retry_after()),
            },
            Why::Poll => match answer.and_then(assignments) {
                Ok(news) => Outcome::Assigned(news),
                Err(LinkError::Stop(_)) => Outcome::Stop,
                Err(error) => Outcome::Failed(Why::Poll, error.retry_after()),
            },
        }
    }

    fn keys(&mut self, answer: (Answer, Said)) -> Result<(), LinkError> {
        match success(answer)? {
            Said::Keys(keys) => {
                self.signer.set_keys(keys);
                Ok(())
            }
            _ => Err(LinkError::Garbled("no keys".to_owned())),
        }
    }
}

fn assignments(answer: (Answer, Said)) -> Result<Option<Box<picket_shared::assignment::Assignments>>, LinkError> {
    match success(answer)? {
        Said::Assignments(news) => Ok(Some(news)),
        _ => Err(LinkError::Garbled("no assignments".to_owned())),
    }
}

/// The body of a success; what is none is read as the link reads it.
fn success((answer, said): (Answer, Said)) -> Result<Said, LinkError> {
    if answer.is_success() { Ok(said) } else { answer.read::<Vec<DayKeyGrant>>().map(|_| said) }
}

fn unreachable() -> LinkError {
    LinkError::Unreachable("simulated".to_owned())
}

/// An answer as the link gives it; `None` when the connection broke.
fn answer(reply: &Reply) -> Option<Answer> {
    let plain = |status, body| Answer { status, body, refusal: None, retry_after: None };
    Some(match &reply.said {
        Said::Broken => return None,
        Said::Foreign(status) => plain(*status, Vec::new()),
        Said::Receipt(receipt) => plain(200, serde_json::to_vec(receipt).unwrap()),
        Said::Time | Said::Keys(_) | Said::Assignments(_) => plain(200, Vec::new()),
        Said::Refused(code, retry_after) => {
            let time = reply.time.unwrap_or_default();
            let refusal = Refusal { error: *code, message: String::new(), time };
            let refusal = Some(refusal).filter(|refusal| refusal.error != RefusalCode::Other);
            Answer { status: code.status(), body: Vec::new(), refusal, retry_after: *retry_after }
        }
    })
}

/// What a check finds.
pub(crate) fn found(good: bool, took_us: u32) -> Found {
    Found {
        status: if good { Status::Up } else { Status::Down },
        total_us: took_us,
        phases: Phases::default(),
        address: None,
        code: None,
        failure: (!good).then(|| Failure::new(FailureKind::ConnectTimeout, "no connection in time")),
        hops: Vec::new(),
        certificate: None,
        answers: None,
    }
}
