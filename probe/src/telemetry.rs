//! Logs: lines on standard error, without targets. Only Picket's own lines are let through, because libraries
//! (resolver, HTTP) name hosts in theirs.

use std::io::{self, IsTerminal, Write};

use picket_shared::log_line;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
    // A standard error that is gone, as with a closed terminal, must not end what runs.
    let lines = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(Lines { format: log.format, colours })
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

/// Standard error, a whole line at a time.
#[derive(Clone, Copy)]
struct Lines {
    format: LogFormat,
    colours: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The formatter hands over one whole event, as valid UTF-8.
        let clean = match self.format {
            LogFormat::Text => log_line::text(line, self.colours),
            LogFormat::Json => log_line::json(line),
        };
        io::stderr().lock().write_all(&clean).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
