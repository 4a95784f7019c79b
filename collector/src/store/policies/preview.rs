//! Whom a policy would tell of an incident, and when: for whoever asks before anything happens.

use picket_shared::time::Timestamp;

use super::reach::{self, Chosen, Reach};
use crate::domain::telling::escalation::{Progress, Step};
use crate::store::{Conn, MonitorKey, OrgKey, StoreError};

/// Who would be told.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The policy; none where the organization has none for it, and everybody is told at once.
    pub chosen: Option<Chosen>,
    /// When whom, in order.
    pub levels: Vec<Told>,
}

/// A level that would be told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which, from 0.
    pub level: usize,
    /// When.
    pub at: Timestamp,
    /// Whom, as schedules are for that time now. Quiet hours and budgets are not looked at.
    pub reach: Reach,
}

/// Whom an incident of these monitors would be told that was found at `at` and that nobody acknowledged, once through all levels.
///
/// # Errors
/// When the database fails or a schedule cannot be read.
pub async fn preview(
    conn: &mut impl Conn,
    org: OrgKey,
    monitors: &[MonitorKey],
    at: Timestamp,
) -> Result<Preview, StoreError> {
    let Some(chosen) = reach::chosen(conn, org, monitors).await? else {
        let reach = reach::everyone(conn, org).await?;
        return Ok(Preview { chosen: None, levels: vec![Told { level: 0, at, reach }] });
    };
    let mut levels = Vec::new();
    let mut progress = Progress::begin(&chosen.policy, at);
    while let Some(now) = progress.due {
        let Some((Step::Level { level, round: 0 }, next)) = progress.step(&chosen.policy, now) else { break };
        let reach = reach::level(conn, org, chosen.key, level, now).await?;
        progress = if reach.hops.is_empty() { next.nobody_there(now) } else { next };
        levels.push(Told { level, at: now, reach });
    }
    Ok(Preview { chosen: Some(chosen), levels })
}
