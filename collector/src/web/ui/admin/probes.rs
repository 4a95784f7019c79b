//! `/admin/probes` and `/admin/regions`: all of them, those of single organizations too.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use picket_shared::ids::ProbeId;

use super::super::frame::Frame;
use super::super::probe::{Item, TITLE_NEW, add, item, show};
use super::super::{error, filters, page_of, see};
use super::{Head, frame};
use crate::probes;
use crate::store::StoreError;
use crate::store::read::probes::{self as read, RegionRow};
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::extract::form::Form;

const BASE: &str = "/admin/probes";

#[derive(Template)]
#[template(path = "admin/probes.html")]
struct Probes {
    frame: Frame,
    head: Head,
    items: Vec<Item>,
    /// Where the buttons lead.
    base: &'static str,
    revokes: bool,
}

#[derive(Template)]
#[template(path = "admin/regions.html")]
struct Regions {
    frame: Frame,
    head: Head,
    regions: Vec<RegionRow>,
}

/// `GET /admin/probes`.
pub async fn get_probes(
    State(site): State<Site>,
    administrator: Administrator,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let read = async {
        let now = site.clock.now();
        let rows = read::page(&mut site.pools.auth().await?).await?;
        Ok::<_, StoreError>(Probes {
            frame: frame(&administrator, "admin.probes").noting(&query),
            head: Head::of(&administrator, BASE),
            items: rows.iter().map(|row| item(row, now)).collect(),
            base: BASE,
            revokes: true,
        })
    };
    page_of(read.await)
}

/// `GET /admin/probes/new`.
pub async fn get_new(administrator: Administrator) -> Response {
    show(frame(&administrator, TITLE_NEW), BASE, &Form::default(), Vec::new())
}

/// `POST /admin/probes/new`: the answer shows the token, this once.
pub async fn post_new(State(site): State<Site>, administrator: Administrator, form: Form) -> Response {
    add(&site, &administrator.author(), BASE, |title| frame(&administrator, title), &form).await
}

/// `GET /admin/regions`.
pub async fn get_regions(State(site): State<Site>, administrator: Administrator) -> Response {
    let read = async {
        let regions = read::regions(&mut site.pools.auth().await?, site.clock.now()).await?;
        let head = Head::of(&administrator, "/admin/regions");
        Ok::<_, StoreError>(Regions { frame: frame(&administrator, "admin.regions"), head, regions })
    };
    page_of(read.await)
}

/// `POST /admin/probes/{id}/revoke`.
pub async fn post_revoke(
    State(site): State<Site>,
    administrator: Administrator,
    Path(id): Path<String>,
    _: Form,
) -> Response {
    let Ok(id) = id.parse::<ProbeId>() else { return error::not_found() };
    match probes::revoke(&site.desk, id, &administrator.author(), site.clock.now()).await {
        Ok(true) => see("/admin/probes?done=revoked"),
        Ok(false) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}
