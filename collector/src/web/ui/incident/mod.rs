//! Incidents: the list, one with its timeline, and what people do to them.
//!
//! [`list`] is what is open and what was, [`show`] one incident with its forms, [`line`](mod@line) a line of its timeline in words,
//! [`open`] opens one by hand, [`deeds`] is what the buttons and forms do.

mod deeds;
mod line;
pub mod list;
pub mod open;
pub mod show;

use axum::response::Response;
use picket_shared::ids::IncidentId;

use super::error;
use crate::domain::access::Right;
use crate::domain::incident::called;
use crate::store::StoreError;
use crate::web::extract::user::User;
use crate::web::ui::shape::{self, Shape};

pub use deeds::{post_acknowledge, post_assign, post_comment, post_post_mortem, post_reopen, post_resolve};

/// The incident of an address; anything else is not found, whosever it is.
fn id_of(id: &str) -> Option<IncidentId> {
    id.parse().ok()
}

/// A handler's answer, or what to show instead.
fn shown(result: Result<Option<Response>, StoreError>) -> Response {
    match result {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// Who did something, for who may see members.
fn who(user: &User, actor: Option<&str>) -> Option<String> {
    actor.filter(|_| user.member.may(Right::MembersRead)).map(|actor| called(actor).to_owned())
}

/// Whether it is over, as a shape with its word.
fn standing(open: bool, severity: &str) -> Shape {
    let class = match (open, severity) {
        (false, _) => return Shape { word: crate::web::texts::text("incident.resolved"), ..shape::shape("up") },
        (true, "warning") => "suspect",
        (true, _) => "down",
    };
    Shape { word: crate::web::texts::text("incident.open"), ..shape::shape(class) }
}
