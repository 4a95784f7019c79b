//! What controls found: as it is now, and how it was before.

use picket_shared::time::Timestamp;

use crate::domain::controls::answers::Look;
use crate::domain::posture::{Finding, State};
use crate::store::{Auth, Conn, StoreError};

/// What a control found, for as long as it found the same.
#[derive(Clone, Debug)]
pub struct FindingRow {
    /// What it found last.
    pub finding: Finding,
    /// Since when.
    pub first_at: Timestamp,
    /// When it last looked.
    pub last_at: Timestamp,
}

/// A control.
#[derive(Clone, Debug)]
pub struct ControlRow {
    /// Its name.
    pub id: String,
    /// What it finds, as far as that is still known.
    pub now: FindingRow,
    /// What it found before that, the newest first.
    pub before: Vec<FindingRow>,
}

type Row = (String, String, String, Option<String>, i64, i64);

/// How much of the past of a control is shown.
const BEFORE: i64 = 6;

/// Every control in the order of their names.
///
/// # Errors
/// When the database fails.
pub async fn controls(auth: &mut Auth, now: Timestamp) -> Result<Vec<ControlRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT control, state, evidence, detail, first_at, last_at
         FROM (SELECT *, row_number() OVER (PARTITION BY control ORDER BY id DESC) AS place FROM findings) f
         WHERE place <= $1 ORDER BY control, place",
    )
    .bind(BEFORE)
    .fetch_all(auth.conn())
    .await?;
    let mut controls: Vec<ControlRow> = Vec::new();
    for (id, row) in rows.into_iter().filter_map(read) {
        match controls.last_mut().filter(|last| last.id == id) {
            Some(last) => last.before.push(row),
            None => {
                let finding = row.finding.as_of(row.last_at, now);
                controls.push(ControlRow { id, now: FindingRow { finding, ..row }, before: Vec::new() });
            }
        }
    }
    Ok(controls)
}

/// What every control finds, as far as that is still known, for answers.
///
/// # Errors
/// When the database fails.
pub async fn looks(auth: &mut Auth, now: Timestamp) -> Result<Vec<Look>, StoreError> {
    let look = |row: ControlRow| Look { control: row.id, finding: row.now.finding, at: row.now.last_at };
    Ok(controls(auth, now).await?.into_iter().map(look).collect())
}

/// A state that only another version knows is no finding here.
fn read((control, state, evidence, detail, first_at, last_at): Row) -> Option<(String, FindingRow)> {
    let finding = Finding { state: State::of(&state)?, evidence, detail };
    let [first_at, last_at] = [first_at, last_at].map(Timestamp::from_micros);
    Some((control, FindingRow { finding, first_at, last_at }))
}
