//! `POST /hooks/{link}`: what the provider of a channel says. The link is one that only we can make, what comes to it must be signed by the
//! channel's secret, and all that it can do is acknowledge an incident of that organization, or say what became of a message.

use axum::Json;
use axum::extract::{Path, Request as Incoming, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use picket_shared::ids::{ChannelId, DeliveryId, IncidentId};
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

use super::Site;
use super::error::Problem;
use super::guard::body_limit::{self, Unread};
use super::guard::client::ClientAddress;
use super::texts::text;
use crate::notify::channels::Kind;
use crate::notify::inbound::{self, LIMIT, Refusal, Request, Said};
use crate::store::hooks::{self, HookRow};
use crate::store::incidents::{self, Deed, Through};
use crate::store::{OrgKey, Scoped, StoreError};

/// `POST /hooks/{link}`.
pub async fn post_hook(State(site): State<Site>, Path(link): Path<String>, request: Incoming) -> Response {
    let (parts, body) = request.into_parts();
    let found = site.sealer.of_hook(&link);
    let Some((org, channel)) = found.map(|(org, row)| (OrgKey(org), ChannelId(row))) else { return nothing() };
    // No connection is held while the body comes in.
    let body = match body_limit::read(&parts.headers, body, LIMIT).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "it is larger than 128 KiB"),
        Err(Unread::Broken) => return refused(StatusCode::BAD_REQUEST, "the body broke off"),
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let url = format!("{}{path}", site.front.public_url);
    let request = Request { url: &url, headers: &parts.headers, body: &body, now: site.clock.now() };
    let address = parts.extensions.get::<ClientAddress>().map(|address| address.0);
    let heard = async {
        let mut scoped = site.pools.scoped(org).await?.by(format!("channel:{channel}")).from(address);
        let Some(row) = hooks::channel(&mut scoped, channel).await? else { return Ok(nothing()) };
        let (kind, said) = match said(&site, &row, &request) {
            Ok(said) => said,
            Err(refusal) => return Ok(unheard(refusal)),
        };
        let words = deed(&site, scoped, &row, said, request.now).await?;
        Ok(match inbound::answer(kind, &request, words) {
            Some(answer) => Json(answer).into_response(),
            None => StatusCode::OK.into_response(),
        })
    };
    heard.await.unwrap_or_else(|error: StoreError| {
        tracing::error!("What a provider said could not be noted: {error}");
        refused(StatusCode::SERVICE_UNAVAILABLE, "the database is away: say it again in a minute")
    })
}

fn said(site: &Site, row: &HookRow, request: &Request<'_>) -> Result<(Kind, Said), Refusal> {
    let kind = Kind::parse(&row.kind).ok_or(Refusal::Unsigned)?;
    let opened = site.door.gate.opener.open(crate::vault::Class::HookSecret, row.uuid.as_bytes(), &row.secret());
    let secret = opened.map_err(|error| {
        tracing::error!(channel.id = %row.uuid, "The secret of a channel's provider does not open: {error}");
        Refusal::Unsigned
    })?;
    let secret = SecretString::new(String::from_utf8_lossy(secret.expose()).into_owned());
    Ok((kind, inbound::hear(kind, &secret, request)?))
}

/// Does what was said; gives the words for who pressed a button.
async fn deed(
    site: &Site,
    mut scoped: Scoped,
    row: &HookRow,
    said: Said,
    now: Timestamp,
) -> Result<&'static str, StoreError> {
    let (incidents, who) = match said {
        Said::Pressed { token, who } => (pressed(site, &mut scoped, &token).await?, who),
        Said::Acknowledged { incident, who } => (vec![incident], who),
        Said::Reported { delivery, delivered, why } => {
            let which = (ChannelId(row.uuid), delivery);
            hooks::report(&mut scoped, which, delivered, why.as_deref(), now).await?;
            scoped.commit().await?;
            return Ok("");
        }
        Said::Nothing => return Ok(""),
    };
    let through = Through { channel: row.uuid, name: &row.name, who: who.as_deref() };
    let deeds = incidents::acknowledge_all_through(&mut scoped, &incidents, through, now).await?;
    scoped.commit().await?;
    let any = |wanted: Deed| deeds.contains(&wanted);
    Ok(text(match () {
        () if any(Deed::Done) => "acknowledge.done",
        () if any(Deed::Already) => "acknowledge.already",
        () if deeds.is_empty() => "acknowledge.gone",
        () => "acknowledge.over",
    }))
}

/// The incidents that a button is for: of this organization, by a token that we made.
async fn pressed(site: &Site, scoped: &mut Scoped, token: &str) -> Result<Vec<IncidentId>, StoreError> {
    match site.sealer.of_acknowledgement(token) {
        Some((org, delivery)) if OrgKey(org) == scoped.org() => {
            let asked = hooks::asked(scoped, DeliveryId(delivery)).await?;
            Ok(asked.into_iter().flat_map(|asked| asked.incidents).map(|one| one.incident).collect())
        }
        _ => Ok(Vec::new()),
    }
}

fn nothing() -> Response {
    refused(StatusCode::NOT_FOUND, "there is nothing here")
}

fn unheard(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Unsigned => refused(StatusCode::UNAUTHORIZED, "the signature is not that of this channel's secret"),
        Refusal::Stale => refused(StatusCode::UNAUTHORIZED, "it was signed more than 5 minutes ago, or after now"),
        Refusal::Malformed => refused(StatusCode::BAD_REQUEST, "it is not what the provider documents"),
    }
}

fn refused(status: StatusCode, why: &'static str) -> Response {
    Problem::new(status, why).into_response()
}
