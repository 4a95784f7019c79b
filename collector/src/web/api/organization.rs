//! The organization of a key: what it is called, what it asks of its members, whether it keeps to the EU, and what it may have.

use axum::routing::{get, patch};
use serde_json::{Value, json};

use super::members::acting;
use super::problem::{Fault, Kind, Problem};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::login::organization::Asked;
use crate::store::audit::Author;
use crate::store::organizations;
use crate::store::residency::{self, Abroad};

/// `GET /api/v1/organization`.
pub const GET: Operation =
    Operation::get("/api/v1/organization", Right::MembersRead, "getOrganization", || get(get_organization))
        .does("Shows the organization of the key, with its limits and what of it goes outside the EU.")
        .answers(&[(200, Some("Organization"))]);
/// `PATCH /api/v1/organization`.
pub const CHANGE: Operation =
    Operation::patch("/api/v1/organization", Right::MembersWrite, "changeOrganization", || patch(change_organization))
        .does("Asks members for a second factor, or keeps to the EU, from now on or no more.")
        .body("OrganizationPatch")
        .answers(&[(200, Some("Organization"))]);

async fn get_organization(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&call).await?))
}

async fn change_organization(call: Call) -> Outcome {
    let said = |name: &str| call.body.get(name).and_then(Value::as_bool);
    let (factor, eu_only) = (said("second_factor_required"), said("eu_only"));
    let author = call.caller.author();
    if factor.is_none() && eu_only.is_none() {
        let fault = Fault::new("", "name second_factor_required, eu_only or both");
        return Err(Problem::faults(Kind::InvalidBody, vec![fault]));
    }
    // What may be refused comes first, so that nothing is done by half.
    if let Some(wanted) = factor {
        ask_for_factor(&call, &author, wanted).await?;
    }
    if let Some(eu_only) = eu_only {
        let mut auth = call.site.pools.auth().await?;
        residency::set(&mut auth, call.caller.org(), eu_only, &author, call.site.clock.now()).await?;
        auth.commit().await?;
    }
    Ok(Answer::ok(shown(&call).await?))
}

async fn ask_for_factor(call: &Call, author: &Author, wanted: bool) -> Result<(), Problem> {
    let acting = acting(&call.caller, author);
    match call.site.porter.want_second_factor(acting, wanted, call.site.clock.now()).await? {
        Asked::Done => Ok(()),
        Asked::NoneOfOnesOwn => {
            let detail = "who asks for a second factor has one: set one up on the page Account first";
            Err(Problem::new(Kind::NotAllowed, detail))
        }
    }
}

async fn shown(call: &Call) -> Result<Value, Problem> {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let org = call.caller.org();
    let id = organizations::own_id(&mut scoped).await?;
    let keeping = residency::of(&mut scoped, org).await?;
    let Abroad { channels, monitors } = residency::abroad(&mut scoped).await?;
    drop(scoped);
    let channels = channels.iter().map(|one| json!({ "id": one.id, "name": one.name, "provider": one.provider }));
    let monitors = monitors
        .iter()
        .map(|one| json!({ "id": one.id, "name": one.name, "regions": one.regions, "paused": one.paused }));
    let (wanted, limits) = (call.site.porter.wants_second_factor(org).await?, call.site.porter.limits(org).await?);
    Ok(json!({
        "id": id,
        "name": call.caller.holder.member.org_name,
        "second_factor_required": wanted,
        "eu_only": keeping.own,
        "eu_only_by_operator": keeping.operator,
        "abroad": { "channels": channels.collect::<Vec<_>>(), "monitors": monitors.collect::<Vec<_>>() },
        "limits": {
            "monitors": limits.monitors, "interval_s": limits.interval_s,
            "checks_per_minute": limits.checks_per_minute, "sms_per_day": limits.sms_per_day,
        },
    }))
}
