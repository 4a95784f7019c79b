//! Second factors: codes by time, set up by a QR code that this server draws; passkeys, which a script asks the browser for;
//! and the recovery codes of both.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

use crate::domain::passkey::RelyingParty;
use crate::login::LoginError;
use crate::login::passkey::add::{self, PasskeyRow};
use crate::login::session::Ticket;
use crate::login::totp::{Added, Factors};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::guard::cookie::Kept;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::qr::{self, Qr};
use crate::web::ui::shape::{When, day, when};
use crate::web::ui::{error, filters, page_with, passkey, see};

#[derive(Template)]
#[template(path = "account/second_factor.html")]
struct Page {
    frame: Frame,
    factors: Factors,
    since: Option<String>,
    pending: Option<Pending>,
    /// The organization that wants one before anything else.
    wanted_by: Option<String>,
    passkeys: Vec<Passkey>,
    /// Whether browsers know passkeys here.
    available: bool,
    error: Option<String>,
}

/// A passkey in the list.
struct Passkey {
    id: uuid::Uuid,
    name: String,
    added: When,
    used: Option<When>,
    /// Whether it is also on other devices.
    copied: bool,
    /// Whether it was made for another address than today's.
    stranded: bool,
}

/// What is scanned or typed.
struct Pending {
    qr: Option<Qr>,
    secret: String,
}

impl Passkey {
    fn of(row: PasskeyRow, party: Option<&RelyingParty>, now: Timestamp) -> Self {
        let at = |micros| when(Timestamp::from_micros(micros), now);
        Self {
            id: row.uuid,
            stranded: party.is_none_or(|party| party.id() != row.party),
            name: row.name,
            added: at(row.created_at),
            used: row.last_used_at.map(at),
            copied: row.backed_up,
        }
    }
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
        "add" => return add_totp(&site, &user, form.text("code")).await,
        "passkey_options" => return passkey_options(&site, &user).await,
        "passkey_add" => return add_passkey(&site, &user, &form).await,
        "passkey_remove" => return remove_passkey(&site, &user, form.text("passkey")).await,
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

async fn add_totp(site: &Site, user: &User, code: &str) -> Response {
    match site.porter.add_totp(&user.member, &user.ticket, code, &user.author(), site.clock.now()).await {
        Ok(Added::Done { codes, ticket }) => added(site, user, codes, &ticket),
        Ok(Added::Wrong) => {
            show(site, user, StatusCode::UNPROCESSABLE_ENTITY, Some(text("account.wrong_code").to_owned())).await
        }
        Ok(Added::Nothing) => see("/account/second-factor"),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn passkey_options(site: &Site, user: &User) -> Response {
    let Some(party) = &site.front.party else { return passkey::no_passkeys() };
    match site.porter.begin_passkey(&user.member, &user.ticket, site.clock.now()).await {
        Ok(made) => passkey::creation(party, &user.member.email, &made),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn add_passkey(site: &Site, user: &User, form: &Form) -> Response {
    let (Some(new), Some(party)) = (passkey::made(form), &site.front.party) else {
        return error::page(StatusCode::BAD_REQUEST, "error.form");
    };
    let (who, what) = ((&user.member, &user.ticket), (&new, form.text("name")));
    let wrong = match site.porter.add_passkey(who, party, what, &user.author(), site.clock.now()).await {
        Ok(add::Added::Done { codes, ticket }) => return added(site, user, codes, &ticket),
        Ok(add::Added::Unnamed) => text("passkey.unnamed"),
        Ok(add::Added::Refused) => text("passkey.refused"),
        Ok(add::Added::TooMany) => text("passkey.too_many"),
        Err(failed) => return error::unavailable(&failed),
    };
    show(site, user, StatusCode::UNPROCESSABLE_ENTITY, Some(wrong.to_owned())).await
}

async fn remove_passkey(site: &Site, user: &User, id: &str) -> Response {
    let Ok(id) = id.parse() else { return error::page(StatusCode::BAD_REQUEST, "error.form") };
    let who = (&user.member, &user.ticket);
    match site.porter.remove_passkey(who, id, &user.author(), site.clock.now()).await {
        Ok(Some(ticket)) => keeping(site, see("/account?done=passkey_removed"), &ticket),
        Ok(None) => see("/account/second-factor"),
        Err(failed) => error::unavailable(&failed),
    }
}

/// It is there: the first brings recovery codes, which are shown now and never again.
fn added(site: &Site, user: &User, codes: Option<Vec<SecretString>>, ticket: &Ticket) -> Response {
    let user = User { ticket: ticket.clone(), ..user.clone() };
    let response = codes.map_or_else(|| see("/account?done=second_factor_added"), |codes| show_codes(&user, codes));
    keeping(site, response, ticket)
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
        let (now, party) = (site.clock.now(), site.front.party.as_ref());
        let passkeys = site.porter.passkeys(user.member.user).await?;
        let passkeys = passkeys.into_iter().map(|row| Passkey::of(row, party, now)).collect();
        let frame = Frame::of(user, "/account", text("account.second_title"));
        let (wanted_by, available) = (user.member.lacks_factor.then(|| user.member.org_name.clone()), party.is_some());
        let since = factors.since.map(day);
        Ok::<_, LoginError>(Page { frame, factors, since, pending, wanted_by, passkeys, available, error })
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
