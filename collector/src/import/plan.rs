//! What the files say against what is stored: which monitors to make, to change, to leave.

use std::collections::{HashMap, HashSet};

use picket_shared::check::HttpAuth;
use picket_shared::daykeys::hex;
use picket_shared::ids::MonitorId;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;

use super::compare::differences;
use super::regions::Regions;
use super::report::{Counts, Entry, Outcome, Report};
use super::{Choice, ImportError, channels, names};
use crate::domain::import::{Candidate, Found, Source};
use crate::store::imports::{self, Change, Imported, New, Writer};
use crate::store::monitors::{self, MonitorRow, Settings};
use crate::store::{MonitorKey, Scoped, regions, residency};
use crate::vault::{Class, Sealer};

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    report: Report,
    new: Vec<New>,
    changes: Vec<Change>,
}

/// Compares what was found with what is stored. Nothing is written before [`Plan::apply`], which belongs into the same
/// transaction.
///
/// # Errors
/// When a region or tag that was chosen is none, or when the database fails.
pub async fn plan(
    scoped: &mut Scoped,
    sealer: &Sealer,
    (source, mut found): (Source, Found),
    choice: &Choice,
    now: Timestamp,
) -> Result<Plan, ImportError> {
    let bad = |tag: &&String| tag.is_empty() || tag.len() > 64 || tag.chars().any(char::is_control);
    if let Some(tag) = choice.tags.iter().find(bad) {
        return Err(ImportError::BadTag(tag.clone()));
    }
    if source == Source::Picket && !choice.regions.is_empty() {
        found.candidates.iter_mut().for_each(|candidate| candidate.regions.clear());
    }
    let places = Regions::new(regions::list(scoped).await?, choice, residency::holds(scoped).await?)?;
    let rows = monitors::list(scoped).await?;
    let keys: Vec<String> = found.candidates.iter().map(|candidate| candidate.key.clone()).collect();
    let deleted = imports::deleted(scoped, &keys).await?;
    let known = rows.iter().filter_map(|row| Some((row.external_key.as_deref()?, row))).collect();
    let desk = Desk { sealer, source, choice, places, known, deleted, now, new_tags: choice.tags_for_new(source, now) };
    let mut steps = found.candidates.into_iter().map(|c| desk.step(c)).collect::<Result<Vec<_>, _>>()?;
    names::refuse_taken(&mut steps, &rows);
    let mut report = Report {
        source,
        applied: false,
        tags: desk.new_tags,
        counts: Counts::default(),
        channels: channels::plan(scoped, found.channels, !choice.without_channels).await?,
        second_factor: found.second_factor,
        monitors: Vec::with_capacity(steps.len() + found.refused.len()),
        left: found.left,
        missing: missing(source, &rows, &keys),
    };
    let (mut new, mut changes) = (Vec::new(), Vec::new());
    for step in steps {
        report.monitors.push(step.entry);
        match step.action {
            Action::Make(made) => new.push(*made),
            Action::Change(change) => changes.push(*change),
            Action::Nothing => {}
        }
    }
    report.monitors.extend(found.refused.into_iter().map(Entry::from));
    report.count();
    Ok(Plan { report, new, changes })
}

impl Plan {
    /// Does it, in the transaction that it was planned in; the caller commits.
    ///
    /// # Errors
    /// [`ImportError::Meanwhile`] when somebody else changed a monitor that this changes; when the database fails.
    pub async fn apply(self, scoped: &mut Scoped, now: Timestamp) -> Result<Report, ImportError> {
        imports::change(scoped, Writer::Import, &self.changes, now).await?;
        imports::insert(scoped, Writer::Import, &self.new, now).await?;
        channels::apply(scoped, &self.report.channels, now).await?;
        Ok(Report { applied: true, ..self.report })
    }

    /// Says what applying it would do: does it, and takes it back with the transaction. So it is told of what only the
    /// database knows, such as a limit of the organization.
    ///
    /// # Errors
    /// Those of [`Plan::apply`].
    pub async fn rehearse(self, mut scoped: Scoped, now: Timestamp) -> Result<Report, ImportError> {
        let report = self.apply(&mut scoped, now).await?;
        Ok(Report { applied: false, ..report })
    }
}

/// The names of monitors of earlier imports that the files do not have.
fn missing(source: Source, rows: &[MonitorRow], keys: &[String]) -> Vec<String> {
    let keys: HashSet<&str> = keys.iter().map(String::as_str).collect();
    let is_of = |row: &&MonitorRow| row.imported.as_ref().is_some_and(|left| left.source == source.as_str());
    let rows =
        rows.iter().filter(is_of).filter(|row| row.external_key.as_deref().is_none_or(|key| !keys.contains(key)));
    rows.map(|row| row.settings.name.clone()).collect()
}

/// One candidate, and what is to be done with it.
pub(super) struct Step {
    pub(super) entry: Entry,
    /// The monitor that it is already.
    pub(super) row: Option<MonitorKey>,
    action: Action,
}

enum Action {
    Nothing,
    Make(Box<New>),
    Change(Box<Change>),
}

impl Step {
    /// Whether a monitor is written.
    pub(super) fn acts(&self) -> bool {
        !matches!(self.action, Action::Nothing)
    }

    pub(super) fn refuse(&mut self, why: String) {
        self.action = Action::Nothing;
        self.entry.outcome = Outcome::Refused { why };
    }
}

