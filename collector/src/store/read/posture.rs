//! What controls found: as it is now, and how it was before.

use picket_shared::time::Timestamp;

use crate::domain::posture::{Finding, State};
use crate::store::{Auth, Conn, StoreError};

/// What a control found, for as long as it found the same.
#[derive(Clone, Debug)]
pub struct FindingRow {
    /// Which control.
    pub control: String,
    /// What it found last.
    pub finding: Finding,
    /// Since when.
    pub first_at: Timestamp,
    /// When it last looked.
    pub last_at: Timestamp,
}

type Row = (String, String, String, Option<String>, i64, i64);

/// How much of the past of a control is shown.
const BEFORE: i64 = 6;

/// Of each control in the order of their names: what it finds now, then what it found before that, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn recent(auth: &mut Auth) -> Result<Vec<FindingRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT control, state, evidence, detail, first_at, last_at
         FROM (SELECT *, row_number() OVER (PARTITION BY control ORDER BY id DESC) AS place FROM findings) f
         WHERE place <= $1 ORDER BY control, place",
    )
    .bind(BEFORE)
    .fetch_all(auth.conn())
    .await?;
    Ok(rows.into_iter().filter_map(read).collect())
}

/// A state that only another version knows is no finding here.
fn read((control, state, evidence, detail, first_at, last_at): Row) -> Option<FindingRow> {
    let finding = Finding { state: State::of(&state)?, evidence, detail };
    let [first_at, last_at] = [first_at, last_at].map(Timestamp::from_micros);
    Some(FindingRow { control, finding, first_at, last_at })
}
