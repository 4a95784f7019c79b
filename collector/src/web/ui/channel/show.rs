//! A channel's page: whether it is told, what proves it, what the provider said last; and what its buttons do.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::secret::FORMER_FOR;
use super::telling::{self, Telling, Typed};
use super::{find, kind_word, result_word, shown, standing};
use crate::channels::{self, ChannelError, Verdict};
use crate::domain::access::Right;
use crate::notify::channels::{Kind, Proof};
use crate::store::channels::{self as store, ChannelRow};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{Shape, When, when};
use crate::web::ui::{filters, page_with, see};

#[derive(Template)]
#[template(path = "channel/page.html")]
struct Page {
    frame: Frame,
    id: String,
    name: String,
    kind: &'static str,
    hint: String,
    minimal: bool,
    shape: Shape,
    verified: Option<When>,
    unset: Option<(When, &'static str)>,
    by_code: bool,
    /// Where its provider says something back: the address, and what it is called there.
    hook: Option<(String, &'static str)>,
    last: Option<(&'static str, Shape, When, Option<String>)>,
    /// How long the former secret may sign, where it signs at all.
    rotates: Vec<(u64, &'static str)>,
    former_key_until: Option<When>,
    error: Option<String>,
    telling: Telling,
}

/// How long a page waits for the provider's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// `GET /channels/{id}`.
pub async fn get_channel(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let shows = async {
        let Some(row) = find(&mut user.scoped(&site).await?, &id).await? else { return Ok(None) };
        Ok(Some(show(&site, &user, &row, &query, (None, None)).await?))
    };
    shown(shows.await)
}

/// `POST /channels/{id}/verify`: the code that came there.
pub async fn post_verify(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let verifies = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let verdict = channels::verify(scoped, &site.sealer, &row, form.text("code"), site.clock.now()).await?;
        Ok(Some(match verdict {
            Verdict::Verified | Verdict::Already => see(&format!("/channels/{}?done=verified", row.id)),
            Verdict::Wrong { left } => wrong(&site, &user, &row, filled("channel.wrong_code", left)).await?,
            Verdict::NoneWorks => wrong(&site, &user, &row, text("channel.no_code").to_owned()).await?,
        }))
    };
    shown(verifies.await)
}

/// `POST /channels/{id}/prove`: another code, or another try.
pub async fn post_prove(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let proves = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        match channels::prove(&mut scoped, &site.sealer, &row, site.clock.now()).await {
            Ok(begun) => {
                scoped.commit().await?;
                channels::answer(&site.pools, user.member.org, begun.delivery, ANSWER_WITHIN).await?;
                Ok(Some(see(&format!("/channels/{}", row.id))))
            }
            Err(ChannelError::Wait(until)) => {
                drop(scoped);
                Ok(Some(wrong(&site, &user, &row, filled("channel.wait", format!("{until:.0}"))).await?))
            }
            Err(ChannelError::Unset(_)) => {
                drop(scoped);
                Ok(Some(wrong(&site, &user, &row, text("channel.set_first").to_owned()).await?))
            }
            Err(failed) => Err(failed),
        }
    };
    shown(proves.await)
}

/// `POST /channels/{id}/test`: a test message, and what the provider says to it.
pub async fn post_test(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let tests = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        match channels::test(&mut scoped, &row, site.clock.now()).await {
            Ok(delivery) => {
                scoped.commit().await?;
                channels::answer(&site.pools, user.member.org, delivery, ANSWER_WITHIN).await?;
                Ok(Some(see(&format!("/channels/{}", row.id))))
            }
            Err(ChannelError::Wait(until)) => {
                drop(scoped);
                Ok(Some(wrong(&site, &user, &row, filled("channel.wait", format!("{until:.0}"))).await?))
            }
            Err(ChannelError::NotVerified(_)) => {
                drop(scoped);
                Ok(Some(wrong(&site, &user, &row, text("channel.not_verified").to_owned()).await?))
            }
            Err(failed) => Err(failed),
        }
    };
    shown(tests.await)
}

/// `POST /channels/{id}/rename`.
pub async fn post_rename(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let renames = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let now = site.clock.now();
        channels::set_minimal(&mut scoped, &row, form.ticked("minimal"), now).await?;
        match channels::rename(&mut scoped, &row, form.text("name"), now).await {
            Ok(()) => {
                scoped.commit().await?;
                Ok(Some(see(&format!("/channels/{}?done=renamed", row.id))))
            }
            Err(ChannelError::Name) => {
                drop(scoped);
                Ok(Some(wrong(&site, &user, &row, text("form.bad_name").to_owned()).await?))
            }
            Err(ChannelError::NameTaken(name)) => {
                drop(scoped);
                Ok(Some(wrong(&site, &user, &row, filled("channel.name_taken", name)).await?))
            }
            Err(failed) => Err(failed),
        }
    };
    shown(renames.await)
}

