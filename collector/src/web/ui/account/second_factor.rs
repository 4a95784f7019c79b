//! The second factor: set up by a QR code that this server draws, shown to work, replaced and taken away.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use picket_shared::secret::SecretString;

use crate::login::LoginError;
use crate::login::session::Ticket;
use crate::login::totp::{Added, Factors};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::guard::cookie::Kept;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::qr::{self, Qr};
use crate::web::ui::shape::day;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "account/second_factor.html")]
struct Page {
    frame: Frame,
    factors: Factors,
    since: Option<String>,
    pending: Option<Pending>,
    error: Option<String>,
}

/// What is scanned or typed.
struct Pending {
    qr: Option<Qr>,
    secret: String,
}

#[derive(Template)]
#[template(path = "account/codes.html")]
struct Codes {
    frame: Frame,
    codes: Vec<SecretString>,
}

/// `GET /account/second-factor`.
pub async fn get_second_factor(State(site): State<Site>, user: User) -> Response {
    show(&site, &user, StatusCode::OK, None).await
}

/// `POST /account/second-factor`: begins, adds, replaces recovery codes or removes, as the button says.
pub async fn post_second_factor(State(site): State<Site>, user: User, form: Form) -> Response {
    let (porter, by, now) = (&site.porter, user.author(), site.clock.now());
    let done = match form.text("do") {
        "begin" => porter.begin_totp(&user.member, now).await.map(|_| see("/account/second-factor")),
        "add" => return add(&site, &user, form.text("code")).await,
        "codes" => porter.replace_recovery_codes(&user.member, &by, now).await.map(|codes| match codes {
            Some(codes) => show_codes(&user, codes),
            None => see("/account/second-factor"),
        }),
        "remove" => porter.remove_totp(&user.member, &user.ticket, &by, now).await.map(|ticket| match ticket {
            Some(ticket) => keeping(&site, see("/account?done=second_factor_removed"), &ticket),
            None => see("/account/second-factor"),
        }),
        _ => return error::page(StatusCode::BAD_REQUEST, "error.form"),
    };
    done.unwrap_or_else(|failed: LoginError| error::unavailable(&failed))
}

async fn add(site: &Site, user: &User, code: &str) -> Response {
    match site.porter.add_totp(&user.member, &user.ticket, code, &user.author(), site.clock.now()).await {
        Ok(Added::Done { codes, ticket }) => {
            let user = User { ticket: ticket.clone(), ..user.clone() };
            keeping(site, show_codes(&user, codes), &ticket)
        }
        Ok(Added::Wrong) => {
            show(site, user, StatusCode::UNPROCESSABLE_ENTITY, Some(text("account.wrong_code").to_owned())).await
        }
        Ok(Added::Nothing) => see("/account/second-factor"),
        Err(failed) => error::unavailable(&failed),
    }
}

fn show_codes(user: &User, codes: Vec<SecretString>) -> Response {
    let page = Codes { frame: Frame::of(user, "/account", text("account.codes_title")), codes };
    page_with(StatusCode::OK, &page)
}

/// With the session's new token.
fn keeping(site: &Site, mut response: Response, ticket: &Ticket) -> Response {
    if let Some(cookie) = site.front.cookie.keep(Kept::Session, ticket) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn show(site: &Site, user: &User, status: StatusCode, error: Option<String>) -> Response {
    let read = async {
        let pending = site.porter.enrolment(&user.member).await?.map(|enrolment| Pending {
            qr: qr::draw(enrolment.uri.expose()),
            secret: grouped(enrolment.text.expose()),
        });
        let factors = site.porter.factors(user.member.user).await?;
        let frame = Frame::of(user, "/account", text("account.second_title"));
        Ok::<_, LoginError>(Page { frame, since: factors.since.map(day), factors, pending, error })
    };
    match read.await {
        Ok(page) => page_with(status, &page),
        Err(failed) => error::unavailable(&failed),
    }
}

/// In groups of four, as people type it.
fn grouped(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
