//! What the buttons and forms of an incident do; each leads back to its page, which says so.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::IncidentId;
use picket_shared::time::Timestamp;

use super::show::{Typed, page_of};
use super::{id_of, shown};
use crate::domain::incident::{MOST_COMMENT, MOST_POST_MORTEM, written};
use crate::store::incidents::{self, Deed, Held};
use crate::store::{Scoped, StoreError};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::{error, see};

/// `POST /incidents/{id}/acknowledge`.
pub async fn post_acknowledge(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let does = async |scoped: &mut Scoped, held: &Held, now| incidents::acknowledge(scoped, held, now).await;
    deed(&site, &user, &id, "acknowledged", does).await
}

/// `POST /incidents/{id}/resolve`.
pub async fn post_resolve(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let does = async |scoped: &mut Scoped, held: &Held, now| incidents::resolve_by_hand(scoped, held, now).await;
    deed(&site, &user, &id, "resolved", does).await
}

/// `POST /incidents/{id}/reopen`.
pub async fn post_reopen(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let does = async |scoped: &mut Scoped, held: &Held, now| incidents::reopen(scoped, held, now).await;
    deed(&site, &user, &id, "reopened", does).await
}

/// `POST /incidents/{id}/assign`.
pub async fn post_assign(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let wanted = form.text("member");
    let member = match wanted.parse() {
        Ok(member) => site.porter.member(user.member.org, member).await.map(|found| found.filter(|one| !one.service)),
        Err(_) => Ok(None),
    };
    let member = match member {
        Ok(member) => member,
        Err(failed) => return error::unavailable(&failed),
    };
    if member.is_none() && !wanted.is_empty() {
        let typed = Typed { error: Some(text("incident.no_member").to_owned()), ..Typed::default() };
        return again(&site, &user, &id, typed).await;
    }
    let does = async |scoped: &mut Scoped, held: &Held, now| {
        let to = member.as_ref().map(|member| (member.user, member.id, member.called.as_str()));
        incidents::assign(scoped, held, to, now).await
    };
    deed(&site, &user, &id, "assigned", does).await
}

/// `POST /incidents/{id}/comments`.
pub async fn post_comment(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let Some(comment) = written(form.raw("text"), MOST_COMMENT) else {
        let error = Some(filled("incident.bad_text", MOST_COMMENT));
        return again(&site, &user, &id, Typed { comment: form.raw("text").to_owned(), error, ..Typed::default() })
            .await;
    };
    let does = async |scoped: &mut Scoped, held: &Held, now| incidents::comment(scoped, held, &comment, now).await;
    deed(&site, &user, &id, "commented", does).await
}

/// `POST /incidents/{id}/post-mortem`: an empty text takes it away.
pub async fn post_post_mortem(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let raw = form.raw("text");
    let is_empty = raw.trim().is_empty();
    let written = written(raw, MOST_POST_MORTEM);
    let published = form.ticked("published");
    let error = match (&written, is_empty) {
        (None, false) => Some(filled("incident.bad_text", MOST_POST_MORTEM)),
        (None, true) if published => Some(text("incident.nothing_to_publish").to_owned()),
        _ => None,
    };
    if error.is_some() {
        let typed = Typed { post_mortem: Some(raw.to_owned()), error, ..Typed::default() };
        return again(&site, &user, &id, typed).await;
    }
    let does = async |scoped: &mut Scoped, held: &Held, now| {
        incidents::write_post_mortem(scoped, held, written.as_deref(), published, now).await
    };
    deed(&site, &user, &id, "post_mortem", does).await
}

/// Holds the incident, does something to it, and leads back.
async fn deed(
    site: &Site,
    user: &User,
    id: &str,
    done: &str,
    does: impl AsyncFnOnce(&mut Scoped, &Held, Timestamp) -> Result<Deed, StoreError>,
) -> Response {
    let did = async {
        let Some(id) = id_of(id) else { return Ok(None) };
        let mut scoped = user.scoped(site).await?;
        let Some(held) = incidents::hold(&mut scoped, id).await? else { return Ok(None) };
        let refused = match does(&mut scoped, &held, site.clock.now()).await? {
            Deed::Done | Deed::Already => {
                scoped.commit().await?;
                return Ok(Some(see(&format!("/incidents/{id}?done={done}"))));
            }
            Deed::NotOpen => "incident.not_open",
            Deed::OtherOpen => "incident.other_open",
            Deed::MonitorGone => "incident.monitor_gone",
        };
        drop(scoped);
        refused_page(site, user, id, text(refused).to_owned()).await
    };
    match did.await {
        // A member who left meanwhile cannot be given anything.
        Err(failed) if failed.constraint().is_some_and(|name| name.starts_with("incident_assignees")) => {
            error::page(StatusCode::CONFLICT, "incident.no_member")
        }
        did => shown(did),
    }
}

async fn refused_page(site: &Site, user: &User, id: IncidentId, error: String) -> Result<Option<Response>, StoreError> {
    page_of(site, user, id, &HashMap::new(), Typed { error: Some(error), ..Typed::default() }).await
}

/// The page again, with what was typed and what is wrong with it.
async fn again(site: &Site, user: &User, id: &str, typed: Typed) -> Response {
    let shows = async {
        let Some(id) = id_of(id) else { return Ok(None) };
        page_of(site, user, id, &HashMap::new(), typed).await
    };
    shown(shows.await)
}
