//! Papers: who else works on the data, and the data processing agreement of a key's organization.

use axum::routing::{get, post};
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::query::{Parameter, Shape};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::{Right, Role};
use crate::privacy::agreements::Accepted;
use crate::store::agreements::Agreement;
use crate::store::sub_processors;

const VERSION: Parameter = Parameter {
    name: "version",
    shape: Shape::Number(1, 2_147_483_647),
    what: "Which version's text is given; the newest if absent.",
};
/// Changes that are listed.
const CHANGES: i64 = 100;

/// `GET /api/v1/sub-processors`.
pub const SUB_PROCESSORS: Operation =
    Operation::get("/api/v1/sub-processors", Right::AccountRead, "listSubProcessors", || get(list_sub_processors))
        .does("Lists who else works on the data, with those that begin later, and what changed, the newest first.")
        .answers(&[(200, Some("SubProcessorList"))]);
/// `GET /api/v1/organization/dpa`.
pub const AGREEMENT: Operation = Operation::get("/api/v1/organization/dpa", Right::AccountRead, "getAgreement", || {
    get(get_agreement)
})
.does("Gives the data processing agreement as it was issued to the organization, and every version that it was issued.")
.query(&[VERSION])
.answers(&[(200, Some("DataProcessingAgreement"))])
.maybe_off();
/// `POST /api/v1/organization/dpa/accept`.
pub const ACCEPT: Operation =
    Operation::post("/api/v1/organization/dpa/accept", Right::MembersWrite, "acceptAgreement", || post(accept))
        .does("Accepts the newest data processing agreement, for an owner.")
        .body("AcceptingAgreement")
        .answers(&[(204, None)]);

async fn list_sub_processors(call: Call) -> Outcome {
    let (now, said) = (call.site.clock.now(), &call.site.office.said);
    let history = sub_processors::history(&mut call.site.pools.auth().await?, CHANGES).await?;
    let items = said.privacy.sub_processors.iter().map(|one| {
        json!({
            "name": one.name, "purpose": one.purpose, "country": one.country, "data": one.data, "url": one.url,
            "since": one.since, "until": one.until, "standing": one.standing(now).as_str(),
        })
    });
    let changes = history.iter().map(|row| {
        let lines: Vec<String> = row.changes.iter().map(|change| change.told()).collect();
        json!({ "list": row.number, "noted_at": row.noted_at.exact(), "changes": lines })
    });
    Ok(Answer::ok(json!({
        "notice_days": said.privacy.notice_days,
        "items": items.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
    })))
}

async fn get_agreement(call: Call) -> Outcome {
    let (office, org) = (&call.site.office, call.caller.org());
    let rows = office.agreements(org).await?;
    let wanted: Option<i32> = match call.query.get(VERSION.name) {
        Some(version) => version.parse().ok(),
        None => rows.first().map(|row| row.version),
    };
    let row = wanted.and_then(|wanted| rows.iter().find(|row| row.version == wanted)).ok_or_else(Problem::not_found)?;
    let text = office.agreement_text(org, row.version).await?.ok_or_else(Problem::not_found)?;
    let mut body = shown(row);
    body["text"] = json!(text);
    body["versions"] = rows.iter().map(shown).collect();
    Ok(Answer::ok(body))
}

fn shown(row: &Agreement) -> Value {
    json!({
        "version": row.version,
        "sha256": row.hash,
        "issued_at": micros(row.issued_at),
        "accepted_at": row.accepted_at.map(micros),
        "accepted_by": row.accepted_by,
    })
}

async fn accept(call: Call) -> Outcome {
    let member = &call.caller.holder.member;
    if member.role != Role::Owner || member.through.is_some() || call.caller.holder.service {
        return Err(Problem::new(Kind::NotAllowed, "only an owner accepts the agreement"));
    }
    let version = call.body.get("version").and_then(Value::as_i64).unwrap_or_default();
    let version = i32::try_from(version).unwrap_or_default();
    let by = call.caller.author();
    match call.site.office.accept(member.org, version, &by, call.site.clock.now()).await {
        Ok(Accepted::Done | Accepted::Already) => Ok(Answer::done()),
        Ok(Accepted::NotNewest) => Err(Problem::new(
            Kind::ChangedMeanwhile,
            "this is not the newest version that was issued: read GET /api/v1/organization/dpa and accept that one",
        )),
        Err(failed) => {
            tracing::error!("An agreement could not be accepted: {failed}");
            Err(Problem::new(Kind::Unavailable, "it could not be done: try again"))
        }
    }
}
