//! Consents by which organizations are managed by others: `managements` are those that manage the organization of the key, `managed`
//! those that it manages. The rules are those of the pages.

use axum::routing::{delete, get, post};
use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::members::acting;
use super::problem::{Fault, Kind, Problem};
use super::query::{self, AFTER, LIMIT};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::{Right, Role};
use crate::domain::management::Refused;
use crate::login::management::{Answered, Consent, Given, MOST_A_DAY};
use crate::store::managements::{ManagementRow, Side};

/// `GET /api/v1/managements`.
pub const LIST: Operation = Operation::get("/api/v1/managements", Right::MembersRead, "listManagements", || {
    get(list_managements)
})
.does("Lists consents by which others manage this organization, those that are over too, in the order of their ids.")
.query(&[LIMIT, AFTER])
.answers(&[(200, Some("ManagementPage"))]);
/// `POST /api/v1/managements`.
pub const GIVE: Operation = Operation::post("/api/v1/managements", Right::ManagementWrite, "giveManagement", || {
    post(give_management)
})
.does("Lets another organization manage this one, once an owner or administrator there accepts. Only an owner does.")
.body("NewManagement")
.answers(&[(201, Some("Management"))]);
/// `GET /api/v1/managements/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/managements/{id}", Right::MembersRead, "getManagement", || get(get_management))
        .does("Shows a consent by which another organization manages this one.")
        .answers(&[(200, Some("Management"))]);
/// `DELETE /api/v1/managements/{id}`.
pub const REVOKE: Operation =
    Operation::delete("/api/v1/managements/{id}", Right::ManagementWrite, "revokeManagement", || {
        delete(revoke_management)
    })
    .does("Ends a consent at once: members there have nothing here from then on.")
    .answers(&[(204, None)]);
/// `GET /api/v1/managed`.
pub const LIST_MANAGED: Operation =
    Operation::get("/api/v1/managed", Right::PortfolioRead, "listManaged", || get(list_managed))
        .does("Lists consents to manage others, those that wait or are over too, in the order of their ids.")
        .query(&[LIMIT, AFTER])
        .answers(&[(200, Some("ManagementPage"))]);
/// `GET /api/v1/managed/{id}`.
pub const GET_MANAGED: Operation =
    Operation::get("/api/v1/managed/{id}", Right::PortfolioRead, "getManaged", || get(get_managed))
        .does("Shows a consent to manage another organization.")
        .answers(&[(200, Some("Management"))]);
/// `POST /api/v1/managed/{id}/accept`.
pub const ACCEPT: Operation =
    Operation::post("/api/v1/managed/{id}/accept", Right::ManagementWrite, "acceptManaged", || post(accept_managed))
        .does("Accepts to manage another organization; again it changes nothing.")
        .answers(&[(200, Some("Management"))]);
/// `DELETE /api/v1/managed/{id}`.
pub const LEAVE: Operation =
    Operation::delete("/api/v1/managed/{id}", Right::ManagementWrite, "leaveManaged", || delete(leave_managed))
        .does("Declines a consent, or ends it at once: members here have nothing there from then on.")
        .answers(&[(204, None)]);

async fn list_managements(call: Call) -> Outcome {
    list(&call, Side::Managed).await
}

async fn list_managed(call: Call) -> Outcome {
    list(&call, Side::Managing).await
}

async fn list(call: &Call, side: Side) -> Outcome {
    let (limit, after, now) = (call.query.limit(), call.query.after::<Uuid>()?, call.site.clock.now());
    let rows = call.site.porter.managements((side, call.caller.org()), after, query::and_one(limit)).await?;
    let (rows, next) = query::page(rows, limit, |row| row.uuid.to_string());
    Ok(Answer::page(rows.iter().map(|row| shown(row, now)).collect(), next))
}

async fn get_management(call: Call) -> Outcome {
    one(&call, Side::Managed, call.id()?).await.map(Answer::ok)
}

async fn get_managed(call: Call) -> Outcome {
    one(&call, Side::Managing, call.id()?).await.map(Answer::ok)
}

