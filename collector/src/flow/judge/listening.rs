//! Since when the judge has looked without a break: after one, silence proves nothing.
//!
//! A start is a break, and so is a time without a database, or one in which the machine stood still. Whoever looks at the
//! clock first would find every region silent, although nobody could be heard. A step of the clock is a break too.

use picket_shared::time::Timestamp;

use crate::domain::gap::was_away;

/// Since when the judge looks, and when it last did to the end.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    since: Timestamp,
    last: Timestamp,
}

impl Listening {
    /// From now on.
    pub const fn from(now: Timestamp) -> Self {
        Self { since: now, last: now }
    }

    /// To be called before a look at `now`: since when there was no break.
    pub fn since(&mut self, now: Timestamp) -> Timestamp {
        if was_away(self.last, now) || now < self.last {
            (self.since, self.last) = (now, now);
        }
        self.since
    }

    /// A look that began at `now` has come to its end.
    pub fn looked(&mut self, now: Timestamp) {
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_begins_the_listening_anew_and_a_late_look_does_not() {
        let at = Timestamp::from_seconds;
        let mut listening = Listening::from(at(100));
        for second in [101, 120, 150] {
            assert_eq!(listening.since(at(second)), at(100));
            listening.looked(at(second));
        }
        // Looks that fail are none.
        assert_eq!([160, 170, 180].map(|second| listening.since(at(second))), [at(100); 3]);
        assert_eq!(listening.since(at(181)), at(181));
        assert_eq!(listening.since(at(182)), at(181));
        // One that began before the machine stood still, and ended after it.
        listening.looked(at(182));
        assert_eq!(listening.since(at(300)), at(300));
        // The clock was set back.
        assert_eq!(listening.since(at(200)), at(200));
    }
}
