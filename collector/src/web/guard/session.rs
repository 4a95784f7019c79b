//! Who is signed in, found before the handler runs; who is not is sent to sign in, and who did not prove lately who it is,
//! where that is wanted, to do so.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client::ClientAddress;
use super::cookie::Kept;
use super::quota::{Class, Subject};
use crate::domain::access::Right;
use crate::login::session::Resumed;
use crate::store::audit::Author;
use crate::web::Site;
use crate::web::extract::user::{Person, User};
use crate::web::ui;

/// Where somebody is led who lacks the second factor that the organization wants.
const FACTOR_FIRST: &str = "/account/second-factor";

/// Lets a request through with its [`User`], if its role has the right; who is not signed in is sent to sign in, who is in no
/// organization to choose one, and who lacks the second factor that the organization wants to set one up.
pub async fn require(
    State((site, right, class)): State<(Site, Right, Class)>,
    request: Request,
    next: Next,
) -> Response {
    counted(&site, class, request, next, |person, request| {
        let member = match &person.resumed {
            Resumed::Member(member) => member.clone(),
            Resumed::Stray(_) if request.method() == Method::GET => return Some(see("/organizations").into()),
            Resumed::Stray(_) => return Some(ui::error::page(StatusCode::FORBIDDEN, "error.no_organization").into()),
        };
        if !member.may(right) {
            let response = ui::error::page(StatusCode::FORBIDDEN, "error.not_your_role");
            return Some(Refused { response, lacks: Some((person.author(), right)) });
        }
        // What is needed to set one up is part of the account.
        if member.lacks_factor && !matches!(right, Right::AccountRead | Right::AccountWrite) {
            let page = request.method() == Method::GET;
            return Some(Refused::from(if page {
                see(FACTOR_FIRST)
            } else {
                ui::error::page(StatusCode::FORBIDDEN, "error.factor_first")
            }));
        }
        let Person { ticket, address, .. } = person;
        request.extensions_mut().insert(User { member, ticket, address });
        None
    })
    .await
}

/// Lets a request through with its [`Person`]: who is signed in, in an organization or in none.
pub async fn require_person(State((site, class)): State<(Site, Class)>, request: Request, next: Next) -> Response {
    counted(&site, class, request, next, |person, request| {
        request.extensions_mut().insert(person);
        None
    })
    .await
}

/// A request that does not come through.
struct Refused {
    response: Response,
    /// Who lacks which right, where that is why.
    lacks: Option<(Author, Right)>,
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self { response, lacks: None }
    }
}

/// Counts a request for the account that is signed in, and lets it through unless `refuse` has an answer.
async fn counted(
    site: &Site,
    class: Class,
    mut request: Request,
    next: Next,
    refuse: impl FnOnce(Person, &mut Request) -> Option<Refused>,
) -> Response {
    let Some(ticket) = site.front.cookie.read(Kept::Session, request.headers()) else { return sign_in_first(&request) };
    let resumed = match site.porter.resume(&ticket, site.clock.now()).await {
        Ok(Some(resumed)) => resumed,
        Ok(None) => return sign_in_first(&request),
        Err(error) => return ui::error::unavailable(&error),
    };
    let room = site.quotas.take(Subject::Account(resumed.account().user), class, site.clock.now());
    let address = request.extensions().get::<ClientAddress>().map(|client| client.0);
    let refused = room.refusal(request.uri(), request.headers()).map(Refused::from);
    let mut response = match refused.or_else(|| refuse(Person { resumed, ticket, address }, &mut request)) {
        Some(Refused { response, lacks: Some((by, right)) }) => {
            let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
            let route = format!("{} {path}", request.method());
            site.porter.note_refusal(&by, &route, right, site.clock.now()).await;
            response
        }
        Some(refused) => refused.response,
        None => next.run(request).await,
    };
    room.tell(&mut response);
    response
}

fn see(page: &'static str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(page));
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
