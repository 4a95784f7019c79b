//! What a form sent: fields by name, within the limit; from a session only with the session's proof.

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::Response;
use picket_shared::secret::SecretString;

use super::user::{Person, User};
use crate::web::guard::body_limit::{self, Unread};
use crate::web::{Site, ui};

/// The largest form, in bytes: a request's body of 64 KiB, as a form writes it, and the rest.
pub const LIMIT: usize = 256 * 1024;

/// The field that holds the session's proof.
pub const PROOF: &str = "proof";

/// The fields of a form, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, SecretString)>);

impl Form {
    /// Reads fields as browsers write them. No NUL gets through: PostgreSQL takes none in a text.
    pub fn parse(body: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(body);
        Self(pairs.map(|(name, value)| (name.into_owned(), SecretString::new(value.replace('\0', "")))).collect())
    }

    /// The last value of a field, without white space around it; empty if it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The last value of a field as it came.
    pub fn raw(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(found, _)| found == name).map_or("", |(_, value)| value.expose())
    }

    /// A field that nobody may see, as it came.
    pub fn secret(&self, name: &str) -> SecretString {
        SecretString::new(self.raw(name).to_owned())
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.expose().trim()).collect()
    }

    /// Whether a box is ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }
}

impl FromRequest<Site> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(ui::error::page(StatusCode::UNSUPPORTED_MEDIA_TYPE, "error.form"));
        }
        let body = body_limit::read(&parts.headers, body, LIMIT).await.map_err(|unread| match unread {
            Unread::TooLarge => ui::error::page(StatusCode::PAYLOAD_TOO_LARGE, "error.too_large"),
            Unread::Broken => ui::error::page(StatusCode::BAD_REQUEST, "error.form"),
        })?;
        let form = Self::parse(&body);
        let user = parts.extensions.get::<User>().map(|user| &user.ticket);
        let ticket = user.or_else(|| parts.extensions.get::<Person>().map(|person| &person.ticket));
        match ticket {
            Some(ticket) if !ticket.proves(form.raw(PROOF)) => {
                Err(ui::error::page(StatusCode::FORBIDDEN, "error.stale_form"))
            }
            _ => Ok(form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let form = Form::parse(b"name=a+b&tag=x&tag=%20y%0A&on=&proof=p&secret=%2B");
        assert_eq!((form.text("name"), form.all("tag"), form.raw("tag")), ("a b", vec!["x", "y"], " y\n"));
        assert!(form.ticked("on") && !form.ticked("off"));
        assert_eq!((form.text("none"), form.secret("secret").expose().as_str()), ("", "+"));
        assert!(!format!("{form:?}").contains("a b"), "what people type is never logged");
    }
}
