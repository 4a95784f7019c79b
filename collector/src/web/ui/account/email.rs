//! Another address to sign in with: the present and the other one both have to agree.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::login::account::Wanted;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::sign_in::too_soon;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "account/email.html")]
struct Page {
    frame: Frame,
    present: String,
    email: String,
    mails: bool,
    error: Option<String>,
}

/// `GET /account/email`.
pub async fn get_email(State(site): State<Site>, user: User) -> Response {
    show(&site, &user, "", StatusCode::OK, None)
}

/// `POST /account/email`.
pub async fn post_email(State(site): State<Site>, user: User, form: Form) -> Response {
    let email = form.text("email");
    if !site.porter.settings().mails {
        return show(&site, &user, email, StatusCode::UNPROCESSABLE_ENTITY, None);
    }
    match site.porter.want_address(&user.member, email, &user.author(), site.clock.now()).await {
        Ok(Wanted::Asked) => see("/account?done=address_asked"),
        Ok(Wanted::Unfit) => {
            let error = text("account.unfit_address").to_owned();
            show(&site, &user, email, StatusCode::UNPROCESSABLE_ENTITY, Some(error))
        }
        Ok(Wanted::Wait(wait)) => {
            too_soon(wait, async |status, error| show(&site, &user, email, status, Some(error))).await
        }
        Err(failed) => error::unavailable(&failed),
    }
}

fn show(site: &Site, user: &User, email: &str, status: StatusCode, error: Option<String>) -> Response {
    let page = Page {
        frame: Frame::of(user, "/account", text("account.email_title")),
        present: user.member.email.clone(),
        email: email.to_owned(),
        mails: site.porter.settings().mails,
        error,
    };
    page_with(status, &page)
}
