//! What surrounds every page: title, navigation, who is signed in, and what was just done.

use std::collections::HashMap;

use crate::login::session::Member;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};

/// The frame of a page.
#[derive(Debug)]
pub struct Frame {
    /// The page's title.
    pub title: String,
    /// Who is signed in.
    pub member: Option<Member>,
    /// What forms of this session carry.
    pub proof: String,
    /// What was just done.
    pub note: Option<Note>,
    current: &'static str,
}

/// What was just done, and how to undo it.
#[derive(Debug)]
pub struct Note {
    /// A sentence.
    pub text: String,
    /// Where a button undoes it.
    pub undo: Option<String>,
}

/// A place in the navigation.
#[derive(Debug)]
pub struct NavItem {
    /// Where it leads.
    pub href: &'static str,
    /// What it is called.
    pub text: &'static str,
    /// Whether this page is in it.
    pub current: bool,
}

/// Address and key of the text, in order.
const NAV: &[(&str, &str)] = &[
    ("/", "nav.monitors"),
    ("/probes", "nav.probes"),
    ("/channels", "nav.channels"),
    ("/import", "nav.import"),
    ("/audit", "nav.audit"),
];

/// What can have been done, as in `?done=`: name of the text, and whether `?name=` goes into it.
const DONE: &[(&str, &str, bool)] = &[
    ("password", "done.password", false),
    ("added", "done.added", false),
    ("changed", "done.changed", false),
    ("paused", "done.paused", false),
    ("resumed", "done.resumed", false),
    ("deleted", "done.deleted", true),
    ("restored", "done.restored", false),
    ("verified", "done.verified", false),
    ("renamed", "done.renamed", false),
    ("removed", "done.removed", true),
    ("revoked", "done.revoked", false),
    ("released", "done.released", true),
];

impl Frame {
    /// A page for somebody who is signed in; `current` is its place in the navigation.
    pub fn of(user: &User, current: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            member: Some(user.member.clone()),
            proof: user.ticket.form_proof(),
            note: None,
            current,
        }
    }

    /// A page for anybody.
    pub fn open(title: impl Into<String>) -> Self {
        Self { title: title.into(), member: None, proof: String::new(), note: None, current: "" }
    }

    /// With what `?done=` says was just done.
    #[must_use]
    pub fn noting(mut self, query: &HashMap<String, String>) -> Self {
        let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
        let done = DONE.iter().find(|(done, ..)| *done == get("done"));
        self.note = done.map(|(_, key, named)| Note {
            text: if *named { filled(key, get("name")) } else { text(key).to_owned() },
            undo: get("undo").parse::<uuid::Uuid>().ok().map(|id| format!("/monitors/{id}/restore")),
        });
        self
    }

    /// The navigation.
    pub fn nav(&self) -> Vec<NavItem> {
        let item = |&(href, key): &(&'static str, &'static str)| NavItem {
            href,
            text: text(key),
            current: href == self.current,
        };
        NAV.iter().map(item).collect()
    }
}
