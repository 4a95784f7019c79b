//! Members: listed, given another role or end, made owner, and leaving. The rules are those of the pages.

use axum::routing::{get, patch, post, put};
use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::problem::{Fault, Kind, Problem};
use super::query::{self, AFTER, LIMIT};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::{Right, Role};
use crate::domain::members::{Change, Refused};
use crate::login::LoginError;
use crate::login::members::{Acting, Changed};
use crate::store::audit::Author;
use crate::store::members::MemberRow;
use crate::web::extract::key::Program;

/// `GET /api/v1/members`.
pub const LIST: Operation = Operation::get("/api/v1/members", Right::MembersRead, "listMembers", || get(list_members))
    .does("Lists members in the order of their ids.")
    .query(&[LIMIT, AFTER])
    .answers(&[(200, Some("MemberPage"))]);
/// `GET /api/v1/members/{id}`.
pub const GET: Operation = Operation::get("/api/v1/members/{id}", Right::MembersRead, "getMember", || get(get_member))
    .does("Shows a member.")
    .answers(&[(200, Some("Member"))]);
/// `PATCH /api/v1/members/{id}`.
pub const CHANGE: Operation =
    Operation::patch("/api/v1/members/{id}", Right::MembersWrite, "changeMember", || patch(change_member))
        .does("Gives a member another role; the member has to sign in anew.")
        .body("MemberPatch")
        .answers(&[(200, Some("Member"))]);
/// `PUT /api/v1/members/{id}`.
pub const SET: Operation = Operation::put("/api/v1/members/{id}", Right::MembersWrite, "setMember", || put(set_member))
    .does("Says when a membership ends, or that it does not, and what role it has.")
    .body("MemberBody")
    .answers(&[(200, Some("Member"))]);
/// `POST /api/v1/members/{id}/transfer`.
pub const TRANSFER: Operation =
    Operation::post("/api/v1/members/{id}/transfer", Right::MembersWrite, "transferOrganization", || {
        post(transfer_organization)
    })
    .does("Makes a member the owner in place of the key's user, who is an administrator from then on.")
    .answers(&[(200, Some("Member"))]);
/// `POST /api/v1/members/leave`.
pub const LEAVE: Operation =
    Operation::post("/api/v1/members/leave", Right::AccountWrite, "leaveOrganization", || post(leave_organization))
        .does("Takes the key's user out of the organization; sessions and keys here, this one too, are over at once.")
        .body("Leaving")
        .answers(&[(204, None)]);

async fn list_members(call: Call) -> Outcome {
    let (limit, after) = (call.query.limit(), call.query.after::<Uuid>()?);
    let mut rows = call.site.porter.members(call.caller.org()).await?;
    rows.sort_by_key(|row| row.id);
    rows.retain(|row| after.is_none_or(|after| row.id > after));
    let (rows, next) = query::page(rows, limit, |row| row.id.to_string());
    Ok(Answer::page(rows.iter().map(shown).collect(), next))
}

async fn get_member(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&find(&call).await?)))
}

async fn change_member(call: Call) -> Outcome {
    let role = role_in(&call.body)?;
    change(&call, call.id()?, &[Change::To(role)]).await?;
    Ok(Answer::ok(shown(&find(&call).await?)))
}

/// The role stays where none is named.
async fn set_member(call: Call) -> Outcome {
    let role = call.body.get("role").map(|_| role_in(&call.body)).transpose()?;
    let until = Change::Until(until_in(&call.body)?);
    let changes: Vec<Change> = role.map(Change::To).into_iter().chain([until]).collect();
    change(&call, call.id()?, &changes).await?;
    Ok(Answer::ok(shown(&find(&call).await?)))
}

async fn transfer_organization(call: Call) -> Outcome {
    let author = call.caller.author();
    let done = call.site.porter.transfer(acting(&call.caller, &author), call.id()?, call.site.clock.now()).await;
    told(done)?;
    Ok(Answer::ok(shown(&find(&call).await?)))
}

/// Who leaves names what is left: a key says nothing of where it belongs.
async fn leave_organization(call: Call) -> Outcome {
    let member = &call.caller.holder.member;
    if call.body.get("organization").and_then(Value::as_str) != Some(member.org_name.as_str()) {
        let message = format!("must be the organization of this key: {:?}", member.org_name);
        return Err(Problem::faults(Kind::InvalidBody, vec![Fault::new("organization", message)]));
    }
    change(&call, member.id, &[Change::Out]).await?;
    Ok(Answer::done())
}

/// The role that a body names.
pub(super) fn role_in(body: &Value) -> Result<Role, Problem> {
    body.get("role").and_then(Value::as_str).unwrap_or_default().parse().map_err(|_| {
        let known = Role::ALL.map(Role::as_str).join(", ");
        Problem::faults(Kind::InvalidBody, vec![Fault::new("role", format!("must be one of {known}"))])
    })
}

/// The end that a body names; none where it names none.
pub(super) fn until_in(body: &Value) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = body.get("until").and_then(Value::as_str) else { return Ok(None) };
    let wrong = |_| {
        let message = "must be a time such as 2026-12-31T12:00:00Z (RFC 3339), or null";
        Problem::faults(Kind::InvalidBody, vec![Fault::new("until", message)])
    };
    text.parse().map(Some).map_err(wrong)
}

/// A key's user, in its organization.
pub(super) fn acting<'a>(caller: &Program, author: &'a Author) -> Acting<'a> {
    let member = &caller.holder.member;
    Acting { user: member.user, org: member.org, ticket: None, author }
}

async fn change(call: &Call, id: Uuid, changes: &[Change]) -> Result<(), Problem> {
    let author = call.caller.author();
    told(call.site.porter.change_member(acting(&call.caller, &author), id, changes, call.site.clock.now()).await)
}

fn told(done: Result<Changed, LoginError>) -> Result<(), Problem> {
    match done {
        Ok(Changed::Done(_)) => Ok(()),
        Ok(Changed::Gone) => Err(Problem::not_found()),
        Ok(Changed::Refused(refused)) => Err(refusal(refused)),
        Err(failed) => Err(failed.into()),
    }
}

/// Why something cannot be, for a program.
pub(super) fn refusal(refused: Refused) -> Problem {
    match refused {
        Refused::LastOwner => Problem::new(Kind::LastOwner, refused.to_string()),
        Refused::Past => Problem::faults(Kind::InvalidBody, vec![Fault::new("until", refused.to_string())]),
        _ => Problem::new(Kind::NotAllowed, refused.to_string()),
    }
}

/// The member of the path; what belongs to others is not there.
pub(super) async fn find(call: &Call) -> Result<MemberRow, Problem> {
    call.site.porter.member(call.caller.org(), call.id()?).await?.ok_or_else(Problem::not_found)
}

pub(super) fn shown(row: &MemberRow) -> Value {
    json!({
        "id": row.id,
        "email": (!row.service).then_some(&row.called),
        "service": row.service.then_some(&row.called),
        "role": row.role.as_str(),
        "since": micros(row.since.micros()),
        "until": row.until.map(|until| micros(until.micros())),
        "signed_in_at": row.signed_in_at.map(|at| micros(at.micros())),
        "second_factor": row.second_factor,
    })
}
