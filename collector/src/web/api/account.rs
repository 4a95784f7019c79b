//! The account of who a key is of: everything that is stored about it, and where it is signed in.

use axum::response::Response;
use axum::routing::{delete, get};
use serde_json::json;

use super::problem::{Fault, Kind, Problem};
use super::query::{Parameter, Shape};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::Right;
use crate::privacy::export::MOST_DIRECT;
use crate::web::export;

const FORMAT: Parameter = Parameter {
    name: "format",
    shape: Shape::OneOf(&["json", "csv"]),
    what: "`json`, one document, if absent; `csv` is one table of it.",
};
const PART: Parameter = Parameter {
    name: "part",
    shape: Shape::OneOf(&["account", "organization"]),
    what: "Of which part the table is, for `csv`; `account` if absent.",
};
const TABLE: Parameter =
    Parameter { name: "table", shape: Shape::Text(63), what: "Which table, as the document names it, for `csv`." };

const ONLY: Parameter = Parameter {
    name: "only",
    shape: Shape::OneOf(&["configuration"]),
    what: "`configuration`: what the organization is set up with, and nothing else; another Picket imports it.",
};

/// `GET /api/v1/account/export`.
pub const EXPORT: Operation =
    Operation::get("/api/v1/account/export", Right::AccountRead, "exportAccount", || get(export_account))
        .does("Gives everything about the user of the key, and to an owner, by a key with every scope that reads, everything of the organization.")
        .query(&[FORMAT, PART, TABLE, ONLY])
        .answers(&[(200, Some("AccountExport"))])
        .or_csv();

/// `GET /api/v1/account/sessions`.
pub const SESSIONS: Operation =
    Operation::get("/api/v1/account/sessions", Right::AccountRead, "listSessions", || get(list_sessions))
        .does("Lists where the user of the key is signed in, the last used first.")
        .answers(&[(200, Some("SessionList"))]);
/// `DELETE /api/v1/account/sessions/{id}`.
pub const END_SESSION: Operation =
    Operation::delete("/api/v1/account/sessions/{id}", Right::AccountWrite, "endSession", || delete(end_session))
        .does("Signs the user of the key out there.")
        .answers(&[(204, None)]);
/// `DELETE /api/v1/account/sessions`.
pub const END_SESSIONS: Operation =
    Operation::delete("/api/v1/account/sessions", Right::AccountWrite, "endSessions", || delete(end_sessions))
        .does("Signs the user of the key out everywhere; keys go on.")
        .answers(&[(204, None)]);

async fn list_sessions(call: Call) -> Outcome {
    let rows = call.site.porter.sessions(call.caller.holder.member.user, None, call.site.clock.now()).await?;
    let shown = rows.into_iter().map(|row| {
        json!({
            "id": row.uuid,
            "browser": row.browser,
            "system": row.system,
            "began_at": micros(row.created_at),
            "seen_at": micros(row.seen_at),
        })
    });
    Ok(Answer::ok(json!({ "items": shown.collect::<Vec<_>>() })))
}

async fn end_session(call: Call) -> Outcome {
    let (user, by, now) = (call.caller.holder.member.user, call.caller.author(), call.site.clock.now());
    let ended = call.site.porter.end_one(user, call.id()?, &by, now).await?;
    if ended { Ok(Answer::done()) } else { Err(Problem::not_found()) }
}

async fn end_sessions(call: Call) -> Outcome {
    let (user, by, now) = (call.caller.holder.member.user, call.caller.author(), call.site.clock.now());
    call.site.porter.end_others(user, None, &by, now).await?;
    Ok(Answer::done())
}

async fn export_account(call: Call) -> Result<Response, Problem> {
    let (query, by, now) = (&call.query, call.caller.author(), call.site.clock.now());
    let holder = &call.caller.holder;
    let configuration = query.get(ONLY.name).is_some();
    let export =
        export::of(&call.site, &holder.member, !holder.service, |right| holder.may(right), configuration).await?;
    if configuration && export.tables().is_empty() {
        let fault = Fault::new(ONLY.name, "is for owners of the organization, by a key with every scope that reads");
        return Err(Problem::faults(Kind::InvalidQuery, vec![fault]));
    }
    let (part, table) = (query.get(PART.name), query.get(TABLE.name));
    let asked = table.map(|table| (part.unwrap_or("account"), table));
    if export.is_large(asked).await? {
        let most = MOST_DIRECT;
        let detail = format!(
            "it has more than {most} rows: ask for it with POST /api/v1/account/exports, or /api/v1/organization/exports, and take the file \
             when it is ready"
        );
        return Err(Problem::new(Kind::ExportTooLarge, detail));
    }
    if query.get(FORMAT.name) != Some("csv") {
        let strange = part.map(|_| PART).or(table.map(|_| TABLE));
        if let Some(parameter) = strange {
            let fault = Fault::new(parameter.name, "is for format=csv: the document has every table");
            return Err(Problem::faults(Kind::InvalidQuery, vec![fault]));
        }
        return export::send(export, None, &by, now).await?.ok_or_else(Problem::not_found);
    }
    let part = part.unwrap_or(if configuration { "organization" } else { "account" });
    let known = export.tables().into_iter().filter(|listed| listed.part.as_str() == part);
    let known = known.map(|listed| listed.table).collect::<Vec<_>>().join(", ");
    let fault = if known.is_empty() {
        Fault::new(
            PART.name,
            "is for owners of the organization, by a key with every scope that reads: ask for part=account",
        )
    } else {
        Fault::new(TABLE.name, format!("must be one of {known}"))
    };
    let sent = export::send(export, Some((part, table.unwrap_or_default())), &by, now).await?;
    sent.ok_or_else(|| Problem::faults(Kind::InvalidQuery, vec![fault]))
}
