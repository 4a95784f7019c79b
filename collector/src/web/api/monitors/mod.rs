//! Monitors: read page by page, made, changed, paused, deleted; and written again and again by their external keys, one or
//! a thousand at a time.
//!
//! [`body`] reads what is wanted, [`mod@plan`] compares it with what is stored and writes it, [`view`] shows a monitor.

mod body;
mod plan;
mod view;

use std::collections::HashMap;

use axum::routing::{delete, get, patch, post, put};
use picket_shared::ids::MonitorId;
use picket_shared::time::Timestamp;
use serde_json::{Map, Value, json};

use self::plan::{Action, Step, Want, plan};
use super::problem::{Fault, Kind, Problem};
use super::query::{self, AFTER, DRY_RUN, LIMIT, Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::domain::incident::MOST_MUTED;
use crate::domain::outage::RegionalAlert;
use crate::store::monitors::{self, Chosen, MonitorRow};
use crate::store::{Scoped, residency};

/// The largest body of a thousand monitors, in bytes.
pub const MANY: usize = 8 << 20;

const TAG: Parameter = Parameter { name: "tag", shape: Shape::Text(64), what: "Only those with this tag." };
const KIND: Parameter =
    Parameter { name: "kind", shape: Shape::OneOf(&["http", "dns", "tls", "tcp"]), what: "Only those of this kind." };
const STATE: Parameter = Parameter {
    name: "state",
    shape: Shape::OneOf(&["pending", "up", "suspect", "down", "recovering", "unknown", "paused"]),
    what: "Only those in this state.",
};

/// `GET /api/v1/monitors`.
pub const LIST: Operation =
    Operation::get("/api/v1/monitors", Right::MonitorsRead, "listMonitors", || get(list_monitors))
        .does("Lists monitors in the order in which they were made.")
        .query(&[LIMIT, AFTER, TAG, KIND, STATE])
        .answers(&[(200, Some("MonitorPage"))]);
/// `POST /api/v1/monitors`.
pub const CREATE: Operation =
    Operation::post("/api/v1/monitors", Right::MonitorsWrite, "createMonitor", || post(create_monitor))
        .does("Makes a monitor.")
        .query(&[DRY_RUN])
        .body("NewMonitor")
        .answers(&[(201, Some("MonitorChange")), (200, Some("MonitorChange"))]);
/// `PUT /api/v1/monitors`.
pub const PUT_MANY: Operation = Operation::put("/api/v1/monitors", Right::MonitorsWrite, "putMonitors", || {
    put(put_monitors)
})
.does("Makes or changes up to 1,000 monitors by their external keys, all or none; what is so already is left alone.")
.query(&[DRY_RUN])
.body("MonitorsBody")
.up_to(MANY)
.answers(&[(200, Some("MonitorsChange"))]);
/// `PUT /api/v1/monitors/by-key/{external_key}`.
pub const PUT_ONE: Operation =
    Operation::put("/api/v1/monitors/by-key/{external_key}", Right::MonitorsWrite, "putMonitor", || put(put_monitor))
        .does("Makes or changes the monitor of an external key; what is so already is left alone.")
        .query(&[DRY_RUN])
        .body("MonitorBody")
        .answers(&[(200, Some("MonitorChange")), (201, Some("MonitorChange"))]);
/// `GET /api/v1/monitors/by-key/{external_key}`.
pub const GET_KEYED: Operation =
    Operation::get("/api/v1/monitors/by-key/{external_key}", Right::MonitorsRead, "getMonitorByKey", || get(get_keyed))
        .does("Shows the monitor of an external key.")
        .answers(&[(200, Some("Monitor"))]);
/// `GET /api/v1/monitors/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/monitors/{id}", Right::MonitorsRead, "getMonitor", || get(get_monitor))
        .does("Shows a monitor.")
        .answers(&[(200, Some("Monitor"))]);
/// `PATCH /api/v1/monitors/{id}`.
pub const CHANGE: Operation =
    Operation::patch("/api/v1/monitors/{id}", Right::MonitorsWrite, "changeMonitor", || patch(change_monitor))
        .does("Changes fields of a monitor.")
        .query(&[DRY_RUN])
        .body("MonitorPatch")
        .answers(&[(200, Some("MonitorChange"))]);
/// `DELETE /api/v1/monitors/{id}`.
pub const DELETE: Operation =
    Operation::delete("/api/v1/monitors/{id}", Right::MonitorsWrite, "deleteMonitor", || delete(delete_monitor))
        .does("Deletes a monitor. Its page undoes that for an hour.")
        .answers(&[(204, None)]);
/// `POST /api/v1/monitors/{id}/pause`.
pub const PAUSE: Operation =
    Operation::post("/api/v1/monitors/{id}/pause", Right::MonitorsWrite, "pauseMonitor", || post(pause_monitor))
        .does("Pauses a monitor; nothing happens if it is paused.")
        .answers(&[(200, Some("Monitor"))]);
/// `POST /api/v1/monitors/{id}/resume`.
pub const RESUME: Operation =
    Operation::post("/api/v1/monitors/{id}/resume", Right::MonitorsWrite, "resumeMonitor", || post(resume_monitor))
        .does("Lets a paused monitor run again; nothing happens if it runs.")
        .answers(&[(200, Some("Monitor"))]);

/// `PUT /api/v1/monitors/{id}/regional-alert`.
pub const REGIONAL_ALERT: Operation = Operation::put(
    "/api/v1/monitors/{id}/regional-alert",
    Right::MonitorsWrite,
    "putRegionalAlert",
    || put(put_regional_alert),
)
.does("Says whether channels are told when a monitor fails from some regions and is up from elsewhere, and until when not all the same.")
.body("RegionalAlert")
.answers(&[(200, Some("Monitor"))]);

async fn list_monitors(call: Call) -> Outcome {
    let (query, limit) = (&call.query, call.query.limit());
    let after = query.after::<MonitorId>()?;
    let chosen = Chosen { tag: query.get(TAG.name), kind: query.get(KIND.name), state: query.get(STATE.name) };
    let mut scoped = call.caller.scoped(&call.site).await?;
    let rows = monitors::page(&mut scoped, chosen, after, query::and_one(limit)).await?;
    let (rows, next) = query::page(rows, limit, |row| row.id.to_string());
    Ok(Answer::page(rows.iter().map(view::whole).collect(), next))
}

async fn get_monitor(call: Call) -> Outcome {
    let row = find(&mut call.caller.scoped(&call.site).await?, &call).await?;
    Ok(Answer::ok(view::whole(&row)))
}

async fn get_keyed(call: Call) -> Outcome {
    let key = [call.place("external_key").to_owned()];
    let found = monitors::named(&mut call.caller.scoped(&call.site).await?, &key, &[]).await?;
    let row = found.first().ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(view::whole(row)))
}