/// What every candidate is compared with.
struct Desk<'a> {
    sealer: &'a Sealer,
    source: Source,
    choice: &'a Choice,
    places: Regions,
    known: HashMap<&'a str, &'a MonitorRow>,
    deleted: HashSet<String>,
    now: Timestamp,
    new_tags: Vec<String>,
}

impl Desk<'_> {
    fn step(&self, candidate: Candidate) -> Result<Step, ImportError> {
        let old = self.known.get(candidate.key.as_str()).copied();
        let mut step = Step {
            entry: Entry {
                place: candidate.place.clone(),
                name: candidate.name.clone(),
                kind: candidate.spec.kind().to_string(),
                target: candidate.spec.target(),
                external_key: Some(candidate.key.clone()),
                regions: Vec::new(),
                paused: candidate.paused,
                outcome: Outcome::Unchanged,
                lost: candidate.lost.clone(),
            },
            row: old.map(|old| old.key),
            action: Action::Nothing,
        };
        let placed = match self.places.place(&candidate, self.choice, old) {
            Ok(placed) => placed,
            Err(why) => {
                step.refuse(why);
                return Ok(step);
            }
        };
        step.entry.regions = placed.names;
        step.entry.lost.extend(placed.lost);
        let id = old.map_or_else(|| MonitorId::at(self.now), |old| old.id);
        let mut settings = Settings {
            name: candidate.name,
            spec: candidate.spec,
            sealed_secret: None,
            interval_s: candidate.interval_s,
            timeout_ms: candidate.timeout_ms,
            quorum: candidate.quorum.or_else(|| old.and_then(|old| old.settings.quorum)),
            eu_only: placed.eu_only,
            tags: candidate.tags,
            briefing: candidate.briefing.or_else(|| old.map(|old| old.settings.briefing.clone())).unwrap_or_default(),
            regions: placed.keys,
        };
        let mut imported = Imported {
            source: self.source.as_str().to_owned(),
            version: 1,
            paused: candidate.paused,
            tags: Vec::new(),
            credentials: None,
        };
        if let Some(auth) = &candidate.auth {
            let plain = SecretString::new(serde_json::to_string::<HttpAuth>(auth)?);
            let (class, row, plain) = (Class::MonitorSecret, id.0.as_bytes(), plain.expose().as_bytes());
            settings.sealed_secret = Some(self.sealer.seal(class, row, plain)?);
            imported.credentials = Some(hex(&self.sealer.mark(class, row, plain)?));
        }
        if let Some(old) = old.filter(|_| candidate.auth_elsewhere) {
            settings.sealed_secret.clone_from(&old.settings.sealed_secret);
            imported.credentials = old.imported.as_ref().and_then(|before| before.credentials.clone());
        }
        match old {
            Some(old) => self.compare(&mut step, old, settings, imported),
            None => self.make(&mut step, id, settings, imported, candidate.key),
        }
        Ok(step)
    }

    fn make(&self, step: &mut Step, id: MonitorId, mut settings: Settings, mut imported: Imported, key: String) {
        if self.deleted.contains(&key) && !self.choice.overwrite {
            let why = "it was deleted since the last import: --overwrite makes it again".to_owned();
            step.entry.outcome = Outcome::Kept { why };
            return;
        }
        imported.tags = add_tags(&mut settings.tags, &self.new_tags);
        let paused = imported.paused;
        step.entry.outcome = Outcome::Taken;
        step.action = Action::Make(Box::new(New { id, settings, external_key: Some(key), paused, imported }));
    }

    fn compare(&self, step: &mut Step, old: &MonitorRow, mut settings: Settings, mut imported: Imported) {
        let (was, is) = (old.settings.spec.kind(), settings.spec.kind());
        if was != is {
            step.refuse(format!(
                "it was {was} at the last import and is {is} now, and a monitor keeps its kind: delete it, then import \
                 with --overwrite"
            ));
            return;
        }
        let before = old.imported.as_ref();
        let given: Vec<String> = before.into_iter().flat_map(|before| before.tags.iter().cloned()).collect();
        let mut more = add_tags(&mut settings.tags, &given);
        more.extend(add_tags(&mut settings.tags, &self.choice.tags));
        imported.tags = more;
        let fields = differences(old, &settings, imported.paused, imported.credentials.as_ref());
        if fields.is_empty() {
            return;
        }
        let as_imported = |before: &&Imported| {
            // What a program wrote by the API is as good as an edit by a person.
            before.source != imports::API && before.version == old.version && before.paused == old.paused_at.is_some()
        };
        if before.filter(as_imported).is_none() && !self.choice.overwrite {
            let why = format!(
                "it was edited here since the last import, and differs in {}: --overwrite makes it as the file says",
                fields.join(", ")
            );
            step.entry.outcome = Outcome::Kept { why };
            return;
        }
        imported.version = old.version + 1;
        let paused = imported.paused;
        step.entry.outcome = Outcome::Changed { fields };
        step.action =
            Action::Change(Box::new(Change { key: old.key, version: old.version, settings, paused, imported }));
    }
}

/// Adds tags that are not there yet; gives those that were added.
fn add_tags(tags: &mut Vec<String>, more: &[String]) -> Vec<String> {
    let mut added = Vec::new();
    for tag in more {
        if !tags.contains(tag) {
            tags.push(tag.clone());
            added.push(tag.clone());
        }
    }
    added
}
