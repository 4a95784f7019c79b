//! Cookies: each holds a token and nothing else.
//!
//! Over HTTPS their names begin with `__Host-` and they are Secure: no other host and no plain connection can set or read
//! them. On plain loopback HTTP, where browsers refuse that, their names end with `-local`.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::login::link::CONFIRM_LIFE;
use crate::login::passkey::CHALLENGE_LIFE;
use crate::login::second_step::HALF_LIFE;
use crate::login::session::{DEVICE_LIFE, LIFE, Ticket};

/// How cookies are called and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// For a public URL of `https`.
    Secure,
    /// For plain HTTP on loopback.
    Local,
}

/// What a cookie holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A session.
    Session,
    /// By which the browser is known again.
    Device,
    /// That the first of two factors was given.
    Half,
    /// That a link was asked for here.
    Asker,
    /// That a challenge for a passkey was drawn for this browser.
    Passkey,
}

impl Kept {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Session => ("__Host-sid", "sid-local"),
            Self::Device => ("__Host-device", "device-local"),
            Self::Half => ("__Host-half", "half-local"),
            Self::Asker => ("__Host-asker", "asker-local"),
            Self::Passkey => ("__Host-passkey", "passkey-local"),
        }
    }

    const fn seconds(self) -> u64 {
        match self {
            Self::Session => LIFE.as_secs(),
            Self::Device => DEVICE_LIFE.as_secs(),
            Self::Half => HALF_LIFE.as_secs(),
            Self::Asker => CONFIRM_LIFE.as_secs(),
            Self::Passkey => CHALLENGE_LIFE.as_secs(),
        }
    }
}

impl Cookie {
    const fn name(self, kept: Kept) -> &'static str {
        let (secure, local) = kept.names();
        match self {
            Self::Secure => secure,
            Self::Local => local,
        }
    }

    /// The header that keeps a token in the browser.
    pub fn keep(self, kept: Kept, ticket: &Ticket) -> Option<HeaderValue> {
        self.header(kept, ticket.cookie(), kept.seconds())
    }

    /// The header that takes the cookie away, with the same attributes.
    pub fn remove(self, kept: Kept) -> Option<HeaderValue> {
        self.header(kept, "", 0)
    }

    fn header(self, kept: Kept, value: &str, seconds: u64) -> Option<HeaderValue> {
        let secure = if self == Self::Secure { "; Secure" } else { "" };
        let name = self.name(kept);
        let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax; Max-Age={seconds}");
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The token that a request carries. Two cookies of the name are none: somebody planted one.
    pub fn read(self, kept: Kept, headers: &HeaderMap) -> Option<Ticket> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(name, _)| *name == self.name(kept)).map(|(_, value)| value);
        let only = ours.next().filter(|_| ours.next().is_none());
        only.and_then(Ticket::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(cookie: Cookie, values: &[String]) -> bool {
        let headers = values.iter().map(|value| (header::COOKIE, value.parse().unwrap())).collect();
        cookie.read(Kept::Session, &headers).is_some()
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
        let kept = Cookie::Secure.keep(Kept::Session, &ticket).unwrap();
        let text = kept.to_str().unwrap().to_owned();
        assert_eq!(text, format!("__Host-sid={TOKEN}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000"));
        let removed = Cookie::Secure.remove(Kept::Session).unwrap();
        assert_eq!(removed.to_str().unwrap(), "__Host-sid=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
        let local = Cookie::Local.keep(Kept::Session, &ticket).unwrap();
        assert!(local.to_str().unwrap().starts_with("sid-local=") && !local.to_str().unwrap().contains("Secure"));
        assert!(!format!("{kept:?}").contains(TOKEN), "a cookie is never logged");
    }
}
