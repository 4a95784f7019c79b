//! The review of access: every member with what it comes in by, as JSON or as CSV.

use axum::routing::get;
use serde_json::{Value, json};

use super::query::{Parameter, Shape};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::Right;
use crate::store::read::review::ReviewRow;
use crate::web::ui::member::review as page;

const FORMAT: Parameter = Parameter {
    name: "format",
    shape: Shape::OneOf(&["json", "csv"]),
    what: "What to answer; what `Accept` prefers if absent, and JSON if that says nothing.",
};

/// `GET /api/v1/members/review`.
pub const GET: Operation = Operation::get("/api/v1/members/review", Right::MembersReview, "reviewMembers", || {
    get(review_members)
})
.does("Shows who has access and by what: role, end, last sign-in, second factor, passkeys and keys. It is logged.")
.query(&[FORMAT])
.answers(&[(200, Some("AccessReview"))])
.or_csv();

async fn review_members(call: Call) -> Outcome {
    let csv = call.query.get(FORMAT.name).map_or(call.prefers_csv, |format| format == "csv");
    let (now, form) = (call.site.clock.now(), if csv { "csv" } else { "json" });
    let rows = call.site.porter.review(call.caller.org(), &call.caller.author(), form, now).await?;
    if csv {
        return Ok(Answer::csv(page::FILE, page::table(&rows)));
    }
    let items: Vec<Value> = rows.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "at": micros(now.micros()), "items": items })))
}

fn shown(row: &ReviewRow) -> Value {
    let maybe = |at: Option<i64>| at.map(micros);
    json!({
        "id": row.uuid,
        "email": row.email,
        "service": row.service,
        "role": row.role,
        "since": micros(row.created_at),
        "until": maybe(row.until_at),
        "signed_in_at": maybe(row.signed_in_at),
        "second_factor": row.second_factor,
        "passkeys": row.passkeys,
        "keys": row.keys,
        "key_last_used_at": maybe(row.key_used_at),
    })
}
