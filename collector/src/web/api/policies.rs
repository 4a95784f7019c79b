//! Policies: who is told when.

use axum::routing::{delete, get, post, put};
use picket_shared::ids::PolicyId;
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::problem::Problem;
use super::query::{Parameter, Shape};
use super::schedules::{faults, meanwhile, named, people, too_many};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::store::policies::{self as store, PolicyRow};
use crate::store::{Scoped, monitors};
use crate::web::telling::policy::{self, Known};
use crate::web::telling::{MOST, preview};

const ONE: &[(u16, Option<&str>)] = &[(200, Some("Policy"))];
const AT: Parameter =
    Parameter { name: "at", shape: Shape::Time, what: "When the incident would be found; now if absent." };

/// `GET /api/v1/policies`.
pub const LIST: Operation =
    Operation::get("/api/v1/policies", Right::PoliciesRead, "listPolicies", || get(list_policies))
        .does("Lists policies by name.")
        .answers(&[(200, Some("PolicyPage"))]);
/// `POST /api/v1/policies`.
pub const CREATE: Operation =
    Operation::post("/api/v1/policies", Right::PoliciesWrite, "createPolicy", || post(create_policy))
        .does("Makes a policy. A new default takes the place of the one before.")
        .body("PolicyBody")
        .answers(&[(201, Some("Policy"))]);
/// `GET /api/v1/policies/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/policies/{id}", Right::PoliciesRead, "getPolicy", || get(get_policy))
        .does("Shows a policy.")
        .answers(ONE);
/// `PUT /api/v1/policies/{id}`.
pub const PUT: Operation =
    Operation::put("/api/v1/policies/{id}", Right::PoliciesWrite, "putPolicy", || put(put_policy))
        .does("Replaces what a policy says. Open incidents go on by the new levels from where they are.")
        .body("PolicyBody")
        .answers(ONE);
/// `DELETE /api/v1/policies/{id}`.
pub const REMOVE: Operation =
    Operation::delete("/api/v1/policies/{id}", Right::PoliciesWrite, "removePolicy", || delete(remove_policy))
        .does("Removes a policy: what it was for falls to the next that fits.")
        .answers(&[(204, None)]);
/// `GET /api/v1/monitors/{id}/telling`.
pub const TELLING: Operation =
    Operation::get("/api/v1/monitors/{id}/telling", Right::PoliciesRead, "getTelling", || get(get_telling))
        .does("Says who would be told of an incident of a monitor, by which policy and why, once through all levels.")
        .query(&[AT])
        .answers(&[(200, Some("Telling"))]);

async fn list_policies(call: Call) -> Outcome {
    let (mut scoped, known) = known(&call).await?;
    let rows = store::list(&mut scoped).await?;
    Ok(Answer::page(rows.iter().map(|row| policy::view(row, &known)).collect(), None))
}

async fn create_policy(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let (mut scoped, known) = known(&call).await?;
    let (new, _) = policy::read(&call.body, &known).map_err(faults)?;
    if store::count(&mut scoped).await? >= MOST {
        return Err(too_many("policies"));
    }
    let id = PolicyId::at(now);
    store::insert(&mut scoped, id, &new, now).await.map_err(|error| named(error, &new.name))?;
    let made = shown(&mut scoped, id, &known).await?;
    scoped.commit().await?;
    Ok(Answer::created(format!("/api/v1/policies/{id}"), made))
}

async fn get_policy(call: Call) -> Outcome {
    let (mut scoped, known) = known(&call).await?;
    Ok(Answer::ok(shown(&mut scoped, call.id()?, &known).await?))
}

async fn put_policy(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let (mut scoped, known) = known(&call).await?;
    let row = find(&mut scoped, &call).await?;
    let (new, version) = policy::read(&call.body, &known).map_err(faults)?;
    let is_meant = version.is_none_or(|version| version == row.version);
    let stored =
        is_meant && store::update(&mut scoped, &row, &new, now).await.map_err(|error| named(error, &new.name))?;
    if !stored {
        return Err(meanwhile());
    }
    let changed = shown(&mut scoped, row.id, &known).await?;
    scoped.commit().await?;
    Ok(Answer::ok(changed))
}

async fn remove_policy(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = find(&mut scoped, &call).await?;
    store::remove(&mut scoped, &row, call.site.clock.now()).await?;
    scoped.commit().await?;
    Ok(Answer::done())
}

async fn get_telling(call: Call) -> Outcome {
    let at: Timestamp = call.query.value(AT.name).unwrap_or_else(|| call.site.clock.now());
    let (mut scoped, known) = known(&call).await?;
    let row = monitors::by_id(&mut scoped, call.id()?).await?.ok_or_else(Problem::not_found)?;
    let told = store::preview(&mut scoped, call.caller.org(), &[row.key], at).await?;
    Ok(Answer::ok(preview::view(&told, row.settings.briefing.severity, &known, at)))
}

/// A transaction, and whom policies can name.
async fn known(call: &Call) -> Result<(Scoped, Known), Problem> {
    let people = people(call).await?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    let known = Known::of(&mut scoped, people, call.site.clock.now()).await?;
    Ok((scoped, known))
}

/// The policy of the path; what belongs to others is not there.
async fn find(scoped: &mut Scoped, call: &Call) -> Result<PolicyRow, Problem> {
    store::get(scoped, call.id()?).await?.ok_or_else(Problem::not_found)
}

async fn shown(scoped: &mut Scoped, id: PolicyId, known: &Known) -> Result<Value, Problem> {
    let row = store::get(scoped, id).await?.ok_or_else(Problem::not_found)?;
    Ok(policy::view(&row, known))
}
