//! Who administers the instance.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::user::User;
use crate::store::audit::Author;
use crate::web::{Site, ui};

/// A signed-in user with a live grant; there is none without `guard::admin_404`.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// Who, and in which session.
    pub user: User,
    /// When the grant ends.
    pub until: Timestamp,
}

impl Administrator {
    /// The administrator, for the instance's audit log.
    pub fn author(&self) -> Author {
        Author { org: None, ..self.user.author() }
    }
}

impl FromRequestParts<Site> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Response> {
        // A route without the guard in front is a defect; it lets nobody in.
        parts.extensions.get::<Self>().cloned().ok_or_else(ui::error::not_found)
    }
}
