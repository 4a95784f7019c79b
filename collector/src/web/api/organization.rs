//! The organization of a key: what it is called, what it asks of its members, and what it may have.

use axum::routing::{get, patch};
use serde_json::{Value, json};

use super::members::acting;
use super::problem::{Kind, Problem};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::login::organization::Asked;
use crate::store::organizations;

/// `GET /api/v1/organization`.
pub const GET: Operation =
    Operation::get("/api/v1/organization", Right::MembersRead, "getOrganization", || get(get_organization))
        .does("Shows the organization of the key, with its limits.")
        .answers(&[(200, Some("Organization"))]);
/// `PATCH /api/v1/organization`.
pub const CHANGE: Operation =
    Operation::patch("/api/v1/organization", Right::MembersWrite, "changeOrganization", || patch(change_organization))
        .does("Asks members for a second factor from now on, or no more.")
        .body("OrganizationPatch")
        .answers(&[(200, Some("Organization"))]);

async fn get_organization(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&call).await?))
}

async fn change_organization(call: Call) -> Outcome {
    let wanted = call.body.get("second_factor_required").and_then(Value::as_bool).unwrap_or_default();
    let author = call.caller.author();
    let acting = acting(&call.caller, &author);
    match call.site.porter.want_second_factor(acting, wanted, call.site.clock.now()).await? {
        Asked::Done => Ok(Answer::ok(shown(&call).await?)),
        Asked::NoneOfOnesOwn => {
            let detail = "who asks for a second factor has one: set one up on the page Account first";
            Err(Problem::new(Kind::NotAllowed, detail))
        }
    }
}

async fn shown(call: &Call) -> Result<Value, Problem> {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let id = organizations::own_id(&mut scoped).await?;
    drop(scoped);
    let org = call.caller.org();
    let (wanted, limits) = (call.site.porter.wants_second_factor(org).await?, call.site.porter.limits(org).await?);
    Ok(json!({
        "id": id,
        "name": call.caller.holder.member.org_name,
        "second_factor_required": wanted,
        "limits": {
            "monitors": limits.monitors, "interval_s": limits.interval_s,
            "checks_per_minute": limits.checks_per_minute, "sms_per_day": limits.sms_per_day,
        },
    }))
}
