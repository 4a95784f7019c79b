//! `/admin/recovery`: whether a lost machine can be brought back, how much that would cost, and the restores that were tried.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use picket_shared::time::{Clock, Timestamp};

use super::super::frame::Frame;
use super::super::shape::{Shape, lasting, shape};
use super::super::{filters, page_of};
use super::{Head, Line, frame, line};
use crate::config::DatabaseMode;
use crate::domain::drill::Stand;
use crate::domain::recovery::{self, Missing};
use crate::store::drills::{self, DrillRow, Standing};
use crate::store::heartbeats::{self, Point};
use crate::store::{Auth, StoreError};
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::texts::{filled, text};

/// How many drills are shown.
const SHOWN: i64 = 30;
/// More than that is not to be lost.
const LATE: Duration = Duration::from_secs(120);

#[derive(Template)]
#[template(path = "admin/recovery.html")]
struct Recovery {
    frame: Frame,
    head: Head,
    lines: Vec<Line>,
    /// What is missing, in sentences.
    missing: Vec<&'static str>,
    drills: Vec<Item>,
}

/// One drill.
struct Item {
    shape: Shape,
    began: String,
    to: String,
    took: String,
    rows: String,
    asked_by: &'static str,
    failure: Option<String>,
}

/// `GET /admin/recovery`.
pub async fn get_recovery(State(site): State<Site>, administrator: Administrator) -> Response {
    page_of(gather(&site, &administrator).await)
}

async fn gather(site: &Site, administrator: &Administrator) -> Result<Recovery, StoreError> {
    let mut auth = site.pools.auth().await?;
    let rows = drills::list(&mut auth, SHOWN).await?;
    let (lines, missing) = standing(site, &mut auth).await?;
    Ok(Recovery {
        frame: frame(administrator, "admin.recovery"),
        head: Head::of(administrator, "/admin/recovery"),
        lines,
        missing: missing.into_iter().map(says).collect(),
        drills: rows.iter().map(item).collect(),
    })
}

/// How recovery stands, in lines, and what is missing; nothing where somebody else runs the database.
///
/// # Errors
/// When the database fails.
pub(super) async fn standing(site: &Site, auth: &mut Auth) -> Result<(Vec<Line>, Vec<Missing>), StoreError> {
    let config = &site.desk.config;
    if config.database.mode == DatabaseMode::External && !config.archive.is_on() {
        return Ok((Vec::new(), Vec::new()));
    }
    // All of these times are the machine's own.
    let now = Clock::system().now();
    let standing = drills::standing(auth).await?;
    let missing = recovery::missing(&standing.recovery(&config.archive, Some(site.sealer.key_id())), now);
    let word = if missing.is_empty() { "admin.recoverable_yes" } else { "admin.recoverable_no" };
    let mut lines = vec![line("admin.recoverable", missing.is_empty(), text(word).to_owned())];
    if config.archive.is_on() {
        lines.push(lost(heartbeats::point(auth, now).await?, now));
        lines.extend(drilled(&standing, Duration::from_secs(3600) * u32::from(config.archive.drill_hours), now));
    }
    Ok((lines, missing))
}

/// What a disk that is lost now costs.
fn lost(point: Option<Point>, now: Timestamp) -> Line {
    let age = point.map(|point| now.since(point.at));
    let value = age.map_or_else(|| text("admin.not_measured").to_owned(), |age| lasting(age.as_secs()));
    line("admin.would_be_lost", age.is_some_and(|age| age < LATE), value)
}

/// When a restore was last tried and passed, and how long it took.
fn drilled(standing: &Standing, every: Duration, now: Timestamp) -> Vec<Line> {
    let Some(last) = &standing.last else {
        return vec![line("admin.last_drill", false, text("admin.no_drill").to_owned())];
    };
    let ago = filled("time.ago", lasting(now.since(last.began()).as_secs()));
    let word = outcome(last);
    let mut lines =
        vec![line("admin.last_drill", standing.stand(every, now) == Stand::InTime, format!("{word}, {ago}"))];
    if let Some(passed) = &standing.passed {
        lines.push(line("admin.usable_after", true, took(passed)));
    }
    lines
}

fn says(missing: Missing) -> &'static str {
    text(match missing {
        Missing::Archive => "admin.missing_archive",
        Missing::Elsewhere => "admin.missing_elsewhere",
        Missing::Proof => "admin.missing_proof",
        Missing::Key => "admin.missing_key",
        Missing::Drill => "admin.missing_drill",
        Missing::NewDrill => "admin.missing_new_drill",
    })
}

fn outcome(row: &DrillRow) -> &'static str {
    text(match row.outcome.as_str() {
        "passed" => "admin.drill_passed",
        "failed" => "admin.drill_failed",
        "broken_off" => "admin.drill_broken_off",
        _ => "admin.drill_running",
    })
}

fn item(row: &DrillRow) -> Item {
    let class = match row.outcome.as_str() {
        "passed" => "up",
        "running" => "unknown",
        _ => "down",
    };
    let asked_by = match (row.by_kit, row.asked_by.as_str()) {
        (true, _) => "admin.drill_by_kit",
        (false, "schedule") => "admin.drill_by_schedule",
        (false, _) => "admin.drill_by_command",
    };
    Item {
        shape: Shape { word: outcome(row), ..shape(class) },
        began: format!("{:.0}", row.began()),
        to: row.restored_to_at.map_or_else(String::new, |at| format!("{:.0}", Timestamp::from_micros(at))),
        took: took(row),
        rows: row.row_count.map_or_else(String::new, |rows| rows.to_string()),
        asked_by: text(asked_by),
        failure: row.failure(),
    }
}

fn took(row: &DrillRow) -> String {
    let seconds = row.restore_ms.and_then(|ms| u64::try_from(ms).ok()).map(|ms| ms.div_ceil(1000));
    seconds.map_or_else(String::new, lasting)
}
