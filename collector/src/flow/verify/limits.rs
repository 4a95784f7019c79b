//! How much and how often: rates for each probe and for all, the body as signed, decompressed and read within bounds.

use std::io::Read;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use picket_shared::batch::{Batch, MAX_DECOMPRESSED, MAX_OUTCOMES};
use picket_shared::ids::ProbeId;
use picket_shared::signing;
use picket_shared::wire::RefusalCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Refused;

/// Frames that ask for a larger window than 2^23 bytes (the largest body) are refused before memory is taken.
const WINDOW_LOG_MAX: u32 = 23;
/// JSON of outcomes shrinks tenfold or so; nothing honest shrinks more than this beyond the first 64 KiB.
const MAX_RATIO: usize = 200;
/// Ranges of missed slots in one batch.
const MAX_MISSED: usize = 10_000;
/// Batches worked on at once; each holds up to 8 MiB for a moment.
const QUEUE: usize = 32;

/// How often probes may call.
#[derive(Debug)]
pub struct Limits {
    all: DefaultDirectRateLimiter,
    each: DefaultKeyedRateLimiter<ProbeId>,
    queue: Semaphore,
}

impl Limits {
    /// Requests a second, of one probe and of all; ten seconds' worth may come at once.
    pub fn new(each_per_second: NonZeroU32, all_per_second: NonZeroU32) -> Self {
        let quota = |rate: NonZeroU32| Quota::per_second(rate).allow_burst(rate.saturating_mul(TEN));
        Self {
            all: RateLimiter::direct(quota(all_per_second)),
            each: RateLimiter::keyed(quota(each_per_second)),
            queue: Semaphore::new(QUEUE),
        }
    }

    /// Takes one request of a probe.
    ///
    /// # Errors
    /// When it came too soon, with the time to wait.
    pub fn take(&self, probe: ProbeId) -> Result<(), Refused> {
        let now = DefaultClock::default().now();
        let each = self.each.check_key(&probe).map_err(|not_until| not_until.wait_time_from(now));
        each.and_then(|()| self.all.check().map_err(|not_until| not_until.wait_time_from(now))).map_err(|wait| {
            Refused::Rule {
                code: RefusalCode::RateLimited,
                message: "too many requests".to_owned(),
                retry_after: Some(wait.max(Duration::from_secs(1))),
            }
        })
    }

    /// Takes a place among the batches that are worked on, until it is dropped.
    ///
    /// # Errors
    /// When there is none: memory must not grow while the database is slow.
    pub fn enter(&self) -> Result<SemaphorePermit<'_>, Refused> {
        self.queue.try_acquire().map_err(|_| Refused::Rule {
            code: RefusalCode::Unavailable,
            message: "too many batches at once".to_owned(),
            retry_after: Some(Duration::from_secs(2)),
        })
    }

    /// Forgets probes that have long been quiet.
    pub fn forget_quiet(&self) {
        self.each.retain_recent();
    }
}

impl Default for Limits {
    /// 10 requests a second of one probe, 2000 of all.
    fn default() -> Self {
        Self::new(TEN, TWO_THOUSAND)
    }
}

const TEN: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const TWO_THOUSAND: NonZeroU32 = NonZeroU32::MIN.saturating_add(1999);

/// Compares a body with the hash that was signed.
///
/// # Errors
/// When it is another.
pub fn same_body(hash: &str, body: &[u8]) -> Result<(), Refused> {
    if signing::body_hash(body) == hash {
        return Ok(());
    }
    Err(Refused::rule(RefusalCode::BodyMismatch, "the body is not the one that was signed"))
}

/// Decompresses a body, and stops where it grows beyond what a batch may have.
///
/// # Errors
/// When it is no zstd, or too large.
pub fn decompress(body: &Bytes) -> Result<Vec<u8>, Refused> {
    let unreadable = |_| Refused::rule(RefusalCode::Malformed, "the body is not compressed with zstd");
    let bound = MAX_DECOMPRESSED.min((body.len().saturating_mul(MAX_RATIO)).max(64 * 1024));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(unreadable)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(unreadable)?;
    let mut plain = Vec::with_capacity(body.len().saturating_mul(4).min(bound));
    decoder.take(bound as u64 + 1).read_to_end(&mut plain).map_err(unreadable)?;
    if plain.len() > bound {
        return Err(Refused::rule(RefusalCode::TooLarge, "the body is too large when decompressed"));
    }
    Ok(plain)
}

/// Reads a batch.
///
/// # Errors
/// When it is no JSON of a batch, or holds too much.
pub fn parse(plain: &[u8]) -> Result<Batch, Refused> {
    let batch: Batch = serde_json::from_slice(plain).map_err(|error| {
        // The error's own text may quote the body.
        let place = format!("line {} column {}", error.line(), error.column());
        Refused::rule(RefusalCode::Malformed, format!("the body is no batch: {place}"))
    })?;
    if batch.outcomes.len() > MAX_OUTCOMES || batch.missed.len() > MAX_MISSED {
        return Err(Refused::rule(RefusalCode::TooLarge, "too many outcomes or missed ranges in one batch"));
    }
    let report = &batch.report;
    let text = |text: &str| text.len() <= 64 && !text.contains('\0');
    if !text(&report.version) || report.dropped.len() > 32 || !report.dropped.keys().all(|reason| text(reason)) {
        return Err(Refused::rule(RefusalCode::Malformed, "the report holds a text that cannot be"));
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<impl Sized, Refused>) -> Option<RefusalCode> {
        match result {
            Err(Refused::Rule { code, .. }) => Some(code),
            _ => None,
        }
    }

    #[test]
    fn a_bomb_is_stopped_and_noise_is_refused() {
        let bomb = zstd::encode_all(std::io::repeat(b' ').take(1 << 30), 3).unwrap();
        assert!(bomb.len() < 256 * 1024, "{}", bomb.len());
        assert_eq!(code(decompress(&bomb.into())), Some(RefusalCode::TooLarge));
        assert_eq!(code(decompress(&Bytes::from_static(b"no zstd"))), Some(RefusalCode::Malformed));
        assert_eq!(code(parse(b"{\"through\":1")), Some(RefusalCode::Malformed));
        let deep = [b"[".repeat(100_000)].concat();
        assert_eq!(code(parse(&deep)), Some(RefusalCode::Malformed));
    }

    #[test]
    fn one_probe_cannot_use_up_what_is_for_all() {
        let limits = Limits::new(NonZeroU32::MIN, TEN);
        let probe = ProbeId(uuid::Uuid::from_u128(1));
        let taken = (0..40).filter(|_| limits.take(probe).is_ok()).count();
        assert!((10..15).contains(&taken), "{taken}");
        assert_eq!(code(limits.take(probe)), Some(RefusalCode::RateLimited));
        assert!(limits.take(ProbeId(uuid::Uuid::from_u128(2))).is_ok());
    }
}
