//! The form of a monitor: for a new one, and for changes.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::check::{HttpAuth, Kind, RecordType};
use picket_shared::ids::MonitorId;
use picket_shared::secret::{Sealed, SecretString};

pub(super) use super::draft::field_of;
use super::draft::{Draft, Faults, Parsed};
use super::trial::Trial;
use super::{find, shown};
use crate::store::limits::Limited;
use crate::store::monitors::{self, MonitorRow, Settings};
use crate::store::policies::{self, PolicyRow};
use crate::store::regions::{self, RegionRow};
use crate::store::{Scoped, StoreError, residency};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "monitor/form.html")]
struct Page<'a> {
    frame: Frame,
    draft: &'a Draft,
    /// Where the form is sent to.
    action: String,
    /// Where it is tried out.
    trial: String,
    /// Where giving up leads.
    back: String,
    is_new: bool,
    keeps: bool,
    regions: &'a [RegionRow],
    /// Whether the organization keeps to the EU.
    held: bool,
    policies: Vec<(String, String)>,
    kinds: Vec<Choice>,
    records: Vec<&'static str>,
    faults: &'a Faults,
    trials: &'a [Trial],
    open: bool,
}

struct Choice {
    href: String,
    word: &'static str,
    hint: &'static str,
    chosen: bool,
}

impl Page<'_> {
    /// What is wrong with a field.
    fn fault(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|(found, _)| *found == field).map(|(_, message)| message.as_str())
    }

    fn target_label(&self) -> &'static str {
        text(match self.draft.kind {
            Kind::Dns => "form.dns_name",
            Kind::Tls | Kind::Tcp => "form.host",
            Kind::Http | Kind::Other => "form.url",
        })
    }

    fn target_hint(&self) -> &'static str {
        text(match self.draft.kind {
            Kind::Dns => "form.dns_hint",
            Kind::Tls => "form.host_hint",
            Kind::Tcp => "form.tcp_hint",
            Kind::Http | Kind::Other => "form.url_hint",
        })
    }

    fn runs_in(&self, region: &RegionRow) -> bool {
        if self.held && !region.eu {
            return false;
        }
        self.draft.regions.is_empty() && self.is_new
            || self.draft.regions.iter().any(|code| code == region.code.as_str())
    }
}

/// The kinds that the form knows, with their texts.
const KINDS: &[(Kind, &str, &str)] = &[
    (Kind::Http, "form.kind_http", "form.hint_http"),
    (Kind::Dns, "form.kind_dns", "form.hint_dns"),
    (Kind::Tls, "form.kind_tls", "form.hint_tls"),
    (Kind::Tcp, "form.kind_tcp", "form.hint_tcp"),
];

/// `GET /monitors/new?kind=&target=`.
pub async fn get_new(State(site): State<Site>, user: User, Query(query): Query<HashMap<String, String>>) -> Response {
    let kind = query.get("kind").and_then(|kind| kind.parse().ok()).unwrap_or(Kind::Http);
    let draft = Draft::blank(kind, query.get("target").map(|target| target.trim()).unwrap_or_default());
    shown(show(&site, &user, None, &draft, &Faults::new(), &[]).await.map(Some))
}

/// `POST /monitors/new`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    shown(store(&site, &user, None, &Draft::from_form(&form)).await.map(Some))
}

/// `GET /monitors/{id}/edit`.
pub async fn get_edit(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    let shows = async {
        let Some(row) = find(&mut user.scoped(&site).await?, &id).await? else { return Ok(None) };
        show(&site, &user, Some(&row), &Draft::from_row(&row), &Faults::new(), &[]).await.map(Some)
    };
    shown(shows.await)
}

/// `POST /monitors/{id}/edit`.
pub async fn post_edit(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let stores = async {
        let Some(row) = find(&mut user.scoped(&site).await?, &id).await? else { return Ok(None) };
        // A monitor keeps its kind: results of two kinds are no one history.
        let draft = Draft { kind: row.settings.spec.kind(), ..Draft::from_form(&form) };
        store(&site, &user, Some(&row), &draft).await.map(Some)
    };
    shown(stores.await)
}

