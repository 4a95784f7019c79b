//! Signing in and out.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::frame::Frame;
use super::{error, filters, page_with, see};
use crate::config::LoginMode;
use crate::login::Identity;
use crate::login::caller::Caller;
use crate::login::password::SignIn;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::Person;
use crate::web::guard::cookie::Kept;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "sign_in/page.html")]
struct Page<'a> {
    frame: Frame,
    next: &'a str,
    email: &'a str,
    error: Option<String>,
    /// Whether a link can be mailed.
    mails: bool,
    /// Whether everybody may make an account.
    open: bool,
    /// Whether browsers know passkeys here.
    passkeys: bool,
}

/// `GET /sign-in`.
pub async fn get_sign_in(State(site): State<Site>, Query(query): Query<HashMap<String, String>>) -> Response {
    let frame = Frame::open(text("sign_in.title")).noting(&query);
    let next = query.get("next").map(String::as_str).unwrap_or_default();
    show(&site, frame, StatusCode::OK, "", own_path(next), None)
}

/// `POST /sign-in`.
pub async fn post_sign_in(State(site): State<Site>, caller: Caller, form: Form) -> Response {
    let (email, next) = (form.text("email"), own_path(form.text("next")));
    let again = |status, error| show(&site, Frame::open(text("sign_in.title")), status, email, next, Some(error));
    let done = match site.porter.sign_in(email, form.secret("password"), &caller, site.clock.now()).await {
        Ok(SignIn::Wait(wait)) => return too_soon(wait, async |status, error| again(status, error)).await,
        Ok(done) => done,
        Err(failed) => return error::unavailable(&failed),
    };
    let wrong = || again(StatusCode::UNAUTHORIZED, text("sign_in.wrong").to_owned());
    signed(&site, done, &caller, next).await.unwrap_or_else(wrong)
}

fn show(site: &Site, frame: Frame, status: StatusCode, email: &str, next: &str, error: Option<String>) -> Response {
    let settings = site.porter.settings();
    let open = settings.mode == LoginMode::Open;
    let passkeys = site.front.party.is_some();
    page_with(status, &Page { frame, next, email, error, mails: settings.mails, open, passkeys })
}

/// The page again, with what was wrong.
pub(super) fn show_again(site: &Site, status: StatusCode, next: &str, error: String) -> Response {
    show(site, Frame::open(text("sign_in.title")), status, "", next, Some(error))
}

/// `POST /sign-out`.
pub async fn post_sign_out(State(site): State<Site>, person: Person, _: Form) -> Response {
    let id = person.resumed.account().id;
    if let Err(failed) = site.porter.end(&person.ticket, id, &person.author(), site.clock.now()).await {
        return error::unavailable(&failed);
    }
    let mut response = see("/sign-in");
    forget(&site, &mut response);
    response
}

/// Where the first factor leads: in, or on to the second. `None` when it was not right.
pub(super) async fn signed(site: &Site, done: SignIn, caller: &Caller, next: &str) -> Option<Response> {
    match done {
        SignIn::Done(identity) => Some(let_in(site, &identity, caller, next).await),
        SignIn::Second(half) => {
            let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
            let mut response =
                see(&if next.is_empty() { "/sign-in/code".to_owned() } else { format!("/sign-in/code?{query}") });
            if let Some(cookie) = site.front.cookie.keep(Kept::Half, &half) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            Some(response)
        }
        SignIn::Wrong | SignIn::Wait(_) => None,
    }
}

/// Begins a session and goes on to `next`.
pub(super) async fn let_in(site: &Site, identity: &Identity, caller: &Caller, next: &str) -> Response {
    match site.porter.begin(identity, caller, site.clock.now()).await {
        Ok(begun) => {
            let mut response = see(if next.is_empty() { "/" } else { next });
            for (kept, ticket) in [(Kept::Session, &begun.session), (Kept::Device, &begun.device)] {
                if let Some(cookie) = site.front.cookie.keep(kept, ticket) {
                    response.headers_mut().append(header::SET_COOKIE, cookie);
                }
            }
            response
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// A page that says how long the next try has to wait; `show` makes it.
pub(super) async fn too_soon(wait: Duration, show: impl AsyncFnOnce(StatusCode, String) -> Response) -> Response {
    let seconds = wait.as_secs().max(1);
    let mut response = show(StatusCode::TOO_MANY_REQUESTS, filled("sign_in.wait", seconds)).await;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Takes the session out of the browser, with all that pages left there.
pub(super) fn forget(site: &Site, response: &mut Response) {
    if let Some(cookie) = site.front.cookie.remove(Kept::Session) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    let everything = HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert(header::HeaderName::from_static("clear-site-data"), everything);
}

/// A path of ours, or nothing: a link must not lead from signing in to another host.
pub(super) fn own_path(next: &str) -> &str {
    let plain = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(|c| c.is_control() || c.is_whitespace());
    if plain { next } else { "" }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn signing_in_leads_nowhere_else() {
        assert_eq!(own_path("/monitors/x?from=1"), "/monitors/x?from=1");
        for bad in ["", "https://evil.example/", "//evil.example", "/\\evil.example", "/\tx", "/ x", "javascript:x"] {
            assert_eq!(own_path(bad), "", "{bad:?}");
        }
    }
}
