//! The collector's time as this probe knows it.
//!
//! Every answer carries the collector's time; with the round trip's length that bounds the difference to this
//! machine's monotonic clock (F. Cristian, "Probabilistic clock synchronization", 1989). [`Discipline`] is the pure
//! rule, [`CollectorClock`] the handle. Times handed out run evenly and never backwards, so `at` of outcomes never does; but when
//! the collector's own clock was set, they step with it, and whoever keeps times looks at [`CollectorClock::time`] for that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use picket_shared::time::{Clock, Stopwatch, Timestamp};

/// A larger difference is no drift: somebody set the collector's clock.
const STEP_US: i64 = 5_000_000;
/// An answer that was longer on its way says little: nobody knows whether it was the request that took so long.
const LONG: Duration = Duration::from_secs(2);
/// How much a quartz may drift; the error of an old measurement grows by this part of its age.
const DRIFT: f64 = 100e-6;

/// Elapsed time -> collector's time, corrected by measurements. Pure: all times are arguments.
#[derive(Clone, Copy, Debug)]
pub struct Discipline {
    start: Timestamp,
    measured: Option<Measured>,
    began: Timestamp,
    applied_us: i64,
    stepped_us: i64,
    last: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    correction_us: i64,
    error_us: i64,
    at: Duration,
}

impl Discipline {
    /// Begins with the machine's own time of day; elapsed time counts from here.
    pub fn new(start: Timestamp) -> Self {
        Self { start, measured: None, began: start, applied_us: 0, stepped_us: 0, last: Duration::ZERO }
    }

    /// Takes in that the collector said `server` in an answer that came at `elapsed` after a round trip of `rtt`, for
    /// `held` of which the collector had the request (written at the end of that).
    ///
    /// It is taken when it is sharper than what is known, or when both cannot be true.
    pub fn observe(&mut self, server: Timestamp, (rtt, held): (Duration, Duration), elapsed: Duration) {
        // Held for longer than it took: this machine stood still meanwhile, and nothing is known of the way.
        let way = rtt.checked_sub(held).unwrap_or(rtt);
        // In the middle of the way is the best guess; but of one that was long, a guess ahead of the collector's time would
        // stamp outcomes that are to come.
        let whole = micros(way);
        let (later, error_us) = if way > LONG { (0, whole) } else { (whole / 2, whole / 2) };
        let correction_us = server.shifted(later).micros_since(self.start + elapsed);
        let found = Measured { correction_us, error_us, at: elapsed };
        let Some(known) = self.measured else {
            // Nothing was stamped with the machine's own time yet, so the first correction may step either way.
            self.applied_us = correction_us;
            // The earliest that it can have been: never after the collector heard the hello, from which it expects slots. What
            // lies before that is another start's, and the collector leaves it out.
            self.began = self.start.shifted(server.micros_since(self.start + elapsed));
            self.measured = Some(found);
            return;
        };
        let aged = known.error_us + drift(elapsed.saturating_sub(known.at));
        let contradicts = correction_us.abs_diff(known.correction_us) > (error_us + aged).unsigned_abs();
        // One whose request left before what is known came is no news, where it took long or says otherwise: this machine may
        // have slept meanwhile, and then its round trip was longer than it seems. The next one tells.
        if elapsed.saturating_sub(rtt) < known.at && (rtt > LONG || contradicts) {
            return;
        }
        if contradicts || error_us < aged {
            // Of what a long way leaves possible, the nearest to what was known holds until a sharper answer comes. Else a clock
            // that is a second off would seem to be set back by all of that way.
            let nearest_us = known.correction_us.clamp(correction_us, correction_us.saturating_add(whole));
            let correction_us = if way > LONG { nearest_us } else { correction_us };
            self.measured = Some(Measured { correction_us, ..found });
        }
    }

