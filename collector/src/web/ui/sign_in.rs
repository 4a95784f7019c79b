//! Signing in and out.

use std::collections::HashMap;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::frame::Frame;
use super::{error, filters, page_with, see};
use crate::login::Identity;
use crate::login::password::SignIn;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::guard::client::ClientAddress;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "sign_in/page.html")]
struct Page<'a> {
    frame: Frame,
    next: &'a str,
    email: &'a str,
    error: Option<String>,
}

/// `GET /sign-in`.
pub async fn get_sign_in(State(_): State<Site>, Query(query): Query<HashMap<String, String>>) -> Response {
    let frame = Frame::open(text("sign_in.title")).noting(&query);
    let next = query.get("next").map(String::as_str).unwrap_or_default();
    page_with(StatusCode::OK, &Page { frame, next: own_path(next), email: "", error: None })
}

/// `POST /sign-in`.
pub async fn post_sign_in(State(site): State<Site>, address: Option<Extension<ClientAddress>>, form: Form) -> Response {
    let (email, next) = (form.text("email"), own_path(form.text("next")));
    let again = |status, error| {
        let frame = Frame::open(text("sign_in.title"));
        page_with(status, &Page { frame, next, email, error: Some(error) })
    };
    match site
        .porter
        .sign_in(email, form.secret("password"), address.map(|Extension(address)| address.0), site.clock.now())
        .await
    {
        Ok(SignIn::Done(identity)) => let_in(&site, &identity, next).await,
        Ok(SignIn::Wrong) => again(StatusCode::UNAUTHORIZED, text("sign_in.wrong").to_owned()),
        Ok(SignIn::Wait(wait)) => {
            let seconds = wait.as_secs().max(1);
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, filled("sign_in.wait", seconds));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// `POST /sign-out`.
pub async fn post_sign_out(State(site): State<Site>, user: User, _: Form) -> Response {
    if let Err(failed) = site.porter.end(&user.ticket, user.member.id, &user.author(), site.clock.now()).await {
        return error::unavailable(&failed);
    }
    let mut response = see("/sign-in");
    forget(&site, &mut response);
    response
}

/// Begins a session and goes on to `next`.
pub(super) async fn let_in(site: &Site, identity: &Identity, next: &str) -> Response {
    match site.porter.begin(identity, site.clock.now()).await {
        Ok(ticket) => {
            let mut response = see(if next.is_empty() { "/" } else { next });
            if let Some(cookie) = site.front.cookie.keep(&ticket) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// Takes the session out of the browser, with all that pages left there.
pub(super) fn forget(site: &Site, response: &mut Response) {
    if let Some(cookie) = site.front.cookie.remove() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    let everything = HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert(header::HeaderName::from_static("clear-site-data"), everything);
}

/// A path of ours, or nothing: a link must not lead from signing in to another host.
fn own_path(next: &str) -> &str {
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
