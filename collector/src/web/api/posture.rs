//! Whether promises are kept, as the page shows it.

use axum::routing::get;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Answer, Call, Operation, Outcome};
use crate::config::TrustPage;
use crate::domain::access::Right;
use crate::store::read::posture::{FindingRow, recent};
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
    let now = call.site.clock.now();
    let rows = recent(&mut call.site.pools.auth().await?).await?;
    let mut items: Vec<Value> = Vec::new();
    for row in rows {
        let Some(says) = control(&row.control) else { continue };
        match items.last_mut().filter(|last| last["control"] == row.control) {
            Some(last) => {
                if let Some(before) = last.get_mut("before").and_then(Value::as_array_mut) {
                    before.push(shown(&row));
                }
            }
            None => {
                let finding = row.finding.clone().as_of(row.last_at, now);
                let mut item = shown(&FindingRow { finding, ..row.clone() });
                item["control"] = json!(row.control);
                item["says"] = json!(says);
                item["before"] = json!([]);
                items.push(item);
            }
        }
    }
    Ok(Answer::ok(json!({ "items": items })))
}

fn shown(row: &FindingRow) -> Value {
    json!({
        "state": row.finding.state.as_str(),
        "evidence": row.finding.evidence,
        "since": row.first_at.exact(),
        "looked_at": row.last_at.exact(),
    })
}
