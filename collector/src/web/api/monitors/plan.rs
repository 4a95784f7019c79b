//! What is to be written of one monitor or of many: compared with what is stored, told as differences, done in one
//! transaction.

use std::collections::{HashMap, HashSet};

use picket_shared::daykeys::hex;
use picket_shared::ids::{MonitorId, PolicyId};
use picket_shared::secret::{Sealed, SecretString};
use picket_shared::time::Timestamp;
use serde_json::{Map, Value, json};

use super::body::{self, Credentials, Wanted};
use super::view;
use crate::store::imports::{self, Change, Imported, New, Writer};
use crate::store::monitors::{self, MonitorRow, Settings};
use crate::store::regions::RegionRow;
use crate::store::{MonitorKey, PolicyKey, Scoped, policies, regions, residency};
use crate::vault::Sealer;
use crate::web::api::problem::{Fault, Kind, Problem};

const CREDENTIALS: &str = "spec.auth";

/// A monitor that somebody wants.
#[derive(Debug)]
pub(super) struct Want {
    /// Where it stands in the body, for what is wrong with it.
    pub(super) at: String,
    /// What there is already.
    pub(super) old: Option<MonitorRow>,
    /// What it is to be.
    pub(super) body: Map<String, Value>,
}

/// What becomes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Created,
    Changed,
    Unchanged,
}

impl Action {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One that is planned.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: String,
    pub(super) id: MonitorId,
    pub(super) external_key: Option<String>,
    pub(super) action: Action,
    pub(super) changes: Vec<Value>,
    name: String,
    write: Write,
    /// The policy that it is to name then; nothing where that stays.
    policy: Option<Option<Named>>,
}

/// A policy: its row, and what it is called.
type Named = (PolicyKey, String);

#[derive(Debug)]
enum Write {
    Nothing,
    Make(Box<New>),
    Change(Box<Change>),
}

/// All that is planned.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

/// Compares what is wanted with what is stored. Nothing is written before [`Plan::apply`], which belongs into the same
/// transaction.
pub(super) async fn plan(
    scoped: &mut Scoped,
    sealer: &Sealer,
    wants: Vec<Want>,
    now: Timestamp,
) -> Result<Plan, Problem> {
    let (regions, held) = (regions::list(scoped).await?, residency::holds(scoped).await?);
    let policies = policies::list(scoped).await?.into_iter().map(|row| (row.id, (row.key, row.is.name))).collect();
    let desk = Desk { sealer, regions, held, policies, now };
    let mut faults = Vec::new();
    let mut steps = Vec::with_capacity(wants.len());
    for want in wants {
        let at = want.at.clone();
        match desk.step(want)? {
            Ok(step) => steps.push(step),
            Err(found) => faults.extend(found.into_iter().map(|fault| fault.within(&at))),
        }
    }
    faults.extend(taken(scoped, &steps).await?);
    if faults.is_empty() { Ok(Plan { steps }) } else { Err(Problem::faults(Kind::InvalidBody, faults)) }
}

impl Plan {
    /// Does it; the caller commits.
    pub(super) async fn apply(&mut self, scoped: &mut Scoped, now: Timestamp) -> Result<(), Problem> {
        let (mut new, mut changes) = (Vec::new(), Vec::new());
        for step in &mut self.steps {
            match std::mem::replace(&mut step.write, Write::Nothing) {
                Write::Make(made) => new.push(*made),
                Write::Change(change) => changes.push(*change),
                Write::Nothing => {}
            }
        }
        let meanwhile = |error: crate::store::StoreError| match error.constraint() {
            Some("monitors_org_name" | "monitors_external_key") => {
                Problem::new(Kind::ChangedMeanwhile, "somebody else took a name or a key meanwhile: try again")
            }
            _ => error.into(),
        };
        imports::change(scoped, Writer::Api, &changes, now).await.map_err(meanwhile)?;
        imports::insert(scoped, Writer::Api, &new, now).await.map_err(meanwhile)?;
        for step in &self.steps {
            let Some(policy) = &step.policy else { continue };
            let row = monitors::by_id(scoped, step.id).await?.ok_or_else(Problem::not_found)?;
            let policy = policy.as_ref().map(|(key, name)| (*key, name.as_str()));
            policies::assign(scoped, row.key, policy, now).await?;
        }
        Ok(())
    }
}

