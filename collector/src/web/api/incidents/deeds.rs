//! What people do to incidents. What is so already is answered as if it had just been done.

use axum::routing::{post, put};
use picket_shared::ids::{IncidentId, MonitorId};
use serde_json::Value;
use uuid::Uuid;

use super::super::problem::{Fault, Kind, Problem};
use super::super::{Answer, Call, Operation, Outcome};
use super::get_incident;
use crate::domain::access::Right;
use crate::domain::incident::{self, MOST_COMMENT, MOST_POST_MORTEM, MOST_TITLE, Severity};
use crate::store::Scoped;
use crate::store::incidents::{self, Declared, Deed, Held};

const fn deed(
    path: &'static str,
    id: &'static str,
    handler: fn() -> axum::routing::MethodRouter<crate::web::Site>,
) -> Operation {
    Operation::post(path, Right::IncidentsWrite, id, handler).answers(&[(200, Some("IncidentDetail"))])
}

/// `POST /api/v1/incidents`.
pub const CREATE: Operation = Operation::post("/api/v1/incidents", Right::IncidentsWrite, "createIncident", || {
    post(create_incident)
})
.does(
    "Opens an incident of some monitors or of none, which no check opens or ends. It tells channels if `tell` says so.",
)
.body("NewIncident")
.answers(&[(201, Some("IncidentDetail"))]);
/// `POST /api/v1/incidents/{id}/acknowledge`.
pub const ACKNOWLEDGE: Operation =
    deed("/api/v1/incidents/{id}/acknowledge", "acknowledgeIncident", || post(acknowledge_incident))
        .does("Says that somebody looks after an open incident; nothing happens if somebody does.");
/// `POST /api/v1/incidents/{id}/assign`.
pub const ASSIGN: Operation = deed("/api/v1/incidents/{id}/assign", "assignIncident", || post(assign_incident))
    .does("Gives an incident to a member, or to nobody.")
    .body("IncidentAssignment");
/// `POST /api/v1/incidents/{id}/comments`.
pub const COMMENT: Operation = deed("/api/v1/incidents/{id}/comments", "commentIncident", || post(comment_incident))
    .does("Writes into the timeline of an incident.")
    .body("IncidentComment");
/// `POST /api/v1/incidents/{id}/resolve`.
pub const RESOLVE: Operation = deed("/api/v1/incidents/{id}/resolve", "resolveIncident", || post(resolve_incident))
    .does("Says that an incident is over, whatever checks find; nothing happens if it is. Its monitor opens no other before it was up once.");
/// `POST /api/v1/incidents/{id}/reopen`.
pub const REOPEN: Operation = deed("/api/v1/incidents/{id}/reopen", "reopenIncident", || post(reopen_incident))
    .does("Opens an incident again that is over; nothing happens if it is open.");
/// `PUT /api/v1/incidents/{id}/post-mortem`.
pub const POST_MORTEM: Operation =
    Operation::put("/api/v1/incidents/{id}/post-mortem", Right::IncidentsWrite, "putPostMortem", || {
        put(put_post_mortem)
    })
    .does("Writes what was learnt of an incident, as a draft or published; null takes it away.")
    .body("PostMortem")
    .answers(&[(200, Some("IncidentDetail"))]);

async fn create_incident(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let text_of = |name: &str| call.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let fault = |field: &str, message: String| Problem::faults(Kind::InvalidBody, vec![Fault::new(field, message)]);
    let title = incident::title(text_of("title"))
        .ok_or_else(|| fault("title", format!("must be 1 to {MOST_TITLE} characters on one line")))?;
    let severity: Severity = text_of("severity").parse().unwrap_or(Severity::Critical);
    let mut monitors: Vec<MonitorId> = Vec::new();
    for (index, id) in call.body.get("monitors").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let id = id.as_str().and_then(|id| id.parse().ok());
        let id: MonitorId = id.ok_or_else(|| fault(&format!("monitors[{index}]"), "must be a UUID".to_owned()))?;
        if !monitors.contains(&id) {
            monitors.push(id);
        }
    }
    let text = incident::written(text_of("text"), MOST_COMMENT);
    let tells = call.body.get("tell").and_then(Value::as_bool).unwrap_or(false);
    let id = IncidentId::at(now);
    let new = Declared { id, title, severity, monitors: &monitors, text: text.as_deref(), tells };
    let mut scoped = call.caller.scoped(&call.site).await?;
    let missing = incidents::declare(&mut scoped, &new, now).await?;
    if !missing.is_empty() {
        let line = |at: &usize| Fault::new(format!("monitors[{at}]"), "there is no such monitor");
        return Err(Problem::faults(Kind::InvalidBody, missing.iter().map(line).collect()));
    }
    scoped.commit().await?;
    let shown = super::shown(&call, id).await?;
    Ok(Answer::created(format!("/api/v1/incidents/{id}"), shown))
}

