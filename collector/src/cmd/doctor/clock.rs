//! What the clocks say: the collector's beside those of its probes, and its machine's beside its own.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::{Finding, State};
use crate::store::clock::ClockRow;

/// Further off than this, clocks are wrong.
const MOST_OFFSET_US: i64 = 1_000_000;
/// A step is spoken of for so long.
const NEWS: Duration = Duration::from_secs(86_400);

/// Two probes or more that see the collector's clock off the same way tell of it, not of theirs. `offsets` are theirs minus it.
pub(super) fn beside_probes(mut offsets: Vec<i64>) -> Finding {
    const NAME: &str = "clock";
    offsets.sort_unstable();
    let (Some(&least), Some(&most)) = (offsets.first(), offsets.last()) else {
        let why = "no probe is heard whose clock this one could be compared with";
        return Finding::new(NAME, State::NotMeasured, why);
    };
    let seen = format!("{:+} to {:+} ms off those of {} probes", least / 1000, most / 1000, offsets.len());
    if offsets.len() > 1 && (least > MOST_OFFSET_US || most < -MOST_OFFSET_US) {
        return Finding::new(
            NAME,
            State::Fail,
            format!("{seen}: set this machine's clock by NTP (chrony, for example)"),
        );
    }
    if least < -MOST_OFFSET_US || most > MOST_OFFSET_US {
        return Finding::new(NAME, State::Warning, format!("{seen}: set their clocks, or this one, by NTP"));
    }
    Finding::new(NAME, State::Pass, seen)
}

/// Whether the collector goes by its machine's clock, and what became of that lately.
pub(super) fn of_the_machine(row: &ClockRow, now: Timestamp) -> Finding {
    const NAME: &str = "machine clock";
    if row.clock_held_us != 0 {
        let ahead = seconds(-row.clock_held_us);
        let message = format!(
            "{ahead:+} s off the time that the collector goes by: it was set, and the collector has not followed. Set it right by \
             NTP; if it is right now, the collector follows once the clocks of most probes agree with it"
        );
        return Finding::new(NAME, State::Fail, message);
    }
    let waits = row.retention_waits_until.map(Timestamp::from_micros).filter(|until| *until > now);
    let stepped = row.clock_stepped_at.map(Timestamp::from_micros).filter(|at| now.since(*at) < NEWS);
    let mut said = Vec::new();
    if let Some(at) = stepped {
        said.push(match row.clock_stepped_us {
            Some(by) => format!("the collector followed it by {:+} s at {at:.0}", seconds(by)),
            None => format!("when the collector started at {at:.0}, it was long since it had last run"),
        });
    }
    if let Some(until) = waits {
        said.push(format!("until {until:.0} nothing is deleted for its age"));
    }
    if said.is_empty() {
        return Finding::new(NAME, State::Pass, "the collector goes by it");
    }
    Finding::new(NAME, State::Warning, format!("{}: see that it is right", said.join("; ")))
}

/// The nearest whole second.
const fn seconds(us: i64) -> i64 {
    (us + 500_000).div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_was_followed() {
        let now = Timestamp::from_seconds(1_790_000_000);
        let row = |held: i64, stepped: Option<i64>, waits: Option<i64>| ClockRow {
            clock_held_us: held * 1_000_000,
            clock_stepped_at: stepped.map(|_| now.micros() - 60_000_000),
            clock_stepped_us: stepped.map(|by| by * 1_000_000),
            retention_waits_until: waits.map(|s| now.micros() + s * 1_000_000),
            last_alive_at: now.micros(),
            created_at: 0,
        };
        let found = |row| {
            let finding = of_the_machine(&row, now);
            (finding.state, finding.message)
        };
        assert_eq!(found(row(0, None, None)).0, State::Pass);
        let (state, said) = found(row(-86_400, Some(300), None));
        assert!(state == State::Fail && said.starts_with("+86400 s off"), "{said}");
        let (state, said) = found(row(0, Some(-300), Some(60)));
        assert!(state == State::Warning && said.contains("by -300 s") && said.contains("nothing is deleted"), "{said}");
        assert_eq!(found(row(0, None, Some(-60))).0, State::Pass);
    }

    #[test]
    fn probes_that_agree_tell_of_the_collector_and_one_tells_of_itself() {
        let state = |offsets: &[i64]| beside_probes(offsets.iter().map(|s| s * 1_000_000).collect()).state;
        assert_eq!(state(&[]), State::NotMeasured);
        assert_eq!(state(&[0, 0, 0]), State::Pass);
        assert_eq!(state(&[0, 0, 86_400]), State::Warning);
        assert_eq!(state(&[300, 301]), State::Fail);
    }
}
