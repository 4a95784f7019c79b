//! Pure: to which second a drill restores, when one is due, and whether a restored copy holds what it must, and nothing later.

use std::collections::BTreeMap;
use std::time::Duration;

use picket_shared::time::Timestamp;

/// What is written down of when something was written, and when it was committed, lie no further apart.
pub const MARGIN: Duration = Duration::from_secs(60);
/// A drill from a kit is trusted for so long.
pub const KIT_TRUSTED: Duration = Duration::from_secs(90 * 86_400);
/// After one that failed the next is tried so soon.
const AGAIN: Duration = Duration::from_secs(3600);

/// A whole second from `from` on and before `until`, by `dice`; `None` when there is none.
pub fn moment(from: Timestamp, until: Timestamp, dice: u64) -> Option<Timestamp> {
    let first = from.micros().div_euclid(1_000_000) + i64::from(from.micros().rem_euclid(1_000_000) > 0);
    let end = until.micros().div_euclid(1_000_000);
    let seconds = u64::try_from(end - first).ok().filter(|seconds| *seconds > 0)?;
    let after = i64::try_from(dice % seconds).ok()?;
    Some(Timestamp::from_seconds(first + after))
}

/// Whether the next drill is to begin: the last one began at `last`, and passed or not.
pub fn is_due(last: Option<(Timestamp, bool)>, every: Duration, now: Timestamp) -> bool {
    match last {
        None => true,
        Some((at, true)) => now.since(at) >= every,
        Some((at, false)) => now.since(at) >= every.min(AGAIN),
    }
}

/// Whether the last drill that passed is too old: one was left out, and a quarter of the time more.
pub fn is_overdue(passed: Timestamp, every: Duration, now: Timestamp) -> bool {
    now.since(passed) > every * 2 + every / 4
}

/// How drills stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// None has ended yet.
    Untried,
    /// The last one failed.
    Failed,
    /// None passed in time.
    Overdue,
    /// One passed in time.
    InTime,
}

/// How they stand, where the last that ended failed or not, and the last that passed began at `passed`. Where none is tried by itself
/// (`every` is zero) nothing is overdue.
pub fn stand(last_failed: Option<bool>, passed: Option<Timestamp>, every: Duration, now: Timestamp) -> Stand {
    match (last_failed, passed) {
        (None, _) => Stand::Untried,
        (Some(true), _) => Stand::Failed,
        (_, Some(passed)) if every.is_zero() || !is_overdue(passed, every, now) => Stand::InTime,
        _ => Stand::Overdue,
    }
}

/// A beat: its number, when it was written, and where the log stood.
pub type Beat = (i64, i64, i64);

/// Whether a copy holds every beat that was acknowledged by `by`, and none from after `end`; how many it was held against. A beat
/// was acknowledged before the next one that is known was begun. Both in the order of their numbers.
///
/// # Errors
/// What is wrong, in words.
pub fn beats(known: &[Beat], copy: &[Beat], by: Timestamp, end: Option<Timestamp>) -> Result<usize, String> {
    let end = end.map_or(i64::MAX, Timestamp::micros);
    if let Some((counter, at, _)) = copy.iter().find(|(_, at, _)| *at > end) {
        return Err(format!(
            "the copy holds beat {counter} of {}, which is later",
            Timestamp::from_micros(*at).exact()
        ));
    }
    let held: BTreeMap<i64, &Beat> = copy.iter().map(|beat| (beat.0, beat)).collect();
    let mut compared = 0;
    for pair in known.windows(2).filter(|pair| pair[1].1 <= by.micros()) {
        let (counter, at, _) = pair[0];
        match held.get(&counter) {
            Some(found) if **found == pair[0] => compared += 1,
            Some(_) => return Err(format!("beat {counter} is another in the copy")),
            None => {
                let at = Timestamp::from_micros(at).exact();
                return Err(format!("beat {counter} of {at} was acknowledged, and is missing in the copy"));
            }
        }
    }
    Ok(compared)
}

/// The last entry of a chain of the audit log: whose it is (0 for the instance), its number, and its link.
pub type Head = (i64, i64, Vec<u8>);

