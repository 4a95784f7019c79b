//! `/organization/residency`: whether the organization keeps to the EU, and what of it goes elsewhere.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::frame::Frame;
use super::{error, filters, page_of, see};
use crate::store::StoreError;
use crate::store::residency::{self, Abroad, Keeping};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "organization/residency.html")]
struct Page {
    frame: Frame,
    keeping: Keeping,
    abroad: Abroad,
}

/// `GET /organization/residency`.
pub async fn get_residency(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let read = async {
        let mut scoped = user.scoped(&site).await?;
        let keeping = residency::of(&mut scoped, user.member.org).await?;
        let abroad = residency::abroad(&mut scoped).await?;
        let frame = Frame::of(&user, "/members", text("residency.title")).noting(&query);
        Ok::<_, StoreError>(Page { frame, keeping, abroad })
    };
    page_of(read.await)
}

/// `POST /organization/residency`.
pub async fn post_residency(State(site): State<Site>, user: User, form: Form) -> Response {
    let write = async {
        let mut auth = site.pools.auth().await?;
        let (org, now) = (user.member.org, site.clock.now());
        residency::set(&mut auth, org, form.ticked("eu_only"), &user.author(), now).await?;
        auth.commit().await
    };
    match write.await {
        Ok(()) => see("/organization/residency?done=residency"),
        Err(failed) => error::unavailable(&failed),
    }
}
