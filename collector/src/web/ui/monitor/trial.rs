//! "Test now": what the form says is checked once from every chosen region before anything is stored, and shown as a
//! waterfall under the form.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use picket_shared::check::CheckSpec;
use picket_shared::ids::ManualId;
use picket_shared::outcome::SelfCheck;
use picket_shared::time::Timestamp;
use picket_shared::waterfall;

use super::draft::{Draft, Faults};
use super::edit::{self, field_of};
use super::{find, shown};
use crate::store::manual_checks::{self, Asked, Credentials, Manual, ManualRow, NewManual, State as Stand};
use crate::store::monitors::MonitorRow;
use crate::store::{RegionKey, StoreError, residency};
use crate::wake::Bell;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::shape::{self, Shape};

/// What one region found, for the page.
#[derive(Debug)]
pub struct Trial {
    /// Where.
    pub region: String,
    /// What came of it.
    pub shape: Shape,
    /// The waterfall as text; `None` where there is no answer.
    pub picture: Option<String>,
    /// Why there is none, or what weakens it.
    pub remark: Option<String>,
}

/// So much longer than the check's timeout an answer is waited for.
const ON_THE_WAY: Duration = Duration::from_secs(10);
/// Without a bell, so often the answers are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// `POST /monitors/test`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    shown(try_out(&site, &user, None, &Draft::from_form(&form)).await.map(Some))
}

/// `POST /monitors/{id}/test`.
pub async fn post_edit(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let tries = async {
        let Some(row) = find(&mut user.scoped(&site).await?, &id).await? else { return Ok(None) };
        let draft = Draft { kind: row.settings.spec.kind(), ..Draft::from_form(&form) };
        try_out(&site, &user, Some(&row), &draft).await.map(Some)
    };
    shown(tries.await)
}

async fn try_out(site: &Site, user: &User, row: Option<&MonitorRow>, draft: &Draft) -> Result<Response, StoreError> {
    match ask(site, user, row, draft).await? {
        Ok(manual) => {
            let now = site.clock.now();
            let trials: Vec<Trial> = manual.regions.iter().map(|region| trial(&manual.spec, region, now)).collect();
            edit::show(site, user, row, draft, &Faults::new(), &trials).await
        }
        Err(faults) => edit::show(site, user, row, draft, &faults, &[]).await,
    }
}

/// Asks, and waits until every region has answered or it is too late.
async fn ask(
    site: &Site,
    user: &User,
    row: Option<&MonitorRow>,
    draft: &Draft,
) -> Result<Result<Manual, Faults>, StoreError> {
    let mut scoped = user.scoped(site).await?;
    let parsed = match draft.read_where(residency::holds(&mut scoped).await?) {
        Ok(parsed) => parsed,
        Err(faults) => return Ok(Err(faults)),
    };
    let now = site.clock.now();
    let id = ManualId::at(now);
    let regions: Vec<RegionKey> = match edit::regions(&mut scoped, draft, parsed.eu_only).await? {
        Ok(regions) => regions.iter().map(|region| region.key).collect(),
        Err(faults) => return Ok(Err(faults)),
    };
    let sealed = match &parsed.credentials {
        Some(credentials) => match edit::seal(site, id.0, credentials) {
            Some(sealed) => Some(sealed),
            None => return Ok(Err(vec![("secret", text("form.not_sealed").to_owned())])),
        },
        None => None,
    };
    let credentials = match (&sealed, row) {
        (Some(sealed), _) => Credentials::Sealed(sealed),
        (None, Some(row)) if parsed.keep => Credentials::OfMonitor(row.key, row.version),
        _ => Credentials::None,
    };
    let new = NewManual {
        spec: &parsed.spec,
        credentials,
        timeout_ms: parsed.timeout_ms,
        eu_only: parsed.eu_only,
        regions: &regions,
    };
    match manual_checks::ask(&mut scoped, id, &new, now).await? {
        Asked::Yes => scoped.commit().await?,
        Asked::Invalid(invalid) => return Ok(Err(vec![(field_of(invalid.field), invalid.message)])),
        Asked::TooMany(why) => return Ok(Err(vec![("regions", why)])),
    }
    let timeout = Duration::from_millis(u64::try_from(parsed.timeout_ms).unwrap_or(0));
    let until = now + timeout + ON_THE_WAY;
    loop {
        let mut scoped = user.scoped(site).await?;
        let manual = manual_checks::read(&mut scoped, id, site.clock.now()).await?;
        drop(scoped);
        match manual {
            Some(manual) if manual.is_over() || site.clock.now() >= until => return Ok(Ok(manual)),
            Some(_) => site.bells.wait(Bell::Manual, LOOK).await,
            None => return Ok(Err(vec![("regions", text("form.trial_gone").to_owned())])),
        }
    }
}

fn trial(spec: &CheckSpec, row: &ManualRow, now: Timestamp) -> Trial {
    let region = row.region.to_string();
    match &row.state {
        Stand::Done(outcome) => Trial {
            region,
            shape: shape::shape(outcome.status.as_str()),
            picture: Some(waterfall::draw(spec, outcome, now, false)),
            remark: (outcome.self_check == SelfCheck::Bad).then(|| text("form.trial_network").to_owned()),
        },
        Stand::Refused(unable) => nothing(region, unable.to_string()),
        Stand::Waiting | Stand::Expired { taken: false } => nothing(region, text("form.trial_not_taken").to_owned()),
        Stand::Running | Stand::Expired { taken: true } => nothing(region, text("form.trial_no_answer").to_owned()),
    }
}

fn nothing(region: String, why: String) -> Trial {
    Trial { region, shape: shape::shape("unmeasured"), picture: None, remark: Some(why) }
}
