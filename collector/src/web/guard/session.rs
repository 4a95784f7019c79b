//! Who is signed in, found before the handler runs; who is not is sent to sign in, and who did not prove lately who it is,
//! where that is wanted, to do so.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client::ClientAddress;
use super::cookie::Kept;
use super::quota::{Class, Subject};
use crate::domain::access::Right;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::ui;

/// Lets a request through with its [`User`], if its role has the right; who is not signed in is sent to sign in.
pub async fn require(
    State((site, right, class)): State<(Site, Right, Class)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(ticket) = site.front.cookie.read(Kept::Session, request.headers()) else { return sign_in_first(&request) };
    let resumed = site.porter.resume(&ticket, site.clock.now()).await;
    let account = resumed.as_ref().ok().and_then(Option::as_ref).map(|member| Subject::Account(member.user));
    let room = account.map(|account| site.quotas.take(account, class, site.clock.now()));
    let refused = room.and_then(|room| room.refusal(request.uri(), request.headers()));
    let mut response = match (refused, resumed) {
        (Some(refused), _) => refused,
        (None, Ok(Some(member))) if !member.role.may(right) => {
            ui::error::page(StatusCode::FORBIDDEN, "error.not_your_role")
        }
        (None, Ok(Some(member))) => {
            let address = request.extensions().get::<ClientAddress>().map(|client| client.0);
            request.extensions_mut().insert(User { member, ticket, address });
            next.run(request).await
        }
        (None, Ok(None)) => sign_in_first(&request),
        (None, Err(error)) => ui::error::unavailable(&error),
    };
    if let Some(room) = room {
        room.tell(&mut response);
    }
    response
}

/// Lets a request through if its user proved lately who it is; a route that wants this has a page at its own path, which
/// is shown after that. What was to be changed is not.
pub async fn require_proof(State(site): State<Site>, request: Request, next: Next) -> Response {
    let fresh = request.extensions().get::<User>().is_some_and(|user| user.member.is_fresh(site.clock.now()));
    if fresh { next.run(request).await } else { first(wanted(&request), "/step-up") }
}

/// A page that is asked for is shown after signing in; what was to be changed is not.
fn sign_in_first(request: &Request) -> Response {
    if request.method() != Method::GET {
        return ui::error::page(StatusCode::UNAUTHORIZED, "error.signed_out");
    }
    first(wanted(request), "/sign-in")
}

/// The page that is asked for.
pub(super) fn wanted(request: &Request) -> &str {
    request.uri().path_and_query().map_or("/", |whole| whole.as_str())
}

/// Another page first, then `next`.
pub(super) fn first(next: &str, page: &str) -> Response {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    let to = if next == "/" { page.to_owned() } else { format!("{page}?{query}") };
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
