//! Signing secrets of webhooks: shown once when one is made, and rotated.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::secret::SecretString;

use super::{find, show, shown};
use crate::channels::{self, ChannelError};
use crate::store::channels::ChannelRow;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_with};

#[derive(Template)]
#[template(path = "channel/secret.html")]
struct Page<'a> {
    frame: Frame,
    secret: &'a str,
    next: String,
}

/// How long the former secret may sign too, in hours, with the words for it; the first is chosen.
pub(super) const FORMER_FOR: [(u64, &str); 4] = [
    (24, "channel.former_day"),
    (7 * 24, "channel.former_week"),
    (30 * 24, "channel.former_month"),
    (0, "channel.former_none"),
];

/// Shows a secret, this once.
pub(super) fn once(user: &User, row: &ChannelRow, secret: &SecretString) -> Response {
    let frame = Frame::of(user, "/channels", text("channel.secret_title"));
    page_with(StatusCode::OK, &Page { frame, secret: secret.expose(), next: format!("/channels/{}", row.id) })
}

/// `POST /channels/{id}/rotate-secret`.
pub async fn post_rotate(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let rotates = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let hours = form.text("former_for").parse().unwrap_or(FORMER_FOR[0].0);
        let former_for = Duration::from_secs(3600_u64.saturating_mul(hours));
        let wrong = match channels::rotate(&mut scoped, &site.sealer, &row, former_for, site.clock.now()).await {
            Ok(secret) => {
                scoped.commit().await?;
                return Ok(Some(once(&user, &row, &secret)));
            }
            Err(ChannelError::SignsNothing(name)) => filled("channel.signs_nothing", name),
            Err(ChannelError::FormerKeyLife) => text("channel.former_too_long").to_owned(),
            Err(ChannelError::Unset(_)) => text("channel.set_first").to_owned(),
            Err(failed) => return Err(failed),
        };
        drop(scoped);
        Ok(Some(show::show(&site, &user, &row, &HashMap::new(), (Some(wrong), None)).await?))
    };
    shown(rotates.await)
}
