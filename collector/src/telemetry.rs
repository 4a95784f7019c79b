//! Logs: to standard error, a line an event, for a person or as JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Format, Level, Log};
use picket_shared::log_line::{Form, Lines};
use picket_shared::time::Clock;

/// Begins to log. A second call changes nothing.
pub fn start(log: &Log) {
    let level = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let filter = tracing_subscriber::filter::Targets::new().with_default(LevelFilter::WARN).with_targets([
        ("picket_collector", level),
        ("picket_shared", level),
        ("sqlx", LevelFilter::ERROR),
        // The password file of whoever started this is no setting of ours, and mostly out of reach.
        ("sqlx_postgres::options::pgpass", LevelFilter::OFF),
    ]);
    let colours = io::stderr().is_terminal();
    let form = match log.format {
        Format::Text => Form::Text { colours },
        Format::Json => Form::Json,
    };
    let lines = move || Lines::new(form, io::stderr().lock());
    // A standard error that is gone, as with a closed terminal, must not end what runs.
    let layer = tracing_subscriber::fmt::layer().log_internal_errors(false).with_writer(lines).with_timer(Stamp);
    let registry = tracing_subscriber::registry();
    // Somebody who logs already, as tests do, is left to it.
    let started = match log.format {
        Format::Text => registry.with(layer.with_target(false).with_ansi(colours).with_filter(filter)).try_init(),
        Format::Json => {
            registry.with(layer.json().flatten_event(true).with_current_span(false).with_filter(filter)).try_init()
        }
    };
    if started.is_ok() {
        // A panic is a line of the log like any other.
        std::panic::set_hook(Box::new(|panic| tracing::error!("A defect of Picket, please report it: {panic}")));
    }
}

struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(w, "{}", Clock::system().now())
    }
}
