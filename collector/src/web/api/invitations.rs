//! Invitations, as their pages manage them: made, sent again, taken back. Where no mail can be sent, the link is given once.

use axum::routing::{delete, get, post};
use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::members::{acting, refusal, role_in, until_in};
use super::problem::{Fault, Kind, Problem};
use super::query::{self, AFTER, LIMIT};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::Right;
use crate::domain::members::Standing;
use crate::login::LoginError;
use crate::login::invite::{Invited, MOST};
use crate::store::invitations::InvitationRow;

/// `GET /api/v1/invitations`.
pub const LIST: Operation =
    Operation::get("/api/v1/invitations", Right::MembersWrite, "listInvitations", || get(list_invitations))
        .does("Lists invitations that were neither used nor taken back, in the order of their ids.")
        .query(&[LIMIT, AFTER])
        .answers(&[(200, Some("InvitationPage"))]);
/// `POST /api/v1/invitations`.
pub const CREATE: Operation =
    Operation::post("/api/v1/invitations", Right::MembersWrite, "createInvitation", || post(create_invitation))
        .does("Invites an address into a role, by mail: a link that works once, for seven days.")
        .body("NewInvitation")
        .answers(&[(201, Some("InvitationMade"))]);
/// `GET /api/v1/invitations/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/invitations/{id}", Right::MembersWrite, "getInvitation", || get(get_invitation))
        .does("Shows an invitation.")
        .answers(&[(200, Some("Invitation"))]);
/// `POST /api/v1/invitations/{id}/send`.
pub const SEND: Operation =
    Operation::post("/api/v1/invitations/{id}/send", Right::MembersWrite, "sendInvitation", || post(send_invitation))
        .does("Sends an invitation again, for another seven days; the link before works no more.")
        .answers(&[(200, Some("InvitationMade"))]);
/// `DELETE /api/v1/invitations/{id}`.
pub const REVOKE: Operation =
    Operation::delete("/api/v1/invitations/{id}", Right::MembersWrite, "revokeInvitation", || {
        delete(revoke_invitation)
    })
    .does("Takes an invitation back; its link works no more.")
    .answers(&[(204, None)]);

async fn list_invitations(call: Call) -> Outcome {
    let (limit, after, now) = (call.query.limit(), call.query.after::<Uuid>()?, call.site.clock.now());
    let mut rows = call.site.porter.invitations(call.caller.org()).await?;
    rows.sort_by_key(|row| row.uuid);
    rows.retain(|row| after.is_none_or(|after| row.uuid > after));
    let (rows, next) = query::page(rows, limit, |row| row.uuid.to_string());
    Ok(Answer::page(rows.iter().map(|row| shown(row, now)).collect(), next))
}

async fn get_invitation(call: Call) -> Outcome {
    let row = find(&call, call.id()?).await?;
    Ok(Answer::ok(shown(&row, call.site.clock.now())))
}

async fn create_invitation(call: Call) -> Outcome {
    let email = call.body.get("email").and_then(Value::as_str).unwrap_or_default();
    let is = Standing { role: role_in(&call.body)?, until: until_in(&call.body)? };
    let author = call.caller.author();
    let done = call.site.porter.invite(acting(&call.caller, &author), email, is, call.site.clock.now()).await;
    let (id, made) = made(&call, done).await?;
    Ok(Answer::created(format!("/api/v1/invitations/{id}"), made))
}

async fn send_invitation(call: Call) -> Outcome {
    let author = call.caller.author();
    let done = call.site.porter.invite_again(acting(&call.caller, &author), call.id()?, call.site.clock.now()).await;
    Ok(Answer::ok(made(&call, done).await?.1))
}

async fn revoke_invitation(call: Call) -> Outcome {
    let author = call.caller.author();
    let acting = acting(&call.caller, &author);
    let revoked = call.site.porter.revoke_invitation(acting, call.id()?, call.site.clock.now()).await?;
    if revoked { Ok(Answer::done()) } else { Err(Problem::not_found()) }
}

/// The invitation and its link, or why there is none.
async fn made(call: &Call, done: Result<Invited, LoginError>) -> Result<(Uuid, Value), Problem> {
    let unfit = |why: &str| Err(Problem::faults(Kind::InvalidBody, vec![Fault::new("email", why)]));
    let (id, token) = match done? {
        Invited::Done { id, token } => (id, token),
        Invited::Gone => return Err(Problem::not_found()),
        Invited::Unfit => return unfit("must be an address that mail can be sent to"),
        Invited::Member => return unfit("belongs to the organization already"),
        Invited::Already => return unfit("is invited already: send that invitation again, or take it back first"),
        Invited::TooMany => {
            let detail = format!("{MOST} invitations are open, which is the most: take some back");
            return Err(Problem::new(Kind::Limit, detail));
        }
        Invited::Wait(wait) => {
            let seconds = wait.as_secs().max(1);
            let detail = format!("too many mails to this address: come again in {seconds} s");
            return Err(Problem::wait(seconds, detail));
        }
        Invited::Refused(refused) => return Err(refusal(refused)),
    };
    let link = token.map(|token| format!("{}/invitation/{}", call.site.front.public_url, token.expose()));
    let row = find(call, id).await?;
    Ok((id, json!({ "invitation": shown(&row, call.site.clock.now()), "link": link })))
}

/// An open invitation; what belongs to others is not there.
async fn find(call: &Call, id: Uuid) -> Result<InvitationRow, Problem> {
    let rows = call.site.porter.invitations(call.caller.org()).await?;
    rows.into_iter().find(|row| row.uuid == id).ok_or_else(Problem::not_found)
}

fn shown(row: &InvitationRow, now: Timestamp) -> Value {
    json!({
        "id": row.uuid,
        "email": row.email,
        "role": row.role,
        "invited_by": row.by_called,
        "expires_at": micros(row.expires_at),
        "until": row.member_until_at.map(micros),
        "expired": row.expires_at <= now.micros(),
    })
}
