//! The account of who a key is of: everything that is stored about it.

use axum::response::Response;
use axum::routing::get;

use super::problem::{Fault, Kind, Problem};
use super::query::{Parameter, Shape};
use super::{Call, Operation};
use crate::domain::access::Right;
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

/// `GET /api/v1/account/export`.
pub const EXPORT: Operation =
    Operation::get("/api/v1/account/export", Right::AccountRead, "exportAccount", || get(export_account))
        .does("Gives everything about the user of the key, and to an owner, by a key with every scope that reads, everything of the organization.")
        .query(&[FORMAT, PART, TABLE])
        .answers(&[(200, Some("AccountExport"))])
        .or_csv();

async fn export_account(call: Call) -> Result<Response, Problem> {
    let (query, by, now) = (&call.query, call.caller.author(), call.site.clock.now());
    let export = export::of(&call.site, &call.caller.holder.member, |right| call.caller.holder.may(right)).await?;
    let (part, table) = (query.get(PART.name), query.get(TABLE.name));
    if query.get(FORMAT.name) != Some("csv") {
        let strange = part.map(|_| PART).or(table.map(|_| TABLE));
        if let Some(parameter) = strange {
            let fault = Fault::new(parameter.name, "is for format=csv: the document has every table");
            return Err(Problem::faults(Kind::InvalidQuery, vec![fault]));
        }
        return export::send(export, None, &by, now).await?.ok_or_else(Problem::not_found);
    }
    let part = part.unwrap_or("account");
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
