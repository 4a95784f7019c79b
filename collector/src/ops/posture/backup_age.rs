//! There is a base backup of the last day, and WAL is archived as it is written.

use std::time::Duration;

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "backup-age", promises: &["S5", "S6", "S7", "S9"], check };

/// A day, and the time that one takes.
const OLDEST_BACKUP: Duration = Duration::from_secs(26 * 3600);
/// WAL is switched after 30 s, and archived.
const OLDEST_WAL: Duration = Duration::from_secs(300);

fn check(facts: &Facts) -> Finding {
    judged(&facts.archive, |seen| {
        if let Some(why) = &seen.unproven {
            // Versions are not for everybody.
            let evidence = "the database was upgraded, and no verified base backup of it is known since";
            return Finding { detail: Some(why.clone()), ..Finding::fail(evidence) };
        }
        let Some(backed_up_at) = seen.backed_up_at else {
            return Finding::fail("there is no base backup yet");
        };
        let backup = facts.now.since(backed_up_at);
        let hours = backup.as_secs() / 3600;
        // A database that was just started may not have archived since; what is archived meanwhile is told by the next run.
        let Some(archived_at) = seen.archived_at else {
            return Finding::not_measured(format!(
                "the last base backup, sealed by AES-256-GCM, is {hours} h old; no WAL was archived since the database started"
            ));
        };
        let wal = facts.now.since(archived_at);
        let evidence = format!(
            "the last base backup, sealed by AES-256-GCM, is {hours} h old; WAL was last archived {} s ago",
            wal.as_secs()
        );
        Finding::kept(backup <= OLDEST_BACKUP && wal <= OLDEST_WAL, evidence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posture::State;
    use crate::ops::posture::facts::Archive;

    #[test]
    fn a_backup_of_the_last_day_and_wal_of_the_last_minutes_are_wanted() {
        let with = |hours: Option<u64>, seconds: Option<u64>| {
            let blind = Facts::blind();
            let ago = |seconds: u64| blind.now - Duration::from_secs(seconds);
            let backed_up_at = hours.map(|h| ago(h * 3600));
            let archive = Archive { unproven: None, backed_up_at, archived_at: seconds.map(ago) };
            check(&Facts { archive: Ok(archive), ..blind }).state
        };
        assert_eq!(with(Some(25), Some(40)), State::Pass);
        assert_eq!(with(Some(27), Some(40)), State::Fail);
        assert_eq!(with(Some(1), Some(301)), State::Fail);
        assert_eq!(with(Some(1), None), State::NotMeasured);
        assert_eq!(with(None, Some(1)), State::Fail);
    }

    #[test]
    fn an_upgrade_without_a_verified_base_backup_is_a_failure() {
        let blind = Facts::blind();
        let (backed_up_at, archived_at) = (Some(blind.now), Some(blind.now));
        let archive = Archive { unproven: Some("it has not ended".to_owned()), backed_up_at, archived_at };
        let found = check(&Facts { archive: Ok(archive), ..blind });
        assert_eq!((found.state, found.detail.as_deref()), (State::Fail, Some("it has not ended")));
    }
}
