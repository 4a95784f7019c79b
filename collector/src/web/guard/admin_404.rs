//! The administration of the instance is not there for anybody but who administers it: whoever asks for what no other route
//! leads to is looked up, whatever it is, and is answered that there is nothing here unless a grant of theirs is live.
//!
//! An administrator is known by then, and is told what is missing: a second factor, or a proof within ten minutes.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use super::client::ClientAddress;
use super::cookie::Kept;
use super::session::{first, wanted};
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::extract::user::User;
use crate::web::ui;

/// Lets a request on with its [`Administrator`]; there is nothing for anybody else. Without a session nobody is looked up,
/// whatever is asked for.
pub async fn admit(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let found = match site.front.cookie.read(Kept::Session, request.headers()) {
        Some(ticket) => site.porter.administrator(&ticket, site.clock.now()).await.map(|found| (found, Some(ticket))),
        None => Ok((None, None)),
    };
    match found {
        Ok((Some(admission), Some(ticket))) => {
            let address = request.extensions().get::<ClientAddress>().map(|client| client.0);
            let user = User { member: admission.member, ticket, address };
            // A form asks for the user, whose session it must come from.
            request.extensions_mut().insert(user.clone());
            request.extensions_mut().insert(Administrator { user, until: admission.until });
            next.run(request).await
        }
        Ok(_) => ui::error::get_nothing(request.uri().clone(), request.headers().clone()).await,
        Err(error) => ui::error::unavailable(&error),
    }
}

/// Lets an administrator through who has a second factor and proved lately who it is; that somebody looks is written down
/// before anything is shown. What was to be changed is not, if the proof is too old: its page is shown after another.
pub async fn require(State(site): State<Site>, request: Request, next: Next) -> Response {
    let Some(administrator) = request.extensions().get::<Administrator>().cloned() else {
        return ui::error::not_found();
    };
    let now = site.clock.now();
    match site.porter.has_second_factor(administrator.user.member.user).await {
        Ok(true) => {}
        Ok(false) => return ui::admin::second_factor_first(&administrator),
        Err(error) => return ui::error::unavailable(&error),
    }
    let changes = request.method() == Method::POST;
    if !administrator.user.member.is_fresh(now) {
        return first(if changes { page_of(request.uri().path()) } else { wanted(&request) }, "/step-up");
    }
    if !changes && let Err(error) = site.porter.note_look(&administrator.author(), request.uri().path(), now).await {
        return ui::error::unavailable(&error);
    }
    next.run(request).await
}

/// The page that a form's address belongs to: its first two parts.
fn page_of(path: &str) -> &str {
    let end = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at);
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_belongs_to_the_page_above_it() {
        assert_eq!(page_of("/admin/users/018f/unlock"), "/admin/users");
        assert_eq!(page_of("/admin/grants"), "/admin/grants");
        assert_eq!(page_of("/admin"), "/admin");
    }
}
