//! Alarm drills: the list of what came of them, and one that begins now.

use axum::routing::{get, post};
use picket_shared::ids::MonitorId;
use serde_json::Value;

use super::problem::{Fault, Kind, Problem};
use super::query::LIMIT;
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::store::incidents::drills::{self, DrillRow};

/// `GET /api/v1/alarm-drills`.
pub const LIST: Operation =
    Operation::get("/api/v1/alarm-drills", Right::IncidentsRead, "listAlarmDrills", || get(list_drills))
        .does("Lists alarm drills, the newest first: how soon providers took the messages, and somebody acknowledged.")
        .query(&[LIMIT])
        .answers(&[(200, Some("AlarmDrillPage"))]);
/// `POST /api/v1/alarm-drills`.
pub const BEGIN: Operation = Operation::post("/api/v1/alarm-drills", Right::IncidentsWrite, "beginAlarmDrill", || {
    post(begin_drill)
})
.does("Tells whoever would be told that this is a drill. It ends when somebody acknowledges, or after half an hour.")
.body("NewAlarmDrill")
.answers(&[(201, Some("AlarmDrill"))]);

async fn list_drills(call: Call) -> Outcome {
    let limit = i64::try_from(call.query.limit()).unwrap_or(i64::MAX);
    let rows = drills::list(&mut call.caller.scoped(&call.site).await?, None, limit).await?;
    Ok(Answer::page(rows.iter().map(DrillRow::exported).collect(), None))
}

async fn begin_drill(call: Call) -> Outcome {
    let wrong = |message: &str| Problem::faults(Kind::InvalidBody, vec![Fault::new("monitor", message)]);
    let monitor = call.body.get("monitor").and_then(Value::as_str);
    let monitor: Option<MonitorId> = monitor.map(|id| id.parse().map_err(|_| wrong("must be a UUID"))).transpose()?;
    let monitors: Vec<MonitorId> = monitor.into_iter().collect();
    let mut scoped = call.caller.scoped(&call.site).await?;
    let begun = drills::begin(&mut scoped, &monitors, false, call.site.clock.now()).await?;
    let id = begun.ok_or_else(|| wrong("there is no such monitor"))?;
    scoped.commit().await?;
    let rows = drills::list(&mut call.caller.scoped(&call.site).await?, Some(id), 1).await?;
    let shown = rows.first().map(DrillRow::exported).ok_or_else(Problem::not_found)?;
    Ok(Answer::created(format!("/api/v1/incidents/{id}"), shown))
}
