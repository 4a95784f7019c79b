//! Service members, and keys of theirs, shown once. Both ask for proof first.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::change::{acting, find, refusal};
use super::role_word;
use crate::domain::access::{Right, Role};
use crate::domain::members::Standing;
use crate::domain::written;
use crate::login::api_key::Reach;
use crate::login::service::{MOST, Served};
use crate::store::members::MemberRow;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{error, filters, key, page_with, see};

#[derive(Template)]
#[template(path = "member/service.html")]
struct Page<'a> {
    frame: Frame,
    name: &'a str,
    until: &'a str,
    roles: Vec<(&'static str, &'static str, bool)>,
    fault: Option<String>,
}

/// `GET /members/services/new`.
pub async fn get_new(user: User) -> Response {
    show(&user, &Form::default(), StatusCode::OK, None)
}

/// `POST /members/services/new`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    let unfit = |fault: String| show(&user, &form, StatusCode::UNPROCESSABLE_ENTITY, Some(fault));
    let Ok(role) = form.text("role").parse::<Role>() else { return unfit(text("member.no_role").to_owned()) };
    let Ok(until) = written::last_day(form.text("until")) else { return unfit(text("member.bad_day").to_owned()) };
    let (author, is) = (user.author(), Standing { role, until });
    match site.porter.add_service(acting(&user, &author), form.text("name"), is, site.clock.now()).await {
        Ok(Served::Done(_)) => see("/members?done=service_added"),
        Ok(Served::Name) => unfit(text("member.service_bad_name").to_owned()),
        Ok(Served::Taken) => unfit(text("member.service_taken").to_owned()),
        Ok(Served::TooMany) => unfit(filled("member.service_many", MOST)),
        Ok(Served::Refused(refused)) => unfit(refusal(refused).1),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `GET /members/{id}/keys/new`.
pub async fn get_key(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    match find(&site, &user, id.parse().ok()).await {
        Some(Ok(row)) if row.service => show_key(&user, &row, &Form::default(), Vec::new()),
        Some(Err(failed)) => error::unavailable(&failed),
        _ => error::not_found(),
    }
}

/// `POST /members/{id}/keys/new`: the answer shows the key, this once.
pub async fn post_key(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let row = match find(&site, &user, id.parse().ok()).await {
        Some(Ok(row)) if row.service => row,
        Some(Err(failed)) => return error::unavailable(&failed),
        _ => return error::not_found(),
    };
    let wish = match key::read(&form) {
        Ok(wish) => wish,
        Err(faults) => return show_key(&user, &row, &form, faults),
    };
    let scoped = match user.scoped(&site).await {
        Ok(scoped) => scoped,
        Err(failed) => return error::unavailable(&failed),
    };
    let (author, now) = (user.author(), site.clock.now());
    let reach = Reach::of(|right| may_lend(&user, right));
    match site.porter.make_service_key(scoped, acting(&user, &author), row.id, (&wish, &reach), now).await {
        Ok(Some(Ok(made))) => key::secret(&user, &made),
        Ok(Some(Err(unmade))) => show_key(&user, &row, &form, vec![key::fault(unmade)]),
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// Who makes keys of others has the right to make keys, and gives none that is not the own.
fn may_lend(user: &User, right: Right) -> bool {
    user.member.may(Right::KeysWrite) && user.member.may(right)
}

fn show_key(user: &User, row: &MemberRow, form: &Form, faults: Vec<(&'static str, String)>) -> Response {
    let making = key::Making {
        frame: Frame::of(user, "/members", text("key.make")),
        lead: filled("member.service_key_lead", &row.called),
        action: format!("/members/{}/keys/new", row.id),
        back: "/members",
        may: &|right| row.role.may(right) && may_lend(user, right),
    };
    key::show(making, form, faults)
}

fn show(user: &User, form: &Form, status: StatusCode, fault: Option<String>) -> Response {
    let chosen = form.text("role").parse().unwrap_or(Role::Viewer);
    let offered = Role::ALL.into_iter().filter(|role| *role < Role::Owner && *role <= user.member.role);
    let page = Page {
        frame: Frame::of(user, "/members", text("member.service_title")),
        name: form.text("name"),
        until: form.text("until"),
        roles: offered.map(|role| (role.as_str(), role_word(role), role == chosen)).collect(),
        fault,
    };
    page_with(status, &page)
}
