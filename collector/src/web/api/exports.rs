//! Large exports: asked for, looked at until they are ready, and taken as a file. About the user of the key, and of the organization.

use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::problem::{Fault, Kind, Problem};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::Right;
use crate::store::exports::{Asked, ExportRow};
use crate::web::export;

/// `POST /api/v1/account/exports`.
pub const ASK_ACCOUNT: Operation =
    Operation::post("/api/v1/account/exports", Right::AccountRead, "askAccountExport", || post(ask_account))
        .does("Asks for an export of everything about the user of the key; one that is under way is answered again.")
        .body("ExportWish")
        .answers(&[(201, Some("Export"))]);
/// `GET /api/v1/account/exports/{id}`.
pub const GET_ACCOUNT: Operation =
    Operation::get("/api/v1/account/exports/{id}", Right::AccountRead, "getAccountExport", || get(get_account))
        .does("Shows whether an export is ready, how large it is, and until when it can be taken.")
        .answers(&[(200, Some("Export"))]);
/// `GET /api/v1/account/exports/{id}/file`.
pub const FILE_ACCOUNT: Operation =
    Operation::get("/api/v1/account/exports/{id}/file", Right::AccountRead, "takeAccountExport", || get(file_account))
        .does("Gives the file of an export that is ready.")
        .answers(&[(200, Some("AccountExport"))])
        .or_zip();
/// `POST /api/v1/organization/exports`.
pub const ASK_ORGANIZATION: Operation =
    Operation::post("/api/v1/organization/exports", Right::AccountRead, "askOrganizationExport", || {
        post(ask_organization)
    })
    .does("Asks for an export of everything of the organization, for an owner, by a key with every scope that reads.")
    .body("ExportWish")
    .answers(&[(201, Some("Export"))]);
/// `GET /api/v1/organization/exports/{id}`.
pub const GET_ORGANIZATION: Operation =
    Operation::get("/api/v1/organization/exports/{id}", Right::AccountRead, "getOrganizationExport", || {
        get(get_organization)
    })
    .does("Shows whether an export is ready, how large it is, and until when it can be taken.")
    .answers(&[(200, Some("Export"))]);
/// `GET /api/v1/organization/exports/{id}/file`.
pub const FILE_ORGANIZATION: Operation =
    Operation::get("/api/v1/organization/exports/{id}/file", Right::AccountRead, "takeOrganizationExport", || {
        get(file_organization)
    })
    .does("Gives the file of an export that is ready.")
    .answers(&[(200, Some("AccountExport"))])
    .or_zip();

/// About the user.
const ACCOUNT: &str = "account";
/// Of the organization.
const ORGANIZATION: &str = "organization";

async fn ask_account(call: Call) -> Outcome {
    ask(call, ACCOUNT).await
}

async fn ask_organization(call: Call) -> Outcome {
    let holder = &call.caller.holder;
    if export::owned(&holder.member, |right| holder.may(right)).is_none() {
        let fault =
            Fault::new("", "an export of the organization is for its owners, by a key with every scope that reads");
        return Err(Problem::faults(Kind::InvalidBody, vec![fault]));
    }
    ask(call, ORGANIZATION).await
}

async fn ask(call: Call, part: &'static str) -> Outcome {
    let format = if call.body.get("format").and_then(Value::as_str) == Some("csv") { "csv" } else { "json" };
    let (member, by) = (&call.caller.holder.member, call.caller.author());
    let asked = Asked { user: member.user, org: member.org, part, format };
    let row = call.site.exports.ask(asked, &by, call.site.clock.now()).await?;
    Ok(Answer::created(place(&row), shown(&row)))
}

async fn get_account(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&found(&call, ACCOUNT).await?)))
}

async fn get_organization(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&found(&call, ORGANIZATION).await?)))
}

async fn file_account(call: Call) -> Result<Response, Problem> {
    file(call, ACCOUNT).await
}

async fn file_organization(call: Call) -> Result<Response, Problem> {
    file(call, ORGANIZATION).await
}

async fn file(call: Call, part: &str) -> Result<Response, Problem> {
    let row = found(&call, part).await?;
    match (&*row.state, &row.failure) {
        ("ready", _) => Ok(export::file(&call.site, &row, &call.caller.author()).await?),
        (_, Some(why)) => Err(Problem::new(Kind::NotReady, why.clone())),
        _ => Err(Problem::new(Kind::NotReady, "it is not made yet: a mail tells when it is, and its state")),
    }
}

async fn found(call: &Call, part: &str) -> Result<ExportRow, Problem> {
    let holder = &call.caller.holder;
    let owned = export::owned(&holder.member, |right| holder.may(right));
    let row = export::find(&call.site, holder.member.user, owned, call.place("id")).await?;
    row.filter(|row| row.part == part).ok_or_else(Problem::not_found)
}

fn place(row: &ExportRow) -> String {
    format!("/api/v1/{}/exports/{}", row.part, row.uuid)
}

fn shown(row: &ExportRow) -> Value {
    let ready = row.state == "ready";
    json!({
        "id": row.uuid, "part": row.part, "format": row.format, "state": row.state, "asked_at": micros(row.asked_at),
        "ended_at": row.ended_at.map(micros), "expires_at": micros(row.expires_at), "bytes": row.bytes,
        "tables": row.counts.0, "failure": row.failure, "file": ready.then(|| format!("{}/file", place(row))),
    })
}
