//! `/incidents/new`: an incident that no check opened.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::{IncidentId, MonitorId};

use super::shown;
use crate::domain::incident::{self, MOST_COMMENT, MOST_MONITORS, Severity};
use crate::store::incidents::{Declared, declare};
use crate::store::read::telling;
use crate::store::{Scoped, StoreError, monitors};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_with, see};

#[derive(Template)]
#[template(path = "incident/form.html")]
struct Page {
    frame: Frame,
    title: String,
    severities: Vec<Choice>,
    monitors: Vec<Choice>,
    text: String,
    tell: bool,
    /// Whether there is a channel that would be told.
    told: bool,
    error: Option<String>,
}

struct Choice {
    value: String,
    word: String,
    chosen: bool,
}

/// `GET /incidents/new`.
pub async fn get_new(State(site): State<Site>, user: User) -> Response {
    let shows = async {
        let mut scoped = user.scoped(&site).await?;
        form_page(&mut scoped, &user, &Form::default(), None).await.map(Some)
    };
    shown(shows.await)
}

/// `POST /incidents/new`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    let opens = async {
        let now = site.clock.now();
        let mut scoped = user.scoped(&site).await?;
        let wanted = match wanted(&form) {
            Ok(wanted) => wanted,
            Err(error) => return form_page(&mut scoped, &user, &form, Some(error)).await.map(Some),
        };
        let id = IncidentId::at(now);
        let tells = form.ticked("tell");
        let (title, severity, monitors) = (wanted.title, wanted.severity, &wanted.monitors);
        let new = Declared { id, title, severity, monitors, text: wanted.text.as_deref(), tells };
        if !declare(&mut scoped, &new, now).await?.is_empty() {
            let error = text("incident.no_monitor").to_owned();
            return form_page(&mut scoped, &user, &form, Some(error)).await.map(Some);
        }
        scoped.commit().await?;
        let done = if tells { "opened_told" } else { "opened" };
        Ok(Some(see(&format!("/incidents/{id}?done={done}"))))
    };
    shown(opens.await)
}

struct Wanted<'a> {
    title: &'a str,
    severity: Severity,
    monitors: Vec<MonitorId>,
    text: Option<String>,
}

/// What a form says, or what is wrong with it.
fn wanted(form: &Form) -> Result<Wanted<'_>, String> {
    let title = incident::title(form.text("title")).ok_or_else(|| text("incident.bad_title").to_owned())?;
    let severity = form.text("severity").parse().map_err(|_| text("incident.bad_severity").to_owned())?;
    let mut monitors: Vec<MonitorId> = Vec::new();
    for id in form.all("monitor") {
        let id = id.parse().map_err(|_| text("incident.no_monitor").to_owned())?;
        if !monitors.contains(&id) {
            monitors.push(id);
        }
    }
    if monitors.len() > MOST_MONITORS {
        return Err(filled("incident.many_monitors", MOST_MONITORS));
    }
    let said = incident::written(form.raw("text"), MOST_COMMENT);
    if said.is_none() && !form.text("text").is_empty() {
        return Err(filled("incident.bad_text", MOST_COMMENT));
    }
    Ok(Wanted { title, severity, monitors, text: said })
}

async fn form_page(
    scoped: &mut Scoped,
    user: &User,
    form: &Form,
    error: Option<String>,
) -> Result<Response, StoreError> {
    let chosen = form.all("monitor");
    let named = monitors::list(scoped).await?.into_iter().map(|row| {
        let value = row.id.to_string();
        Choice { chosen: chosen.contains(&value.as_str()), value, word: row.settings.name }
    });
    let severities = Severity::ALL.map(|severity| Choice {
        value: severity.as_str().to_owned(),
        word: text(match severity {
            Severity::Critical => "incident.critical",
            Severity::Error => "incident.error",
            Severity::Warning => "incident.warning",
        })
        .to_owned(),
        chosen: form.text("severity") == severity.as_str(),
    });
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Page {
        frame: Frame::of(user, "/incidents", text("incident.new_title")),
        title: form.raw("title").to_owned(),
        severities: severities.into(),
        monitors: named.collect(),
        text: form.raw("text").to_owned(),
        tell: form.ticked("tell"),
        told: telling::of(scoped).await?.is_told(),
        error,
    };
    Ok(page_with(status, &page))
}
