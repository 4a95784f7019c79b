//! `/admin/breaches`: breaches of personal data, each with its clock of 72 hours: write down, change, look at the mail, tell, close.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::AccountMailId;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::super::frame::Frame;
use super::super::shape::{Shape, shape};
use super::super::{error, filters, page_with, see};
use super::{Head, frame};
use crate::domain::breach::{Clock, Facts};
use crate::notify::message::account;
use crate::privacy::breaches::{Deed, Wish};
use crate::privacy::office::PaperError;
use crate::store::StoreError;
use crate::store::breaches::Breach;
use crate::store::organizations::{self, Listed};
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::extract::form::Form;
use crate::web::texts::{filled, text};

#[derive(Template)]
#[template(path = "admin/breaches.html")]
struct List {
    frame: Frame,
    head: Head,
    items: Vec<Item>,
    draft: Draft,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/breach.html")]
struct Page {
    frame: Frame,
    head: Head,
    item: Item,
    draft: Draft,
    /// Names, and when each was told.
    affected: Vec<(String, Option<String>)>,
    /// The mail as an owner gets it.
    subject: String,
    mail: String,
    missing: Option<String>,
    mails: bool,
    fault: Option<String>,
}

struct Item {
    id: Uuid,
    title: String,
    shape: Shape,
    clock: String,
    known: String,
    told: String,
    by: String,
    open: bool,
}

/// What a form has in its fields.
#[derive(Default)]
struct Draft {
    title: String,
    known: String,
    happened: String,
    affected: String,
    measures: String,
    advice: String,
    reported: String,
    unreported: String,
    everyone: bool,
    /// Name outside, name, and whether it is chosen.
    organizations: Vec<(Uuid, String, bool)>,
}

fn item(breach: &Breach, now: Timestamp) -> Item {
    let clock = breach.facts.clock(breach.told == breach.organizations, now);
    let (class, word) = match (breach.closed_at, clock) {
        (Some(_), _) => ("paused", "breaches.closed"),
        (None, Clock::Stopped) => ("up", "breaches.stopped"),
        (None, Clock::Left(_)) => ("suspect", "breaches.running"),
        (None, Clock::Overdue(_)) => ("down", "breaches.overdue"),
    };
    Item {
        id: breach.id,
        title: breach.facts.title.clone(),
        shape: Shape { word: text(word), ..shape(class) },
        clock: clock.told(),
        known: format!("{:.0}", breach.facts.known_at),
        told: format!("{} / {}", breach.told, breach.organizations),
        by: breach.opened_by.clone(),
        open: breach.closed_at.is_none(),
    }
}

/// `GET /admin/breaches`.
pub async fn get_breaches(
    State(site): State<Site>,
    administrator: Administrator,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let frame = frame(&administrator, "admin.breaches").noting(&query);
    let draft = Draft { known: format!("{:.0}", site.clock.now()), everyone: true, ..Draft::default() };
    list(&site, &administrator, frame, draft, None).await
}

async fn list(
    site: &Site,
    administrator: &Administrator,
    frame: Frame,
    draft: Draft,
    fault: Option<String>,
) -> Response {
    let read = async {
        let rows = site.office.breaches(None).await?;
        Ok::<_, StoreError>((rows, choices(&organizations(site).await?, &draft.chosen())))
    };
    let (rows, organizations) = match read.await {
        Ok(read) => read,
        Err(failed) => return error::unavailable(&failed),
    };
    let (head, now) = (Head::of(administrator, "/admin/breaches"), site.clock.now());
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let items = rows.iter().map(|row| item(row, now)).collect();
    page_with(status, &List { frame, head, items, draft: Draft { organizations, ..draft }, fault })
}

impl Draft {
    fn chosen(&self) -> Vec<Uuid> {
        self.organizations.iter().filter(|(.., chosen)| *chosen).map(|(id, ..)| *id).collect()
    }

