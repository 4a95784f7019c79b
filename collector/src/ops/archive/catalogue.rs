//! Pure: which base backup a restore begins with, which WAL it needs, what is missing, and what nobody needs any more.

use std::collections::BTreeSet;
use std::time::Duration;

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::contents::Checksums;
use super::timeline::Path;
use super::wal::{Lsn, Segment, SegmentSize, WalFile};

/// So many base backups are kept whatever their age: one can turn out to be bad.
const AT_LEAST: usize = 2;
/// What a base backup left that did not come to its end; one may still be running.
const UNFINISHED: Duration = Duration::from_secs(2 * 86_400);

/// A base backup that is complete: its description is written last, when everything else is in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Its name: when it began, and a random mark.
    pub id: String,
    /// The major version of PostgreSQL.
    pub major: u32,
    /// The timeline on which it ended.
    pub timeline: u32,
    /// From where on WAL is needed.
    pub start: u64,
    /// Up to where WAL is needed, at least.
    pub end: u64,
    /// How large segments of the WAL are, in bytes.
    pub segment_bytes: u64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it had ended: it can be restored to this time and later ones.
    pub ended_at: Timestamp,
    /// Bytes of its tar.
    pub tar_bytes: u64,
    /// Files in it.
    pub files: usize,
    /// Whether somebody else ran the server, with settings of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_foreign: bool,
    /// By which checksums its manifest lists its files.
    #[serde(default)]
    pub checksums: Checksums,
    /// Bytes of these.
    pub bytes: u64,
    /// The pieces of its tar as they are stored, in order.
    pub parts: Vec<Part>,
}

/// A piece of a tar as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its size, in bytes.
    pub size: u64,
    /// SHA-256 of its object, in hexadecimal.
    pub sha256: String,
}

impl Backup {
    /// Where its description lies.
    pub fn place(&self) -> String {
        place(&self.id)
    }

    /// Where a piece of its tar lies.
    pub fn part(&self, number: usize) -> String {
        part(&self.id, number)
    }

    /// Bytes that it takes in the store.
    pub fn stored_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    fn size(&self) -> SegmentSize {
        SegmentSize::of(self.segment_bytes).unwrap_or(SegmentSize::USUAL)
    }

    /// The number of the first segment that it needs.
    pub fn first_segment(&self) -> u64 {
        self.size().number_of(Lsn(self.start))
    }

    /// The segments without which it is no backup.
    pub fn own_segments(&self) -> impl Iterator<Item = Segment> {
        let (size, timeline) = (self.size(), self.timeline);
        (self.first_segment()..=size.number_before(Lsn(self.end)))
            .map(move |number| Segment::new(timeline, number, size))
    }
}

/// Where the description of a backup lies.
pub fn place(id: &str) -> String {
    format!("base/{id}/backup")
}

/// Where a piece of the tar of a backup lies.
pub fn part(id: &str, number: usize) -> String {
    format!("base/{id}/part-{number:06}")
}

/// The backup from which a restore to `target` begins: the latest that had ended by then, on the way to the present. Without a
/// target, the latest.
pub fn choose<'a>(backups: &'a [Backup], path: &Path, target: Option<Timestamp>) -> Option<&'a Backup> {
    on_the_way(backups, path)
        .filter(|backup| target.is_none_or(|target| backup.ended_at <= target))
        .max_by_key(|backup| (backup.ended_at, backup.id.clone()))
}

fn on_the_way<'a>(backups: &'a [Backup], path: &Path) -> impl Iterator<Item = &'a Backup> {
    backups.iter().filter(|backup| path.leads_over(backup.timeline, Lsn(backup.end)))
}

