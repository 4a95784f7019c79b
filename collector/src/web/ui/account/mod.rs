//! A user's own account: sessions, another password, and the ways to a second factor, another address and to all that is stored.

pub mod data;
pub mod email;
pub mod second_factor;
pub mod sessions;

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::Frame;
use super::shape::day;
use super::sign_in::{forget, too_soon};
use super::{error, filters, page_with, see, set_up};
use crate::login::LoginError;
use crate::login::account::Change;
use crate::login::caller::Caller;
use crate::login::totp::Factors;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;
use sessions::Session;

#[derive(Template)]
#[template(path = "account/page.html")]
struct Page {
    frame: Frame,
    error: Option<String>,
    sessions: Vec<Session>,
    others: bool,
    email: String,
    confirmed: bool,
    mails: bool,
    factors: Factors,
    /// On which day the second factor was added.
    since: Option<String>,
    /// Until when the user may administer the instance.
    administers: Option<String>,
}

/// `GET /account`.
pub async fn get_account(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let frame = Frame::of(&user, "/account", text("account.title")).noting(&query);
    show(&site, &user, frame, StatusCode::OK, None).await
}

/// `POST /account/password`: every session ends, this one too.
pub async fn post_password(State(site): State<Site>, caller: Caller, user: User, form: Form) -> Response {
    let (passwords, by, now) = ((form.secret("old"), form.secret("new")), user.author(), site.clock.now());
    let error = match site.porter.change_password(user.member.user, passwords, &by, &caller, now).await {
        Ok(Change::Done) => {
            let mut response = see("/sign-in?done=password");
            forget(&site, &mut response);
            return response;
        }
        Ok(Change::Wrong) => text("account.wrong").to_owned(),
        Ok(Change::Wait(wait)) => {
            let frame = Frame::of(&user, "/account", text("account.title"));
            return too_soon(wait, async |status, error| show(&site, &user, frame, status, Some(error)).await).await;
        }
        Ok(Change::Unfit(unfit)) => set_up::why(unfit),
        Err(failed) => return error::unavailable(&failed),
    };
    let frame = Frame::of(&user, "/account", text("account.title"));
    show(&site, &user, frame, StatusCode::UNPROCESSABLE_ENTITY, Some(error)).await
}

/// `POST /account/confirm`: mails a link that shows that mail arrives.
pub async fn post_confirm(State(site): State<Site>, user: User, _: Form) -> Response {
    match site.porter.ask_to_confirm(&user.member, site.clock.now()).await {
        Ok(wait) if wait.is_zero() => see("/account?done=confirm_sent"),
        Ok(wait) => {
            let frame = Frame::of(&user, "/account", text("account.title"));
            too_soon(wait, async |status, error| show(&site, &user, frame, status, Some(error)).await).await
        }
        Err(failed) => error::unavailable(&failed),
    }
}

async fn show(site: &Site, user: &User, frame: Frame, status: StatusCode, error: Option<String>) -> Response {
    match read(site, user, frame, error).await {
        Ok(page) => page_with(status, &page),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn read(site: &Site, user: &User, frame: Frame, error: Option<String>) -> Result<Page, LoginError> {
    let (porter, now, key) = (&site.porter, site.clock.now(), user.member.user);
    let sessions = porter.sessions(key, Some(&user.ticket), now).await?;
    let sessions: Vec<_> = sessions.into_iter().map(|row| Session::of(row, now)).collect();
    let factors = porter.factors(key).await?;
    Ok(Page {
        frame,
        error,
        others: sessions.len() > 1,
        sessions,
        email: user.member.email.clone(),
        confirmed: porter.is_confirmed(key).await?,
        mails: porter.settings().mails,
        since: factors.since.map(day),
        administers: porter.administers_until(key, now).await?.map(|until| format!("{until:.0}")),
        factors,
    })
}