    /// The collector's time at `elapsed`; but for a step never earlier than a time given before. A correction forwards holds at
    /// once; one backwards lets time run at half speed until it is made. More than a few seconds are a step, either way.
    pub fn now(&mut self, elapsed: Duration) -> Timestamp {
        let elapsed = elapsed.max(self.last);
        let target = self.measured.map_or(0, |measured| measured.correction_us);
        let most = micros(elapsed - self.last) / 2;
        let off = target.saturating_sub(self.applied_us);
        if off.saturating_abs() > STEP_US {
            self.applied_us = target;
            self.stepped_us = self.stepped_us.saturating_add(off);
            self.began = self.began.shifted(off.min(0));
        }
        self.applied_us = if target >= self.applied_us { target } else { target.max(self.applied_us - most) };
        self.last = elapsed;
        (self.start + elapsed).shifted(self.applied_us)
    }

    /// The best guess at `elapsed`, which may step backwards: for tokens, whose time must be right rather than even.
    pub fn best(&self, elapsed: Duration) -> Timestamp {
        (self.start + elapsed).shifted(self.measured.map_or(0, |measured| measured.correction_us))
    }

    /// The sum of all steps that [`Discipline::now`] has made, in microseconds.
    pub fn stepped_us(&self) -> i64 {
        self.stepped_us
    }

    /// When elapsed time began, as the first measurement says: where the monotonic clock stands still later on (a machine
    /// that sleeps), a later one would say too late. A step back is another matter: it goes back with it.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Whether the collector's time was ever heard.
    pub fn is_measured(&self) -> bool {
        self.measured.is_some()
    }
}

/// The collector's time, shared by all stages.
#[derive(Debug)]
pub struct CollectorClock {
    machine: Clock,
    since: Stopwatch,
    discipline: Mutex<Discipline>,
    shown: Clock,
}

impl CollectorClock {
    /// Starts from the machine's time of day. `shown` is an even clock that is to show the collector's time too, to whom this
    /// one is not known.
    pub fn start(machine: Clock, shown: Clock) -> Self {
        let start = machine.now();
        Self { machine, since: Stopwatch::start(), discipline: Mutex::new(Discipline::new(start)), shown }
    }

    /// The collector's time; runs backwards only in a step.
    pub fn now(&self) -> Timestamp {
        self.time().0
    }

    /// The collector's time, and the sum of all steps so far in microseconds: where it differs from the last one seen, times
    /// that were kept are off by the difference.
    pub fn time(&self) -> (Timestamp, i64) {
        self.with(|discipline, elapsed| (discipline.now(elapsed), discipline.stepped_us()))
    }

    /// The best guess at the collector's time, for tokens.
    pub fn signing_time(&self) -> Timestamp {
        self.with(|discipline, elapsed| discipline.best(elapsed))
    }

    /// When this clock was started, in the collector's time.
    pub fn began(&self) -> Timestamp {
        self.with(|discipline, _| discipline.began())
    }

    /// Takes in what an answer said that has just come, as [`Discipline::observe`] does.
    pub fn observe(&self, server: Timestamp, round_trip: (Duration, Duration)) {
        let best = self.with(|discipline, elapsed| {
            discipline.observe(server, round_trip, elapsed);
            discipline.best(elapsed)
        });
        self.shown.slew(best.micros_since(self.shown.now()));
    }

    /// Whether the collector's time was ever heard.
    pub fn is_measured(&self) -> bool {
        self.with(|discipline, _| discipline.is_measured())
    }

