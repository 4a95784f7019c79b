//! When a collector that stands by may take over. Pure.
//!
//! No wall clock is asked: those of two machines differ, and either may be set. The holder's beat rises every [`BEAT`]; who stands by
//! looks every [`LOOK`], and takes over when it saw the same beat for [`SILENT_AFTER`] by its own monotonic clock. That a holder was
//! silent proves nothing of it: it may stand still, or be cut off. What it may still do is therefore the business of the number of its
//! term, which the database holds every transaction of it against.

use std::time::Duration;

/// The holder shows that it lives this often.
pub const BEAT: Duration = Duration::from_secs(3);
/// Who stands by looks this often.
pub const LOOK: Duration = Duration::from_secs(1);
/// A holder that was not seen to live for so long is taken over from: two beats may be late.
pub const SILENT_AFTER: Duration = Duration::from_secs(10);
/// Looks that are further apart prove nothing: who looked stood still itself, or had no database either.
const BROKE_OFF: Duration = Duration::from_secs(5);

/// What is seen of the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The number of its term.
    pub fence: i64,
    /// Its beat.
    pub beat: i64,
    /// Whether there is one.
    pub is_held: bool,
}

/// What a look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// There was none to compare it with.
    First,
    /// The holder lives: its beat rose since the last look.
    Lives,
    /// It did not; for now that says nothing.
    Waits,
    /// Nobody leads: it may be taken over.
    Vacant,
}

/// Watches the holder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    seen: Option<(Seen, Duration)>,
    last: Duration,
}

impl Watch {
    /// `elapsed` is the time since any fixed moment by a monotonic clock.
    pub fn look(&mut self, seen: Seen, elapsed: Duration) -> Look {
        let broke_off = elapsed.saturating_sub(self.last) > BROKE_OFF;
        self.last = elapsed;
        match self.seen {
            _ if !seen.is_held => Look::Vacant,
            Some((before, since)) if before == seen && !broke_off => {
                if elapsed.saturating_sub(since) >= SILENT_AFTER {
                    Look::Vacant
                } else {
                    Look::Waits
                }
            }
            before => {
                self.seen = Some((seen, elapsed));
                if before.is_some_and(|(before, _)| before != seen) { Look::Lives } else { Look::First }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(fence: i64, beat: i64) -> Seen {
        Seen { fence, beat, is_held: true }
    }

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_holder_that_beats_is_left_alone_for_ever() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(seen(1, 0), at(0)), Look::First);
        for second in 1..600 {
            let expected = if second % 3 == 0 { Look::Lives } else { Look::Waits };
            assert_eq!(watch.look(seen(1, i64::try_from(second).unwrap() / 3), at(second)), expected);
        }
    }

    #[test]
    fn one_that_is_silent_for_ten_seconds_is_taken_over_from_and_one_that_let_go_at_once() {
        let mut watch = Watch::default();
        watch.look(seen(1, 7), at(100));
        for second in 101..110 {
            assert_eq!(watch.look(seen(1, 7), at(second)), Look::Waits);
        }
        assert_eq!(watch.look(seen(1, 7), at(110)), Look::Vacant);
        // Another took over.
        assert_eq!(watch.look(seen(2, 8), at(111)), Look::Lives);
        assert_eq!(watch.look(Seen { is_held: false, ..seen(2, 9) }, at(112)), Look::Vacant);
    }

    #[test]
    fn who_stood_still_itself_or_had_no_database_begins_to_watch_anew() {
        let mut watch = Watch::default();
        watch.look(seen(1, 7), at(100));
        assert_eq!(watch.look(seen(1, 7), at(130)), Look::First);
        for second in 131..140 {
            assert_eq!(watch.look(seen(1, 7), at(second)), Look::Waits);
        }
        assert_eq!(watch.look(seen(1, 7), at(140)), Look::Vacant);
    }
}
