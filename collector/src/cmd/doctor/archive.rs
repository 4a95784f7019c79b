//! Whether WAL reaches the archive.

use picket_shared::time::Timestamp;

use super::{Finding, State};
use crate::config::{Config, DatabaseMode};
use crate::ops::archive::keeper::{LATE, TOO_LATE, Waiting};
use crate::postgres::managed::Layout;

/// From this share of the room on, in percent, somebody should help.
const MUCH: u64 = 25;
/// From this share on there is little time left.
const TOO_MUCH: u64 = 50;

pub(super) fn archive(config: &Config, now: Timestamp) -> Finding {
    if config.database.mode == DatabaseMode::External {
        return Finding::new("archive", State::NotMeasured, "whoever runs the external database backs it up");
    }
    let place = match (config.archive.directory(), config.archive.s3()) {
        (Some(directory), _) => directory.display().to_string(),
        (None, Some(s3)) => format!("the bucket {}", s3.bucket),
        (None, None) => {
            let why = "there is none, and a lost disk is lost data: name a folder by [archive] directory";
            return Finding::new("archive", State::NotMeasured, why);
        }
    };
    let waiting = Waiting::in_folder(&Layout::of(&config.database.data_dir).pgdata().join("pg_wal"));
    let (age, share) = (waiting.age(now), waiting.share());
    let state = if age >= TOO_LATE || share >= TOO_MUCH {
        State::Fail
    } else if age >= LATE || share >= MUCH {
        State::Warning
    } else {
        State::Pass
    };
    let (files, seconds) = (waiting.files, age.as_secs());
    let message = match state {
        State::Pass => format!("{files} files of WAL wait to be archived in {place}"),
        _ => format!(
            "{files} files of WAL wait to be archived in {place}, the oldest for {seconds} s, and take {share} % of the room: the \
             collector's log says why"
        ),
    };
    Finding::new("archive", state, message)
}
