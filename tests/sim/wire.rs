//! What travels between a simulated probe and the simulated collector. In a run "on the wire" it is real bodies and
//! real tokens; else what they say, because a million compressors and signatures would show nothing new.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use picket_probe::batch::{Press, TooLarge, Zstd};
use picket_shared::assignment::Assignments;
use picket_shared::batch::{Batch, Receipt};
use picket_shared::daykeys::{DayKeyGrant, KeyId};
use picket_shared::signing::{BatchClaims, RequestClaims};
use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) probe: usize,
    /// The start of the probe that waits for the answer.
    pub(crate) life: u32,
    pub(crate) id: u64,
    pub(crate) token: Token,
    pub(crate) ask: Request,
    /// When it came to the collector, in true time.
    pub(crate) came: i64,
}

/// Who sends.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    /// The time is asked for without one.
    None,
    /// As it travels.
    Wire(String),
    /// What the token of a batch says.
    Batch(KeyId, Box<BatchClaims>),
    /// What any other token says.
    Other(Box<RequestClaims>),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Time,
    Hello,
    Keys,
    Poll { since: u64 },
    Batch(Bytes),
}

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// For how long the collector had the request.
    pub(crate) held: Duration,
    /// The collector's time, where it is the collector that answers.
    pub(crate) time: Option<Timestamp>,
    pub(crate) said: Said,
}

#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// Nothing but the time.
    Time,
    Keys(Vec<DayKeyGrant>),
    Assignments(Box<Assignments>),
    Receipt(Box<Receipt>),
    Refused(RefusalCode, Option<Duration>),
    /// An answer that is not Picket's.
    Foreign(u16),
    /// The connection broke.
    Broken,
}

/// How batches become bodies in this run.
#[derive(Clone, Debug)]
pub(crate) enum Shelf {
    Wire,
    /// Batches as they are; a body is the place of one.
    Kept(Rc<RefCell<Vec<Batch>>>),
}

impl Shelf {
    pub(crate) fn new(wire: bool) -> Self {
        if wire { Self::Wire } else { Self::Kept(Rc::default()) }
    }
}

impl Press for Shelf {
    fn press(&self, batch: &Batch) -> Result<Bytes, TooLarge> {
        let Self::Kept(batches) = self else { return Zstd.press(batch) };
        let mut batches = batches.borrow_mut();
        batches.push(batch.clone());
        Ok(Bytes::copy_from_slice(&(batches.len() - 1).to_be_bytes()))
    }

    fn open(&self, body: &Bytes) -> Option<Batch> {
        let Self::Kept(batches) = self else { return Zstd.open(body) };
        let place = usize::from_be_bytes(body.as_ref().try_into().ok()?);
        batches.borrow().get(place).cloned()
    }
}
