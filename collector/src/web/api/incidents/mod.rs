//! Incidents, one with its timeline, and what people do to them.
//!
//! [`deeds`] has what changes something, [`view`] shows an incident and a line of its timeline.

mod deeds;
mod view;

use axum::routing::get;
use picket_shared::ids::IncidentId;
use serde_json::Value;

use self::view::Viewer;
use super::problem::Problem;
use super::query::{self, AFTER, LIMIT, Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::store::read::incidents::{self, Chosen};
use crate::store::read::timeline::{self, Place};

pub use deeds::{ACKNOWLEDGE, ASSIGN, COMMENT, CREATE, POST_MORTEM, REOPEN, RESOLVE};

const MONITOR: Parameter = Parameter { name: "monitor", shape: Shape::Id, what: "Only those of this monitor." };
const STATE: Parameter =
    Parameter { name: "state", shape: Shape::OneOf(&["open", "resolved"]), what: "Only those in this state." };
const ACKNOWLEDGED: Parameter = Parameter {
    name: "acknowledged",
    shape: Shape::Flag,
    what: "Only those that somebody looks after, or that nobody does.",
};
const ORIGIN: Parameter =
    Parameter { name: "origin", shape: Shape::OneOf(&["judge", "person"]), what: "Only those that were opened so." };

/// `GET /api/v1/incidents`.
pub const LIST: Operation =
    Operation::get("/api/v1/incidents", Right::IncidentsRead, "listIncidents", || get(list_incidents))
        .does("Lists incidents, the newest first.")
        .query(&[LIMIT, AFTER, MONITOR, STATE, ACKNOWLEDGED, ORIGIN])
        .answers(&[(200, Some("IncidentPage"))]);
/// `GET /api/v1/incidents/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/incidents/{id}", Right::IncidentsRead, "getIncident", || get(get_incident))
        .does("Shows an incident with what happened to it; what was told of it is in its timeline.")
        .answers(&[(200, Some("IncidentDetail"))]);
/// `GET /api/v1/incidents/{id}/timeline`.
pub const TIMELINE: Operation =
    Operation::get("/api/v1/incidents/{id}/timeline", Right::IncidentsRead, "getIncidentTimeline", || {
        get(get_timeline)
    })
    .does("Lists every fact of an incident in order of time: checks, votes, notices, deliveries, and what people did.")
    .query(&[LIMIT, AFTER])
    .answers(&[(200, Some("TimelinePage"))]);

async fn list_incidents(call: Call) -> Outcome {
    let (query, limit) = (&call.query, call.query.limit());
    let before = query.after::<IncidentId>()?;
    let chosen = Chosen {
        monitor: query.value(MONITOR.name),
        open: query.get(STATE.name).map(|state| state == "open"),
        acknowledged: query.value(ACKNOWLEDGED.name),
        origin: query.get(ORIGIN.name),
        search: "",
    };
    let viewer = Viewer::of(&call).await?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    let rows = incidents::page(&mut scoped, chosen, before, query::and_one(limit)).await?;
    let (rows, next) = query::page(rows, limit, |row| row.incident.uuid.to_string());
    Ok(Answer::page(rows.iter().map(|row| viewer.incident(row)).collect(), next))
}

async fn get_incident(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&call, call.id()?).await?))
}

/// An incident as a whole; what belongs to others is not there.
async fn shown(call: &Call, id: IncidentId) -> Result<Value, Problem> {
    let viewer = Viewer::of(call).await?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = incidents::one(&mut scoped, id).await?.ok_or_else(Problem::not_found)?;
    let facts = timeline::events(&mut scoped, row.incident.id).await?;
    let mut shown = viewer.incident(&row);
    shown["post_mortem"] = viewer.post_mortem(&row);
    shown["events"] = facts.iter().map(|fact| viewer.fact(fact, &row)).collect();
    shown["detail"] = row.incident.detail;
    Ok(shown)
}

async fn get_timeline(call: Call) -> Outcome {
    let (limit, after) = (call.query.limit(), call.query.after::<Place>()?);
    let viewer = Viewer::of(&call).await?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = incidents::one(&mut scoped, call.id()?).await?.ok_or_else(Problem::not_found)?;
    let facts = timeline::page(&mut scoped, row.incident.id, after, query::and_one(limit)).await?;
    let (facts, next) = query::page(facts, limit, |fact| fact.place().to_string());
    Ok(Answer::page(facts.iter().map(|fact| viewer.fact(fact, &row)).collect(), next))
}