    /// The machine's time of day minus the collector's, in microseconds; `None` until measured.
    pub fn offset_us(&self) -> Option<i64> {
        let machine = self.machine.now();
        self.with(|discipline, elapsed| {
            discipline.is_measured().then(|| machine.micros_since(discipline.best(elapsed)))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Discipline, Duration) -> T) -> T {
        let mut discipline = self.discipline.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut discipline, self.since.elapsed())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn drift(age: Duration) -> i64 {
    micros(age.mul_f64(DRIFT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    /// A round trip of which the collector took nothing.
    fn at_once(rtt: Duration) -> (Duration, Duration) {
        (rtt, Duration::ZERO)
    }

    #[test]
    fn the_first_answer_sets_the_clock_whichever_way_it_is_off() {
        for off in [-3600, 3600] {
            let mut clock = Discipline::new(START);
            clock.observe(START.shifted(off * 1_000_000), at_once(Duration::from_millis(40)), seconds(0));
            assert_eq!(clock.now(seconds(1)), START.shifted(off * 1_000_000 + 1_020_000));
        }
    }

    #[test]
    fn a_slow_answer_does_not_spoil_a_sharp_one() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        // 13 s on its way: its bound says nothing new.
        clock.observe(START + seconds(25), (seconds(25), seconds(12)), seconds(25));
        assert_eq!(clock.best(seconds(30)), (START + seconds(30)).shifted(1_000));
    }

    #[test]
    fn an_answer_that_waited_while_the_machine_slept_does_not_contradict_a_later_one() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        // The machine slept for a while at 11 s. Its monotonic clock did not go on, and both answers lay there when it woke.
        clock.observe(START + seconds(20), (seconds(1), seconds(10)), seconds(11));
        let known = clock.best(seconds(11));
        clock.observe((START + seconds(10)).shifted(100_000), at_once(Duration::from_millis(1_500)), seconds(11));
        assert_eq!(clock.best(seconds(11)), known);
        // One that was asked for since is believed.
        clock.observe(START + seconds(30), at_once(Duration::from_millis(20)), Duration::from_millis(11_030));
        assert_eq!(clock.best(Duration::from_millis(11_030)), (START + seconds(30)).shifted(10_000));
    }

    #[test]
    fn a_clock_that_stands_still_later_on_began_when_it_did_and_one_that_is_set_back_began_earlier() {
        let mut clock = Discipline::new(START);
        clock.observe(START + seconds(300), at_once(Duration::from_millis(2)), seconds(0));
        clock.observe(START + seconds(400), at_once(Duration::from_millis(2)), seconds(10));
        clock.now(seconds(10));
        assert_eq!(clock.began(), START + seconds(300));
        clock.observe(START + seconds(60), at_once(Duration::from_millis(2)), seconds(20));
        clock.now(seconds(20));
        assert_eq!(clock.began(), (START + seconds(300)).shifted(-350_000_000));
    }

    #[test]
    fn a_clock_began_before_the_collector_heard_of_it_however_long_the_first_answer_took() {
        let mut clock = Discipline::new(START);
        clock.observe(START.shifted(100_000), at_once(seconds(13)), seconds(13));
        assert_eq!(clock.began(), START.shifted(100_000 - 13_000_000));
    }

    #[test]
    fn a_long_poll_that_tells_of_a_clock_that_was_set_is_not_taken_to_be_ahead_of_it() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        let server = START + seconds(3600);
        clock.observe(server, (seconds(24), seconds(24)), seconds(24));
        assert_eq!(clock.now(seconds(24)), server);
        clock.observe(START - seconds(3600), (seconds(20), seconds(20)), seconds(50));
        assert_eq!(clock.now(seconds(50)), START - seconds(3600), "nor ahead of one that was set back");
    }

    #[test]
    fn an_answer_long_on_its_way_from_a_clock_that_is_a_second_behind_is_no_clock_that_was_set_back() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        clock.observe((START + seconds(30)).shifted(-2_000_000), at_once(seconds(20)), seconds(50));
        clock.now(seconds(50));
        assert_eq!((clock.stepped_us(), clock.best(seconds(50))), (0, START + seconds(48)));
        // Set back by an hour, it is at most as far ahead as the answer may have been on its way, and a sharp answer mends it.
        clock.observe(START.shifted(-3_500_000_000), at_once(seconds(24)), seconds(100));
        assert_eq!(clock.now(seconds(100)), START.shifted(-3_476_000_000));
        clock.observe(START.shifted(-3_490_000_000), at_once(Duration::from_millis(2)), seconds(110));
        assert_eq!(clock.now(seconds(110)), START.shifted(-3_490_000_000 + 1_000));
    }

