//! Logs: to standard error, a line an event, for a person or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::FormatTime;

use crate::config::{Format, Log};
use picket_shared::time::Clock;

/// Begins to log. A second call changes nothing.
///
/// # Errors
/// When the level is not a filter, with what would be right.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| {
        format!("[log] level: {:?} is no filter ({error}): use info, or info,picket_collector::flow=debug", log.level)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_timer(Stamp);
    let started = match log.format {
        Format::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    drop(started);
    Ok(())
}

struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(w, "{}", Clock::system().now())
    }
}
