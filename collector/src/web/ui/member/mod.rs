//! `/members`: who belongs to the organization, in which role. [`change`] makes another role of one, [`remove`] none;
//! [`end`] lets it end by itself, [`invite`] asks others in, [`policy`] says what is asked of members,
//! [`review`] shows who has access by what, [`service`] makes members that nobody signs in as.

pub mod change;
pub mod end;
pub mod invite;
pub mod policy;
pub mod remove;
pub mod review;
pub mod service;

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::frame::Frame;
use super::shape::{When, when};
use super::{filters, page_of};
use crate::domain::access::{Right, Role};
use crate::domain::members::{Change, Standing, judge};
use crate::store::StoreError;
use crate::store::invitations::InvitationRow;
use crate::store::members::MemberRow;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "member/list.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
    /// Shown to who may invite.
    invitations: Vec<Invitation>,
}

struct Item {
    id: Uuid,
    called: String,
    service: bool,
    role: &'static str,
    since: When,
    /// When it ends.
    until: Option<String>,
    signed_in: Option<When>,
    second_factor: bool,
    /// Whether it is who looks.
    own: bool,
    /// What who looks may do to it.
    changeable: bool,
    transferable: bool,
}

/// An invitation that was neither used nor taken back.
struct Invitation {
    id: Uuid,
    email: String,
    role: &'static str,
    by: String,
    /// Until when it works; none when it is over.
    until: Option<String>,
    /// When the membership ends that it leads to.
    member_until: Option<String>,
}

/// `GET /members`.
pub async fn get_members(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let frame = Frame::of(&user, "/members", text("member.title")).noting(&query);
    page_of(read(&site, &user, frame).await)
}

async fn read(site: &Site, user: &User, frame: Frame) -> Result<Page, StoreError> {
    let rows = site.porter.members(user.member.org).await?;
    let (by, now) = (user.member.role, site.clock.now());
    let invitations = if user.member.may(Right::MembersWrite) { invitations(site, user).await? } else { Vec::new() };
    Ok(Page { frame, items: rows.into_iter().map(|row| item(row, user, by, now)).collect(), invitations })
}

async fn invitations(site: &Site, user: &User) -> Result<Vec<Invitation>, StoreError> {
    let now = site.clock.now();
    let rows = site.porter.invitations(user.member.org).await?;
    let shown = |row: InvitationRow| {
        let until = Timestamp::from_micros(row.expires_at);
        Invitation {
            id: row.uuid,
            email: row.email,
            role: row.role.parse().map(role_word).unwrap_or_default(),
            by: row.by_called,
            until: (until > now).then(|| format!("{until:.0}")),
            member_until: row.member_until_at.map(|at| format!("{:.0}", Timestamp::from_micros(at))),
        }
    };
    Ok(rows.into_iter().map(shown).collect())
}

fn item(row: MemberRow, user: &User, by: Role, now: Timestamp) -> Item {
    let own = row.user == user.member.user;
    Item {
        id: row.id,
        role: role_word(row.role),
        since: when(row.since, now),
        until: row.until.map(|until| format!("{until:.0}")),
        signed_in: row.signed_in_at.map(|at| when(at, now)),
        second_factor: row.second_factor,
        own,
        changeable: !own && user.member.may(Right::MembersWrite) && may_be_put_out(by, &row),
        transferable: !own && by == Role::Owner && !row.service,
        service: row.service,
        called: row.called,
    }
}

fn may_be_put_out(by: Role, row: &MemberRow) -> bool {
    judge(Standing::for_good(by), row.standing(), Change::Out, false, i64::MAX).is_ok()
}

/// A role in words.
pub(super) fn role_word(role: Role) -> &'static str {
    text(match role {
        Role::Owner => "member.role_owner",
        Role::Admin => "member.role_admin",
        Role::Editor => "member.role_editor",
        Role::Responder => "member.role_responder",
        Role::Viewer => "member.role_viewer",
    })
}
