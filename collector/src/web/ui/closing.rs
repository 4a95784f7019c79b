//! The end of the own account, and of an organization: first what it means, then a form with its address or name. Both ask for proof
//! first. The way back is a link in a mail ([`super::link`]).

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use uuid::Uuid;

use super::frame::Frame;
use super::member::role_word;
use super::sign_in::forget;
use super::{error, filters, page_with, see};
use crate::domain::access::Role;
use crate::login::closing::{Closing, Wish};
use crate::store::closures::Belonging;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "account/delete.html")]
struct AccountPage {
    frame: Frame,
    email: String,
    /// Whether a mail can be sent with the link that brings it back.
    mails: bool,
    /// Where membership ends: name, and role there.
    memberships: Vec<(String, &'static str)>,
    owned: Vec<Owned>,
    fault: Option<String>,
}

/// An organization that nobody else owns.
struct Owned {
    id: Uuid,
    name: String,
    /// How many others belong to it, in words.
    others: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "organization/delete.html")]
struct OrganizationPage {
    frame: Frame,
    name: String,
    mails: bool,
    /// Whether who asks owns it.
    owner: bool,
    fault: Option<String>,
}

/// `GET /account/delete`.
pub async fn get_account(State(site): State<Site>, user: User) -> Response {
    account(&site, &user, StatusCode::OK, &[], None).await
}

/// `POST /account/delete`.
pub async fn post_account(State(site): State<Site>, user: User, form: Form) -> Response {
    let chosen: Vec<Uuid> = form.all("close").into_iter().filter_map(|id| id.parse().ok()).collect();
    let wish = Wish { confirmed: form.text("confirm"), organizations: &chosen };
    let (status, fault) = match site.porter.close_account(&user.member, &wish, &user.author(), site.clock.now()).await {
        Ok(Closing::Done(_)) => {
            let mut response = see("/sign-in?done=account_closed");
            forget(&site, &mut response);
            return response;
        }
        Ok(Closing::Unconfirmed) => (StatusCode::UNPROCESSABLE_ENTITY, text("closing.wrong_address").to_owned()),
        Ok(Closing::Owned(owned)) => {
            let names: Vec<String> = owned.into_iter().map(|place| place.name).collect();
            (StatusCode::CONFLICT, filled("closing.owned", names.join(", ")))
        }
        Ok(Closing::NotOwner | Closing::Gone) => return error::not_found(),
        Err(failed) => return error::unavailable(&failed),
    };
    account(&site, &user, status, &chosen, Some(fault)).await
}

async fn account(site: &Site, user: &User, status: StatusCode, chosen: &[Uuid], fault: Option<String>) -> Response {
    let places = match site.porter.belongings(user.member.user).await {
        Ok(places) => places,
        Err(failed) => return error::unavailable(&failed),
    };
    let (owned, others): (Vec<Belonging>, Vec<Belonging>) = places.into_iter().partition(|place| place.sole_owner);
    let owned = owned.into_iter().map(|place| Owned {
        chosen: chosen.contains(&place.uuid),
        id: place.uuid,
        name: place.name,
        others: match place.others {
            0 => text("closing.alone").to_owned(),
            1 => text("closing.one_other").to_owned(),
            many => filled("closing.others", many),
        },
    });
    let page = AccountPage {
        frame: Frame::of(user, "/account", text("closing.account_title")),
        email: user.member.email.clone(),
        mails: site.porter.settings().mails,
        memberships: others
            .into_iter()
            .map(|place| (place.name, place.role.parse().map(role_word).unwrap_or_default()))
            .collect(),
        owned: owned.collect(),
        fault,
    };
    page_with(status, &page)
}

/// `GET /organization/delete`.
pub async fn get_organization(State(site): State<Site>, user: User) -> Response {
    organization(&site, &user, StatusCode::OK, None)
}

/// `POST /organization/delete`.
pub async fn post_organization(State(site): State<Site>, user: User, form: Form) -> Response {
    let now = site.clock.now();
    match site.porter.close_organization(&user.member, form.text("confirm"), &user.author(), now).await {
        Ok(Closing::Done(_)) => see("/organizations"),
        Ok(Closing::Unconfirmed) => {
            let fault = text("closing.wrong_name").to_owned();
            organization(&site, &user, StatusCode::UNPROCESSABLE_ENTITY, Some(fault))
        }
        Ok(Closing::NotOwner | Closing::Owned(_) | Closing::Gone) => {
            organization(&site, &user, StatusCode::FORBIDDEN, Some(text("closing.not_owner").to_owned()))
        }
        Err(failed) => error::unavailable(&failed),
    }
}

fn organization(site: &Site, user: &User, status: StatusCode, fault: Option<String>) -> Response {
    let page = OrganizationPage {
        frame: Frame::of(user, "/members", text("closing.organization_title")),
        name: user.member.org_name.clone(),
        mails: site.porter.settings().mails,
        owner: user.member.role == Role::Owner && user.member.through.is_none(),
        fault,
    };
    page_with(status, &page)
}
