//! Whether a lost machine can be brought back, and whether that was shown: the recovery kit, and restores that were tried.

use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};
use sqlx::PgConnection;

use super::{Finding, State};
use crate::config::Config;
use crate::domain::drill::Stand;
use crate::domain::recovery::{Missing, missing};
use crate::notify::message::duration;
use crate::store::drills::{self, DrillRow, Standing};
use crate::vault::{KeyRing, kit};

pub(super) async fn recovery(config: &Config, conn: &mut PgConnection) -> Vec<Finding> {
    if !config.archive.is_on() {
        return Vec::new();
    }
    let now = Clock::system().now();
    match drills::standing_by(conn).await {
        Ok(standing) => {
            let every = Duration::from_secs(3600) * u32::from(config.archive.drill_hours);
            vec![recoverable(config, &standing, now), drilled(&standing, every, now)]
        }
        Err(error) => vec![Finding::new("recovery", State::Fail, error.to_string())],
    }
}

fn recoverable(config: &Config, standing: &Standing, now: Timestamp) -> Finding {
    let newest = KeyRing::load(&config.keys).ok().flatten().map(|ring| ring.newest_id());
    let missing = missing(&standing.recovery(&config.archive, newest), now);
    let mut reasons: Vec<&str> = missing.iter().copied().map(says).collect();
    let state = match reasons.first() {
        None => State::Pass,
        Some(_) if missing.contains(&Missing::NewDrill) => State::Fail,
        Some(_) => State::Warning,
    };
    let code = config.keys.directory().join(kit::CODE);
    let lies = format!("the code of the recovery kit still lies in {}: take it away", code.display());
    let is_there = code.exists();
    if is_there {
        reasons.push(&lies);
    }
    if reasons.is_empty() {
        return Finding::new(
            "recovery",
            State::Pass,
            "a kit is proven, and a restore from it and the store alone passed",
        );
    }
    let (word, state) = match state {
        State::Pass => ("recoverable, but ", State::Warning),
        state => ("not recoverable, as far as was shown: ", state),
    };
    Finding::new("recovery", state, format!("{word}{}", reasons.join("; ")))
}

fn says(missing: Missing) -> &'static str {
    match missing {
        Missing::Archive => "there is no archive",
        Missing::Elsewhere => {
            "the archive lies on this machine: put it into a bucket or onto another one, or say by [archive] elsewhere_attested \
             who made sure that it is copied away"
        }
        Missing::Proof => "no recovery kit was proven: run `picket-collector keys prove KIT`",
        Missing::Key => "the kit that was proven lacks the newest key: run `picket-collector keys kit`, and prove it",
        Missing::Drill => "no restore from a kit alone was tried: run `picket-collector drill --kit KIT`",
        Missing::NewDrill => {
            "the last restore from a kit alone is more than 90 days ago: run `picket-collector drill --kit KIT`"
        }
    }
}

/// What the last restore that was tried came to.
fn drilled(standing: &Standing, every: Duration, now: Timestamp) -> Finding {
    const NAME: &str = "restore drill";
    let ago = |row: &DrillRow| duration(now.since(row.began()));
    match (standing.stand(every, now), &standing.last, &standing.passed) {
        (Stand::Failed, Some(last), _) => {
            let why = last.failure().unwrap_or_default();
            Finding::new(NAME, State::Fail, format!("the last one, {} ago, failed: {why}", ago(last)))
        }
        (Stand::InTime, _, Some(passed)) => {
            let took = Duration::from_millis(passed.restore_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0));
            let took = duration(took.max(Duration::from_secs(1)));
            Finding::new(
                NAME,
                State::Pass,
                format!("one passed {} ago: a copy could be used after {took}", ago(passed)),
            )
        }
        (Stand::Overdue, Some(last), _) => {
            let why =
                format!("none passed in time; the last one, {} ago, was {}", ago(last), last.outcome.replace('_', " "));
            Finding::new(NAME, State::Fail, format!("{why}: run `picket-collector drill`"))
        }
        _ => Finding::new(NAME, State::NotMeasured, "none was tried yet: run `picket-collector drill`"),
    }
}
