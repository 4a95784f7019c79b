//! Whether a breach is open, and how much is left of its 72 hours.

use picket_shared::time::Timestamp;
use sqlx::PgConnection;

use super::{Finding, State};
use crate::domain::breach::Clock;
use crate::store::breaches;

pub(super) async fn look(conn: &mut PgConnection, now: Timestamp) -> Finding {
    let rows = match breaches::open_by(conn).await {
        Ok(rows) => rows,
        Err(error) => return Finding::new("breaches", State::Fail, error.to_string()),
    };
    let mut state = State::Pass;
    let mut lines = Vec::new();
    for row in rows {
        let clock = row.facts.clock(row.told == row.organizations, now);
        match clock {
            Clock::Overdue(_) => state = State::Fail,
            Clock::Left(_) if state == State::Pass => state = State::Warning,
            Clock::Left(_) | Clock::Stopped => {}
        }
        lines.push(format!("{:?}: {}", row.facts.title, clock.told()));
    }
    if lines.is_empty() {
        return Finding::new("breaches", State::Pass, "none is open");
    }
    let advice = if state == State::Pass { "" } else { ": look at `privacy breach show`, tell, and report it" };
    Finding::new("breaches", state, format!("{}{advice}", lines.join("; ")))
}
