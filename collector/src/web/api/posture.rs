//! Whether promises are kept, as the page shows it.

use axum::routing::get;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Answer, Call, Operation, Outcome};
use crate::config::TrustPage;
use crate::domain::access::Right;
use crate::store::read::posture::{ControlRow, FindingRow, controls};
use crate::web::texts::control;

/// `GET /api/v1/posture`.
pub const LIST: Operation = Operation::get("/api/v1/posture", Right::AccountRead, "listControls", || {
    get(list_controls)
})
.does("Lists the controls: whether each promise is kept, by what that is known, since when, and how it was before.")
.answers(&[(200, Some("Posture"))])
.maybe_off();

async fn list_controls(call: Call) -> Outcome {
    if call.site.trust == TrustPage::Off {
        return Err(Problem::not_found());
    }
    let rows = controls(&mut call.site.pools.auth().await?, call.site.clock.now()).await?;
    let item = |row: &ControlRow| {
        let mut item = shown(&row.now);
        item["control"] = json!(row.id);
        item["says"] = json!(control(&row.id)?);
        item["before"] = row.before.iter().map(shown).collect();
        Some(item)
    };
    Ok(Answer::ok(json!({ "items": rows.iter().filter_map(item).collect::<Vec<_>>() })))
}

fn shown(row: &FindingRow) -> Value {
    json!({
        "state": row.finding.state.as_str(),
        "evidence": row.finding.evidence,
        "since": row.first_at.exact(),
        "looked_at": row.last_at.exact(),
    })
}
