//! Points in time, and the one place where Picket reads a clock.
//!
//! Everything else takes the time as an argument; tests move a [`Clock::manual`] instead of waiting.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted. Prints as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the Unix epoch; saturates at the ends of the range.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Signed microseconds from `other` to this.
    pub const fn micros_since(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }

    /// Moved by a signed number of microseconds.
    pub const fn shifted(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC; `{:.0}` and the like choose the digits of a second (3 unless told).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.0$}", f.precision().unwrap_or(3).min(6)),
            Err(_) => write!(f, "{} us since 1970", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exact())
    }
}

impl Timestamp {
    /// RFC 3339 in UTC with microseconds: how programs are told.
    pub fn exact(self) -> String {
        format!("{self:.6}")
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|time| Self(time.as_microsecond()))
    }
}

/// Where the time of day comes from: the machine, the machine at one time and even from there, or a test's hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Machine,
    Manual(Arc<AtomicI64>),
    Even(Arc<Even>),
}

/// Begins with the machine's time, and goes on by the monotonic clock, which nobody sets.
#[derive(Debug)]
struct Even {
    start: i64,
    began: Instant,
    moved: AtomicI64,
    even_since: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::Machine)
    }

    /// A clock that stands still until [`Clock::advance`] or [`Clock::set`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.0))))
    }

    /// This clock's time now, and even from there: when somebody sets the machine's clock, this one goes on as before, until
    /// [`Clock::follow`] moves it. A manual clock stays what it is.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one file that reads the clock")]
    pub fn even(&self) -> Self {
        if let Source::Manual(_) = self.0 {
            return self.clone();
        }
        let start = self.now().0;
        let (moved, even_since) = (AtomicI64::new(0), AtomicI64::new(start));
        Self(Source::Even(Arc::new(Even { start, began: Instant::now(), moved, even_since })))
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Manual(micros) => Timestamp(micros.load(Ordering::SeqCst)),
            Source::Machine => machine(),
            Source::Even(even) => {
                let elapsed = i64::try_from(even.began.elapsed().as_micros()).unwrap_or(i64::MAX);
                Timestamp(even.start.saturating_add(elapsed)).shifted(even.moved.load(Ordering::SeqCst))
            }
        }
    }

    /// How far the machine's clock is ahead of an even one, in microseconds; 0 for any other.
    pub fn machine_ahead_us(&self) -> i64 {
        match &self.0 {
            Source::Even(_) => machine().micros_since(self.now()),
            Source::Machine | Source::Manual(_) => 0,
        }
    }

    /// Since when an even clock has been so: its start, or when it last stepped. `None` for any other.
    pub fn even_since(&self) -> Option<Timestamp> {
        match &self.0 {
            Source::Even(even) => Some(Timestamp(even.even_since.load(Ordering::SeqCst))),
            Source::Machine | Source::Manual(_) => None,
        }
    }

    /// Moves an even clock, both ways, by so little that nobody need know.
    pub fn slew(&self, by_us: i64) {
        if let Source::Even(even) = &self.0 {
            even.moved.fetch_add(by_us, Ordering::SeqCst);
        }
    }

    /// Moves an even clock in a step: after one forwards it is even from now on; one backwards takes the time since when it
    /// has been even back too. Other clocks stay as they are.
    pub fn follow(&self, by_us: i64) {
        if let Source::Even(even) = &self.0 {
            even.moved.fetch_add(by_us, Ordering::SeqCst);
            if by_us > 0 {
                even.even_since.store(self.now().0, Ordering::SeqCst);
            } else {
                even.even_since.fetch_add(by_us, Ordering::SeqCst);
            }
        }
    }

    /// Moves a manual clock forward; any other stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(micros) = &self.0 {
            micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock, backwards too; any other stays as it is.
    pub fn set(&self, to: Timestamp) {
        if let Source::Manual(micros) = &self.0 {
            micros.store(to.0, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one file that reads the clock")]
fn machine() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// Measures elapsed time on the monotonic clock, which no correction of the time of day moves.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    started: Instant,
    lap: Instant,
}

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the one file that reads the clock")]
    pub fn start() -> Self {
        let now = Instant::now();
        Self { started: now, lap: now }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Microseconds since the last lap (or the start), and begins the next lap.
    #[expect(clippy::disallowed_methods, reason = "this is the one file that reads the clock")]
    pub fn lap_us(&mut self) -> u32 {
        let now = Instant::now();
        let lap = now.duration_since(self.lap);
        self.lap = now;
        u32::try_from(lap.as_micros()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_and_parses_as_rfc_3339() {
        let time = Timestamp::from_micros(1_764_000_000_123_456);
        assert_eq!(time.to_string(), "2025-11-24T16:00:00.123Z");
        assert_eq!(format!("{time:.0}"), "2025-11-24T16:00:00Z");
        assert_eq!(time.exact().parse::<Timestamp>().ok(), Some(time));
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(Timestamp::from_seconds(100));
        let copy = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(copy.now(), Timestamp::from_seconds(105));
        clock.set(Timestamp::from_seconds(1));
        assert_eq!(copy.now(), Timestamp::from_seconds(1));
    }

    #[test]
    fn an_even_clock_goes_on_by_itself_and_steps_only_when_told() {
        let clock = Clock::system().even();
        let before = clock.now();
        assert!(clock.machine_ahead_us().abs() < 60_000_000 && clock.even_since().is_some_and(|since| since <= before));
        clock.follow(86_400_000_000);
        assert!(clock.now() >= before + Duration::from_secs(86_400) && clock.machine_ahead_us() < -86_000_000_000);
        let stepped = clock.even_since().unwrap();
        assert!(stepped >= before + Duration::from_secs(86_400));
        clock.follow(-86_400_000_000);
        assert_eq!(clock.even_since(), Some(stepped - Duration::from_secs(86_400)));
        assert!(clock.now() < before + Duration::from_secs(3600));
        assert_eq!(Clock::manual(before).even().now(), before);
    }
}