    #[test]
    fn an_answer_that_was_held_for_longer_than_it_took_comes_from_before_a_sleep() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        clock.observe(START + seconds(20), (seconds(10), seconds(20)), seconds(10));
        assert_eq!(
            clock.best(seconds(10)),
            (START + seconds(10)).shifted(1_000),
            "it may have been on its way for 10 s"
        );
    }

    #[test]
    fn a_collector_whose_clock_is_set_is_followed_at_once_both_ways_and_by_steps_that_can_be_seen() {
        let mut clock = Discipline::new(START);
        clock.observe(START.shifted(86_400_000_000), at_once(Duration::from_millis(2)), seconds(0));
        assert_eq!(
            (clock.now(seconds(1)), clock.stepped_us()),
            (START.shifted(86_401_001_000), 0),
            "the first is none"
        );
        for (off, at) in [(0, 10), (300, 20), (-86_400, 30)] {
            let before = clock.stepped_us();
            let expected = clock.best(seconds(at));
            let server = (START + seconds(at)).shifted(off * 1_000_000);
            clock.observe(server, at_once(Duration::from_millis(2)), seconds(at));
            assert_eq!(clock.now(seconds(at)), server.shifted(1_000));
            assert_eq!(clock.stepped_us() - before, server.shifted(1_000).micros_since(expected));
        }
    }

    #[test]
    fn a_late_answer_from_before_a_sleep_takes_nothing_back() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        // The machine sleeps for an hour at 10 s; an answer that was asked for at 5 s comes after one of now.
        let server = START + seconds(3611);
        clock.observe(server, at_once(Duration::from_millis(2)), seconds(11));
        clock.observe(START + seconds(5), at_once(seconds(7)), seconds(12));
        assert_eq!(clock.now(seconds(12)), (server + seconds(1)).shifted(1_000));
    }

    #[test]
    fn a_small_correction_backwards_slows_time_down_and_is_no_step() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        let before = clock.now(seconds(10));
        clock.observe(START + seconds(7), at_once(Duration::from_millis(2)), seconds(10));
        assert_eq!((clock.now(seconds(10)), clock.stepped_us()), (before, 0));
        assert_eq!(clock.now(seconds(16)), (START + seconds(13)).shifted(1_000));
    }

    #[test]
    fn an_answer_that_contradicts_is_believed() {
        let mut clock = Discipline::new(START);
        clock.observe(START, at_once(Duration::from_millis(2)), seconds(0));
        clock.observe(START + seconds(300), at_once(Duration::from_millis(500)), seconds(10));
        assert_eq!(clock.now(seconds(10)), (START + seconds(300)).shifted(250_000));
    }

    proptest! {
        #[test]
        fn time_never_runs_backwards(steps in prop::collection::vec((0_u64..5_000, -100_000_000_i64..100_000_000, 0_u64..2_000), 1..60)) {
            let mut clock = Discipline::new(START);
            let (mut elapsed, mut last) = (Duration::ZERO, Timestamp::from_micros(i64::MIN));
            for (wait_ms, off_us, rtt_ms) in steps {
                elapsed += Duration::from_millis(wait_ms);
                let heard_before = clock.is_measured();
                clock.observe((START + elapsed).shifted(off_us), at_once(Duration::from_millis(rtt_ms)), elapsed);
                let stepped = clock.stepped_us();
                let now = clock.now(elapsed);
                prop_assert!(now >= last || !heard_before || clock.stepped_us() < stepped);
                last = now;
            }
            // Left alone, it arrives at the best guess.
            let later = elapsed + Duration::from_secs(1000);
            prop_assert_eq!(clock.now(later), clock.best(later));
        }
    }
}
