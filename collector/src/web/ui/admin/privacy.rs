//! `/admin/privacy`: the record of processing, how many organizations accepted the agreement, and who was told of other sub-processors.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::super::frame::Frame;
use super::super::{filters, page_of};
use super::{Head, frame};
use crate::privacy::documents::markdown::{Block, blocks};
use crate::store::{StoreError, agreements, sub_processors};
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::texts::filled;

#[derive(Template)]
#[template(path = "admin/privacy.html")]
struct Page {
    frame: Frame,
    head: Head,
    accepted: String,
    others: usize,
    /// A line for each list of sub-processors that was told.
    notices: Vec<String>,
    blocks: Vec<Block>,
}

/// `GET /admin/privacy`.
pub async fn get_privacy(State(site): State<Site>, administrator: Administrator) -> Response {
    page_of(gather(&site, &administrator).await)
}

async fn gather(site: &Site, administrator: &Administrator) -> Result<Page, StoreError> {
    let record = site.office.record(site.clock.now()).await?;
    let mut auth = site.pools.auth().await?;
    let (accepted, all) = agreements::standing(&mut auth).await?;
    let notices = sub_processors::notices(&mut auth).await?;
    let line = |(list, organizations, last): (i32, i64, i64)| {
        let at = format!("{:.0}", Timestamp::from_micros(last));
        filled("admin.list_told", list).replacen("{}", &organizations.to_string(), 1).replacen("{}", &at, 1)
    };
    Ok(Page {
        frame: frame(administrator, "admin.privacy"),
        head: Head::of(administrator, "/admin/privacy"),
        accepted: format!("{accepted} / {all}"),
        others: site.office.said.privacy.sub_processors.len(),
        notices: notices.into_iter().map(line).collect(),
        blocks: blocks(&record.markdown(&site.office.said)),
    })
}
