//! The outcomes as they come, a line each, for a person.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use picket_shared::time::Timestamp;

use super::setup::Watched;
use crate::app::App;
use crate::cmd::CmdError;
use crate::store::read::live::{self, LiveRow};

const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const RED: &str = "\u{1b}[1;31m";
const GREY: &str = "\u{1b}[90m";
const RESET: &str = "\u{1b}[0m";

/// Standard output, in colour where a person looks at it.
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    /// Writes a line; a closed output is no reason to stop watching.
    pub(super) fn line(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }
}

/// What was shown, and which monitors still lack an outcome.
pub(super) struct Shown {
    since: i64,
    began: Timestamp,
    missing: BTreeMap<uuid::Uuid, String>,
}

impl Shown {
    pub(super) fn new(began: Timestamp, monitors: &[Watched]) -> Self {
        let missing = monitors.iter().map(|monitor| (monitor.id, monitor.target.clone())).collect();
        Self { since: began.micros(), began, missing }
    }

    /// The targets that have no outcome yet.
    pub(super) fn missing(&self) -> Vec<&String> {
        self.missing.values().collect()
    }

    /// Shows what came since the last call.
    pub(super) async fn show_new(&mut self, app: &App, screen: &mut Screen) -> Result<(), CmdError> {
        let mut scoped = app.pools.scoped(app.org).await?;
        // Partitions before the start hold nothing new; an hour back covers what a probe had buffered.
        let at_least = (self.began - Duration::from_secs(3600)).micros();
        let rows = live::after(&mut scoped, self.since, at_least).await?;
        scoped.commit().await?;
        for row in rows {
            self.since = self.since.max(row.received_at);
            self.missing.remove(&row.monitor);
            let line = render(&row, screen);
            screen.line(&line);
        }
        Ok(())
    }
}

/// `14:03:07  ● up        local    https://example.org/        12.3 ms  resolve 0.4 · connect 1.0 · ...`
fn render(row: &LiveRow, screen: &Screen) -> String {
    let started = Timestamp::from_micros(row.at).shifted(i64::from(row.late_us));
    let time = format!("{started:.0}");
    let time = time.get(11..19).unwrap_or(&time);
    let (colour, symbol, word) = match u8::try_from(row.status) {
        Ok(b'u') => (GREEN, "●", "up"),
        Ok(b'g') => (YELLOW, "◐", "degraded"),
        Ok(b'd') => (RED, "✖", "down"),
        _ => (GREY, "○", "unmeasured"),
    };
    let state = screen.paint(colour, &format!("{symbol} {word:<10}"));
    let total = format!("{:>9.1} ms", f64::from(row.total_us) / 1000.0);
    let why = row.detail.as_ref().and_then(|detail| detail.pointer("/message")).and_then(|text| text.as_str());
    let rest = match why {
        Some(why) => screen.paint(colour, &plain(why)),
        None => screen.paint(GREY, &phases(row)),
    };
    let code = row.code.map_or(String::new(), |code| format!(" {code}"));
    format!("{time}  {state} {:<10} {:<40}{code:<5}{total}  {rest}", row.region, plain(&row.target))
}

fn phases(row: &LiveRow) -> String {
    let named = [
        ("resolve", row.resolve_us),
        ("connect", row.connect_us),
        ("tls", row.tls_us),
        ("send", row.send_us),
        ("wait", row.wait_us),
        ("receive", row.receive_us),
    ];
    let reached =
        named.into_iter().filter_map(|(name, us)| us.map(|us| format!("{name} {:.1}", f64::from(us) / 1000.0)));
    reached.collect::<Vec<_>>().join(" · ")
}

/// What a tenant or a target wrote, without anything that moves a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
