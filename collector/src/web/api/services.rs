//! Service members, and keys of theirs. What they are otherwise, they are as members.

use std::time::Duration;

use axum::routing::post;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::members::{acting, find, refusal, role_in, shown, until_in};
use super::problem::{Fault, Kind, Problem};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::domain::members::Standing;
use crate::login::api_key::{MOST_KEYS, Unmade, Wish};
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
        .body("NewServiceKey")
        .answers(&[(201, Some("ServiceKeyMade"))]);

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
    // A key gives no more than it has itself.
    let lent: Vec<Right> = Right::ALL.iter().copied().filter(|right| holder.may(*right)).collect();
    let (wish, author) = (wish(&call.body)?, call.caller.author());
    let (scoped, now) = (call.caller.scoped(&call.site).await?, call.site.clock.now());
    let acting = acting(&call.caller, &author);
    let made = call.site.porter.make_service_key(scoped, acting, row.id, (&wish, &lent), now).await?;
    match made.ok_or_else(Problem::not_found)? {
        Ok(key) => Ok(Answer::created(format!("/api/v1/members/{}", row.id), json!({ "key": key.expose() }))),
        Err(Unmade::TooMany) => {
            let detail = format!("it has {MOST_KEYS} keys, which is the most: revoke one first");
            Err(Problem::new(Kind::Limit, detail))
        }
        Err(unmade) => Err(Problem::faults(Kind::InvalidBody, vec![fault(unmade)])),
    }
}

fn wish(body: &Value) -> Result<Wish, Problem> {
    let mut faults = Vec::new();
    let texts = |name: &str| -> Vec<&str> {
        body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut scopes: Vec<Right> = Vec::new();
    for (at, text) in texts("scopes").into_iter().enumerate() {
        match text.parse() {
            Ok(right) => scopes.push(right),
            Err(_) => faults.push(Fault::new(format!("scopes[{at}]"), "must be a right of docs/access.md")),
        }
    }
    let mut networks: Vec<IpNet> = Vec::new();
    for (at, text) in texts("networks").into_iter().enumerate() {
        match text.parse::<IpNet>() {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => faults.push(Fault::new(format!("networks[{at}]"), "must be a network such as 198.51.100.0/24")),
        }
    }
    if !faults.is_empty() {
        return Err(Problem::faults(Kind::InvalidBody, faults));
    }
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let days = body.get("days").and_then(Value::as_u64);
    Ok(Wish { name, scopes, life: days.map(|days| Duration::from_secs(days * 86_400)), networks })
}

fn fault(unmade: Unmade) -> Fault {
    match unmade {
        Unmade::Name => Fault::new("name", "must be 1 to 200 characters on one line"),
        Unmade::NoScope => Fault::new("scopes", "must name a right"),
        Unmade::BeyondRole(right) => {
            let message = format!("{right} is beyond the role of the service member, or beyond this key");
            Fault::new("scopes", message)
        }
        Unmade::Networks => Fault::new("networks", "are too many"),
        Unmade::Life => Fault::new("days", "are too many"),
        Unmade::TooMany => Fault::new("name", "is one too many"),
    }
}
