//! A message's page: what it tells, where it stands, and every try; and the button that asks for it again.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::DeliveryId;
use picket_shared::time::Timestamp;

use super::{standing, told};
use crate::store::read::deliveries::{self as read, AttemptRow};
use crate::store::{StoreError, deliveries};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{Shape, When, duration_us, when};
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "delivery/page.html")]
struct Page {
    frame: Frame,
    id: String,
    shape: Shape,
    channel: String,
    channel_name: String,
    incident: Option<String>,
    made: When,
    /// When it is tried next.
    next: Option<When>,
    reported: Option<(When, Option<String>)>,
    again: bool,
    attempts: Vec<Attempt>,
    error: Option<&'static str>,
}

struct Attempt {
    at: When,
    took: String,
    word: &'static str,
    class: &'static str,
    status: String,
    request_id: String,
    answer: String,
}

/// `GET /deliveries/{id}`.
pub async fn get_delivery(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    shown(page(&site, &user, &id, &query, None).await)
}

/// `POST /deliveries/{id}/send-again`.
pub async fn post_again(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let asks = async {
        let Ok(delivery) = id.parse::<DeliveryId>() else { return Ok(None) };
        let mut scoped = user.scoped(&site).await?;
        if deliveries::ask_again(&mut scoped, delivery, site.clock.now()).await? {
            scoped.commit().await?;
            return Ok(Some(see(&format!("/deliveries/{delivery}?done=asked_again"))));
        }
        drop(scoped);
        page(&site, &user, &id, &HashMap::new(), Some("delivery.not_again")).await
    };
    shown(asks.await)
}

fn shown(result: Result<Option<Response>, StoreError>) -> Response {
    match result {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn page(
    site: &Site,
    user: &User,
    id: &str,
    query: &HashMap<String, String>,
    error: Option<&'static str>,
) -> Result<Option<Response>, StoreError> {
    let Ok(id) = id.parse::<DeliveryId>() else { return Ok(None) };
    let Some((row, attempts)) = read::one(&mut user.scoped(site).await?, id).await? else { return Ok(None) };
    let now = site.clock.now();
    let at = |micros| when(Timestamp::from_micros(micros), now);
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Page {
        frame: Frame::of(user, "/channels", told(&row)).noting(query),
        id: row.uuid.to_string(),
        shape: standing(&row),
        channel: row.channel.to_string(),
        channel_name: row.channel_name.clone(),
        incident: row.incident.map(|incident| incident.to_string()),
        made: at(row.created_at),
        next: (row.state == "pending" && row.attempts > 0).then(|| at(row.next_at)),
        reported: row.reported_at.map(|reported| (at(reported), row.reported_why.clone())),
        again: row.may_be_asked_again(),
        attempts: attempts.iter().map(|attempt| tried(attempt, now)).collect(),
        error: error.map(text),
    };
    Ok(Some(page_with(status, &page)))
}

fn tried(attempt: &AttemptRow, now: Timestamp) -> Attempt {
    let (class, key) = match attempt.result.as_str() {
        "sent" => ("up", "delivery.try_sent"),
        "retry" => ("suspect", "delivery.try_retry"),
        _ => ("down", "delivery.try_failed"),
    };
    Attempt {
        at: when(Timestamp::from_micros(attempt.at), now),
        took: duration_us(u32::try_from(attempt.took_us).unwrap_or(u32::MAX)),
        word: text(key),
        class,
        status: attempt.status.map(|status| status.to_string()).unwrap_or_default(),
        request_id: attempt.request_id.clone().unwrap_or_default(),
        answer: attempt.answer.clone(),
    }
}
