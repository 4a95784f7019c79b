//! The managed organizations, a summary each.

use axum::routing::get;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::query::{self, AFTER, LIMIT};
use super::{Answer, Call, Operation, Outcome, micros};
use crate::domain::access::Right;
use crate::store::read::portfolio::{self, ManagedRow};

/// `GET /api/v1/portfolio`.
pub const LIST: Operation =
    Operation::get("/api/v1/portfolio", Right::PortfolioRead, "listPortfolio", || get(list_portfolio))
        .does("Lists the managed organizations with how they are, in the order of their ids.")
        .query(&[LIMIT, AFTER])
        .answers(&[(200, Some("PortfolioPage"))]);

async fn list_portfolio(call: Call) -> Outcome {
    let (limit, after, now) = (call.query.limit(), call.query.after::<Uuid>()?, call.site.clock.now());
    let mut scoped = call.caller.scoped(&call.site).await?;
    let rows = portfolio::by_id(&mut scoped, after, query::and_one(limit), now).await?;
    let (rows, next) = query::page(rows, limit, |row| row.uuid.to_string());
    Ok(Answer::page(rows.iter().map(shown).collect(), next))
}

fn shown(row: &ManagedRow) -> Value {
    let monitors: Map<String, Value> =
        row.counts.named().into_iter().map(|(state, many)| (state.to_owned(), json!(many))).collect();
    json!({
        "organization": { "id": row.uuid, "name": row.name },
        "management": row.management,
        "most": row.most,
        "until": row.until_at.map(micros),
        "monitors": monitors,
        "open_incidents": row.open_incidents,
        "failing_since": row.failing_since.map(micros),
        "changed_at": row.changed_at.map(micros),
        "untold_monitors": row.untold,
        "updated_at": micros(row.updated_at),
    })
}
