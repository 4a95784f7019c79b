//! The audit log of the organization, entry by entry.

use axum::routing::get;

use super::query::{self, AFTER, LIMIT, Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::store::organizations;
use crate::store::read::audit::{self, Filter, Walk};

const ACTION: Parameter = Parameter {
    name: "action",
    shape: Shape::Text(200),
    what: "Only this action; with a dot at the end all that begin so, as in `monitor.`.",
};
const ACTOR: Parameter =
    Parameter { name: "actor", shape: Shape::Text(200), what: "Only actors that hold this, whatever its case." };
const FROM: Parameter = Parameter { name: "from", shape: Shape::Time, what: "Only from then on." };
const TO: Parameter = Parameter { name: "to", shape: Shape::Time, what: "Only until then." };

/// `GET /api/v1/audit`.
pub const LIST: Operation =
    Operation::get("/api/v1/audit", Right::AuditRead, "listAuditEntries", || get(list_audit_entries))
        .does("Lists the entries of the audit log, the newest first.")
        .query(&[LIMIT, AFTER, ACTION, ACTOR, FROM, TO])
        .answers(&[(200, Some("AuditPage"))]);

async fn list_audit_entries(call: Call) -> Outcome {
    let (query, limit) = (&call.query, call.query.limit());
    let text = |parameter: Parameter| query.get(parameter.name).unwrap_or_default().to_owned();
    let filter =
        Filter { action: text(ACTION), actor: text(ACTOR), from: query.value(FROM.name), to: query.value(TO.name) };
    let before = query.after()?.unwrap_or(i64::MAX);
    let mut scoped = call.caller.scoped(&call.site).await?;
    let organization = organizations::own_id(&mut scoped).await?;
    let (org, walk) = (Some(call.caller.org()), Walk::Before(before));
    let rows = audit::read(&mut scoped, org, &filter, walk, query::and_one(limit)).await?;
    let (rows, next) = query::page(rows, limit, |row| row.seq.to_string());
    Ok(Answer::page(rows.iter().map(|row| row.exported(Some(organization.0))).collect(), next))
}
