//! Monitors: the form that makes and changes one, its own page, and what its buttons do.
//!
//! [`draft`] reads the form, [`dependencies`] is what it depends on, [`edit`] shows it and stores what it says, [`show`] is the page, [`regional`] says what is told of
//! failures from some regions, [`series`] is the data of its chart, [`switch`] pauses, resumes, deletes and restores, [`trial`] tries a form out.

pub mod dependencies;
pub mod draft;
pub mod edit;
mod regional;
pub mod series;
pub mod show;
pub mod switch;
pub mod trial;

use axum::response::Response;
use picket_shared::ids::MonitorId;

use super::error;
use crate::store::monitors::{self, MonitorRow};
use crate::store::{Scoped, StoreError};
pub use regional::post_regional_alert;

/// The monitor of an address; anything else is not found, whosever it is.
async fn find(scoped: &mut Scoped, id: &str) -> Result<Option<MonitorRow>, StoreError> {
    match id.parse::<MonitorId>() {
        Ok(id) => monitors::by_id(scoped, id).await,
        Err(_) => Ok(None),
    }
}

/// A handler's answer, or what to show instead.
fn shown(result: Result<Option<Response>, StoreError>) -> Response {
    match result {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}
