//! What a body says of a monitor, and what the monitor would be: defaults filled in, every field held to what it may be.

use std::collections::BTreeSet;
use std::time::Duration;

use picket_shared::check::{CheckSpec, HttpAuth};
use picket_shared::ids::{MonitorId, PolicyId};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::view;
use crate::domain::briefing::{self, Briefing};
use crate::domain::incident::Severity;
use crate::domain::manual::same_place;
use crate::domain::outage::QuorumRule;
use crate::domain::{defaults, written};
use crate::store::RegionKey;
use crate::store::monitors::MonitorRow;
use crate::store::regions::RegionRow;
use crate::web::api::problem::Fault;

/// A body, as its schema let it through.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: Option<String>,
    spec: Map<String, Value>,
    interval_s: Option<i32>,
    timeout_ms: Option<i32>,
    quorum: Option<QuorumRule>,
    eu_only: Option<bool>,
    tags: Option<Vec<String>>,
    severity: Option<String>,
    owner: Option<String>,
    runbook_url: Option<String>,
    regions: Option<Vec<String>>,
    paused: Option<bool>,
    external_key: Option<String>,
    #[serde(default, deserialize_with = "said")]
    policy: Option<Option<PolicyId>>,
}

/// Null is said too: it is another than what is absent.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<PolicyId>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What is to become of the credentials.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Credentials {
    /// Those that are stored stay, if there are any.
    Stay,
    /// There are none.
    None,
    /// These.
    Given(HttpAuth),
}

/// What a monitor is to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) spec: CheckSpec,
    pub(super) credentials: Credentials,
    pub(super) interval_s: i32,
    pub(super) timeout_ms: i32,
    pub(super) quorum: Option<QuorumRule>,
    pub(super) eu_only: bool,
    pub(super) tags: Vec<String>,
    pub(super) briefing: Briefing,
    pub(super) regions: Vec<(RegionKey, String)>,
    pub(super) paused: bool,
    pub(super) external_key: Option<String>,
    /// The policy that it is to name; as it is where nothing is said.
    pub(super) policy: Option<Option<PolicyId>>,
}

/// What a change leaves as it is, in the words of a body: its own fields are put over these.
pub(super) fn of_row(row: &MonitorRow) -> Map<String, Value> {
    let settings = &row.settings;
    let mut body = view::fields(settings, &[], false);
    body.retain(|name, _| !name.starts_with("spec.") && !matches!(name.as_str(), "regions" | "paused" | "eu_only"));
    body.insert("spec".to_owned(), Value::Object(view::spec(&settings.spec)));
    // Somebody chose where credentials may go; without any there was nothing to choose.
    if settings.eu_only || settings.sealed_secret.is_some() {
        body.insert("eu_only".to_owned(), Value::Bool(settings.eu_only));
    }
    body
}

