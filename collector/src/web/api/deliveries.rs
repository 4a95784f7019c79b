//! Messages to channels, one with every try, and the asking again for what was given up.

use axum::routing::{get, post};
use picket_shared::ids::DeliveryId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::query::{self, AFTER, LIMIT, Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::store::deliveries;
use crate::store::read::deliveries::{self as read, AttemptRow, Chosen, DeliveryRow, Standing};

const CHANNEL: Parameter = Parameter { name: "channel", shape: Shape::Id, what: "Only those to this channel." };
const INCIDENT: Parameter = Parameter { name: "incident", shape: Shape::Id, what: "Only those of this incident." };
const STATE: Parameter = Parameter {
    name: "state",
    shape: Shape::OneOf(&["pending", "sent", "failed", "superseded"]),
    what: "Only those that stand so; `failed` also has what was taken and not delivered.",
};

/// `GET /api/v1/deliveries`.
pub const LIST: Operation =
    Operation::get("/api/v1/deliveries", Right::ChannelsRead, "listDeliveries", || get(list_deliveries))
        .does("Lists messages to channels, the newest first.")
        .query(&[LIMIT, AFTER, CHANNEL, INCIDENT, STATE])
        .answers(&[(200, Some("DeliveryPage"))]);
/// `GET /api/v1/deliveries/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/deliveries/{id}", Right::ChannelsRead, "getDelivery", || get(get_delivery))
        .does("Shows a message with every try, the newest first.")
        .answers(&[(200, Some("Delivery"))]);
/// `POST /api/v1/deliveries/{id}/send-again`.
pub const AGAIN: Operation =
    Operation::post("/api/v1/deliveries/{id}/send-again", Right::ChannelsWrite, "sendDeliveryAgain", || {
        post(send_again)
    })
    .does("Sends a message again that was given up.")
    .answers(&[(200, Some("Delivery"))]);

async fn list_deliveries(call: Call) -> Outcome {
    let (query, limit) = (&call.query, call.query.limit());
    let before = query.after::<i64>()?;
    let chosen = Chosen {
        channel: query.value(CHANNEL.name),
        incident: query.value(INCIDENT.name),
        standing: query.get(STATE.name).and_then(Standing::parse),
    };
    let mut scoped = call.caller.scoped(&call.site).await?;
    let rows = read::page(&mut scoped, chosen, before, query::and_one(limit)).await?;
    let (rows, next) = query::page(rows, limit, |row| row.id.to_string());
    Ok(Answer::page(rows.iter().map(delivery).collect(), next))
}

async fn get_delivery(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&call).await?))
}

async fn send_again(call: Call) -> Outcome {
    let id: DeliveryId = call.id()?;
    let mut scoped = call.caller.scoped(&call.site).await?;
    read::one(&mut scoped, id).await?.ok_or_else(Problem::not_found)?;
    if !deliveries::ask_again(&mut scoped, id, call.site.clock.now()).await? {
        let why = "it was not given up, or its channel does not want it or was told of the same since";
        return Err(Problem::new(Kind::NotSentAgain, why));
    }
    scoped.commit().await?;
    Ok(Answer::ok(shown(&call).await?))
}

async fn shown(call: &Call) -> Result<Value, Problem> {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let (row, attempts) = read::one(&mut scoped, call.id()?).await?.ok_or_else(Problem::not_found)?;
    let mut shown = delivery(&row);
    shown["tries"] = attempts.iter().map(attempt).collect();
    Ok(shown)
}

fn micros(at: i64) -> String {
    Timestamp::from_micros(at).exact()
}

fn delivery(row: &DeliveryRow) -> Value {
    let reported = row.reported.as_ref().zip(row.reported_at);
    json!({
        "id": row.uuid,
        "kind": row.kind,
        "about": row.about,
        "channel": { "id": row.channel, "name": row.channel_name, "kind": row.channel_kind },
        "incident": row.incident,
        "state": row.state,
        "attempts": row.attempts,
        "created_at": micros(row.created_at),
        "next_at": (row.state == "pending").then(|| micros(row.next_at)),
        "ended_at": row.ended_at.map(micros),
        "reported": reported.map(|(what, at)| json!({ "state": what, "at": micros(at), "why": row.reported_why })),
        "answer": row.answer,
        "may_be_sent_again": row.may_be_asked_again(),
    })
}

fn attempt(row: &AttemptRow) -> Value {
    json!({
        "at": micros(row.at),
        "took_us": row.took_us,
        "result": row.result,
        "status": row.status,
        "request_id": row.request_id,
        "answer": row.answer,
    })
}
