//! Tries a restore, and measures it: a random second of the window, into a folder of its own, read through and held against the
//! database that runs.
//!
//! In: the archive. Out: a [`Report`], whatever happens; who asked stores it. [`scratch`] is the folder, [`compare`] holds the copy against
//! what runs, which is only read; [`schedule`] has it done in time. Nothing of the collector's own cluster is touched.

mod compare;
pub mod schedule;
pub mod scratch;

use std::path::Path;
use std::time::Duration;

use picket_shared::time::{Stopwatch, Timestamp};
use serde::Serialize;

use self::compare::Bounds;
use self::scratch::Scratch;
use super::archive::catalogue::{self, Backup};
use super::archive::inventory::Inventory;
use super::archive::restore::{self, Progress, Restored};
use super::archive::shelf::{ArchiveError, Shelf};
use super::archive::wal::{Lsn, SegmentSize, WalFile};
use crate::domain::drill;
use crate::postgres::copy::{Copy, Fate};
use crate::postgres::open_pools;
use crate::postgres::recovery::Target;
use crate::store::drills::Ended;
use crate::store::{Pools, heartbeats};

/// How often the disk is looked at meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// Segments that PostgreSQL keeps at most while it recovers.
const SEGMENTS_KEPT: u64 = 64;

/// What is to be tried.
#[derive(Debug)]
pub struct Order<'a> {
    /// The archive.
    pub shelf: &'a Shelf,
    /// To which time; a random second of the window unless given.
    pub target: Option<Target>,
    /// Chooses the second.
    pub dice: u64,
    /// Where PostgreSQL's programs lie, if not where they usually do.
    pub binaries: Option<&'a Path>,
    /// The database that runs, where one does.
    pub live: Option<&'a Pools>,
}

/// How one step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Well.
    Passed,
    /// Not.
    Failed,
    /// It was not looked at, and the words say why.
    Skipped,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// How it went.
    pub state: State,
    /// What was found.
    pub says: String,
    /// How long it took.
    pub ms: u64,
}

/// What came of a drill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether every step went well.
    pub passed: bool,
    /// To which time it restored; `None` for the latest.
    pub to: Option<Timestamp>,
    /// The base backup that it began with.
    pub backup: Option<String>,
    /// What the restore came to.
    pub restored: Option<Restored>,
    /// From the beginning until the copy could be used, in milliseconds.
    pub restore_ms: Option<u64>,
    /// How long all of it took, in milliseconds.
    pub total_ms: u64,
    /// Bytes that were unpacked.
    pub bytes: Option<u64>,
    /// Rows in the copy.
    pub rows: Option<i64>,
    /// Step by step.
    pub steps: Vec<Step>,
}

/// Notes the steps as they go.
#[derive(Debug)]
pub(crate) struct Book {
    steps: Vec<Step>,
    lap: Stopwatch,
}

impl Book {
    fn new() -> Self {
        Self { steps: Vec::new(), lap: Stopwatch::start() }
    }

    fn note(&mut self, name: &'static str, found: Result<String, String>) -> bool {
        let (state, says) = match found {
            Ok(says) => (State::Passed, says),
            Err(says) => (State::Failed, says),
        };
        self.add(name, state, says);
        state == State::Passed
    }

    fn skip(&mut self, name: &'static str, why: &str) {
        self.add(name, State::Skipped, why.to_owned());
    }

    fn add(&mut self, name: &'static str, state: State, says: String) {
        let ms = u64::from(self.lap.lap_us() / 1000);
        self.steps.push(Step { name, state, says, ms });
    }
}

