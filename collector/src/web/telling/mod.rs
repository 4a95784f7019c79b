//! What bodies and forms say of schedules, policies and quiet hours, and how programs are shown them. A form puts its fields
//! together as a body, so that pages and programs are held to the same.

pub mod policy;
pub mod preview;
pub mod quiet;
pub mod rota;

use picket_shared::time::Timestamp;
use uuid::Uuid;

use crate::domain::telling::policy::Wrong as Unfit;
use crate::store::members::MemberRow;
use crate::store::{OrgKey, StoreError, UserKey};
use crate::web::Site;

/// Most schedules, and most policies, of an organization.
pub const MOST: usize = 200;

/// A field that cannot be, and what would be right.
pub type Wrong = (String, String);

/// What the domain finds wrong.
fn unfit(wrong: Vec<Unfit>) -> impl Iterator<Item = Wrong> {
    wrong.into_iter().map(|wrong| (wrong.field.to_owned(), wrong.message))
}

/// The people of an organization: service members read nothing, so nobody is told by them.
#[derive(Clone, Debug)]
pub struct People {
    rows: Vec<MemberRow>,
    is_named: bool,
}

impl People {
    /// Everybody; by name only where `is_named`, for who may see members.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(site: &Site, org: OrgKey, is_named: bool) -> Result<Self, StoreError> {
        let now = site.clock.now();
        let mut rows = site.porter.members(org).await?;
        rows.retain(|row| !row.service && row.until.is_none_or(|until| until > now));
        Ok(Self { rows, is_named })
    }

    /// The row of a member.
    pub fn key(&self, id: &str) -> Option<UserKey> {
        let id: Uuid = id.parse().ok()?;
        self.rows.iter().find(|row| row.id == id).map(|row| row.user)
    }

    /// What names a member outside; nothing of who is none any more.
    pub fn id(&self, key: UserKey) -> Option<Uuid> {
        self.rows.iter().find(|row| row.user == key).map(|row| row.id)
    }

    /// What a member is called, for who may see members.
    pub fn called(&self, key: UserKey) -> Option<&str> {
        self.rows.iter().find(|row| row.user == key && self.is_named).map(|row| row.called.as_str())
    }

    /// Every member: id, and what it is called for who may see that.
    pub fn all(&self) -> impl Iterator<Item = (Uuid, Option<&str>)> {
        self.rows.iter().map(|row| (row.id, self.is_named.then_some(row.called.as_str())))
    }
}

/// What a name may be.
fn name(text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    if (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to {most} characters on one line"))
    }
}

/// A time of a body.
fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "must be a time such as 2026-12-31T12:00:00Z (RFC 3339)")
}