/// Names and keys that two would have. A name may go from one monitor to another within a plan.
async fn taken(scoped: &mut Scoped, steps: &[Step]) -> Result<Vec<Fault>, Problem> {
    let written = |step: &&Step| step.action != Action::Unchanged;
    let names: Vec<String> = steps.iter().filter(written).map(|step| step.name.clone()).collect();
    let keys: Vec<String> = steps.iter().filter_map(|step| step.external_key.clone()).collect();
    let moving: HashSet<MonitorKey> = steps.iter().filter_map(Step::row).collect();
    let rows = monitors::named(scoped, &keys, &names).await?;
    let mut holders: HashMap<&str, MonitorId> = HashMap::new();
    let mut keyed: HashMap<&str, MonitorId> = HashMap::new();
    for row in &rows {
        if !moving.contains(&row.key) {
            holders.insert(&row.settings.name, row.id);
        }
        keyed.extend(row.external_key.as_deref().map(|key| (key, row.id)));
    }
    let mut faults = Vec::new();
    let field = |step: &Step, name: &str| Fault::new(name, "").within(&step.at).field;
    for step in steps {
        if step.action != Action::Unchanged
            && holders.insert(&step.name, step.id).is_some_and(|holder| holder != step.id)
        {
            let message = format!("a monitor is called {:?} already: choose another name", step.name);
            faults.push(Fault::new(field(step, "name"), message));
        }
        if let Some(key) = step.external_key.as_deref()
            && keyed.insert(key, step.id).is_some_and(|holder| holder != step.id)
        {
            let message = format!("a monitor has the key {key:?} already: each key names one");
            faults.push(Fault::new(field(step, "external_key"), message));
        }
    }
    Ok(faults)
}

impl Step {
    /// The row that is changed.
    fn row(&self) -> Option<MonitorKey> {
        match &self.write {
            Write::Change(change) => Some(change.key),
            Write::Make(_) | Write::Nothing => None,
        }
    }
}

struct Desk<'a> {
    sealer: &'a Sealer,
    regions: Vec<RegionRow>,
    /// Whether the organization keeps to the EU.
    held: bool,
    policies: HashMap<PolicyId, Named>,
    now: Timestamp,
}

