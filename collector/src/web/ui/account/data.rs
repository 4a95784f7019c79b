//! What is stored about a user, and for an owner about the organization: each table, what its rows hold, and all of it as files.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;

use crate::store::StoreError;
use crate::store::catalogue::Part;
use crate::store::exports::{Asked, ExportRow};
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{Shape, When, shape, when};
use crate::web::ui::{error, filters, page_of, see};
use crate::web::{Site, export};

#[derive(Template)]
#[template(path = "account/data.html")]
struct Page {
    frame: Frame,
    parts: Vec<Shown>,
    jobs: Vec<Job>,
    owns: bool,
}

/// An export that was asked for.
struct Job {
    id: String,
    what: String,
    format: &'static str,
    shape: Shape,
    asked: When,
    until: When,
    size: String,
    rows: u64,
    ready: bool,
    failure: Option<String>,
}

struct Shown {
    part: &'static str,
    title: String,
    tables: Vec<(String, String)>,
}

/// `GET /account/data`.
pub async fn get_data(State(site): State<Site>, user: User, Query(query): Query<HashMap<String, String>>) -> Response {
    page_of(read(&site, &user, &query).await)
}

async fn read(site: &Site, user: &User, query: &HashMap<String, String>) -> Result<Page, StoreError> {
    let export = export::of(site, &user.member, true, |right| user.member.may(right), false).await?;
    let mut parts: Vec<Shown> = Vec::new();
    for listed in export.tables() {
        let part = listed.part.as_str();
        let row = (listed.table, listed.fields.join(", "));
        match parts.last_mut().filter(|last| last.part == part) {
            Some(last) => last.tables.push(row),
            None => {
                let title = match listed.part {
                    Part::Account => user.member.email.clone(),
                    Part::Organization => user.member.org_name.clone(),
                };
                parts.push(Shown { part, title, tables: vec![row] });
            }
        }
    }
    let owned = export::owned(&user.member, |right| user.member.may(right));
    let now = site.clock.now();
    let rows = site.exports.list(user.member.user, owned).await?;
    let jobs = rows.iter().map(|row| job(row, user, now)).collect();
    let frame = Frame::of(user, "/account", text("data.title")).noting(query);
    Ok(Page { frame, parts, jobs, owns: owned.is_some() })
}

fn job(row: &ExportRow, user: &User, now: Timestamp) -> Job {
    let (state, word) = match &*row.state {
        "waiting" => ("pending", text("data.waiting")),
        "making" => ("pending", text("data.making")),
        "ready" => ("up", text("data.ready")),
        _ => ("down", text("data.failed")),
    };
    let rows = row.counts.0.as_array().into_iter().flatten().filter_map(|table| table["rows"].as_u64()).sum();
    let what = if row.part == "account" {
        filled("data.account", &user.member.email)
    } else {
        filled("data.organization", &user.member.org_name)
    };
    Job {
        id: row.uuid.to_string(),
        what,
        format: if row.format == "csv" { text("data.zip") } else { text("data.json") },
        shape: Shape { word, ..shape(state) },
        asked: when(Timestamp::from_micros(row.asked_at), now),
        until: when(Timestamp::from_micros(row.expires_at), now),
        size: size(row.bytes),
        rows,
        ready: row.state == "ready",
        failure: row.failure.clone(),
    }
}

/// A size for people.
fn size(bytes: i64) -> String {
    match bytes {
        ..=1_023 => format!("{bytes} B"),
        1_024..=1_048_575 => format!("{} KiB", bytes / 1_024),
        1_048_576..=1_073_741_823 => format!("{} MiB", bytes / 1_048_576),
        _ => format!("{}.{} GiB", bytes / 1_073_741_824, bytes % 1_073_741_824 * 10 / 1_073_741_824),
    }
}

/// `POST /account/data`: has one made.
pub async fn post_exports(State(site): State<Site>, user: User, form: Form) -> Response {
    let organization = form.text("part") == "organization";
    if organization && export::owned(&user.member, |right| user.member.may(right)).is_none() {
        return error::page(StatusCode::FORBIDDEN, "error.not_your_role");
    }
    let part = if organization { "organization" } else { "account" };
    let format = if form.text("format") == "csv" { "csv" } else { "json" };
    let asked = Asked { user: user.member.user, org: user.member.org, part, format };
    match site.exports.ask(asked, &user.author(), site.clock.now()).await {
        Ok(_) => see("/account/data?done=export_asked"),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `GET /account/data/exports/{id}/file`: for who asked, and for who owns the organization.
pub async fn get_file(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    let owned = export::owned(&user.member, |right| user.member.may(right));
    let sent = async {
        match export::find(&site, user.member.user, owned, &id).await? {
            Some(row) if row.state == "ready" => export::file(&site, &row, &user.author()).await.map(Some),
            _ => Ok::<_, StoreError>(None),
        }
    };
    match sent.await {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `GET /account/data/export`: all of it as JSON, or a table as CSV. That it was taken is an entry of the audit log.
pub async fn get_export(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let table = query.get("table").map(|table| (query.get("part").map_or("account", String::as_str), table.as_str()));
    let sent = async {
        let configuration = query.get("only").is_some_and(|only| only == "configuration");
        let export = export::of(&site, &user.member, true, |right| user.member.may(right), configuration).await?;
        if configuration && export.tables().is_empty() {
            return Ok(None);
        }
        if export.is_large(table).await? {
            return Ok(Some(error::page(StatusCode::CONFLICT, "error.export_large")));
        }
        export::send(export, table, &user.author(), site.clock.now()).await
    };
    match sent.await {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}
