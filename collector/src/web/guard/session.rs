//! Who is signed in, found before the handler runs; who is not is sent to sign in.
//!
//! Over HTTPS the cookie is `__Host-sid` with Secure: no other host and no plain connection can set or read it. On plain
//! loopback HTTP, where browsers refuse that, it is `sid-local`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::login::session::{LIFE, Ticket};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::guard::client::ClientAddress;
use crate::web::ui;

/// How the cookie is called and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// For a public URL of `https`.
    Secure,
    /// For plain HTTP on loopback.
    Local,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Secure => "__Host-sid",
            Self::Local => "sid-local",
        }
    }

    /// The header that keeps the session in the browser.
    pub fn keep(self, ticket: &Ticket) -> Option<HeaderValue> {
        self.header(ticket.cookie(), LIFE.as_secs())
    }

    /// The header that takes the cookie away, with the same attributes.
    pub fn remove(self) -> Option<HeaderValue> {
        self.header("", 0)
    }

    fn header(self, value: &str, seconds: u64) -> Option<HeaderValue> {
        let secure = if self == Self::Secure { "; Secure" } else { "" };
        let name = self.name();
        let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax; Max-Age={seconds}");
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The session that a request carries. Two cookies of the name are none: somebody planted one.
    pub fn read(self, headers: &HeaderMap) -> Option<Ticket> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(name, _)| *name == self.name()).map(|(_, value)| value);
        let only = ours.next().filter(|_| ours.next().is_none());
        only.and_then(Ticket::parse)
    }
}

/// Lets a request through with its [`User`]; others are sent to sign in.
pub async fn require(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let Some(ticket) = site.front.cookie.read(request.headers()) else { return sign_in_first(&request) };
    match site.porter.resume(&ticket, site.clock.now()).await {
        Ok(Some(member)) => {
            let address = request.extensions().get::<ClientAddress>().map(|client| client.0);
            request.extensions_mut().insert(User { member, ticket, address });
            next.run(request).await
        }
        Ok(None) => sign_in_first(&request),
        Err(error) => ui::error::unavailable(&error),
    }
}

/// A page that is asked for is shown after signing in; what was to be changed is not.
fn sign_in_first(request: &Request) -> Response {
    if request.method() != Method::GET {
        return ui::error::page(StatusCode::UNAUTHORIZED, "error.signed_out");
    }
    let next = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    let to = if next == "/" { "/sign-in".to_owned() } else { format!("/sign-in?{query}") };
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(cookie: Cookie, values: &[String]) -> bool {
        let headers = values.iter().map(|value| (header::COOKIE, value.parse().unwrap())).collect();
        cookie.read(&headers).is_some()
    }

    #[test]
    fn the_session_is_read_from_exactly_one_cookie_of_the_right_name() {
        let sid = format!("__Host-sid={TOKEN}");
        assert!(read(Cookie::Secure, &[format!("a=b; {sid}; c=d")]));
        assert!(read(Cookie::Local, &[format!("sid-local={TOKEN}")]));
        assert!(!read(Cookie::Local, std::slice::from_ref(&sid)), "a name of HTTPS is none on plain HTTP");
        assert!(!read(Cookie::Secure, &[format!("{sid}; {sid}")]));
        assert!(!read(Cookie::Secure, &[sid, format!("__Host-sid={TOKEN}")]));
        assert!(!read(Cookie::Secure, &["__Host-sid=x".to_owned()]));
        assert!(!read(Cookie::Secure, &[format!("sid={TOKEN}")]));
    }

    #[test]
    fn the_cookie_has_every_attribute_also_when_it_is_removed() {
        let ticket = Ticket::parse(TOKEN).unwrap();
        let kept = Cookie::Secure.keep(&ticket).unwrap();
        let text = kept.to_str().unwrap().to_owned();
        assert_eq!(text, format!("__Host-sid={TOKEN}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000"));
        let removed = Cookie::Secure.remove().unwrap();
        assert_eq!(removed.to_str().unwrap(), "__Host-sid=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
        let local = Cookie::Local.keep(&ticket).unwrap();
        assert!(local.to_str().unwrap().starts_with("sid-local=") && !local.to_str().unwrap().contains("Secure"));
        assert!(!format!("{kept:?}").contains(TOKEN), "a cookie is never logged");
    }
}