/// The form with what is wrong with it, or with what a trial found.
pub(super) async fn show(
    site: &Site,
    user: &User,
    row: Option<&MonitorRow>,
    draft: &Draft,
    faults: &Faults,
    trials: &[Trial],
) -> Result<Response, StoreError> {
    let mut scoped = user.scoped(site).await?;
    let (regions, held) = (regions::list(&mut scoped).await?, residency::holds(&mut scoped).await?);
    let policies = policies::list(&mut scoped).await?;
    drop(scoped);
    let title =
        row.map_or_else(|| text("form.title_new").to_owned(), |row| filled("form.title_edit", &row.settings.name));
    let own = row.map(|row| format!("/monitors/{}", row.id));
    let target = |kind: Kind| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("kind", kind.as_str());
        if !draft.target.is_empty() {
            query.append_pair("target", &draft.target);
        }
        format!("/monitors/new?{}", query.finish())
    };
    let kinds = KINDS.iter().map(|(kind, word, hint)| Choice {
        href: target(*kind),
        word: text(word),
        hint: text(hint),
        chosen: *kind == draft.kind,
    });
    let basic = ["target", "name", "every", "regions", "tags"];
    let page = Page {
        frame: Frame::of(user, "/", title),
        draft,
        action: own.as_ref().map_or_else(|| "/monitors/new".to_owned(), |own| format!("{own}/edit")),
        trial: own.as_ref().map_or_else(|| "/monitors/test".to_owned(), |own| format!("{own}/test")),
        back: own.unwrap_or_else(|| "/".to_owned()),
        is_new: row.is_none(),
        keeps: row.is_some_and(|row| row.settings.sealed_secret.is_some()),
        regions: &regions,
        held,
        policies: policies.into_iter().map(|row| (row.id.to_string(), row.is.name)).collect(),
        kinds: kinds.collect(),
        records: RecordType::ALL.iter().map(|record| record.as_str()).collect(),
        open: faults.iter().any(|(field, _)| !basic.contains(field)),
        faults,
        trials,
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page_with(status, &page))
}

/// Stores what the form says, or shows it again with what is wrong.
async fn store(site: &Site, user: &User, row: Option<&MonitorRow>, draft: &Draft) -> Result<Response, StoreError> {
    let mut scoped = user.scoped(site).await?;
    let now = site.clock.now();
    let id = row.map_or_else(|| MonitorId::at(now), |row| row.id);
    let settings = match draft.read_where(residency::holds(&mut scoped).await?) {
        Ok(parsed) => settings(&mut scoped, site, row, id, draft, parsed).await?,
        Err(faults) => Err(faults),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(faults) => return show(site, user, row, draft, &faults, &[]).await,
    };
    let named = row.and_then(|row| row.policy);
    let policy = match policy(&mut scoped, draft).await? {
        Ok(policy) => policy,
        Err(faults) => return show(site, user, row, draft, &faults, &[]).await,
    };
    let is_named = policy.as_ref().map(|policy| policy.id) == named;
    let stored = match row {
        Some(row) if row.settings == settings && is_named => return Ok(see(&format!("/monitors/{id}"))),
        Some(row) if row.settings == settings => Ok(()),
        Some(row) => monitors::edit(&mut scoped, row.key, row.version, &settings, now).await,
        None => monitors::insert(&mut scoped, id, &settings, now).await.map(drop),
    };
    match stored {
        Ok(()) => {
            if let Some(row) = monitors::by_id(&mut scoped, id).await?.filter(|_| !is_named) {
                let policy = policy.as_ref().map(|policy| (policy.key, policy.is.name.as_str()));
                policies::assign(&mut scoped, row.key, policy, now).await?;
            }
            scoped.commit().await?;
            Ok(see(&format!("/monitors/{id}?done={}", if row.is_some() { "changed" } else { "added" })))
        }
        Err(failed) if failed.constraint() == Some("monitors_org_name") => {
            let faults = vec![("name", filled("form.name_taken", &settings.name))];
            show(site, user, row, draft, &faults, &[]).await
        }
        Err(StoreError::Limit(exceeded)) => {
            let field = if exceeded.what == Limited::Monitors { "name" } else { "every" };
            let faults = vec![(field, error::limit(exceeded))];
            show(site, user, row, draft, &faults, &[]).await
        }
        Err(StoreError::RowCount { .. }) => Ok(error::page(StatusCode::CONFLICT, "error.changed_meanwhile")),
        Err(failed) => Err(failed),
    }
}

