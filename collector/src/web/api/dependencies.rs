//! What a monitor depends on, and what depends on it.

use axum::routing::{get, put};
use picket_shared::ids::MonitorId;
use serde_json::{Value, json};

use super::problem::{Fault, Kind, Problem};
use super::{Answer, Call, Operation, Outcome as Answered};
use crate::domain::access::Right;
use crate::store::Scoped;
use crate::store::dependencies::{self, Outcome, Related};
use crate::store::monitors::{self, MonitorRow};

/// `GET /api/v1/monitors/{id}/dependencies`.
pub const GET: Operation =
    Operation::get("/api/v1/monitors/{id}/dependencies", Right::MonitorsRead, "getDependencies", || {
        get(get_dependencies)
    })
    .does("Shows what a monitor depends on, and what depends on it (500 at most).")
    .answers(&[(200, Some("Dependencies"))]);
/// `PUT /api/v1/monitors/{id}/dependencies`.
pub const PUT: Operation =
    Operation::put("/api/v1/monitors/{id}/dependencies", Right::MonitorsWrite, "putDependencies", || {
        put(put_dependencies)
    })
    .does("Says what a monitor depends on. While one of these is down, nobody is told of it.")
    .body("DependsOn")
    .answers(&[(200, Some("Dependencies"))]);

async fn get_dependencies(call: Call) -> Answered {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    Ok(Answer::ok(shown(&mut scoped, &row).await?))
}

async fn put_dependencies(call: Call) -> Answered {
    let fault = |at: usize, message: &str| Fault::new(format!("depends_on[{at}]"), message);
    let wrong = |faults: Vec<Fault>| Problem::faults(Kind::InvalidBody, faults);
    let mut wanted: Vec<MonitorId> = Vec::new();
    for (at, id) in call.body.get("depends_on").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let id = id.as_str().and_then(|id| id.parse().ok());
        wanted.push(id.ok_or_else(|| wrong(vec![fault(at, "must be a UUID")]))?);
    }
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    match dependencies::set(&mut scoped, &row, &wanted, call.site.clock.now()).await? {
        Outcome::Set | Outcome::Already => {}
        Outcome::Missing(places) => {
            return Err(wrong(places.iter().map(|at| fault(*at, "there is no such monitor")).collect()));
        }
        Outcome::Circle(name) => {
            let message = format!("must not be {name}, which depends on this monitor, or is it");
            return Err(wrong(vec![Fault::new("depends_on", message)]));
        }
    }
    let shown = shown(&mut scoped, &row).await?;
    scoped.commit().await?;
    Ok(Answer::ok(shown))
}

/// The monitor of the path; what belongs to others is not there.
async fn find(scoped: &mut Scoped, call: &Call) -> Result<MonitorRow, Problem> {
    monitors::by_id(scoped, call.id()?).await?.ok_or_else(Problem::not_found)
}

async fn shown(scoped: &mut Scoped, row: &MonitorRow) -> Result<Value, Problem> {
    let one = |one: &Related| json!({ "id": one.uuid, "name": one.name, "state": one.state });
    let parents: Vec<Value> = dependencies::parents(scoped, row.key).await?.iter().map(one).collect();
    let children: Vec<Value> = dependencies::children(scoped, row.key).await?.iter().map(one).collect();
    Ok(json!({ "depends_on": parents, "dependents": children }))
}