impl Desk<'_> {
    fn step(&self, want: Want) -> Result<Result<Step, Vec<Fault>>, Problem> {
        let Want { at, old, body } = want;
        let wanted = match body::read(body, old.as_ref(), &self.regions, self.held) {
            Ok(wanted) => wanted,
            Err(faults) => return Ok(Err(faults)),
        };
        let policy = match self.policy(wanted.policy, old.as_ref()) {
            Ok(policy) => policy,
            Err(fault) => return Ok(Err(vec![fault])),
        };
        let id = body::id_of(old.as_ref(), self.now);
        let (sealed_secret, mark, credentials_differ) = self.seal(id, &wanted.credentials, old.as_ref())?;
        let Wanted { name, spec, interval_s, timeout_ms, quorum, eu_only, tags, briefing, regions, .. } = wanted;
        let (paused, external_key) = (wanted.paused, wanted.external_key);
        let (keys, codes): (Vec<_>, Vec<String>) = regions.into_iter().unzip();
        let holds = sealed_secret.is_some();
        let settings = Settings {
            name,
            spec,
            sealed_secret,
            interval_s,
            timeout_ms,
            quorum,
            eu_only,
            tags,
            briefing,
            regions: keys,
        };
        let imported = Imported {
            source: imports::API.to_owned(),
            version: old.as_ref().map_or(1, |old| old.version + 1),
            paused,
            tags: Vec::new(),
            credentials: mark,
        };
        let before = old.as_ref().map_or_else(Map::new, |old| {
            let codes: Vec<String> = old.regions.iter().map(ToString::to_string).collect();
            view::fields(&old.settings, &codes, old.paused_at.is_some())
        });
        let mut changes = view::differences(&before, &view::fields(&settings, &codes, paused));
        if credentials_differ {
            let stars = |there: bool| there.then(|| Value::from("***"));
            let held = old.as_ref().is_some_and(|old| old.settings.sealed_secret.is_some());
            changes.push(view::difference(CREDENTIALS, stars(held), stars(holds)));
        }
        let name = settings.name.clone();
        let external_key = external_key.or_else(|| old.as_ref().and_then(|old| old.external_key.clone()));
        let is_same = changes.is_empty();
        let named = old.as_ref().and_then(|old| old.policy);
        if policy.is_some() {
            changes.push(view::difference(
                "policy",
                named.map(|id| json!(id)),
                wanted.policy.flatten().map(|id| json!(id)),
            ));
        }
        let (action, write) = match old {
            Some(_) if is_same && policy.is_some() => (Action::Changed, Write::Nothing),
            Some(_) if changes.is_empty() => (Action::Unchanged, Write::Nothing),
            Some(old) => {
                let change = Change { key: old.key, version: old.version, settings, paused, imported };
                (Action::Changed, Write::Change(Box::new(change)))
            }
            None => {
                let new = New { id, settings, external_key: external_key.clone(), paused, imported };
                (Action::Created, Write::Make(Box::new(new)))
            }
        };
        Ok(Ok(Step { at, id, external_key, action, changes, name, write, policy }))
    }

    /// The policy that a monitor is to name, where that is another than now.
    fn policy(
        &self,
        wanted: Option<Option<PolicyId>>,
        old: Option<&MonitorRow>,
    ) -> Result<Option<Option<Named>>, Fault> {
        let Some(wanted) = wanted.filter(|wanted| *wanted != old.and_then(|old| old.policy)) else { return Ok(None) };
        let Some(id) = wanted else { return Ok(Some(None)) };
        let named = self.policies.get(&id).cloned().ok_or_else(|| Fault::new("policy", "there is no such policy"))?;
        Ok(Some(Some(named)))
    }

    /// The sealed credentials, their fingerprint, and whether they are others than before. The same ones, given again,
    /// are known by the fingerprint that the API left with the version that still stands.
    fn seal(
        &self,
        id: MonitorId,
        credentials: &Credentials,
        old: Option<&MonitorRow>,
    ) -> Result<(Option<Sealed>, Option<String>, bool), Problem> {
        let stored = old.and_then(|old| old.settings.sealed_secret.clone());
        let known = old.and_then(|old| {
            let left = old.imported.as_ref().filter(|left| left.source == imports::API && left.version == old.version);
            left.and_then(|left| left.credentials.clone())
        });
        let auth = match credentials {
            Credentials::Stay => return Ok((stored, known, false)),
            Credentials::None => return Ok((None, None, stored.is_some())),
            Credentials::Given(auth) => auth,
        };
        let unsealed = || Problem::new(Kind::Unavailable, "the credentials could not be sealed: try again");
        let plain = SecretString::new(serde_json::to_string(auth).map_err(|_| unsealed())?);
        let (row, plain) = (id.0.as_bytes(), plain.expose().as_bytes());
        let mark = hex(&self.sealer.mark_monitor_secret(row, plain).map_err(|_| unsealed())?);
        if stored.is_some() && known.as_ref() == Some(&mark) {
            return Ok((stored, known, false));
        }
        let sealed = self.sealer.seal_monitor_secret(row, plain).map_err(|_| unsealed())?;
        Ok((Some(sealed), Some(mark), true))
    }
}
