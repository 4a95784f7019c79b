//! What is stored about a user, and for an owner about the organization: each table, what its rows hold, and all of it as files.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use crate::store::StoreError;
use crate::store::catalogue::Part;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::{error, filters, page_of};
use crate::web::{Site, export};

#[derive(Template)]
#[template(path = "account/data.html")]
struct Page {
    frame: Frame,
    parts: Vec<Shown>,
}

struct Shown {
    part: &'static str,
    title: String,
    tables: Vec<(String, String)>,
}

/// `GET /account/data`.
pub async fn get_data(State(site): State<Site>, user: User) -> Response {
    page_of(read(&site, &user).await)
}

async fn read(site: &Site, user: &User) -> Result<Page, StoreError> {
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
    Ok(Page { frame: Frame::of(user, "/account", text("data.title")), parts })
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
        export::send(export, table, &user.author(), site.clock.now()).await
    };
    match sent.await {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}