/// Whether a copy holds these entries, each with the same link: then it holds all before them too. `copy` are those that it has.
///
/// # Errors
/// What is wrong, in words.
pub fn heads(known: &[Head], copy: &[Head]) -> Result<usize, String> {
    let held: BTreeMap<(i64, i64), &Vec<u8>> = copy.iter().map(|(org, seq, link)| ((*org, *seq), link)).collect();
    for (org, seq, link) in known {
        match held.get(&(*org, *seq)) {
            Some(found) if *found == link => {}
            Some(_) => return Err(format!("entry {seq} of the audit log of {} is another in the copy", whose(*org))),
            None => {
                let whose = whose(*org);
                return Err(format!(
                    "entry {seq} of the audit log of {whose} was acknowledged, and is missing in the copy"
                ));
            }
        }
    }
    Ok(known.len())
}

fn whose(org: i64) -> String {
    if org == 0 { "the instance".to_owned() } else { format!("organization {org}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn second(number: i64) -> Timestamp {
        Timestamp::from_seconds(number)
    }

    fn beat(number: i64) -> Beat {
        (number, second(number * 10).micros(), number * 100)
    }

    proptest! {
        #[test]
        fn the_moment_is_a_whole_second_of_the_window(from in 0_i64..10_000_000, length in 1_i64..100_000_000, dice: u64) {
            let (from, until) = (Timestamp::from_micros(from), Timestamp::from_micros(from + length));
            match moment(from, until, dice) {
                Some(found) => prop_assert!(found >= from && found < until && found.micros() % 1_000_000 == 0),
                None => prop_assert!(length < 2_000_000),
            }
        }
    }

    #[test]
    fn every_second_of_the_window_can_be_the_one() {
        let found: Vec<i64> = (0..4).map(|dice| moment(second(5), second(9), dice).unwrap().seconds()).collect();
        assert_eq!(found, [5, 6, 7, 8]);
        assert_eq!(moment(second(5), second(5), 0), None);
        assert_eq!(moment(second(5), second(4), 0), None);
    }

    #[test]
    fn a_drill_is_due_after_its_time_and_sooner_after_a_failure() {
        let day = Duration::from_secs(86_400);
        assert!(is_due(None, day, second(0)));
        for (passed, after, due) in
            [(true, 86_399, false), (true, 86_400, true), (false, 3_599, false), (false, 3_600, true)]
        {
            assert_eq!(is_due(Some((second(0), passed)), day, second(after)), due, "{passed} {after}");
        }
        assert!(!is_overdue(second(0), day, second(2 * 86_400)));
        assert!(is_overdue(second(0), day, second(3 * 86_400)));
    }

    #[test]
    fn what_was_acknowledged_is_all_there_and_nothing_later() {
        let known: Vec<Beat> = (1..=9).map(beat).collect();
        let copy = |range: std::ops::RangeInclusive<i64>| range.map(beat).collect::<Vec<_>>();
        let held = |known: &[Beat], copy: &[Beat], to| beats(known, copy, second(to), Some(second(to)));
        // At second 55 beat 5 is written, and whether it was acknowledged by then nobody knows.
        assert_eq!(held(&known, &copy(1..=5), 55), Ok(4));
        assert_eq!(held(&known, &copy(1..=4), 55), Ok(4));
        assert!(held(&known, &copy(1..=3), 55).unwrap_err().contains("beat 4"));
        assert!(held(&known, &copy(1..=6), 55).unwrap_err().contains("later"));
        assert!(held(&known, &copy(2..=5), 55).unwrap_err().contains("beat 1"));
        let mut other = copy(1..=5);
        other[2].2 += 1;
        assert!(held(&known, &other, 55).unwrap_err().contains("another"));
        // The copy may hold what was thinned since; then less is known of what was acknowledged.
        let thinned = [beat(3), beat(6), beat(9)];
        assert_eq!(held(&thinned, &copy(1..=5), 55), Ok(0));
        assert_eq!(held(&thinned, &copy(1..=6), 65), Ok(1));
        // To the latest: all that was archived by then, and whatever came after.
        assert_eq!(beats(&known, &copy(1..=9), second(55), None), Ok(4));
    }

    #[test]
    fn a_chain_that_is_shorter_or_another_is_found() {
        let known = [(0, 7, vec![1]), (3, 2, vec![2])];
        let copy = [(0, 7, vec![1]), (0, 8, vec![9]), (3, 2, vec![2])];
        assert_eq!(heads(&known, &copy), Ok(2));
        assert!(heads(&known, &copy[1..]).unwrap_err().contains("the instance was acknowledged"));
        let other = [(0, 7, vec![1]), (3, 2, vec![3])];
        assert!(heads(&known, &other).unwrap_err().contains("organization 3 is another"));
    }
}
