//! Service members, and keys of theirs. What they are otherwise, they are as members.

use axum::routing::post;
use serde_json::Value;

use super::keys::{made, wish};
use super::members::{acting, find, refusal, role_in, shown, until_in};
use super::problem::{Fault, Kind, Problem};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::domain::members::Standing;
use crate::login::service::{MOST, Served};

/// `POST /api/v1/members`.
pub const CREATE: Operation =
    Operation::post("/api/v1/members", Right::MembersWrite, "createServiceMember", || post(create_service_member))
        .does("Makes a service member: nobody signs in as it, and its keys stay when people go.")
        .body("NewServiceMember")
        .answers(&[(201, Some("Member"))]);
/// `POST /api/v1/members/{id}/keys`.
pub const MAKE_KEY: Operation =
    Operation::post("/api/v1/members/{id}/keys", Right::MembersWrite, "createServiceKey", || post(create_service_key))
        .does("Makes a key of a service member, by a key that has the scope keys:write too; owners are told.")
        .body("NewKey")
        .answers(&[(201, Some("KeyMade"))]);

async fn create_service_member(call: Call) -> Outcome {
    let name = call.body.get("name").and_then(Value::as_str).unwrap_or_default();
    let is = Standing { role: role_in(&call.body)?, until: until_in(&call.body)? };
    let author = call.caller.author();
    let done = call.site.porter.add_service(acting(&call.caller, &author), name, is, call.site.clock.now()).await?;
    let unfit = |why: &str| Err(Problem::faults(Kind::InvalidBody, vec![Fault::new("name", why)]));
    let id = match done {
        Served::Done(id) => id,
        Served::Name => return unfit("must be 1 to 100 characters on one line"),
        Served::Taken => return unfit("is the name of another service member: choose another"),
        Served::TooMany => {
            let detail = format!("there are {MOST} service members, which is the most: remove one first");
            return Err(Problem::new(Kind::Limit, detail));
        }
        Served::Refused(refused) => return Err(refusal(refused)),
    };
    let row = call.site.porter.member(call.caller.org(), id).await?.ok_or_else(Problem::not_found)?;
    Ok(Answer::created(format!("/api/v1/members/{id}"), shown(&row)))
}

async fn create_service_key(call: Call) -> Outcome {
    let row = find(&call).await?;
    if !row.service {
        return Err(Problem::not_found());
    }
    let holder = &call.caller.holder;
    if !holder.may(Right::KeysWrite) {
        return Err(Problem::scope(Right::KeysWrite));
    }
    let (wish, author) = (wish(&call.body)?, call.caller.author());
    let (scoped, now) = (call.caller.scoped(&call.site).await?, call.site.clock.now());
    let acting = acting(&call.caller, &author);
    let done = call.site.porter.make_service_key(scoped, acting, row.id, (&wish, &holder.reach()), now).await?;
    made(done.ok_or_else(Problem::not_found)?)
}
