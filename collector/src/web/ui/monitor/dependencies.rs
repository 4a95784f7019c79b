//! `/monitors/{id}/dependencies`: what a monitor depends on, and what depends on it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{find, shown};
use crate::store::dependencies::{self, MOST, Outcome, Related};
use crate::store::monitors::{self, Found, MonitorRow};
use crate::store::{Scoped, StoreError};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{self, Shape};
use crate::web::ui::{filters, page_with, see};

#[derive(Template)]
#[template(path = "monitor/dependencies.html")]
struct Page {
    frame: Frame,
    id: String,
    name: String,
    parents: Vec<Item>,
    children: Vec<Item>,
    typed: String,
    error: Option<String>,
}

struct Item {
    id: String,
    name: String,
    shape: Shape,
}

/// `GET /monitors/{id}/dependencies`.
pub async fn get_dependencies(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let shows = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        Ok(Some(show(&user, &mut scoped, &row, &query, None).await?))
    };
    shown(shows.await)
}

/// `POST /monitors/{id}/dependencies`: names or ids, each on a line.
pub async fn post_dependencies(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let sets = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let typed = form.raw("monitors").replace('\r', "");
        let error = match named(&mut scoped, &typed).await? {
            Ok(wanted) => match dependencies::set(&mut scoped, &row, &wanted, site.clock.now()).await? {
                Outcome::Set | Outcome::Already => None,
                Outcome::Circle(name) => Some(filled("dependency.circle", name)),
                Outcome::Missing(_) => Some(text("dependency.gone").to_owned()),
            },
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            drop(scoped);
            let mut scoped = user.scoped(&site).await?;
            return Ok(Some(show(&user, &mut scoped, &row, &HashMap::new(), Some((typed, error))).await?));
        }
        scoped.commit().await?;
        Ok(Some(see(&format!("/monitors/{}/dependencies?done=dependencies", row.id))))
    };
    shown(sets.await)
}

/// The monitors that are named, or which line names none.
async fn named(
    scoped: &mut Scoped,
    typed: &str,
) -> Result<Result<Vec<picket_shared::ids::MonitorId>, String>, StoreError> {
    let lines: Vec<&str> = typed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() > MOST {
        return Ok(Err(filled("dependency.most", MOST)));
    }
    let mut found = Vec::new();
    for line in lines {
        match monitors::find(scoped, line).await? {
            Found::One(row) => found.push(row.id),
            Found::None | Found::Many(_) => return Ok(Err(filled("dependency.none", line))),
        }
    }
    found.sort();
    found.dedup();
    Ok(Ok(found))
}

async fn show(
    user: &User,
    scoped: &mut Scoped,
    row: &MonitorRow,
    query: &HashMap<String, String>,
    wrong: Option<(String, String)>,
) -> Result<Response, StoreError> {
    let parents = dependencies::parents(scoped, row.key).await?;
    let children = dependencies::children(scoped, row.key).await?;
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let names = || parents.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join("\n");
    let (typed, error) = wrong.map_or_else(|| (names(), None), |(typed, error)| (typed, Some(error)));
    let page = Page {
        frame: Frame::of(user, "/", text("dependency.title")).noting(query),
        id: row.id.to_string(),
        name: row.settings.name.clone(),
        parents: parents.iter().map(item).collect(),
        children: children.iter().map(item).collect(),
        typed,
        error,
    };
    Ok(page_with(status, &page))
}

fn item(one: &Related) -> Item {
    Item { id: one.uuid.to_string(), name: one.name.clone(), shape: shape::shape(&one.state) }
}
