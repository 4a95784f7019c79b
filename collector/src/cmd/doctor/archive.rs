//! Whether WAL reaches the archive, and what is there.

use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};

use sqlx::PgConnection;

use super::{Finding, State};
use crate::cmd::archive::{own_shelf, wal_folder};
use crate::config::{Config, DatabaseMode};
use crate::notify::message::duration;
use crate::ops::archive::inventory;
use crate::ops::archive::keeper::{LATE, TOO_LATE, Waiting};
use crate::postgres::managed::Layout;
use crate::postgres::upgrade::Upgrade;
use crate::store::heartbeats::Point;

/// From this share of the room on, in percent, somebody should help.
const MUCH: u64 = 25;
/// From this share on there is little time left.
const TOO_MUCH: u64 = 50;

/// A base backup is a day old at most, and takes a while.
const OLD: Duration = Duration::from_secs(26 * 3600);
/// Two were not taken.
const TOO_OLD: Duration = Duration::from_secs(50 * 3600);
/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn archive(config: &Config, now: Timestamp) -> Finding {
    let is_external = config.database.mode == DatabaseMode::External;
    if is_external && !config.archive.is_on() {
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
    let waiting = Waiting::in_folder(&wal_folder(config));
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

/// An upgrade of PostgreSQL that has not ended.
pub(super) fn upgrade(config: &Config) -> Option<Finding> {
    const NAME: &str = "upgrade";
    if config.database.mode == DatabaseMode::External {
        return None;
    }
    match Upgrade::read(&Layout::of(&config.database.data_dir)) {
        Ok(None) => None,
        Ok(Some(upgrade)) => Some(match upgrade.says() {
            Some(why) => Finding::new(NAME, State::Fail, why),
            None => {
                let why = format!(
                    "an upgrade from PostgreSQL {} to {} runs or broke off: run `picket-collector database upgrade` again, or start the \
                     collector",
                    upgrade.from, upgrade.to
                );
                Finding::new(NAME, State::Warning, why)
            }
        }),
        Err(error) => Some(Finding::new(NAME, State::Fail, error.to_string())),
    }
}

/// Whether the store can be reached and written, and how old the last base backup is. A bucket is somebody else's machine, which
/// `local` leaves out.
pub(super) async fn store(config: &Config, now: Timestamp, local: bool) -> Option<Finding> {
    const NAME: &str = "archive store";
    if !config.archive.is_on() || local && config.archive.s3().is_some() {
        return None;
    }
    let looked = async {
        let shelf = own_shelf(config).await?;
        Ok::<_, crate::cmd::CmdError>((shelf.place(), inventory::backups(&shelf).await?))
    };
    let finding = |state, message: String| Some(Finding::new(NAME, state, message));
    match tokio::time::timeout(PATIENCE, looked).await {
        Err(_) => finding(State::Fail, "it does not answer within 15 s: look at its disk or its network".to_owned()),
        Ok(Err(error)) => finding(State::Fail, error.to_string()),
        Ok(Ok((place, backups))) => match backups.last().map(|last| now.since(last.ended_at)) {
            None => finding(State::Warning, format!("{place} can be written, and holds no base backup yet")),
            Some(age) => {
                let (state, advice) = match age {
                    age if age >= TOO_OLD => (State::Fail, ": the collector's log says why none was taken since"),
                    age if age >= OLD => (State::Warning, ": the collector's log says why none was taken since"),
                    _ => (State::Pass, ""),
                };
                finding(state, format!("{place} can be written; the last base backup is {} old{advice}", duration(age)))
            }
        },
    }
}

/// How much a lost disk would cost, as it was measured. By the machine's own clock.
pub(super) async fn recovery_point(config: &Config, conn: &mut PgConnection) -> Option<Finding> {
    const NAME: &str = "recovery point";
    if !config.archive.is_on() {
        return None;
    }
    let now = Clock::system().now();
    Some(match crate::store::heartbeats::point_by(conn, now).await {
        Ok(Some(point)) => measured(&point, now.since(point.at)),
        Ok(None) => {
            Finding::new(NAME, State::Warning, "it was not measured yet: the collector measures it while it runs")
        }
        Err(error) => Finding::new(NAME, State::Fail, error.to_string()),
    })
}

fn measured(point: &Point, age: Duration) -> Finding {
    let state = match age {
        age if age >= TOO_LATE => State::Fail,
        age if age >= LATE => State::Warning,
        _ => State::Pass,
    };
    let advice = if state == State::Pass { "" } else { ": the collector's log says why no more is archived" };
    let lost = if point.is_archived {
        format!("a disk that is lost now costs the last {}", duration(age))
    } else {
        format!("nothing of the last {} is known to be archived", duration(age))
    };
    let worst = duration(point.worst.max(age));
    Finding::new("recovery point", state, format!("{lost}; the most in a day was {worst}{advice}"))
}

/// When a managed database last handed WAL over. What waits is told apart; a database that was just started may have archived none for as long as it
/// stood.
pub(super) async fn archived(config: &Config, conn: &mut PgConnection, now: Timestamp) -> Option<Finding> {
    const NAME: &str = "archived WAL";
    if config.database.mode == DatabaseMode::External || !config.archive.is_on() {
        return None;
    }
    let late = LATE + Duration::from_secs(u64::from(config.archive.switch_seconds));
    Some(match crate::store::health::last_archived(conn).await {
        Ok(Some(at)) => {
            let age = now.since(at);
            let state = if age >= late { State::Warning } else { State::Pass };
            Finding::new(NAME, state, format!("the last was archived {} ago", duration(age)))
        }
        Ok(None) => Finding::new(NAME, State::Warning, "none was archived yet: the collector's log says why"),
        Err(error) => Finding::new(NAME, State::Fail, error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lost_disk_costs_is_a_warning_after_two_minutes_and_a_failure_after_four() {
        let point = Point { at: Timestamp::from_seconds(1), is_archived: true, worst: Duration::from_secs(70) };
        for (seconds, state) in [(0, State::Pass), (119, State::Pass), (120, State::Warning), (240, State::Fail)] {
            let found = measured(&point, Duration::from_secs(seconds));
            assert_eq!(found.state, state, "{seconds} s: {}", found.message);
        }
        let found = measured(&Point { is_archived: false, ..point }, Duration::from_secs(300));
        assert!(found.message.contains("nothing of the last 5 min"), "{}", found.message);
    }
}
