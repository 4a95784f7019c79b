//! The one point in time by which a check must be over.

use std::time::Duration;

use tokio::time::Instant;

/// The end of a check's time; every phase is bounded by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

/// The time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimedOut;

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

    /// Awaits `work` until the deadline.
    pub(super) async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, TimedOut> {
        tokio::time::timeout_at(self.0, work).await.map_err(|_| TimedOut)
    }
}
