//! What hangs on a member, and the removal of one.

use axum::routing::{delete, get};
use serde_json::{Value, json};

use super::members::{acting, refusal, shown};
use super::problem::{Fault, Kind, Problem};
use super::query::{Parameter, Shape};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::Right;
use crate::login::holdings::{Holdings, Removed, Successor};

const SUCCESSOR: Parameter = Parameter {
    name: "successor",
    shape: Shape::Text(36),
    what: "The id of the member who takes over, or `none`: then keys end, and invitations are taken back. Keys go to a service \
           member alone; ownership to a person.",
};

/// `GET /api/v1/members/{id}/holdings`.
pub const GET: Operation =
    Operation::get("/api/v1/members/{id}/holdings", Right::MembersReview, "getHoldings", || get(get_holdings))
        .does("Shows what hangs on a member: keys, open invitations, channels, and ownership that nobody else has.")
        .answers(&[(200, Some("Holdings"))]);
/// `DELETE /api/v1/members/{id}`.
pub const REMOVE: Operation =
    Operation::delete("/api/v1/members/{id}", Right::MembersWrite, "removeMember", || delete(remove_member))
        .does(
            "Removes a member; sessions and keys here are over at once, but for keys that a service member takes over.",
        )
        .query(&[SUCCESSOR])
        .answers(&[(204, None)]);

async fn get_holdings(call: Call) -> Outcome {
    let held = call.site.porter.holdings(call.caller.org(), call.id()?, call.site.clock.now()).await?;
    Ok(Answer::ok(told(&held.ok_or_else(Problem::not_found)?)))
}

async fn remove_member(call: Call) -> Outcome {
    let wrong = || {
        let message = "must be the id of another member here, or none";
        Problem::faults(Kind::InvalidQuery, vec![Fault::new(SUCCESSOR.name, message)])
    };
    let id = call.id()?;
    let successor = call.query.get(SUCCESSOR.name).map(str::parse::<Successor>).transpose().map_err(|_| wrong())?;
    let author = call.caller.author();
    let acting = acting(&call.caller, &author);
    match call.site.porter.remove_member(acting, id, successor, call.site.clock.now()).await? {
        Removed::Done(_) => Ok(Answer::done()),
        Removed::Gone => Err(Problem::not_found()),
        Removed::Refused(refused) => Err(refusal(refused)),
        Removed::Needed(held) => Err(Problem::faults(Kind::SuccessorNeeded, named(&held))),
        Removed::NoSuccessor => Err(wrong()),
    }
}

/// What hangs on the member, each thing by its place in the holdings.
fn named(held: &Holdings) -> Vec<Fault> {
    let owner = held.sole_owner.then(|| Fault::new("sole_owner", "there is no other owner: name who becomes one"));
    let keys = held.keys.iter().enumerate().map(|(at, key)| {
        let message = format!("the key {} ({}) ends unless a service member takes it over", key.public_id, key.name);
        Fault::new(format!("keys[{at}]"), message)
    });
    let invitations = held.invitations.iter().enumerate().map(|(at, one)| {
        let message = format!("the invitation of {} is taken back unless a member takes it over", one.email);
        Fault::new(format!("invitations[{at}]"), message)
    });
    owner.into_iter().chain(keys).chain(invitations).collect()
}

fn told(held: &Holdings) -> Value {
    let key = |key: &crate::store::holdings::HeldKey| {
        json!({
            "id": key.public_id, "name": key.name, "last_used_at": key.last_used_at.map(micros),
            "expires_at": key.expires_at.map(micros),
        })
    };
    let channels = held.channels.iter();
    json!({
        "member": shown(&held.member),
        "successor_needed": held.needs_successor(),
        "sole_owner": held.sole_owner,
        "keys": held.keys.iter().map(key).collect::<Vec<_>>(),
        "invitations": held.invitations.iter().map(|one| json!({ "id": one.uuid, "email": one.email })).collect::<Vec<_>>(),
        "channels": channels.map(|one| json!({ "id": one.uuid, "name": one.name, "kind": one.kind, "hint": one.hint })).collect::<Vec<_>>(),
    })
}