async fn acknowledge_incident(call: Call) -> Outcome {
    let (mut scoped, held) = hold(&call).await?;
    let deed = incidents::acknowledge(&mut scoped, &held, call.site.clock.now()).await?;
    finish(call, scoped, deed).await
}

async fn assign_incident(call: Call) -> Outcome {
    let wanted = call.body.get("member").and_then(Value::as_str);
    let nobody = || {
        let message = "there is no such member: name the id of a person, or null";
        Problem::faults(Kind::InvalidBody, vec![Fault::new("member", message)])
    };
    // What is not there is not there for whoever asks, whomever it is to be given to.
    hold(&call).await?;
    let member = match wanted {
        None => None,
        Some(id) => {
            let id: Uuid = id.parse().map_err(|_| nobody())?;
            let found = call.site.porter.member(call.caller.org(), id).await?;
            Some(found.filter(|member| !member.service).ok_or_else(nobody)?)
        }
    };
    let (mut scoped, held) = hold(&call).await?;
    let to = member.as_ref().map(|member| (member.user, member.id, member.called.as_str()));
    let deed = incidents::assign(&mut scoped, &held, to, call.site.clock.now()).await?;
    finish(call, scoped, deed).await
}

async fn comment_incident(call: Call) -> Outcome {
    let text = call.body.get("text").and_then(Value::as_str).unwrap_or_default();
    let (mut scoped, held) = hold(&call).await?;
    let text = incident::written(text, MOST_COMMENT).ok_or_else(|| empty(MOST_COMMENT))?;
    let deed = incidents::comment(&mut scoped, &held, &text, call.site.clock.now()).await?;
    finish(call, scoped, deed).await
}

async fn resolve_incident(call: Call) -> Outcome {
    let (mut scoped, held) = hold(&call).await?;
    let deed = incidents::resolve_by_hand(&mut scoped, &held, call.site.clock.now()).await?;
    finish(call, scoped, deed).await
}

async fn reopen_incident(call: Call) -> Outcome {
    let (mut scoped, held) = hold(&call).await?;
    let deed = incidents::reopen(&mut scoped, &held, call.site.clock.now()).await?;
    finish(call, scoped, deed).await
}

async fn put_post_mortem(call: Call) -> Outcome {
    let text = call.body.get("text").and_then(Value::as_str);
    let published = call.body.get("published").and_then(Value::as_bool).unwrap_or(false);
    let (mut scoped, held) = hold(&call).await?;
    let text = text
        .map(|text| incident::written(text, MOST_POST_MORTEM).ok_or_else(|| empty(MOST_POST_MORTEM)))
        .transpose()?;
    if published && text.is_none() {
        let fault = Fault::new("published", "there is nothing to publish: write a text");
        return Err(Problem::faults(Kind::InvalidBody, vec![fault]));
    }
    let now = call.site.clock.now();
    let deed = incidents::write_post_mortem(&mut scoped, &held, text.as_deref(), published, now).await?;
    finish(call, scoped, deed).await
}

/// The incident of the path, held; what belongs to others is not there.
async fn hold(call: &Call) -> Result<(Scoped, Held), Problem> {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let held = incidents::hold(&mut scoped, call.id()?).await?.ok_or_else(Problem::not_found)?;
    Ok((scoped, held))
}

/// Keeps what was done, and shows the incident as it is then; or says why nothing was.
async fn finish(call: Call, scoped: Scoped, deed: Deed) -> Outcome {
    match deed {
        Deed::Done | Deed::Already => {
            scoped.commit().await?;
            get_incident(call).await
        }
        Deed::NotOpen => Err(Problem::new(Kind::NotOpen, "the incident is over: open it again first")),
        Deed::OtherOpen => Err(Problem::new(
            Kind::NotReopened,
            "another incident of the monitor is open: write into that one, or resolve it first",
        )),
        Deed::MonitorGone => {
            Err(Problem::new(Kind::NotReopened, "its monitor was deleted: nothing can happen to it any more"))
        }
    }
}

fn empty(most: usize) -> Problem {
    Problem::faults(Kind::InvalidBody, vec![Fault::new("text", format!("must be 1 to {most} characters"))])
}