/// `POST /channels/{id}/remove`.
pub async fn post_remove(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let removes = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        store::remove(&mut scoped, row.key, site.clock.now()).await?;
        scoped.commit().await?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("done", "removed").append_pair("name", &row.name).finish();
        Ok(Some(see(&format!("/channels?{query}"))))
    };
    shown(removes.await)
}

async fn wrong(site: &Site, user: &User, row: &ChannelRow, error: String) -> Result<Response, ChannelError> {
    show(site, user, row, &HashMap::new(), (Some(error), None)).await
}

/// The address that a person has to enter at the provider, where it comes by https.
fn hook(site: &Site, user: &User, row: &ChannelRow) -> Option<(String, &'static str)> {
    let entered = match Kind::parse(&row.kind)? {
        Kind::Slack => "channel.hook_slack",
        Kind::Pagerduty => "channel.hook_pagerduty",
        _ => return None,
    };
    let url = site.front.public_url.as_str();
    if !url.starts_with("https:") || !user.member.may(Right::ChannelsWrite) {
        return None;
    }
    let link = site.sealer.hook(user.member.org.0, row.id.0).ok()?;
    Some((format!("{url}/hooks/{}", link.expose()), text(entered)))
}

/// The page, with what is wrong and what was typed.
pub(super) async fn show(
    site: &Site,
    user: &User,
    row: &ChannelRow,
    query: &HashMap<String, String>,
    (error, typed): (Option<String>, Option<Typed>),
) -> Result<Response, ChannelError> {
    let now = site.clock.now();
    let telling = telling::of(site, user, row, typed).await?;
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let last = row.last.as_ref().map(|last| {
        let shape = crate::web::ui::shape::shape(match last.state.as_str() {
            "sent" | "delivered" => "up",
            "failed" | "undelivered" => "down",
            _ => "pending",
        });
        (result_word(&last.state), shape, when(last.at, now), last.answer.clone())
    });
    let page = Page {
        frame: Frame::of(user, "/channels", row.name.clone()).noting(query),
        id: row.id.to_string(),
        name: row.name.clone(),
        kind: kind_word(&row.kind),
        hint: row.hint.clone(),
        minimal: row.minimal,
        shape: standing(row),
        verified: row.verified_at.map(|at| when(at, now)),
        unset: row.unset.as_ref().map(|(at, why)| {
            let key = if why == "erased" { "channel.unset_erased" } else { "channel.unset_imported" };
            (when(*at, now), text(key))
        }),
        hook: hook(site, user, row),
        by_code: Kind::parse(&row.kind).is_none_or(|kind| kind.proof() == Proof::Code),
        last,
        rotates: match Kind::parse(&row.kind).is_some_and(Kind::signs) && row.unset.is_none() {
            true => FORMER_FOR.iter().map(|(hours, key)| (*hours, text(key))).collect(),
            false => Vec::new(),
        },
        former_key_until: row.former_key_until.filter(|until| now < *until).map(|at| when(at, now)),
        error,
        telling,
    };
    Ok(page_with(status, &page))
}