async fn create_monitor(mut call: Call) -> Outcome {
    let body = fields(&mut call.body);
    write_one(&call, Want { at: String::new(), old: None, body }).await
}

async fn put_monitor(mut call: Call) -> Outcome {
    let key = call.place("external_key").to_owned();
    if key.is_empty() || key.chars().count() > 500 || key.contains('\0') {
        let fault = Fault::new("external_key", "must be 1 to 500 characters");
        return Err(Problem::faults(Kind::InvalidBody, vec![fault]));
    }
    let mut body = fields(&mut call.body);
    body.insert("external_key".to_owned(), Value::from(key.clone()));
    let mut scoped = call.caller.scoped(&call.site).await?;
    let old = monitors::named(&mut scoped, &[key], &[]).await?.into_iter().next();
    drop(scoped);
    write_one(&call, Want { at: String::new(), old, body }).await
}

async fn change_monitor(mut call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let mut body = body::of_row(&row);
    if residency::holds(&mut scoped).await? {
        // What the monitor was before is not what is asked for now.
        body.remove("eu_only");
    }
    drop(scoped);
    body.extend(fields(&mut call.body));
    write_one(&call, Want { at: String::new(), old: Some(row), body }).await
}

async fn put_monitors(mut call: Call) -> Outcome {
    let items = call.body.get_mut("monitors").map(Value::take);
    let bodies: Vec<Map<String, Value>> = match items {
        Some(Value::Array(items)) => items.into_iter().map(|mut item| fields(&mut item)).collect(),
        _ => Vec::new(),
    };
    let key_of = |body: &Map<String, Value>| body.get("external_key").and_then(Value::as_str).map(str::to_owned);
    let keys: Vec<String> = bodies.iter().filter_map(key_of).collect();
    let mut scoped = call.caller.scoped(&call.site).await?;
    let rows = monitors::named(&mut scoped, &keys, &[]).await?;
    let mut known: HashMap<String, MonitorRow> =
        rows.into_iter().filter_map(|row| Some((row.external_key.clone()?, row))).collect();
    // A key that comes twice finds its row once; the plan then says that it comes twice.
    let mut old = |body: &Map<String, Value>| known.remove(&key_of(body)?);
    let wants = bodies.into_iter().enumerate();
    let wants = wants.map(|(index, body)| Want { at: format!("monitors[{index}]"), old: old(&body), body }).collect();
    let dry = call.query.flag(DRY_RUN.name);
    let steps = write(&call, &mut scoped, wants).await?;
    if !dry {
        scoped.commit().await?;
    }
    let count = |action: Action| steps.iter().filter(|step| step.action == action).count();
    let items: Vec<Value> = steps
        .iter()
        .map(|step| {
            let id = (!dry || step.action != Action::Created).then_some(step.id);
            json!({ "external_key": step.external_key, "id": id, "action": step.action.as_str(), "changes": step.changes })
        })
        .collect();
    let counts = json!({
        "created": count(Action::Created), "changed": count(Action::Changed), "unchanged": count(Action::Unchanged),
    });
    Ok(Answer::ok(json!({ "dry_run": dry, "counts": counts, "monitors": items })))
}

