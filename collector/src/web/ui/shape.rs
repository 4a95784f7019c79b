//! How states, times and durations look, the same on every page.

use picket_shared::outcome::Status;
use picket_shared::time::Timestamp;

use crate::web::texts::{filled, text};

/// A state with its shape and its word: never told by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The name of its class and of its symbol.
    pub class: &'static str,
    /// Its word.
    pub word: &'static str,
}

/// The shape of a monitor's state, of an outcome's status, or of what a region says.
pub fn shape(state: &str) -> Shape {
    let (class, key) = match state {
        "up" => ("up", "state.up"),
        "down" => ("down", "state.down"),
        "suspect" => ("suspect", "state.suspect"),
        "recovering" => ("recovering", "state.recovering"),
        "degraded" => ("degraded", "state.degraded"),
        "paused" => ("paused", "state.paused"),
        "pending" => ("pending", "state.pending"),
        "silent" => ("silent", "state.silent"),
        "unmeasured" => ("unknown", "state.unmeasured"),
        _ => ("unknown", "state.unknown"),
    };
    Shape { class, word: text(key) }
}

/// A point in time: for people, how long ago; for machines and on hovering, exactly.
#[derive(Clone, Debug)]
pub struct When {
    /// RFC 3339.
    pub exact: String,
    /// `3 min ago`.
    pub ago: String,
    /// `3 min`.
    pub lasted: String,
}

/// A time as it is shown at `now`.
pub fn when(at: Timestamp, now: Timestamp) -> When {
    let lasted = lasting(now.since(at).as_secs());
    let ago = if at > now { format!("{at:.0}") } else { filled("time.ago", &lasted) };
    When { exact: format!("{at:.0}"), ago, lasted }
}

/// The day of a time, as it is written everywhere: 2026-11-25.
pub fn day(at: Timestamp) -> String {
    format!("{at:.0}").chars().take(10).collect()
}

/// A duration in seconds, in its largest unit (and the next, for hours and days).
pub fn lasting(seconds: u64) -> String {
    let pair = |big: &'static str, small: &'static str, each: u64, of: u64| {
        let (n, rest) = (seconds / each, seconds % each / of);
        if rest == 0 { filled(big, n) } else { format!("{} {}", filled(big, n), filled(small, rest)) }
    };
    match seconds {
        0..120 => filled("time.seconds", seconds),
        120..7_200 => filled("time.minutes", seconds / 60),
        7_200..172_800 => pair("time.hours", "time.minutes", 3_600, 60),
        _ => pair("time.days", "time.hours", 86_400, 3_600),
    }
}

/// Microseconds as people read them.
pub fn duration_us(us: u32) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{:.1} ms", f64::from(us) / 1e3),
        100_000..10_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{:.1} s", f64::from(us) / 1e6),
    }
}

/// A share as a percentage: as many digits as tell two apart, and never 100 % for less than all.
pub fn percent(share: f64) -> String {
    let parts = (share * 100_000.0).floor() / 1_000.0;
    if share >= 1.0 { "100 %".to_owned() } else { format!("{parts:.3} %") }
}

/// All bars of one kind in a strip, as one path: a page shows many strips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bars {
    /// The class that colours them.
    pub class: &'static str,
    /// The path's `d`.
    pub path: String,
}

/// How high a strip is.
const HIGH: u32 = 24;

/// The bars of these outcomes, oldest first, in a strip for `places`: the newest is at the right, a better one is higher.
pub fn strip(statuses: impl DoubleEndedIterator<Item = Status> + ExactSizeIterator, places: usize) -> Vec<Bars> {
    let count = statuses.len();
    let mut strip: Vec<Bars> = Vec::new();
    for (index, status) in statuses.enumerate() {
        let (class, height) = match status {
            Status::Up => ("up", HIGH),
            Status::Degraded => ("degraded", 17),
            Status::Down => ("down", 10),
            Status::Unmeasured | Status::Other => ("unknown", 4),
        };
        let bar = format!("M{} {}v{height}h4v-{height}z", (index + places.saturating_sub(count)) * 5, HIGH - height);
        match strip.iter_mut().find(|bars| bars.class == class) {
            Some(bars) => bars.path.push_str(&bar),
            None => strip.push(Bars { class, path: bar }),
        }
    }
    strip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let seconds = [5, 119, 120, 7_199, 7_200, 9_000, 172_800, 180_000].map(lasting);
        assert_eq!(seconds, ["5 s", "119 s", "2 min", "119 min", "2 h", "2 h 30 min", "2 d", "2 d 2 h"]);
        let short = [7, 1_250, 99_949, 230_000, 12_345_678].map(duration_us);
        assert_eq!(short, ["7 µs", "1.2 ms", "99.9 ms", "230 ms", "12.3 s"]);
    }

    #[test]
    fn almost_all_is_not_all() {
        assert_eq!([1.0, 0.999_999, 0.5, 0.0].map(percent), ["100 %", "99.999 %", "50.000 %", "0.000 %"]);
    }

    #[test]
    fn a_strip_ends_at_the_right_and_worse_is_lower() {
        let strip = strip([Status::Up, Status::Down, Status::Up].into_iter(), 4);
        let bars: Vec<_> = strip.iter().map(|bars| (bars.class, bars.path.as_str())).collect();
        assert_eq!(bars, [("up", "M5 0v24h4v-24zM15 0v24h4v-24z"), ("down", "M10 14v10h4v-10z")]);
    }
}
