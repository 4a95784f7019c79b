//! Channels: the list, the form that makes one or replaces its settings, and each one's own page, where it is verified and
//! tested. Settings are never shown again.

pub mod edit;
pub mod list;
pub mod secret;
pub mod show;
pub mod telling;

use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::ChannelId;

use super::error;
use super::shape::{Shape, shape};
use crate::channels::ChannelError;
use crate::notify::channels::Kind;
use crate::store::channels::{self, ChannelRow};
use crate::store::{Scoped, StoreError};
use crate::web::texts::{known, text};

/// The channel of an address; anything else is not found, whosever it is.
async fn find(scoped: &mut Scoped, id: &str) -> Result<Option<ChannelRow>, StoreError> {
    match id.parse::<ChannelId>() {
        Ok(id) => channels::get(scoped, id).await,
        Err(_) => Ok(None),
    }
}

/// A handler's answer, or what to show instead.
fn shown(result: Result<Option<Response>, ChannelError>) -> Response {
    match result {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(ChannelError::Gone) => error::page(StatusCode::GONE, "error.channel_gone"),
        Err(failed) => error::unavailable(&failed),
    }
}

/// The name of a kind for people.
fn kind_word(kind: &str) -> &'static str {
    Kind::parse(kind).map_or("", |kind| known(&format!("channel_{}.label", kind.as_str())).unwrap_or_default())
}

/// Whether it is told, as a state with its shape.
fn standing(row: &ChannelRow) -> Shape {
    let failed = row.last.as_ref().is_some_and(|last| matches!(last.state.as_str(), "failed" | "undelivered"));
    match (row.verified_at, failed) {
        _ if row.unset.is_some() => Shape { word: text("channel.unset"), ..shape("down") },
        (None, _) => Shape { word: text("channel.unverified"), ..shape("pending") },
        (Some(_), true) => Shape { word: text("channel.failing"), ..shape("down") },
        (Some(_), false) => Shape { word: text("channel.verified"), ..shape("up") },
    }
}

/// What became of the last message, in words.
fn result_word(state: &str) -> &'static str {
    match state {
        "sent" => text("channel.sent"),
        "failed" => text("channel.failed"),
        "pending" => text("channel.pending"),
        "delivered" => text("channel.delivered"),
        "undelivered" => text("channel.undelivered"),
        _ => text("channel.superseded"),
    }
}