async fn delete_monitor(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    monitors::delete(&mut scoped, row.key, call.site.clock.now()).await?;
    scoped.commit().await?;
    Ok(Answer::done())
}

async fn pause_monitor(call: Call) -> Outcome {
    switch(&call, true).await
}

async fn resume_monitor(call: Call) -> Outcome {
    switch(&call, false).await
}

async fn switch(call: &Call, pause: bool) -> Outcome {
    let now = call.site.clock.now();
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, call).await?;
    if pause {
        monitors::pause(&mut scoped, row.key, now).await?;
    } else {
        monitors::resume(&mut scoped, row.key, now).await?;
    }
    let row = find(&mut scoped, call).await?;
    scoped.commit().await?;
    Ok(Answer::ok(view::whole(&row)))
}

async fn put_regional_alert(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    let until = call.body.get("muted_until").and_then(Value::as_str);
    let fault = |message: &str| Problem::faults(Kind::InvalidBody, vec![Fault::new("muted_until", message)]);
    let wrong = |_| fault("must be a time such as 2026-12-31T12:00:00Z (RFC 3339), or null");
    let muted_until: Option<Timestamp> = until.map(|text| text.parse().map_err(wrong)).transpose()?;
    if muted_until.is_some_and(|until| until <= now || until > now + MOST_MUTED) {
        return Err(fault("must lie ahead, by a year at most; null ends the mute"));
    }
    let told = call.body.get("told").and_then(Value::as_bool).unwrap_or(row.regional.told);
    monitors::set_regional_alert(&mut scoped, &row, RegionalAlert { told, muted_until }, now).await?;
    let row = find(&mut scoped, &call).await?;
    scoped.commit().await?;
    Ok(Answer::ok(view::whole(&row)))
}

/// The monitor of the path; what belongs to others is not there.
async fn find(scoped: &mut Scoped, call: &Call) -> Result<MonitorRow, Problem> {
    monitors::by_id(scoped, call.id()?).await?.ok_or_else(Problem::not_found)
}

/// Plans, and does it. A dry run is the same without a commit: so it says what only the database knows, such as a limit.
async fn write(call: &Call, scoped: &mut Scoped, wants: Vec<Want>) -> Result<Vec<Step>, Problem> {
    let now = call.site.clock.now();
    let mut plan = plan(scoped, &call.site.sealer, wants, now).await?;
    plan.apply(scoped, now).await?;
    Ok(plan.steps)
}

async fn write_one(call: &Call, want: Want) -> Outcome {
    let dry = call.query.flag(DRY_RUN.name);
    let mut scoped = call.caller.scoped(&call.site).await?;
    let before = want.old.clone();
    let steps = write(call, &mut scoped, vec![want]).await?;
    let step = steps.first().ok_or_else(|| Problem::new(Kind::Unavailable, "nothing was planned: try again"))?;
    let row = if dry { before } else { monitors::by_id(&mut scoped, step.id).await? };
    if !dry {
        scoped.commit().await?;
    }
    let answer = json!({
        "dry_run": dry,
        "action": step.action.as_str(),
        "changes": step.changes,
        "monitor": row.as_ref().map(view::whole),
    });
    if step.action == Action::Created && !dry {
        return Ok(Answer::created(format!("/api/v1/monitors/{}", step.id), answer));
    }
    Ok(Answer::ok(answer))
}

/// The fields of a body that its schema let through.
fn fields(body: &mut Value) -> Map<String, Value> {
    match body.take() {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
