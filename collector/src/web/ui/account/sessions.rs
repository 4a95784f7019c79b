//! Where somebody is signed in, and signing out there.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;

use crate::store::sessions::ListedSession;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::shape::{When, when};
use crate::web::ui::{error, see};

/// A session, as it is listed.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: uuid::Uuid,
    pub(super) browser: String,
    pub(super) system: String,
    pub(super) began: When,
    pub(super) seen: When,
    pub(super) own: bool,
}

impl Session {
    pub(super) fn of(row: ListedSession, now: Timestamp) -> Self {
        let known = |name: Option<String>| name.unwrap_or_else(|| text("account.unknown").to_owned());
        Self {
            id: row.uuid,
            browser: known(row.browser),
            system: known(row.system),
            began: when(Timestamp::from_micros(row.created_at), now),
            seen: when(Timestamp::from_micros(row.seen_at), now),
            own: row.own,
        }
    }
}

/// `POST /account/sessions/{id}/end`.
pub async fn post_end(State(site): State<Site>, user: User, Path(id): Path<uuid::Uuid>, _: Form) -> Response {
    match site.porter.end_one(user.member.user, id, &user.author(), site.clock.now()).await {
        Ok(true) => see("/account?done=session_ended"),
        Ok(false) => error::page(StatusCode::NOT_FOUND, "account.no_session"),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `POST /account/sessions/end-others`.
pub async fn post_end_others(State(site): State<Site>, user: User, _: Form) -> Response {
    match site.porter.end_others(user.member.user, Some(&user.ticket), &user.author(), site.clock.now()).await {
        Ok(_) => see("/account?done=others_ended"),
        Err(failed) => error::unavailable(&failed),
    }
}
