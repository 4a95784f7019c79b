//! The form of a channel's settings, drawn from the fields of its kind.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::secret::SecretString;

use super::{find, kind_word, secret, shown};
use crate::channels::{self, ChannelError, Made};
use crate::notify::channels::{Form as Fields, Kind};
use crate::store::channels::ChannelRow;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, known, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_with, see};

#[derive(Template)]
#[template(path = "channel/form.html")]
struct Page {
    frame: Frame,
    action: String,
    back: String,
    is_new: bool,
    name: String,
    name_fault: Option<String>,
    minimal: bool,
    kinds: Vec<(&'static str, &'static str, bool)>,
    fields: Vec<Field>,
    lead: &'static str,
    wrong: bool,
}

struct Field {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    example: &'static str,
    /// What was typed; secrets are typed again.
    value: String,
    secret: bool,
    required: bool,
    choices: &'static [&'static str],
    lines: bool,
    fault: Option<String>,
}

/// How long a page waits for the provider's answer to what verifies a channel.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

/// `GET /channels/new?kind=`.
pub async fn get_new(user: User, Query(query): Query<HashMap<String, String>>) -> Response {
    let kind = query.get("kind").and_then(|kind| Kind::parse(kind)).unwrap_or(Kind::Email);
    show(&user, None, kind, &Form::default(), &[])
}

/// `POST /channels/new`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    let kind = Kind::parse(form.text("kind")).unwrap_or(Kind::Email);
    let now = site.clock.now();
    let made = async {
        let mut scoped = user.scoped(&site).await?;
        let name = Some(form.text("name")).filter(|name| !name.is_empty());
        let made =
            channels::add(&mut scoped, &site.sealer, (kind, &fields(kind, &form)), (name, form.ticked("minimal")), now)
                .await?;
        prove(&site, &user, scoped, made).await
    };
    answer(&user, None, kind, &form, made.await)
}

/// `GET /channels/{id}/settings`.
pub async fn get_settings(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    let shows = async {
        let Some(row) = find(&mut user.scoped(&site).await?, &id).await? else { return Ok(None) };
        let kind = Kind::parse(&row.kind).ok_or(ChannelError::Gone)?;
        Ok(Some(show(&user, Some(&row), kind, &Form::default(), &[])))
    };
    shown(shows.await)
}

/// `POST /channels/{id}/settings`: all of them, for those that are there are never shown.
pub async fn post_settings(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let found = async { find(&mut user.scoped(&site).await?, &id).await }.await;
    let row = match found {
        Ok(Some(row)) => row,
        Ok(None) => return shown(Ok(None)),
        Err(failed) => return shown(Err(failed.into())),
    };
    let Some(kind) = Kind::parse(&row.kind) else { return shown(Err(ChannelError::Gone)) };
    let now = site.clock.now();
    let made = async {
        let mut scoped = user.scoped(&site).await?;
        let made = channels::edit(&mut scoped, &site.sealer, &row, &fields(kind, &form), now).await?;
        prove(&site, &user, scoped, made).await
    };
    answer(&user, Some(&row), kind, &form, made.await)
}

/// Begins the proof, commits, and waits a moment for what the provider says to it.
async fn prove(
    site: &Site,
    user: &User,
    mut scoped: crate::store::Scoped,
    made: Made,
) -> Result<(ChannelRow, Option<SecretString>), ChannelError> {
    let begun = match channels::prove(&mut scoped, &site.sealer, &made.row, site.clock.now()).await {
        Ok(begun) => Some(begun),
        // The channel is there all the same; its page offers another try.
        Err(ChannelError::Wait(_)) => None,
        Err(failed) => return Err(failed),
    };
    scoped.commit().await?;
    if let Some(begun) = begun {
        channels::answer(&site.pools, user.member.org, begun.delivery, ANSWER_WITHIN).await?;
    }
    Ok((made.row, made.secret))
}

/// Leads to the channel, by way of its new secret; or shows the form again with what is wrong.
fn answer(
    user: &User,
    row: Option<&ChannelRow>,
    kind: Kind,
    form: &Form,
    made: Result<(ChannelRow, Option<SecretString>), ChannelError>,
) -> Response {
    match made {
        Ok((row, None)) => see(&format!("/channels/{}", row.id)),
        Ok((row, Some(secret))) => secret::once(user, &row, &secret),
        Err(ChannelError::Settings(wrong)) => {
            let faults: Vec<_> = wrong.into_iter().map(|wrong| (wrong.field, wrong.message)).collect();
            show(user, row, kind, form, &faults)
        }
        Err(ChannelError::NameTaken(name)) => {
            show(user, row, kind, form, &[("name", filled("channel.name_taken", name))])
        }
        Err(ChannelError::Abroad(provider)) => {
            // Beside the field that chooses the place, where there is one.
            let place = kind.fields().iter().find(|field| matches!(field.name, "region" | "server"));
            let field = place.or(kind.fields().first()).map_or("name", |field| field.name);
            show(user, row, kind, form, &[(field, filled("channel.abroad", provider))])
        }
        Err(ChannelError::Name) => show(user, row, kind, form, &[("name", text("form.bad_name").to_owned())]),
        Err(failed) => shown(Err(failed)),
    }
}

fn show(user: &User, row: Option<&ChannelRow>, kind: Kind, form: &Form, faults: &[(&str, String)]) -> Response {
    let fault = |name: &str| faults.iter().find(|(field, _)| *field == name).map(|(_, message)| message.clone());
    let own = row.map(|row| format!("/channels/{}", row.id));
    let words = |name: &str| known(&format!("channel_{}.{name}", kind.as_str())).unwrap_or_default();
    let field = |field: &crate::notify::channels::Field| Field {
        name: field.name,
        label: words(field.name),
        help: words(&format!("{}_help", field.name)),
        example: field.example,
        value: if field.secret { String::new() } else { form.text(field.name).to_owned() },
        secret: field.secret,
        required: field.required,
        choices: field.choices,
        lines: field.lines,
        fault: fault(field.name),
    };
    let title =
        row.map_or_else(|| text("channel.title_new").to_owned(), |row| filled("channel.title_settings", &row.name));
    let page = Page {
        frame: Frame::of(user, "/channels", title),
        action: own.as_ref().map_or_else(|| "/channels/new".to_owned(), |own| format!("{own}/settings")),
        back: own.unwrap_or_else(|| "/channels".to_owned()),
        is_new: row.is_none(),
        name: form.text("name").to_owned(),
        name_fault: fault("name"),
        minimal: form.ticked("minimal"),
        kinds: Kind::ALL.iter().map(|one| (one.as_str(), kind_word(one.as_str()), *one == kind)).collect(),
        fields: kind.fields().iter().map(field).collect(),
        lead: words("lead"),
        wrong: !faults.is_empty(),
    };
    page_with(if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &page)
}

/// The fields of this kind as the form has them.
fn fields(kind: Kind, form: &Form) -> Fields {
    kind.fields().iter().map(|field| (field.name.to_owned(), form.raw(field.name).to_owned())).collect()
}