/// The first segment that is missing between the start of a backup and the end of what is archived on this way.
pub fn hole(backup: &Backup, path: &Path, found: &BTreeSet<Segment>) -> Option<Segment> {
    let size = backup.size();
    let mut number = backup.first_segment();
    for timeline in path.from(backup.timeline) {
        let of = |from: &Segment| from.timeline == timeline;
        // The segment in which a timeline was left is the next one's: it begins with a copy of it.
        let last = match path.end_of(timeline) {
            Some(end) => size.number_of(end).checked_sub(1),
            None => found.iter().filter(|segment| of(segment)).map(|segment| segment.number(size)).max(),
        };
        let own =
            backup.own_segments().map(|segment| segment.number(size)).max().filter(|_| timeline == backup.timeline);
        let last = last.max(own.filter(|_| path.end_of(timeline).is_none()));
        while last.is_some_and(|last| number <= last) {
            let segment = Segment::new(timeline, number, size);
            if !found.contains(&segment) {
                return Some(segment);
            }
            number += 1;
        }
    }
    None
}

/// What nobody needs any more, the descriptions of backups first.
///
/// Kept are the latest backup that had ended at the beginning of the window, all later ones, two at least, and all WAL from the
/// first of them on; histories stay for good.
pub fn expired(
    backups: &[Backup],
    places: &[String],
    path: &Path,
    window_begins: Timestamp,
    now: Timestamp,
) -> Vec<String> {
    let Some(anchor) = choose(backups, path, Some(window_begins)) else { return unfinished(backups, places, now) };
    let mut kept: Vec<&Backup> = backups.iter().filter(|backup| backup.ended_at >= anchor.ended_at).collect();
    let mut older: Vec<&Backup> =
        on_the_way(backups, path).filter(|backup| backup.ended_at < anchor.ended_at).collect();
    older.sort_by_key(|backup| backup.ended_at);
    while on_the_way(backups, path).filter(|backup| kept.iter().any(|kept| kept.id == backup.id)).count() < AT_LEAST {
        let Some(backup) = older.pop() else { break };
        kept.push(backup);
    }
    let is_kept = |id: &str| kept.iter().any(|backup| backup.id == id);
    let mut gone: Vec<String> = (backups.iter().filter(|backup| !is_kept(&backup.id)))
        .flat_map(|backup| {
            std::iter::once(backup.place()).chain((0..backup.parts.len()).map(|number| backup.part(number)))
        })
        .collect();
    let first = kept.iter().map(|backup| (backup.first_segment(), backup.size())).min_by_key(|(number, _)| *number);
    if let Some((first, size)) = first {
        gone.extend(places.iter().filter(|place| is_before(place, first, size)).cloned());
    }
    gone.extend(unfinished(backups, places, now));
    gone
}

fn is_before(place: &str, first: u64, size: SegmentSize) -> bool {
    match WalFile::at(place) {
        Some(WalFile::Segment(segment) | WalFile::Partial(segment) | WalFile::Backup(segment, _)) => {
            segment.number(size) < first
        }
        _ => false,
    }
}

/// The parts of backups that never came to their end, once none can be running any more.
fn unfinished(backups: &[Backup], places: &[String], now: Timestamp) -> Vec<String> {
    let is_left = |place: &&String| {
        let Some((id, _)) = place.strip_prefix("base/").and_then(|rest| rest.split_once('/')) else { return false };
        let complete = backups.iter().any(|backup| backup.id == id);
        !complete && began(id).is_some_and(|began| now.since(began) > UNFINISHED)
    };
    places.iter().filter(is_left).cloned().collect()
}

/// The name of a backup that begins now: `20261123T080000Z-0a1b`.
pub fn id(now: Timestamp, mark: [u8; 2]) -> String {
    let time: String = format!("{now:.0}").chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{time}-{:04x}", u16::from_be_bytes(mark))
}

