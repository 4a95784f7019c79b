//! Logs: lines on standard error, without targets. Only Picket's own lines are let through, because libraries
//! (resolver, HTTP) name hosts in theirs.

use std::io::{self, IsTerminal};

use picket_shared::log_line::{Form, Lines};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, LogLevel};

/// Starts logging; a second call changes nothing.
pub fn start(log: &Log) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    let filter = EnvFilter::new(format!("off,picket_probe={level},picket_shared={level}"));
    let colours = io::stderr().is_terminal();
    let form = match log.format {
        LogFormat::Text => Form::Text { colours },
        LogFormat::Json => Form::Json,
    };
    // A standard error that is gone, as with a closed terminal, must not end what runs.
    let lines = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(move || Lines::new(form, io::stderr().lock()))
        .with_target(log.format == LogFormat::Json);
    let started = match log.format {
        LogFormat::Text => lines.with_ansi(colours).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    // Only a test that started logging before can make this fail, and then lines go where the test wants them.
    if started.is_ok() {
        // A panic is a line of the log like any other.
        std::panic::set_hook(Box::new(|panic| tracing::error!("A defect of Picket, please report it: {panic}")));
    }
}