async fn give_management(call: Call) -> Outcome {
    let consent = read(&call.body)?;
    let author = call.caller.author();
    let given = call.site.porter.consent(acting(&call.caller, &author), consent, call.site.clock.now()).await?;
    let unfit = |field: &str, why: &str| Err(Problem::faults(Kind::InvalidBody, vec![Fault::new(field, why)]));
    match given {
        Given::Done(id) => {
            Ok(Answer::created(format!("/api/v1/managements/{id}"), one(&call, Side::Managed, id).await?))
        }
        Given::Nobody => unfit("organization", "there is no organization of this id: ask its owner for it"),
        Given::Itself => unfit("organization", "is this very organization"),
        Given::Already => unfit("organization", "has a consent already: revoke that first"),
        Given::Past => unfit("until", "must be ahead"),
        Given::Refused(Refused::Owner) => unfit("most", &Refused::Owner.to_string()),
        Given::Refused(refused) => Err(Problem::new(Kind::NotAllowed, refused.to_string())),
        Given::TooMany => {
            let detail = format!("{MOST_A_DAY} consents were given within a day, which is the most: wait");
            Err(Problem::new(Kind::Limit, detail))
        }
    }
}

async fn accept_managed(call: Call) -> Outcome {
    let (author, id, now) = (call.caller.author(), call.id()?, call.site.clock.now());
    told(call.site.porter.accept_management(acting(&call.caller, &author), id, now).await?)?;
    one(&call, Side::Managing, id).await.map(Answer::ok)
}

async fn revoke_management(call: Call) -> Outcome {
    end(&call, Side::Managed).await
}

async fn leave_managed(call: Call) -> Outcome {
    end(&call, Side::Managing).await
}

async fn end(call: &Call, side: Side) -> Outcome {
    let (author, id, now) = (call.caller.author(), call.id()?, call.site.clock.now());
    told(call.site.porter.end_management(side, acting(&call.caller, &author), id, now).await?)?;
    Ok(Answer::done())
}

fn told(answered: Answered) -> Result<(), Problem> {
    match answered {
        Answered::Done => Ok(()),
        Answered::Gone => Err(Problem::not_found()),
        Answered::Refused(refused) => Err(Problem::new(Kind::NotAllowed, refused.to_string())),
    }
}

fn read(body: &Value) -> Result<Consent, Problem> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let manager = text("organization").and_then(|text| text.parse().ok());
    let most = text("most").and_then(|text| text.parse::<Role>().ok());
    let until = text("until").map(str::parse::<Timestamp>).transpose();
    if let (Some(manager), Some(most), Ok(until)) = (manager, most, &until) {
        return Ok(Consent { manager, most, until: *until });
    }
    let faults = [
        manager.is_none().then(|| Fault::new("organization", "must be the id of an organization (a UUID)")),
        most.is_none().then(|| Fault::new("most", "must be one of admin, editor, responder, viewer")),
        until.is_err().then(|| Fault::new("until", "must be a time such as 2026-01-31T12:00:00Z (RFC 3339)")),
    ];
    Err(Problem::faults(Kind::InvalidBody, faults.into_iter().flatten().collect()))
}

/// A consent on that side; what belongs to others is not there.
async fn one(call: &Call, side: Side, id: Uuid) -> Result<Value, Problem> {
    let found = call.site.porter.management(side, call.caller.org(), id).await?;
    Ok(shown(&found.ok_or_else(Problem::not_found)?, call.site.clock.now()))
}

fn shown(row: &ManagementRow, now: Timestamp) -> Value {
    // What is past its end is over, whether that was noted yet or not.
    let past = row.until_at.is_some_and(|at| at <= now.micros());
    let status = match (row.ended_at.is_some() || past, row.accepted_at) {
        (true, _) => "over",
        (false, None) => "waits",
        (false, Some(_)) => "live",
    };
    json!({
        "id": row.uuid,
        "managed": { "id": row.org_uuid, "name": row.org_name },
        "managing": { "id": row.manager_uuid, "name": row.manager_name },
        "most": row.most,
        "status": status,
        "consented_by": row.consented_by,
        "consented_at": micros(row.consented_at),
        "accepted_by": row.accepted_by,
        "accepted_at": row.accepted_at.map(micros),
        "until": row.until_at.map(micros),
        "ended_by": row.ended_by,
        "ended_at": row.ended_at.map(micros),
        "ended_why": row.ended_why,
    })
}
