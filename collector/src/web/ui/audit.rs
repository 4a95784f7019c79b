//! Who did what, when, from where: the organization's audit log in pages, and as a file.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use picket_shared::ids::OrgId;
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::frame::Frame;
use super::shape::{When, when};
use super::{error, filters, page};
use crate::domain::written;
use crate::store::StoreError;
use crate::store::read::audit::{self, AuditRow, Filter, Walk};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::file::{Pieces, attachment, pieces};
use crate::web::texts::text;

/// Entries of a page.
const PAGE: usize = 50;
/// Entries of a piece of the file.
const PIECE: i64 = 1_000;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Template)]
#[template(path = "audit/page.html")]
struct Page {
    frame: Frame,
    actions: Vec<Choice>,
    actor: String,
    from: String,
    to: String,
    bad_time: bool,
    items: Vec<Item>,
    next: Option<String>,
    export: String,
}

struct Choice {
    value: String,
    chosen: bool,
}

struct Item {
    seq: i64,
    at: When,
    who: Option<String>,
    origin: Option<String>,
    action: String,
    subject: Option<String>,
    facts: Vec<(String, String)>,
}

/// What was asked for, as it was written.
struct Asked<'a> {
    query: &'a HashMap<String, String>,
    filter: Filter,
    bad_time: bool,
}

impl<'a> Asked<'a> {
    fn read(query: &'a HashMap<String, String>) -> Self {
        let get = |key: &str| query.get(key).map(|value| value.trim()).unwrap_or_default();
        let plain = |key: &str| get(key).chars().filter(|c| !c.is_control()).take(200).collect::<String>();
        let time = |key: &str| Some(get(key)).filter(|text| !text.is_empty()).map(written::moment).transpose();
        let (from, to) = (time("from"), time("to"));
        let bad_time = from.is_err() || to.is_err();
        // The last day is meant with all its hours.
        let end = |to: Timestamp| if get("to").contains('T') { to } else { to + DAY };
        let filter = Filter {
            action: plain("action"),
            actor: plain("actor"),
            from: from.unwrap_or_default(),
            to: to.unwrap_or_default().map(end),
        };
        Self { query, filter, bad_time }
    }

    fn as_written(&self, key: &str) -> String {
        self.query.get(key).cloned().unwrap_or_default()
    }

    /// The address of `path` with this filter.
    fn link(&self, path: &str, before: Option<i64>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for key in ["action", "actor", "from", "to"] {
            if let Some(value) = self.query.get(key).filter(|value| !value.is_empty()) {
                query.append_pair(key, value);
            }
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// `GET /audit`.
pub async fn get_audit(State(site): State<Site>, user: User, Query(query): Query<HashMap<String, String>>) -> Response {
    match gather(&site, &user, &query).await {
        Ok(shown) => page(&shown),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn gather(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let now = site.clock.now();
    let asked = Asked::read(query);
    let before = query.get("before").and_then(|before| before.parse().ok()).unwrap_or(i64::MAX);
    let mut scoped = user.scoped(site).await?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut rows = audit::read(&mut scoped, Some(user.member.org), &asked.filter, Walk::Before(before), limit).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|last| asked.link("/audit", Some(last.seq)));
    let choice = |value: String| Choice { chosen: value == asked.filter.action, value };
    Ok(Page {
        frame: Frame::of(user, "/audit", text("audit.title")),
        actions: audit::actions(&mut scoped).await?.into_iter().map(choice).collect(),
        actor: asked.filter.actor.clone(),
        from: asked.as_written("from"),
        to: asked.as_written("to"),
        bad_time: asked.bad_time,
        export: asked.link("/audit/export", None),
        items: rows.into_iter().map(|row| item(row, now)).collect(),
        next,
    })
}

fn item(row: AuditRow, now: Timestamp) -> Item {
    let detail = row.detail.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Item {
        seq: row.seq,
        at: when(Timestamp::from_micros(row.at), now),
        who: row.actor,
        origin: row.origin,
        action: row.action,
        subject: row.subject.filter(|subject| !subject.is_empty()),
        facts: detail.as_ref().map(facts).unwrap_or_default(),
    }
}

/// What a detail says, a line each; what was edited as `before → after`.
fn facts(detail: &Value) -> Vec<(String, String)> {
    let Some(fields) = detail.as_object() else { return Vec::new() };
    let mut facts = Vec::new();
    for (name, value) in fields {
        match (name.as_str(), value.as_object()) {
            ("before", Some(_)) => {}
            ("after", Some(after)) => {
                let before =
                    |name: &str| fields.get("before").and_then(|before| before.get(name)).map_or_else(String::new, say);
                facts
                    .extend(after.iter().map(|(name, now)| (name.clone(), format!("{} → {}", before(name), say(now)))));
            }
            _ => facts.push((name.clone(), say(value))),
        }
    }
    facts
}

fn say(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(say).collect::<Vec<_>>().join(", "),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

/// `GET /audit/export`: the entries of the filter as NDJSON, the oldest first. That it was taken is an entry itself.
pub async fn get_export(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let asked = Asked::read(&query);
    if asked.bad_time {
        return error::page(StatusCode::BAD_REQUEST, "audit.bad_time");
    }
    let organization = match begin_export(&site, &user, &asked.filter).await {
        Ok(organization) => organization,
        Err(failed) => return error::unavailable(&failed),
    };
    let (send, receive) = pieces();
    tokio::spawn(export(site, user, asked.filter, organization, send));
    attachment("application/x-ndjson", "picket-audit.ndjson", receive)
}

async fn begin_export(site: &Site, user: &User, filter: &Filter) -> Result<OrgId, StoreError> {
    let mut scoped = user.scoped(site).await?;
    let organization = crate::store::organizations::own_id(&mut scoped).await?;
    audit::note_export(&mut scoped, filter, site.clock.now()).await?;
    scoped.commit().await?;
    Ok(organization)
}

/// Sends piece by piece, as fast as it is taken; a file that breaks off ends in an error.
async fn export(site: Site, user: User, filter: Filter, organization: OrgId, send: Pieces) {
    let mut after = i64::MIN;
    loop {
        let piece = async {
            let mut scoped = user.scoped(&site).await?;
            audit::read(&mut scoped, Some(user.member.org), &filter, Walk::After(after), PIECE).await
        };
        let rows = match piece.await {
            Ok(rows) => rows,
            Err(failed) => {
                tracing::error!("An export of the audit log broke off: {failed}");
                let _ = send.send(Err(failed)).await;
                return;
            }
        };
        let Some(last) = rows.last() else { return };
        after = last.seq;
        let lines: String = rows.iter().map(|row| format!("{}\n", row.exported(Some(organization.0)))).collect();
        if send.send(Ok(Bytes::from(lines))).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_detail_is_told_line_by_line_and_an_edit_as_what_it_was_and_is() {
        let detail =
            json!({ "name": "api", "before": { "tags": ["a"], "quorum": null }, "after": { "quorum": 2, "tags": [] } });
        let told: Vec<_> = facts(&detail).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(told, ["quorum: – → 2", "tags: a → ", "name: api"]);
        assert!(facts(&json!("text")).is_empty());
    }

    #[test]
    fn the_last_day_is_meant_with_all_its_hours() {
        let query: HashMap<String, String> =
            [("from", "2026-11-01"), ("to", "2026-11-02")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let filter = Asked::read(&query).filter;
        assert_eq!(filter.to.unwrap().since(filter.from.unwrap()), DAY * 2);
        let bad: HashMap<String, String> = [("from".to_owned(), "yesterday".to_owned())].into();
        assert!(Asked::read(&bad).bad_time);
    }
}
