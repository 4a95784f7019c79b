//! A policy's page: its levels in words, and the monitors that it is for.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::{Level, course, find, levels, people, shown, warnings};
use crate::store::policies;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::telling::policy::Known;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page};

#[derive(Template)]
#[template(path = "policy/page.html")]
struct Page {
    frame: Frame,
    id: String,
    is_default: bool,
    tags: Vec<String>,
    levels: Vec<Level>,
    course: Vec<String>,
    recovery: &'static str,
    sms: Option<String>,
    warnings: Vec<(String, String)>,
    monitors: Vec<(String, String, &'static str)>,
    more: Option<String>,
}

/// How many monitors a page names.
const NAMED: usize = 200;

/// `GET /policies/{id}`.
pub async fn get_policy(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let shows = async {
        let now = site.clock.now();
        let people = people(&site, &user).await?;
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let known = Known::of(&mut scoped, people, now).await?;
        let uses = policies::uses(&mut scoped, row.key).await?;
        let named = uses.iter().take(NAMED);
        Ok(Some(page(&Page {
            frame: Frame::of(&user, "/policies", row.is.name.clone()).noting(&query),
            id: row.id.to_string(),
            is_default: row.is.is_default,
            tags: row.is.tags.clone(),
            levels: levels(&row.is, &known),
            course: course(&row.is.policy),
            recovery: text(if row.is.tells_recovery { "policy.recovery" } else { "policy.no_recovery" }),
            sms: row.is.sms_per_day.map(|most| filled("policy.sms_limit", most)),
            warnings: warnings(&row.is, &known, now),
            monitors: named
                .map(|one| (one.monitor.to_string(), one.name.clone(), super::telling::because(one.by)))
                .collect(),
            more: uses.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| filled("policy.and_more", more)),
        })))
    };
    shown(shows.await)
}
