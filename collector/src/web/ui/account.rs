//! A user's own account: another password.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::Frame;
use super::{error, filters, page_with, see, set_up, sign_in};
use crate::login::password::Change;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "account/page.html")]
struct Page {
    frame: Frame,
    error: Option<String>,
}

/// `GET /account`.
pub async fn get_account(user: User) -> Response {
    show(&user, StatusCode::OK, None)
}

/// `POST /account/password`: every session ends, this one too.
pub async fn post_password(State(site): State<Site>, user: User, form: Form) -> Response {
    let passwords = (form.secret("old"), form.secret("new"));
    match site.porter.change_password(user.member.user, passwords, &user.author(), site.clock.now()).await {
        Ok(Change::Done) => {
            let mut response = see("/sign-in?done=password");
            sign_in::forget(&site, &mut response);
            response
        }
        Ok(Change::Wrong) => show(&user, StatusCode::UNPROCESSABLE_ENTITY, Some(text("account.wrong").to_owned())),
        Ok(Change::Unfit(unfit)) => show(&user, StatusCode::UNPROCESSABLE_ENTITY, Some(set_up::why(unfit))),
        Err(failed) => error::unavailable(&failed),
    }
}

fn show(user: &User, status: StatusCode, error: Option<String>) -> Response {
    page_with(status, &Page { frame: Frame::of(user, "/account", text("account.title")), error })
}