/// Tries it in a folder that is given back. `restore_command` makes PostgreSQL's command for a socket; `now` is the machine's own clock.
pub async fn run(
    order: &Order<'_>,
    scratch: Scratch,
    restore_command: impl Fn(&Path) -> String,
    now: impl Fn() -> Timestamp,
    told: impl Fn(Progress),
) -> Report {
    let (mut book, mut report, watch) = (Book::new(), Report::default(), Stopwatch::start());
    let trying = Trying { order, scratch: &scratch, restore_command, now, told };
    let ended = tokio::select! {
        ended = trying.all(&mut book, &mut report) => ended,
        error = fills_up(&scratch) => Err(error),
    };
    if let Err(error) = ended {
        book.note("drill", Err(error.to_string()));
    }
    if let Err(error) = scratch.give_back().await {
        book.note("clearing up", Err(error.to_string()));
    }
    report.steps = book.steps;
    report.passed = report.restored.is_some() && report.steps.iter().all(|step| step.state != State::Failed);
    report.total_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

async fn fills_up(scratch: &Scratch) -> ArchiveError {
    loop {
        if let Err(error) = scratch.is_bounded() {
            return error;
        }
        tokio::time::sleep(LOOK).await;
    }
}

struct Trying<'a, C, N, T> {
    order: &'a Order<'a>,
    scratch: &'a Scratch,
    restore_command: C,
    now: N,
    told: T,
}

impl<C: Fn(&Path) -> String, N: Fn() -> Timestamp, T: Fn(Progress)> Trying<'_, C, N, T> {
    async fn all(&self, book: &mut Book, report: &mut Report) -> Result<(), ArchiveError> {
        let watch = Stopwatch::start();
        let inventory = Inventory::take(self.order.shelf).await?;
        let safe = self.safe_until().await?;
        let target = self.target(&inventory, safe)?;
        let to = if let Target::Time(time) = target { Some(time) } else { None };
        report.to = to;
        self.room(book, &inventory, to)?;
        let data_dir = self.scratch.data_dir();
        let order = restore::Order { target, into: &data_dir, binaries: self.order.binaries };
        let restored =
            Box::pin(restore::run(self.order.shelf, &order, &self.restore_command, &self.now, &self.told)).await;
        let restored = match restored {
            Ok(restored) => restored,
            Err(error) => {
                book.note("restore", Err(error.to_string()));
                return Ok(());
            }
        };
        report.restore_ms = u64::try_from(watch.elapsed().as_millis()).ok();
        report.backup = Some(restored.backup.clone());
        report.bytes = inventory.backups.iter().find(|backup| backup.id == restored.backup).map(|found| found.bytes);
        book.note("restore", on_time(&restored, to));
        report.restored = Some(restored);
        let copy = Copy::start(&data_dir, self.order.binaries, Fate::Thrown).await?;
        let looked = self.look(book, report, &copy, safe).await;
        copy.stop().await;
        looked
    }

    /// Up to when everything is known to be archived; `None` where no collector runs.
    async fn safe_until(&self) -> Result<Option<Timestamp>, ArchiveError> {
        let Some(live) = self.order.live else { return Ok(None) };
        let mut worker = live.worker().await.map_err(other)?;
        let point = heartbeats::point(&mut worker, (self.now)()).await.map_err(other)?;
        Ok(point.filter(|point| point.is_archived).map(|point| point.at))
    }

    fn target(&self, inventory: &Inventory, safe: Option<Timestamp>) -> Result<Target, ArchiveError> {
        if let Some(target) = self.order.target {
            return Ok(target);
        }
        let Inventory { backups, path, .. } = inventory;
        let leads = |backup: &&Backup| path.leads_over(backup.timeline, Lsn(backup.end));
        let first = backups.iter().filter(leads).map(|backup| backup.ended_at).min();
        let from = first.ok_or_else(|| ArchiveError::other("the archive holds no complete base backup yet"))?;
        let moment = safe.and_then(|until| drill::moment(from, until, self.order.dice));
        Ok(moment.map_or(Target::Latest, Target::Time))
    }

    fn room(&self, book: &mut Book, inventory: &Inventory, to: Option<Timestamp>) -> Result<(), ArchiveError> {
        let Inventory { backups, path, places, .. } = inventory;
        let Some(backup) = catalogue::choose(backups, path, to) else { return Ok(()) };
        let needed = needed(backup, places.iter().map(|(place, size)| (place.as_str(), *size)));
        let free = self.scratch.has_room(needed)?;
        book.note("room", Ok(format!("{} MiB are needed at most, {} MiB are free", needed >> 20, free >> 20)));
        Ok(())
    }

    async fn look(
        &self,
        book: &mut Book,
        report: &mut Report,
        copy: &Copy,
        safe: Option<Timestamp>,
    ) -> Result<(), ArchiveError> {
        let checked = copy.check().await.map(|()| "pg_amcheck read every table and index".to_owned());
        book.note("amcheck", checked.map_err(|error| error.to_string()));
        book.note("collations", collations(copy).await);
        let pools = open_pools(&copy.access(), 2)?;
        let compared = match (self.order.live, report.to.or(safe)) {
            (Some(live), Some(by)) => compare::with_live(book, live, &pools, Bounds { by, end: report.to }).await,
            _ => compare::alone(book, &pools, report.to).await,
        };
        pools.close().await;
        compared.map_err(other)?;
        let (tables, rows) = copy.count().await?;
        report.rows = Some(rows);
        book.note("rows", Ok(format!("{rows} rows in {tables} tables were read")));
        Ok(())
    }
}

