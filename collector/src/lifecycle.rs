//! Start and stop: the first signal lets everything finish, the second or 20 s end it.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long everything may take to finish after the first signal.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The signals that ask for a stop.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            // The terminal was closed.
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Asks everything on `tracker` to stop and waits; whether all of it did before a second signal or the end of patience.
pub async fn stop(tracker: &TaskTracker, token: &CancellationToken, signals: &mut Signals) -> bool {
    token.cancel();
    tracker.close();
    tokio::select! {
        () = tracker.wait() => true,
        () = signals.wait() => false,
        () = tokio::time::sleep(PATIENCE) => false,
    }
}
