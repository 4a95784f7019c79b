//! An incident's page: what happened, who looks after it, and what may be done.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::IncidentId;
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::line::{Line, line, written};
use super::{id_of, list, shown, standing};
use crate::domain::access::Right;
use crate::store::StoreError;
use crate::store::members::MemberRow;
use crate::store::read::incidents::{self as read, Affected, IncidentOf};
use crate::store::read::timeline::{self, Place};
use crate::store::results::OutcomeRow;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{Shape, When, duration_us, lasting, when};
use crate::web::ui::{filters, page_with};

#[derive(Template)]
#[template(path = "incident/page.html")]
struct Page {
    frame: Frame,
    id: String,
    open: bool,
    acknowledged: bool,
    shape: Shape,
    started: When,
    lasted: String,
    notes: Vec<String>,
    /// Resolved by hand while its monitor is still down.
    still_fails: bool,
    by_judge: bool,
    severity: &'static str,
    told: bool,
    monitors: Vec<Affected>,
    kind: String,
    message: String,
    assignee: Option<String>,
    lines: Vec<Line>,
    next: Option<String>,
    first: Option<First>,
    evidence: Vec<(String, String)>,
    members: Vec<Choice>,
    post_mortem: Option<PostMortem>,
    typed: Typed,
}

/// The outcome of the first failing check.
struct First {
    region: String,
    at: String,
    took: String,
    phases: String,
    code: Option<u16>,
}

struct Choice {
    id: String,
    word: String,
    chosen: bool,
}

struct PostMortem {
    paragraphs: Vec<Vec<String>>,
    written: When,
    published: Option<When>,
}

/// What stands in the forms, and what is wrong with it.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) comment: String,
    pub(super) post_mortem: Option<String>,
    pub(super) error: Option<String>,
}

/// How many facts of a timeline a page shows.
const LINES: usize = 200;

/// `GET /incidents/{id}`.
pub async fn get_incident(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let shows = async {
        let Some(id) = id_of(&id) else { return Ok(None) };
        page_of(&site, &user, id, &query, Typed::default()).await
    };
    shown(shows.await)
}

/// The page with what was typed, if something is wrong with that.
pub(super) async fn page_of(
    site: &Site,
    user: &User,
    id: IncidentId,
    query: &HashMap<String, String>,
    typed: Typed,
) -> Result<Option<Response>, StoreError> {
    let now = site.clock.now();
    let mut scoped = user.scoped(site).await?;
    let Some(of) = read::one(&mut scoped, id).await? else { return Ok(None) };
    let after = query.get("after").and_then(|place| place.parse::<Place>().ok());
    let limit = i64::try_from(LINES + 1).unwrap_or(i64::MAX);
    let mut facts = timeline::page(&mut scoped, of.incident.id, after, limit).await?;
    let more = facts.len() > LINES;
    facts.truncate(LINES);
    let next = facts.last().filter(|_| more).map(|last| format!("/incidents/{id}?after={}", last.place()));
    let first = timeline::first_check(&mut scoped, &of).await?;
    drop(scoped);
    let members =
        if user.member.may(Right::MembersRead) { site.porter.members(user.member.org).await? } else { Vec::new() };
    let lines = facts.iter().map(|fact| line(user, fact, now)).collect();
    let status = if typed.error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let frame = Frame::of(user, "/incidents", of.name().to_owned()).noting(query);
    Ok(Some(page_with(status, &build(frame, user, of, (lines, next), first, &members, typed, now))))
}

#[expect(clippy::too_many_arguments, reason = "all that was read for one page")]
fn build(
    frame: Frame,
    user: &User,
    of: IncidentOf,
    (lines, next): (Vec<Line>, Option<String>),
    first: Option<(String, OutcomeRow)>,
    members: &[MemberRow],
    typed: Typed,
    now: Timestamp,
) -> Page {
    let row = &of.incident;
    let started = Timestamp::from_micros(row.started_at);
    let ended = row.resolved_at.map(Timestamp::from_micros);
    let evidence = row.detail.get("evidence").and_then(Value::as_object).into_iter().flatten();
    let assignee = members.iter().find(|member| Some(member.user) == of.assignee);
    let people = members.iter().filter(|member| !member.service);
    Page {
        id: row.uuid.to_string(),
        open: ended.is_none(),
        acknowledged: row.acknowledged_at.is_some(),
        shape: standing(ended.is_none(), &of.severity),
        started: when(started, now),
        lasted: lasting(ended.unwrap_or(now).since(started).as_secs()),
        notes: list::notes(user, &of),
        still_fails: row.resolution.as_deref() == Some("by_hand") && of.origin == "judge" && of.fails,
        by_judge: of.origin == "judge",
        severity: text(match of.severity.as_str() {
            "warning" => "incident.warning",
            "error" => "incident.error",
            _ => "incident.critical",
        }),
        told: of.tells,
        kind: row.failure.replace('_', " "),
        message: row.message.clone(),
        assignee: match (assignee, of.assignee) {
            (Some(member), _) => Some(member.called.clone()),
            (None, Some(_)) => Some(text("incident.a_member").to_owned()),
            (None, None) => None,
        },
        lines,
        next,
        first: first.map(|(region, outcome)| first_of(region, &outcome)),
        evidence: evidence.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        members: people
            .map(|member| Choice {
                id: member.id.to_string(),
                word: member.called.clone(),
                chosen: Some(member.user) == of.assignee,
            })
            .collect(),
        post_mortem: of.post_mortem.as_deref().map(|text| PostMortem {
            paragraphs: written(text),
            written: when(of.post_mortem_at.map_or(now, Timestamp::from_micros), now),
            published: of.published_at.map(|at| when(Timestamp::from_micros(at), now)),
        }),
        typed: Typed { post_mortem: typed.post_mortem.or_else(|| of.post_mortem.clone()), ..typed },
        monitors: of.monitors.0,
        frame,
    }
}

fn first_of(region: String, outcome: &OutcomeRow) -> First {
    let phases = outcome.phases.in_order().into_iter();
    let phases = phases.filter_map(|(name, us)| us.map(|us| format!("{name} {}", duration_us(us))));
    First {
        region,
        at: outcome.at.exact(),
        took: duration_us(outcome.total_us),
        phases: phases.collect::<Vec<_>>().join(" · "),
        code: outcome.code,
    }
}
