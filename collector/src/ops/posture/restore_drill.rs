//! A restore is tried again and again, to a random second, and what it brings back is what was there.

use std::time::Duration;

use super::{Control, Facts};
use crate::domain::drill::Stand;
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "restore-drill", promises: &["S8", "S9"], check };

/// As often as is promised at least, also where none is tried by itself.
const QUARTER: Duration = Duration::from_secs(90 * 86_400);

fn check(facts: &Facts) -> Finding {
    let (seen, config) = match (&facts.recovery, &facts.config) {
        (Ok(seen), Ok(config)) => (seen, config),
        (Err(why), _) | (_, Err(why)) => return Finding::not_measured(why),
    };
    let hours = |at| seen.at.since(at).as_secs() / 3600;
    let every = Duration::from_secs(3600) * u32::from(config.archive.drill_hours);
    let stand = seen.standing.stand(every, seen.at);
    let passed = match (stand, &seen.standing.last, &seen.standing.passed) {
        (Stand::Untried, ..) => return Finding::not_measured("no restore was tried yet"),
        (Stand::Failed, Some(last), _) => {
            let found =
                Finding::fail(format!("the last restore that was tried, {} h ago, failed", hours(last.began())));
            return found.with(last.failure().unwrap_or_default());
        }
        (.., Some(passed)) => passed,
        _ => return Finding::fail("no restore that was tried has passed yet"),
    };
    let evidence = format!(
        "a restore to a random second passed {} h ago, every check of it; a copy could be used after {} s",
        hours(passed.began()),
        passed.restore_ms.unwrap_or_default() / 1000
    );
    Finding::kept(stand == Stand::InTime && seen.at.since(passed.began()) <= QUARTER, evidence)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use picket_shared::time::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::Recovery;
    use crate::store::drills::{DrillRow, Standing};

    fn drill(outcome: &str, began: Timestamp) -> Option<DrillRow> {
        Some(DrillRow {
            id: 1,
            began_at: began.micros(),
            ended_at: None,
            outcome: outcome.to_owned(),
            asked_by: String::new(),
            by_kit: false,
            restored_to_at: None,
            backup: None,
            restore_ms: Some(9_000),
            total_ms: None,
            bytes: None,
            wal_bytes: None,
            row_count: None,
            steps: json!([{ "name": "rows", "state": "failed", "says": "7 are missing" }]),
        })
    }

    #[test]
    fn a_drill_that_failed_or_is_long_ago_fails() {
        let blind = Facts::blind();
        let with = |last: Option<DrillRow>, passed: Option<DrillRow>| {
            let standing = Standing { last, passed, ..Standing::default() };
            let recovery = Recovery { at: blind.now, standing, point: None };
            check(&Facts { recovery: Ok(recovery), config: Ok(Arc::new(Config::default())), ..blind.clone() })
        };
        let ago = |hours: u32| blind.now - Duration::from_secs(3600) * hours;
        assert_eq!(with(None, None).state, State::NotMeasured);
        assert_eq!(with(drill("passed", ago(3)), drill("passed", ago(3))).state, State::Pass);
        assert_eq!(with(drill("passed", ago(60)), drill("passed", ago(60))).state, State::Fail);
        let failed = with(drill("failed", ago(3)), drill("passed", ago(27)));
        assert_eq!((failed.state, failed.detail.as_deref()), (State::Fail, Some("rows: 7 are missing")));
        assert_eq!(with(drill("broken_off", ago(1)), None).state, State::Fail);
    }
}