/// The policy that is chosen, if one is.
async fn policy(scoped: &mut Scoped, draft: &Draft) -> Result<Result<Option<PolicyRow>, Faults>, StoreError> {
    if draft.policy.is_empty() {
        return Ok(Ok(None));
    }
    let found = match draft.policy.parse() {
        Ok(id) => policies::get(scoped, id).await?,
        Err(_) => None,
    };
    Ok(found.map(Some).ok_or_else(|| vec![("policy", text("form.no_policy").to_owned())]))
}

/// What is to be stored: regions looked up, credentials sealed.
async fn settings(
    scoped: &mut Scoped,
    site: &Site,
    row: Option<&MonitorRow>,
    id: MonitorId,
    draft: &Draft,
    parsed: Parsed,
) -> Result<Result<Settings, Faults>, StoreError> {
    let chosen = match regions(scoped, draft, parsed.eu_only).await? {
        Ok(chosen) => chosen,
        Err(faults) => return Ok(Err(faults)),
    };
    let sealed_secret = match (&parsed.credentials, row) {
        (Some(credentials), _) => match seal(site, id.0, credentials) {
            Some(sealed) => Some(sealed),
            None => return Ok(Err(vec![("secret", text("form.not_sealed").to_owned())])),
        },
        (None, Some(row)) if parsed.keep => row.settings.sealed_secret.clone(),
        _ => None,
    };
    let settings = Settings {
        name: parsed.name,
        spec: parsed.spec,
        sealed_secret,
        interval_s: parsed.interval_s,
        timeout_ms: parsed.timeout_ms,
        quorum: parsed.quorum,
        eu_only: parsed.eu_only,
        tags: parsed.tags,
        briefing: parsed.briefing,
        regions: chosen.iter().map(|region| region.key).collect(),
    };
    if row.is_some_and(|row| settings.moves_credentials(&row.settings)) {
        return Ok(Err(vec![("secret", text("form.secret_elsewhere").to_owned())]));
    }
    Ok(Ok(settings))
}

/// The regions that are ticked, or all; only those in the EU where that is wanted.
pub(super) async fn regions(
    scoped: &mut Scoped,
    draft: &Draft,
    eu_only: bool,
) -> Result<Result<Vec<RegionRow>, Faults>, StoreError> {
    let fault = |message: String| Ok(Err(vec![("regions", message)]));
    let all = regions::list(scoped).await?;
    if all.is_empty() {
        return fault(text("form.no_region").to_owned());
    }
    let everywhere = draft.regions.is_empty();
    let ticked = |region: &RegionRow| everywhere || draft.regions.iter().any(|code| code == region.code.as_str());
    let chosen: Vec<RegionRow> = all.into_iter().filter(ticked).collect();
    let outside: Vec<&str> = chosen.iter().filter(|region| !region.eu).map(|region| region.code.as_str()).collect();
    if eu_only && !everywhere && !outside.is_empty() {
        let key = if residency::holds(scoped).await? { "form.outside_held" } else { "form.outside_eu" };
        return fault(filled(key, outside.join(", ")));
    }
    let chosen: Vec<_> = chosen.into_iter().filter(|region| region.eu || !eu_only).collect();
    if chosen.is_empty() { fault(text("form.no_eu_region").to_owned()) } else { Ok(Ok(chosen)) }
}

/// Seals credentials for the row of this id.
pub(super) fn seal(site: &Site, id: uuid::Uuid, credentials: &HttpAuth) -> Option<Sealed> {
    let plain = SecretString::new(serde_json::to_string(credentials).ok()?);
    site.sealer.seal_monitor_secret(id.as_bytes(), plain.expose().as_bytes()).ok()
}
