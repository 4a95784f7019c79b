//! Invitations as who manages members sees them: made, sent again, taken back. Where no mail can be sent, the link is shown once.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use uuid::Uuid;

use super::change::{acting, refusal};
use super::{Invitation, invitations, role_word};
use crate::domain::access::Role;
use crate::domain::members::Standing;
use crate::domain::written;
use crate::login::LoginError;
use crate::login::invite::{Invited, MOST};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::sign_in::too_soon;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "member/invite.html")]
struct Page<'a> {
    frame: Frame,
    email: &'a str,
    /// The last day of the membership, as it was typed.
    until: &'a str,
    roles: Vec<(&'static str, &'static str, bool)>,
    mails: bool,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "member/invitation.html")]
struct OnePage {
    frame: Frame,
    item: Invitation,
    lead: &'static str,
    button: &'static str,
    deed: &'static str,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "member/link.html")]
struct LinkPage {
    frame: Frame,
    link: String,
}

/// `GET /members/invite`.
pub async fn get_invite(State(site): State<Site>, user: User) -> Response {
    show(&site, &user, StatusCode::OK, ("", Role::Viewer, ""), None)
}

/// `POST /members/invite`.
pub async fn post_invite(State(site): State<Site>, user: User, form: Form) -> Response {
    let (email, until) = (form.text("email"), form.text("until"));
    let again = |status, role, fault: String| show(&site, &user, status, (email, role, until), Some(fault));
    let unfit = |key| again(StatusCode::UNPROCESSABLE_ENTITY, Role::Viewer, text(key).to_owned());
    let Ok(role) = form.text("role").parse::<Role>() else { return unfit("member.no_role") };
    let Ok(ends) = written::last_day(until) else { return unfit("member.bad_day") };
    let author = user.author();
    let is = Standing { role, until: ends };
    let done = site.porter.invite(acting(&user, &author), email, is, site.clock.now()).await;
    answer(&site, &user, done, async |status, fault| again(status, role, fault)).await
}

/// `GET /members/invitations/{id}/send`.
pub async fn get_send(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    one(&site, &user, &id, "send", (StatusCode::OK, None)).await
}

/// `POST /members/invitations/{id}/send`.
pub async fn post_send(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let Ok(key) = id.parse::<Uuid>() else { return error::not_found() };
    let author = user.author();
    let done = site.porter.invite_again(acting(&user, &author), key, site.clock.now()).await;
    let again = async |status, fault| one(&site, &user, &id, "send", (status, Some(fault))).await;
    answer(&site, &user, done, again).await
}

/// `GET /members/invitations/{id}/revoke`.
pub async fn get_revoke(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    one(&site, &user, &id, "revoke", (StatusCode::OK, None)).await
}

/// `POST /members/invitations/{id}/revoke`.
pub async fn post_revoke(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let Ok(id) = id.parse::<Uuid>() else { return error::not_found() };
    let author = user.author();
    match site.porter.revoke_invitation(acting(&user, &author), id, site.clock.now()).await {
        Ok(true) => see("/members?done=invitation_revoked"),
        Ok(false) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn answer(
    site: &Site,
    user: &User,
    done: Result<Invited, LoginError>,
    again: impl AsyncFnOnce(StatusCode, String) -> Response,
) -> Response {
    let fault = match done {
        Ok(Invited::Done { token: None, .. }) => return see("/members?done=invited"),
        Ok(Invited::Done { token: Some(token), .. }) => {
            let link = format!("{}/invitation/{}", site.front.public_url, token.expose());
            let frame = Frame::of(user, "/members", text("member.link_title"));
            return page_with(StatusCode::OK, &LinkPage { frame, link });
        }
        Ok(Invited::Gone) => return error::not_found(),
        Ok(Invited::Wait(wait)) => return too_soon(wait, again).await,
        Ok(Invited::Unfit) => text("set_up.unfit_email").to_owned(),
        Ok(Invited::Member) => text("member.is_member").to_owned(),
        Ok(Invited::Already) => text("member.is_invited").to_owned(),
        Ok(Invited::TooMany) => filled("member.many_invited", MOST),
        Ok(Invited::Refused(refused)) => refusal(refused).1,
        Err(failed) => return error::unavailable(&failed),
    };
    again(StatusCode::UNPROCESSABLE_ENTITY, fault).await
}

async fn one(
    site: &Site,
    user: &User,
    id: &str,
    deed: &'static str,
    (status, fault): (StatusCode, Option<String>),
) -> Response {
    let found = match invitations(site, user).await {
        Ok(found) => found.into_iter().find(|item| item.id.to_string() == id),
        Err(failed) => return error::unavailable(&failed),
    };
    let Some(item) = found else { return error::not_found() };
    let (title, lead, button) = if deed == "send" {
        ("member.send_title", text("member.send_lead"), text("member.send_button"))
    } else {
        ("member.revoke_title", text("member.revoke_lead"), text("member.revoke_button"))
    };
    let frame = Frame::of(user, "/members", text(title));
    page_with(status, &OnePage { frame, item, lead, button, deed, fault })
}

fn show(
    site: &Site,
    user: &User,
    status: StatusCode,
    (email, chosen, until): (&str, Role, &str),
    fault: Option<String>,
) -> Response {
    let offered = Role::ALL.into_iter().filter(|role| *role <= user.member.role);
    let page = Page {
        frame: Frame::of(user, "/members", text("member.invite_title")),
        email,
        until,
        roles: offered.map(|role| (role.as_str(), role_word(role), role == chosen)).collect(),
        mails: site.porter.settings().mails,
        fault,
    };
    page_with(status, &page)
}
