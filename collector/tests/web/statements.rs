//! Counts the statements that are sent to the database, by thread: every test on one thread counts its own.

use std::cell::Cell;
use std::sync::Once;

use tracing_subscriber::layer::{Context, SubscriberExt};

thread_local! {
    static SENT: Cell<usize> = const { Cell::new(0) };
}

static WATCHING: Once = Once::new();

/// Notes what sqlx logs.
struct Statements;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            SENT.set(SENT.get() + 1);
        }
    }
}

/// Begins to count.
pub(crate) fn watch() {
    WATCHING.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Statements)).unwrap();
    });
}

/// How many this thread has sent since it began.
pub(crate) fn sent() -> usize {
    SENT.get()
}