    fn of_form(form: &Form) -> Self {
        let text = |name: &str| form.text(name).replace("\r\n", "\n");
        let chosen = form.all("organization").into_iter().filter_map(|id| id.parse().ok());
        Self {
            title: text("title"),
            known: text("known"),
            happened: text("happened"),
            affected: text("affected"),
            measures: text("measures"),
            advice: text("advice"),
            reported: text("reported"),
            unreported: text("unreported"),
            everyone: form.text("whom") != "some",
            organizations: chosen.map(|id| (id, String::new(), true)).collect(),
        }
    }

    fn of_breach(facts: &Facts, organizations: Vec<(Uuid, String, bool)>) -> Self {
        Self {
            title: facts.title.clone(),
            known: format!("{:.0}", facts.known_at),
            happened: facts.happened.clone(),
            affected: facts.affected.clone(),
            measures: facts.measures.clone(),
            advice: facts.advice.clone(),
            reported: facts.reported_at.map(|at| format!("{at:.0}")).unwrap_or_default(),
            unreported: facts.unreported_why.clone().unwrap_or_default(),
            everyone: facts.everyone,
            organizations,
        }
    }

    /// What somebody wants, of the organizations that there are; what is wrong with a time otherwise.
    fn wish(&self, known: &[Listed]) -> Result<Wish, String> {
        let time = |value: &str| value.parse::<Timestamp>().map_err(|_| filled("breaches.bad_time", value));
        let optional = |value: &str| if value.is_empty() { Ok(None) } else { time(value).map(Some) };
        let facts = Facts {
            title: self.title.clone(),
            known_at: time(&self.known)?,
            happened: self.happened.clone(),
            affected: self.affected.clone(),
            measures: self.measures.clone(),
            advice: self.advice.clone(),
            everyone: self.everyone,
            reported_at: optional(&self.reported)?,
            unreported_why: Some(self.unreported.clone()).filter(|why| !why.is_empty()),
        };
        let chosen = self.chosen();
        let organizations = known.iter().filter(|row| chosen.contains(&row.uuid)).map(|row| row.key).collect();
        Ok(Wish { facts, organizations })
    }
}

/// Every organization.
async fn organizations(site: &Site) -> Result<Vec<Listed>, StoreError> {
    organizations::list(&mut site.pools.worker().await?).await
}

fn choices(rows: &[Listed], chosen: &[Uuid]) -> Vec<(Uuid, String, bool)> {
    rows.iter().map(|row| (row.uuid, row.name.clone(), chosen.contains(&row.uuid))).collect()
}

async fn wished(site: &Site, draft: &Draft) -> Result<Result<Wish, String>, StoreError> {
    Ok(draft.wish(&organizations(site).await?))
}

/// `POST /admin/breaches`.
pub async fn post_breach(State(site): State<Site>, administrator: Administrator, form: Form) -> Response {
    let (draft, now, by) = (Draft::of_form(&form), site.clock.now(), administrator.author());
    let fault = match wished(&site, &draft).await {
        Ok(Ok(wish)) => match site.office.open_breach(&wish, &by, now).await {
            Ok(Ok(id)) => return see(&format!("/admin/breaches/{id}?done=breach_opened")),
            Ok(Err(unfit)) => unfit.as_str().to_owned(),
            Err(failed) => return error::unavailable(&failed),
        },
        Ok(Err(fault)) => fault,
        Err(failed) => return error::unavailable(&failed),
    };
    list(&site, &administrator, frame(&administrator, "admin.breaches"), draft, Some(fault)).await
}

async fn found(site: &Site, id: &str) -> Result<Breach, Response> {
    let Ok(id) = id.parse::<Uuid>() else { return Err(error::not_found()) };
    let rows = site.office.breaches(Some(id)).await.map_err(|failed| error::unavailable(&failed))?;
    rows.into_iter().next().ok_or_else(error::not_found)
}

/// `GET /admin/breaches/{id}`.
pub async fn get_breach(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match found(&site, &id).await {
        Ok(breach) => {
            let frame = frame(&administrator, "admin.breach").noting(&query);
            show(&site, &administrator, frame, &breach, None, None).await
        }
        Err(response) => response,
    }
}

async fn show(
    site: &Site,
    administrator: &Administrator,
    frame: Frame,
    breach: &Breach,
    draft: Option<Draft>,
    fault: Option<String>,
) -> Response {
    let read = async {
        let affected = site.office.affected(breach).await?;
        let rows = organizations(site).await?;
        let of_breach = |row: &&Listed| !breach.facts.everyone && affected.iter().any(|(org, ..)| *org == row.key);
        let chosen = match &draft {
            Some(draft) => draft.chosen(),
            None => rows.iter().filter(of_breach).map(|row| row.uuid).collect(),
        };
        let organizations = choices(&rows, &chosen);
        let draft = match draft {
            Some(draft) => Draft { organizations, ..draft },
            None => Draft::of_breach(&breach.facts, organizations),
        };
        Ok::<_, StoreError>((affected, draft))
    };
    let (affected, draft) = match read.await {
        Ok(read) => read,
        Err(failed) => return error::unavailable(&failed),
    };
    let now = site.clock.now();
    let to =
        affected.first().map_or_else(|| text("breaches.some_organization").to_owned(), |(_, name, _)| name.clone());
    let about = site.office.breach_mail(breach, &to, now);
    let mail = account::write(AccountMailId(Uuid::nil()), &about, &site.front.public_url, now);
    let missing = breach.facts.missing();
    let told = |at: i64| format!("{:.0}", Timestamp::from_micros(at));
    let page = Page {
        frame,
        head: Head::of(administrator, "/admin/breaches"),
        item: item(breach, now),
        draft,
        affected: affected.into_iter().map(|(_, name, at)| (name, at.map(told))).collect(),
        subject: mail.subject,
        mail: mail.text,
        missing: (!missing.is_empty()).then(|| missing.join(", ")),
        mails: site.porter.settings().mails,
        fault: fault.clone(),
    };
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page_with(status, &page)
}

/// `POST /admin/breaches/{id}`.
pub async fn post_change(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    form: Form,
) -> Response {
    let breach = match found(&site, &id).await {
        Ok(breach) => breach,
        Err(response) => return response,
    };
    let draft = Draft::of_form(&form);
    let fault = match wished(&site, &draft).await {
        Ok(Ok(wish)) => {
            match site.office.change_breach(&breach, &wish, &administrator.author(), site.clock.now()).await {
                Ok(Ok(Deed::Closed)) => text("breaches.is_closed").to_owned(),
                Ok(Ok(_)) => return see(&format!("/admin/breaches/{}?done=breach_changed", breach.id)),
                Ok(Err(unfit)) => unfit.as_str().to_owned(),
                Err(failed) => return error::unavailable(&failed),
            }
        }
        Ok(Err(fault)) => fault,
        Err(failed) => return error::unavailable(&failed),
    };
    let frame = frame(&administrator, "admin.breach");
    show(&site, &administrator, frame, &breach, Some(draft), Some(fault)).await
}

/// `POST /admin/breaches/{id}/tell`.
pub async fn post_tell(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    _: Form,
) -> Response {
    let breach = match found(&site, &id).await {
        Ok(breach) => breach,
        Err(response) => return response,
    };
    let fault = match site.office.tell_breach(&breach, &administrator.author(), site.clock.now()).await {
        Ok(Deed::Done(_)) => return see(&format!("/admin/breaches/{}?done=breach_told", breach.id)),
        Ok(Deed::Missing(parts)) => filled("breaches.missing", parts.join(", ")),
        Ok(Deed::Closed) => text("breaches.is_closed").to_owned(),
        Err(PaperError::NoMail) => text("breaches.no_mail").to_owned(),
        Err(failed) => return error::unavailable(&failed),
    };
    show(&site, &administrator, frame(&administrator, "admin.breach"), &breach, None, Some(fault)).await
}

/// `POST /admin/breaches/{id}/close`.
pub async fn post_close(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    _: Form,
) -> Response {
    let breach = match found(&site, &id).await {
        Ok(breach) => breach,
        Err(response) => return response,
    };
    match site.office.close_breach(&breach, &administrator.author(), site.clock.now()).await {
        Ok(_) => see("/admin/breaches?done=breach_closed"),
        Err(failed) => error::unavailable(&failed),
    }
}
