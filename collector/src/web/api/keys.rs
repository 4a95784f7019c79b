//! API keys: those of the key's user (of everybody, by a key that manages members), another one, and the end of one.

use std::collections::HashMap;
use std::time::Duration;

use axum::routing::{delete, get, post};
use ipnet::IpNet;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::problem::{Fault, Kind, Problem};
use super::query::{self, AFTER, LIMIT};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::login::api_key::{MOST_KEYS, Made, Unmade, Wish};
use crate::store::UserKey;
use crate::store::api_keys::{self as store, KeyRow};
use crate::store::users;

/// `GET /api/v1/keys`.
pub const LIST: Operation = Operation::get("/api/v1/keys", Right::KeysRead, "listKeys", || get(list_keys))
    .does("Lists the API keys of the key's user, and those of everybody if it has the scope members:write too.")
    .query(&[LIMIT, AFTER])
    .answers(&[(200, Some("KeyPage"))]);
/// `POST /api/v1/keys`.
pub const CREATE: Operation = Operation::post("/api/v1/keys", Right::KeysWrite, "createKey", || post(create_key))
    .does("Makes another key of the key's user, which has no more than this one; its user is told.")
    .body("NewKey")
    .answers(&[(201, Some("KeyMade"))]);
/// `GET /api/v1/keys/{key}`.
pub const GET: Operation = Operation::get("/api/v1/keys/{key}", Right::KeysRead, "getKey", || get(get_key))
    .does("Shows an API key: everything but its secret, which nobody has.")
    .answers(&[(200, Some("Key"))]);
/// `DELETE /api/v1/keys/{key}`.
pub const REVOKE: Operation =
    Operation::delete("/api/v1/keys/{key}", Right::KeysWrite, "revokeKey", || delete(revoke_key))
        .does("Revokes an API key, at once; this one too, if it is the one.")
        .answers(&[(204, None)]);

async fn list_keys(call: Call) -> Outcome {
    let (limit, after) = (call.query.limit(), call.query.after::<String>()?);
    let mut rows = store::list(&mut call.caller.scoped(&call.site).await?, whose(&call)).await?;
    rows.sort_by(|one, other| one.public_id.cmp(&other.public_id));
    rows.retain(|row| after.as_ref().is_none_or(|after| row.public_id > *after));
    let (rows, next) = query::page(rows, limit, |row| row.public_id.clone());
    let called = called(&call, &rows).await?;
    Ok(Answer::page(rows.iter().map(|row| shown(row, &called)).collect(), next))
}

async fn get_key(call: Call) -> Outcome {
    let rows = store::list(&mut call.caller.scoped(&call.site).await?, whose(&call)).await?;
    let found: Vec<KeyRow> = rows.into_iter().filter(|row| row.public_id == call.place("key")).collect();
    let called = called(&call, &found).await?;
    found.first().map(|row| Answer::ok(shown(row, &called))).ok_or_else(Problem::not_found)
}

async fn create_key(call: Call) -> Outcome {
    let holder = &call.caller.holder;
    let (wish, now) = (wish(&call.body)?, call.site.clock.now());
    let scoped = call.caller.scoped(&call.site).await?;
    if holder.service {
        let fault = "makes no key by itself: its keys are made at /api/v1/members/{id}/keys";
        return Err(Problem::new(Kind::NotAllowed, format!("a service member {fault}")));
    }
    made(call.site.porter.make_key(scoped, &holder.member, (&wish, &holder.reach()), now).await?)
}

async fn revoke_key(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let revoked = store::revoke(&mut scoped, call.place("key"), whose(&call), call.site.clock.now()).await?;
    scoped.commit().await?;
    if revoked { Ok(Answer::done()) } else { Err(Problem::not_found()) }
}

/// Whose keys a program sees and ends: those of its user, or all.
fn whose(call: &Call) -> Option<UserKey> {
    let holder = &call.caller.holder;
    if holder.may(Right::MembersWrite) { None } else { Some(holder.member.user) }
}

/// What those are called whose keys these are.
async fn called(call: &Call, rows: &[KeyRow]) -> Result<HashMap<UserKey, String>, Problem> {
    let users: Vec<UserKey> = rows.iter().map(|row| row.user).collect();
    Ok(users::called(&mut call.site.pools.auth().await?, &users).await?)
}

fn shown(row: &KeyRow, called: &HashMap<UserKey, String>) -> Value {
    json!({
        "id": row.public_id,
        "name": row.name,
        "of": called.get(&row.user),
        "scopes": row.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "networks": row.networks,
        "created_at": row.created_at.exact(),
        "expires_at": row.expires_at.map(Timestamp::exact),
        "last_used_at": row.last_used_at.map(Timestamp::exact),
    })
}

/// The key, this once, or why there is none.
pub(super) fn made(done: Result<Made, Unmade>) -> Outcome {
    match done {
        Ok(made) => {
            let body = json!({ "id": made.id, "key": made.key.expose() });
            Ok(Answer::created(format!("/api/v1/keys/{}", made.id), body))
        }
        Err(Unmade::TooMany) => {
            let detail = format!("there are {MOST_KEYS} keys, which is the most: revoke one first");
            Err(Problem::new(Kind::Limit, detail))
        }
        Err(unmade) => Err(Problem::faults(Kind::InvalidBody, vec![fault(unmade)])),
    }
}

/// What a body wants a key to be.
pub(super) fn wish(body: &Value) -> Result<Wish, Problem> {
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
            let message = format!("{right} is beyond the role of who it is for, or beyond this key");
            Fault::new("scopes", message)
        }
        Unmade::BeyondNetworks(network) => {
            let message = format!("{network} is beyond the networks of this key: name networks within them, or none");
            Fault::new("networks", message)
        }
        Unmade::BeyondEnd(end) => {
            let message = format!("are too many: this key ends at {end:.0}, and so does what it makes");
            Fault::new("days", message)
        }
        Unmade::Networks => Fault::new("networks", "are too many"),
        Unmade::Life => Fault::new("days", "are too many"),
        Unmade::TooMany => Fault::new("name", "is one too many"),
    }
}
