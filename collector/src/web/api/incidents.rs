//! Incidents, and one with its timeline.

use axum::routing::get;
use picket_shared::ids::IncidentId;
use serde_json::{Value, json};

use super::problem::Problem;
use super::query::{self, AFTER, LIMIT, Parameter, Shape};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::Right;
use crate::store::read::incidents::{self, Chosen, IncidentOf};

const MONITOR: Parameter = Parameter { name: "monitor", shape: Shape::Id, what: "Only those of this monitor." };
const STATE: Parameter =
    Parameter { name: "state", shape: Shape::OneOf(&["open", "resolved"]), what: "Only those in this state." };

/// `GET /api/v1/incidents`.
pub const LIST: Operation =
    Operation::get("/api/v1/incidents", Right::IncidentsRead, "listIncidents", || get(list_incidents))
        .does("Lists incidents, the newest first.")
        .query(&[LIMIT, AFTER, MONITOR, STATE])
        .answers(&[(200, Some("IncidentPage"))]);
/// `GET /api/v1/incidents/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/incidents/{id}", Right::IncidentsRead, "getIncident", || get(get_incident))
        .does("Shows an incident with its timeline.")
        .answers(&[(200, Some("IncidentDetail"))]);

async fn list_incidents(call: Call) -> Outcome {
    let (query, limit) = (&call.query, call.query.limit());
    let before = query.after::<IncidentId>()?;
    let chosen =
        Chosen { monitor: query.value(MONITOR.name), open: query.get(STATE.name).map(|state| state == "open") };
    let mut scoped = call.caller.scoped(&call.site).await?;
    let rows = incidents::page(&mut scoped, chosen, before, query::and_one(limit)).await?;
    let (rows, next) = query::page(rows, limit, |row| row.incident.uuid.to_string());
    Ok(Answer::page(rows.iter().map(shown).collect(), next))
}

async fn get_incident(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = incidents::one(&mut scoped, call.id()?).await?.ok_or_else(Problem::not_found)?;
    let events = incidents::events(&mut scoped, row.incident.id).await?;
    let line =
        |(at, event, detail): (i64, String, Value)| json!({ "at": micros(at), "event": event, "detail": detail });
    let mut shown = shown(&row);
    shown["detail"] = row.incident.detail;
    shown["events"] = events.into_iter().map(line).collect();
    Ok(Answer::ok(shown))
}

fn shown(of: &IncidentOf) -> Value {
    let row = &of.incident;
    json!({
        "id": row.uuid,
        "monitor": { "id": of.monitor, "name": of.monitor_name },
        "state": if row.resolved_at.is_some() { "resolved" } else { "open" },
        "started_at": micros(row.started_at),
        "confirmed_at": micros(row.confirmed_at),
        "resolved_at": row.resolved_at.map(micros),
        "resolution": row.resolution,
        "failure": row.failure,
        "message": row.message,
    })
}