/// What the monitor would be. Where the organization keeps to the EU, so does every monitor that is made or changed.
///
/// # Errors
/// Every field that cannot be.
pub(super) fn read(
    body: Map<String, Value>,
    old: Option<&MonitorRow>,
    all: &[RegionRow],
    held: bool,
) -> Result<Wanted, Vec<Fault>> {
    let mut body: Body =
        serde_json::from_value(Value::Object(body)).map_err(|error| vec![Fault::new("", error.to_string())])?;
    let mut faults = Vec::new();
    let (spec, credentials) = spec(std::mem::take(&mut body.spec), old).map_err(|fault| vec![fault])?;
    let interval = body.interval_s.map_or(defaults::INTERVAL, |s| Duration::from_secs(u64::try_from(s).unwrap_or(0)));
    let interval_s = i32::try_from(interval.as_secs()).unwrap_or(i32::MAX);
    let default = || i32::try_from(defaults::timeout(interval).as_millis()).unwrap_or(i32::MAX);
    let timeout_ms = body.timeout_ms.unwrap_or_else(default);
    if timeout_ms >= interval_s.saturating_mul(1000) {
        faults.push(Fault::new("timeout_ms", "must be less than the interval"));
    }
    let name = name(body.name.as_deref(), &spec).unwrap_or_else(|fault| {
        faults.push(fault);
        String::new()
    });
    let briefing = briefing(&body, &mut faults);
    let tags = tags(body.tags.unwrap_or_default(), old, &mut faults);
    let stays = old.is_some_and(|old| old.settings.sealed_secret.is_some());
    let holds = match &credentials {
        Credentials::Given(_) => true,
        Credentials::Stay => stays,
        Credentials::None => false,
    };
    if held && body.eu_only == Some(false) {
        faults.push(Fault::new("eu_only", "must be true: this organization keeps to the EU"));
    }
    let eu_only = held || body.eu_only.unwrap_or(holds);
    let regions = regions(body.regions.as_deref(), old, all, (eu_only, held)).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    if body.external_key.as_ref().is_some_and(|key| key.len() > 500 || key.chars().any(char::is_control)) {
        faults.push(Fault::new("external_key", "must be one line of at most 500 bytes"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Wanted {
        name,
        spec,
        credentials,
        interval_s,
        timeout_ms,
        quorum: body.quorum.filter(|rule| *rule != QuorumRule::Default),
        eu_only,
        tags,
        briefing,
        regions,
        paused: body.paused.unwrap_or_else(|| old.is_some_and(|old| old.paused_at.is_some())),
        external_key: body.external_key,
        policy: body.policy,
    })
}

fn spec(mut fields: Map<String, Value>, old: Option<&MonitorRow>) -> Result<(CheckSpec, Credentials), Fault> {
    let unreadable = |error: serde_json::Error| Fault::new("spec", error.to_string());
    let credentials = match fields.remove("auth") {
        None => Credentials::Stay,
        Some(Value::Null) => Credentials::None,
        Some(auth) => Credentials::Given(serde_json::from_value(auth).map_err(unreadable)?),
    };
    let mut spec: CheckSpec = serde_json::from_value(Value::Object(fields)).map_err(unreadable)?;
    if let CheckSpec::Http(http) = &mut spec {
        // One spelling, with the slash after the host.
        if let Ok(url) = url::Url::parse(&http.url) {
            http.url = url.to_string();
        }
        if let Some((name, _)) = http.headers.iter().find(|(name, _)| written::holds_credentials(name)) {
            let message = format!("{name} holds credentials: give them as spec.auth, which is sealed");
            return Err(Fault::new("spec.headers", message));
        }
    }
    let mut whole = spec.clone();
    if let (CheckSpec::Http(http), Credentials::Given(auth)) = (&mut whole, &credentials) {
        http.auth = Some(auth.clone());
    }
    whole.validate().map_err(|invalid| Fault::new(format!("spec.{}", invalid.field), invalid.message))?;
    let Some(old) = old else { return Ok((spec, credentials)) };
    if old.settings.spec.kind() != spec.kind() {
        let message = format!("a monitor keeps its kind, which is {}: make another one", old.settings.spec.kind());
        return Err(Fault::new("spec.kind", message));
    }
    let stay = old.settings.sealed_secret.is_some() && credentials == Credentials::Stay;
    if stay && !same_place(&old.settings.spec, &spec) {
        let message = "credentials stay only with the same scheme, host and port, and certificates verified no less: give \
                       them again, or null for none";
        return Err(Fault::new("spec.auth", message));
    }
    Ok((spec, credentials))
}

fn name(given: Option<&str>, spec: &CheckSpec) -> Result<String, Fault> {
    let name = given.unwrap_or_default().trim();
    if name.is_empty() {
        return Ok(spec.target().chars().take(200).collect());
    }
    if name.chars().any(char::is_control) { Err(Fault::new("name", "must be one line")) } else { Ok(name.to_owned()) }
}

/// What messages say of it.
fn briefing(body: &Body, faults: &mut Vec<Fault>) -> Briefing {
    let mut wrong = |field: &str, why: &str| {
        faults.push(Fault::new(field, why));
        None
    };
    let severity = body.severity.as_deref().map_or(Ok(Severity::Critical), str::parse).unwrap_or_else(|error| {
        wrong("severity", &error.to_string());
        Severity::Critical
    });
    let owner = briefing::owner(body.owner.as_deref().unwrap_or_default());
    let owner = owner.unwrap_or_else(|why| wrong("owner", why));
    let runbook_url = briefing::runbook_url(body.runbook_url.as_deref().unwrap_or_default());
    let runbook_url = runbook_url.unwrap_or_else(|why| wrong("runbook_url", why));
    Briefing { severity, owner, runbook_url }
}

/// Each once; in the order in which they are stored, if they are the same.
fn tags(given: Vec<String>, old: Option<&MonitorRow>, faults: &mut Vec<Fault>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for (index, tag) in given.into_iter().enumerate() {
        let tag = tag.trim().to_owned();
        if tag.is_empty() || tag.len() > 64 || tag.chars().any(char::is_control) {
            faults.push(Fault::new(format!("tags[{index}]"), "must be 1 to 64 bytes on one line"));
        } else if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let set = |tags: &[String]| tags.iter().cloned().collect::<BTreeSet<_>>();
    match old {
        Some(old) if set(&old.settings.tags) == set(&tags) => old.settings.tags.clone(),
        _ => tags,
    }
}

/// Where it is named, else where it runs already, else everywhere; only in the EU where that is wanted.
fn regions(
    named: Option<&[String]>,
    old: Option<&MonitorRow>,
    all: &[RegionRow],
    (eu_only, held): (bool, bool),
) -> Result<Vec<(RegionKey, String)>, Fault> {
    let known = || all.iter().map(|region| region.code.as_str()).collect::<Vec<_>>().join(", ");
    if all.is_empty() {
        return Err(Fault::new("regions", "there is no region to watch from yet: add a probe"));
    }
    for (index, code) in named.unwrap_or_default().iter().enumerate() {
        let at = || format!("regions[{index}]");
        match all.iter().find(|region| region.code.as_str() == code) {
            None => return Err(Fault::new(at(), format!("there is no region {code}: there are {}", known()))),
            Some(region) if eu_only && !region.eu => {
                let way_out = if held { ", for this organization keeps to it" } else { ", or set eu_only to false" };
                let message = format!("{code} lies outside the EU: leave it out{way_out}");
                return Err(Fault::new(at(), message));
            }
            Some(_) => {}
        }
    }
    let runs = |region: &&RegionRow| match (named, old) {
        (Some(named), _) => named.iter().any(|code| code == region.code.as_str()),
        (None, Some(old)) => old.regions.contains(&region.code),
        (None, None) => true,
    };
    let chosen: Vec<_> = all
        .iter()
        .filter(runs)
        .filter(|region| region.eu || !eu_only)
        .map(|region| (region.key, region.code.to_string()))
        .collect();
    if chosen.is_empty() {
        return Err(Fault::new("regions", format!("no region for it lies in the EU: there are {}", known())));
    }
    Ok(chosen)
}

/// The id of what is written: the old one, or another.
pub(super) fn id_of(old: Option<&MonitorRow>, now: picket_shared::time::Timestamp) -> MonitorId {
    old.map_or_else(|| MonitorId::at(now), |old| old.id)
}