/// That indexes of texts are sorted here as they were where they were made.
async fn collations(copy: &Copy) -> Result<String, String> {
    let others = copy.other_collations().await.map_err(|error| error.to_string())?;
    if others.is_empty() {
        return Ok("every index of texts is sorted by rules that this machine has too".to_owned());
    }
    Err(format!(
        "other rules sort texts here than where indexes were made: {}. After a restore run REINDEX DATABASE",
        others.join("; ")
    ))
}

/// That nothing was committed later than was asked for.
fn on_time(restored: &Restored, to: Option<Timestamp>) -> Result<String, String> {
    let last = restored.last_commit.map(|at| at.exact());
    match (restored.last_commit, to) {
        (Some(last), Some(to)) if last > to => {
            Err(format!("the last transaction of the copy is of {}, after {}", last.exact(), to.exact()))
        }
        _ => Ok(format!(
            "the base backup {} is whole by pg_verifybackup; {} KiB of WAL were replayed, the last transaction is of {}",
            restored.backup,
            restored.wal_bytes >> 10,
            last.as_deref().unwrap_or("before its end")
        )),
    }
}

/// Bytes that a restore from a backup to the latest takes at most.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn needed_at_most(shelf: &Shelf, backup: &Backup) -> Result<u64, ArchiveError> {
    let places = shelf.list("wal/").await?;
    Ok(needed(backup, places.iter().map(|listed| (listed.name.as_str(), listed.size))))
}

/// Bytes that a restore from a backup takes at most: its files, WAL that PostgreSQL keeps, and what WAL after it may add.
fn needed<'a>(backup: &Backup, places: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    let size = SegmentSize::of(backup.segment_bytes).unwrap_or(SegmentSize::USUAL);
    let later = places.filter_map(|(place, stored)| match WalFile::at(place)? {
        WalFile::Segment(segment) if segment.number(size) >= backup.first_segment() => Some(stored),
        _ => None,
    });
    let (count, stored) = later.fold((0_u64, 0_u64), |(count, all), stored| (count + 1, all.saturating_add(stored)));
    // Stored WAL is compressed to a fourth, at the least; what it adds is not more than it says.
    backup.bytes + count.clamp(2, SEGMENTS_KEPT) * size.bytes() + stored.saturating_mul(4)
}

fn other(error: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::other(error.to_string())
}

impl From<&Report> for Ended {
    fn from(report: &Report) -> Self {
        let number = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok());
        Self {
            passed: report.passed,
            restored_to: report.to,
            backup: report.backup.clone(),
            restore_ms: number(report.restore_ms),
            total_ms: number(Some(report.total_ms)).unwrap_or(i64::MAX),
            bytes: number(report.bytes),
            wal_bytes: number(report.restored.as_ref().map(|restored| restored.wal_bytes)),
            row_count: report.rows,
            steps: serde_json::to_value(&report.steps).unwrap_or_default(),
        }
    }
}
