//! The one point in time by which a check must be over.

use std::time::Duration;

use tokio::time::{Instant, Timeout};

/// The end of a check's time; every phase is bounded by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    pub(super) const fn instant(self) -> Instant {
        self.0
    }

    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// `work` until the deadline. No `async fn`, which would carry it around twice.
    pub(super) fn bound<F: Future>(self, work: F) -> Timeout<F> {
        tokio::time::timeout_at(self.0, work)
    }
}
