//! What the link in a mail leads to: a page that says which incident it is, with a button that acknowledges it. A look does nothing, since
//! mail scanners follow links.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::DeliveryId;

use super::error;
use super::frame::Frame;
use super::shape::{When, when};
use super::{filters, page_with, see};
use crate::store::hooks::{self, Asked, AskedIncident};
use crate::store::incidents::{self, Through};
use crate::store::{OrgKey, Scoped, StoreError};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::guard::client::ClientAddress;
use crate::web::texts::text;

#[derive(Template)]
#[template(path = "incident/acknowledge.html")]
struct Page<'a> {
    frame: Frame,
    link: &'a str,
    incidents: Vec<Incident>,
    /// How many are not on the page.
    more: usize,
    /// What there is to say instead of a button.
    said: Option<&'static str>,
}

/// An incident that the message told of.
struct Incident {
    id: String,
    called: Option<String>,
    since: When,
    /// Where it is not as the others: that it is over, or acknowledged.
    stands: Option<&'static str>,
}

/// Most that are shown.
const MOST: usize = 50;

/// `GET /acknowledge/{link}`.
pub async fn get_acknowledge(State(site): State<Site>, Path(link): Path<String>) -> Response {
    let shows = async {
        let Some((_, asked)) = asked(&site, &link).await? else { return Ok(gone()) };
        Ok(show(&site, &link, asked))
    };
    shows.await.unwrap_or_else(|failed: StoreError| error::unavailable(&failed))
}

/// `POST /acknowledge/{link}`.
pub async fn post_acknowledge(
    State(site): State<Site>,
    Path(link): Path<String>,
    address: Option<Extension<ClientAddress>>,
    _: Form,
) -> Response {
    let does = async {
        let Some((scoped, asked)) = asked(&site, &link).await? else { return Ok(gone()) };
        let address = address.map(|Extension(address)| address.0);
        let mut scoped = scoped.by(format!("channel:{}", asked.channel)).from(address);
        let through = Through { channel: asked.channel, name: &asked.channel_name, who: None };
        let all: Vec<_> = asked.incidents.iter().filter(|one| one.waits()).map(|one| one.incident).collect();
        incidents::acknowledge_all_through(&mut scoped, &all, through, site.clock.now()).await?;
        scoped.commit().await?;
        Ok(see(&format!("/acknowledge/{link}")))
    };
    does.await.unwrap_or_else(|failed: StoreError| error::unavailable(&failed))
}

/// What a link is for, with a connection of its organization.
async fn asked(site: &Site, link: &str) -> Result<Option<(Scoped, Asked)>, StoreError> {
    let Some((org, delivery)) = site.sealer.of_acknowledgement(link) else { return Ok(None) };
    let mut scoped = site.pools.scoped(OrgKey(org)).await?;
    Ok(hooks::asked(&mut scoped, DeliveryId(delivery)).await?.map(|asked| (scoped, asked)))
}

fn show(site: &Site, link: &str, asked: Asked) -> Response {
    let now = site.clock.now();
    let all = &asked.incidents;
    let said = match () {
        () if all.iter().any(AskedIncident::waits) => None,
        () if all.iter().all(|one| one.resolved_at.is_some()) => Some("acknowledge.over"),
        () => Some("acknowledge.done"),
    };
    let incident = |one: AskedIncident| Incident {
        id: one.incident.to_string(),
        called: one.called,
        since: when(one.started_at, now),
        stands: match (one.resolved_at, one.acknowledged_at) {
            _ if said.is_some() => None,
            (Some(_), _) => Some(text("acknowledge.over")),
            (None, Some(_)) => Some(text("acknowledge.already")),
            (None, None) => None,
        },
    };
    let more = all.len().saturating_sub(MOST);
    let page = Page {
        frame: Frame::open(text("acknowledge.title")),
        link,
        incidents: asked.incidents.into_iter().take(MOST).map(incident).collect(),
        more,
        said: said.map(text),
    };
    page_with(StatusCode::OK, &page)
}

fn gone() -> Response {
    error::page(StatusCode::NOT_FOUND, "acknowledge.gone")
}