/// When a backup of that name began.
pub(super) fn began(id: &str) -> Option<Timestamp> {
    let (date, rest) = (id.get(..8)?, id.get(8..16)?);
    let time = rest.strip_prefix('T')?;
    let part = |text: &str, at: usize| text.get(at..at + 2).map(str::to_owned);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        date.get(..4)?,
        part(date, 4)?,
        part(date, 6)?,
        part(time, 0)?,
        part(time, 2)?,
        part(time, 4)?
    );
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: SegmentSize = SegmentSize::USUAL;
    const DAY: i64 = 86_400;

    /// A backup that ended on that day and needs the segment `10 * day`.
    fn backup(day: i64, timeline: u32) -> Backup {
        let at = Timestamp::from_seconds(day * DAY);
        let start = u64::try_from(day).unwrap() * 10 * SIZE.bytes() + 40;
        Backup {
            id: id(at, [0, u8::try_from(timeline).unwrap()]),
            major: 15,
            timeline,
            start,
            end: start + 100,
            segment_bytes: SIZE.bytes(),
            began_at: at,
            ended_at: at,
            tar_bytes: 0,
            files: 0,
            is_foreign: false,
            checksums: Checksums::default(),
            bytes: 0,
            parts: vec![Part { size: 1, sha256: String::new() }],
        }
    }

    fn segments(timeline: u32, numbers: impl Iterator<Item = u64>) -> BTreeSet<Segment> {
        numbers.map(|number| Segment::new(timeline, number, SIZE)).collect()
    }

    fn places(segments: &BTreeSet<Segment>, backups: &[Backup]) -> Vec<String> {
        let wal = segments.iter().map(|segment| WalFile::Segment(*segment).place());
        wal.chain(backups.iter().flat_map(|backup| [backup.place(), backup.part(0)])).collect()
    }

    #[test]
    fn a_restore_begins_with_the_latest_backup_that_had_ended() {
        let backups = [backup(1, 1), backup(2, 1), backup(3, 1)];
        let chosen = |target: Option<i64>| {
            let target = target.map(Timestamp::from_seconds);
            choose(&backups, &Path::first(), target).map(|backup| backup.ended_at.seconds() / DAY)
        };
        assert_eq!(chosen(None), Some(3));
        assert_eq!(chosen(Some(3 * DAY)), Some(3));
        assert_eq!(chosen(Some(3 * DAY - 1)), Some(2));
        assert_eq!(chosen(Some(DAY - 1)), None);
    }

    #[test]
    fn a_backup_of_another_future_is_no_beginning() {
        // Timeline 2 left 1 in segment 15; the backup of day 2 on timeline 1 is later than that.
        let path = Path::parse(2, &format!("1\t{}\tbefore\n", Lsn(15 * SIZE.bytes() + 7))).unwrap();
        let backups = [backup(1, 1), backup(2, 1)];
        assert_eq!(choose(&backups, &path, None).unwrap().ended_at.seconds(), DAY);
    }

    #[test]
    fn the_first_missing_segment_is_named_also_across_timelines() {
        let one = backup(1, 1);
        let all = segments(1, 10..20);
        assert_eq!(hole(&one, &Path::first(), &all), None);
        for missing in 10..19 {
            let without = segments(1, (10..20).filter(|number| *number != missing));
            assert_eq!(hole(&one, &Path::first(), &without).unwrap().number(SIZE), missing);
        }
        assert_eq!(hole(&one, &Path::first(), &BTreeSet::new()).unwrap().number(SIZE), 10);
        let path = Path::parse(2, &format!("1\t{}\tbefore\n", Lsn(15 * SIZE.bytes() + 7))).unwrap();
        let mut both = segments(1, 10..15);
        both.extend(segments(2, 15..18));
        assert_eq!(hole(&one, &path, &both), None);
        both.remove(&Segment::new(1, 14, SIZE));
        assert_eq!(hole(&one, &path, &both), Some(Segment::new(1, 14, SIZE)));
        both.insert(Segment::new(1, 14, SIZE));
        both.remove(&Segment::new(2, 15, SIZE));
        assert_eq!(hole(&one, &path, &both), Some(Segment::new(2, 15, SIZE)));
    }

    #[test]
    fn the_backup_before_the_window_stays_with_all_wal_from_it_on() {
        let backups: Vec<_> = (1..=40).map(|day| backup(day, 1)).collect();
        let wal = segments(1, 5..405);
        let (now, begins) = (Timestamp::from_seconds(40 * DAY + 60), Timestamp::from_seconds(10 * DAY + 60));
        let gone = expired(&backups, &places(&wal, &backups), &Path::first(), begins, now);
        assert!(gone.contains(&backups[8].place()) && gone.contains(&backups[8].part(0)));
        assert!(!gone.contains(&backups[9].place()), "the last that had ended when the window begins");
        let wal_gone = gone.iter().filter(|place| place.starts_with("wal/")).count();
        assert_eq!(wal_gone, 95, "5 to 99, and 100 is needed");
    }

    #[test]
    fn nothing_goes_while_no_backup_is_old_enough_and_two_stay_whatever_their_age() {
        let now = Timestamp::from_seconds(400 * DAY);
        let backups = [backup(1, 1), backup(2, 1)];
        let wal = segments(1, 5..30);
        let all = places(&wal, &backups);
        let early = expired(&backups, &all, &Path::first(), Timestamp::from_seconds(DAY - 1), now);
        assert_eq!(early, Vec::<String>::new());
        let late = expired(&backups, &all, &Path::first(), Timestamp::from_seconds(300 * DAY), now);
        assert!(late.iter().all(|place| place.starts_with("wal/")), "{late:?}");
        assert_eq!(late.len(), 5, "5 to 9");
    }

    #[test]
    fn what_an_unfinished_backup_left_goes_after_two_days_and_histories_never() {
        let now = Timestamp::from_seconds(10 * DAY);
        let left = [
            part(&id(Timestamp::from_seconds(7 * DAY), [1, 2]), 0),
            part(&id(Timestamp::from_seconds(9 * DAY), [1, 2]), 0),
        ];
        let mut places = left.to_vec();
        places.push(WalFile::History(2).place());
        places.push("owner".to_owned());
        assert_eq!(expired(&[], &places, &Path::first(), now, now), [left[0].clone()]);
        assert_eq!(began("20261123T080000Z-0a1b").unwrap().to_string(), "2026-11-23T08:00:00.000Z");
        assert_eq!(began("x"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whatever was backed up when: after expiry every time in the window is restored from the same backup as before, and none of
        /// the WAL that this needs is gone.
        #[test]
        fn no_restore_within_the_window_loses_anything(
            days in prop::collection::btree_set(1_i64..60, 1..20),
            other in prop::collection::btree_set(1_i64..60, 0..5),
            keep in 1_i64..36,
            forked in 1_u64..600,
        ) {
            let path = Path::parse(2, &format!("1\t{}\tbefore\n", Lsn(forked * SIZE.bytes()))).unwrap();
            let timeline = |day: i64| if u64::try_from(day).unwrap() * 10 < forked { 1 } else { 2 };
            let mut backups: Vec<_> = days.iter().map(|day| backup(*day, timeline(*day))).collect();
            backups.extend(other.iter().filter(|day| !days.contains(day)).map(|day| backup(*day, 1)));
            let mut wal = segments(1, 0..600);
            wal.extend(segments(2, forked..600));
            let (now, begins) = (Timestamp::from_seconds(60 * DAY), Timestamp::from_seconds((60 - keep) * DAY));
            let gone: BTreeSet<String> = expired(&backups, &places(&wal, &backups), &path, begins, now).into_iter().collect();
            let left: Vec<Backup> = backups.iter().filter(|backup| !gone.contains(&backup.place())).cloned().collect();
            for quarter in 0..=keep * 4 {
                let target = begins.shifted(quarter * 6 * 3600 * 1_000_000);
                let (before, after) = (choose(&backups, &path, Some(target)), choose(&left, &path, Some(target)));
                prop_assert_eq!(before, after);
                let Some(backup) = after else { continue };
                for segment in wal.iter().filter(|segment| segment.number(SIZE) >= backup.first_segment()) {
                    prop_assert!(!gone.contains(&WalFile::Segment(*segment).place()));
                }
            }
            let left_on_the_way = on_the_way(&left, &path).count();
            prop_assert!(left_on_the_way >= AT_LEAST.min(on_the_way(&backups, &path).count()));
        }
    }
}
