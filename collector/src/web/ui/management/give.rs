//! An owner lets another organization manage this one: which, as what at most, until when. It asks for proof first.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::acting;
use crate::domain::access::Role;
use crate::domain::management::Refused;
use crate::domain::written;
use crate::login::management::{Consent, Given, MOST_A_DAY};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::member::role_word;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "management/give.html")]
struct Page {
    frame: Frame,
    organization: String,
    until: String,
    roles: Vec<(&'static str, &'static str, bool)>,
    faults: Vec<(&'static str, String)>,
}

impl Page {
    fn fault(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|(found, _)| *found == field).map(|(_, message)| message.as_str())
    }
}

/// `GET /management/give`.
pub async fn get_give(user: User) -> Response {
    show(&user, StatusCode::OK, &Form::default(), Vec::new())
}

/// `POST /management/give`.
pub async fn post_give(State(site): State<Site>, user: User, form: Form) -> Response {
    let again = |faults| show(&user, StatusCode::UNPROCESSABLE_ENTITY, &form, faults);
    let consent = match read(&form) {
        Ok(consent) => consent,
        Err(faults) => return again(faults),
    };
    let author = user.author();
    let fault = match site.porter.consent(acting(&user, &author), consent, site.clock.now()).await {
        Ok(Given::Done(_)) => return see("/management?done=consented"),
        Ok(Given::Nobody) => ("organization", text("management.nobody").to_owned()),
        Ok(Given::Itself) => ("organization", text("management.itself").to_owned()),
        Ok(Given::Already) => ("organization", text("management.already").to_owned()),
        Ok(Given::Past) => ("until", text("management.past").to_owned()),
        Ok(Given::TooMany) => ("", filled("management.too_many", MOST_A_DAY)),
        Ok(Given::Refused(Refused::Owner)) => ("most", text("management.no_role").to_owned()),
        Ok(Given::Refused(_)) => ("", text("management.not_owner").to_owned()),
        Err(failed) => return error::unavailable(&failed),
    };
    again(vec![fault])
}

fn read(form: &Form) -> Result<Consent, Vec<(&'static str, String)>> {
    let manager = form.text("organization").trim().parse();
    let most = form.text("most").parse::<Role>();
    let until = written::last_day(form.text("until")).map_err(|_| ());
    if let (Ok(manager), Ok(most), Ok(until)) = (&manager, &most, until) {
        return Ok(Consent { manager: *manager, most: *most, until });
    }
    let faults = [
        manager.is_err().then(|| ("organization", text("management.bad_id").to_owned())),
        most.is_err().then(|| ("most", text("management.no_role").to_owned())),
        until.is_err().then(|| ("until", text("management.bad_day").to_owned())),
    ];
    Err(faults.into_iter().flatten().collect())
}

fn show(user: &User, status: StatusCode, form: &Form, faults: Vec<(&'static str, String)>) -> Response {
    let chosen = form.text("most").parse().unwrap_or(Role::Viewer);
    let offered = Role::ALL.into_iter().filter(|role| *role != Role::Owner);
    let page = Page {
        frame: Frame::of(user, "/members", text("management.give_title")),
        organization: form.text("organization").to_owned(),
        until: form.text("until").to_owned(),
        roles: offered.map(|role| (role.as_str(), role_word(role), role == chosen)).collect(),
        faults,
    };
    page_with(status, &page)
}
