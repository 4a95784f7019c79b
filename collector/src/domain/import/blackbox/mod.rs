//! The modules of a blackbox_exporter, and the targets that Prometheus probes with them.
//!
//! [`module`] makes a candidate of one target and its module, with [`http`] for those that ask a web server; [`targets`]
//! reads the files that name targets.

mod http;
mod module;
mod targets;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::candidate::Draft;
use super::{Found, Reading, Unreadable, Upload, yaml};
use targets::Target;

pub(super) fn read(file: &Upload<'_>, further: &[Upload<'_>], reading: &Reading) -> Result<Found, Unreadable> {
    let modules = modules(file)?;
    if let Some(named) = reading.module.as_ref().filter(|named| !modules.contains_key(*named)) {
        return Err(Unreadable::of(file, format_args!("it has no module {named:?}: it has {}", list(&modules))));
    }
    if further.is_empty() {
        return Err(Unreadable(format!(
            "{} names no targets: give the target files of Prometheus too (file_sd, or its own file), by --targets FILE",
            file.name
        )));
    }
    let mut found = Found::default();
    let mut all = Vec::new();
    for file in further {
        let (targets, left) = targets::read(file)?;
        all.extend(targets);
        found.left.extend(left);
    }
    // One module is the one that is meant.
    let only = (modules.len() == 1).then(|| modules.keys().next().cloned()).flatten();
    let default = reading.module.clone().or(only);
    for target in &mut all {
        target.module = target.module.take().or_else(|| default.clone());
    }
    let several = targets_of_several_modules(&all);
    for target in &all {
        let name = match (&target.name, &target.module) {
            (Some(name), _) => name.clone(),
            (None, Some(module)) if several.contains(&target.target) => format!("{} ({module})", target.target),
            (None, _) => target.target.clone(),
        };
        match candidate(target, &name, &modules, reading) {
            Ok(candidate) => found.candidates.push(candidate),
            Err(refused) => found.refused.push(refused),
        }
    }
    Ok(found)
}

fn modules(file: &Upload<'_>) -> Result<Map<String, Value>, Unreadable> {
    let text = std::str::from_utf8(file.bytes).map_err(|_| Unreadable::of(file, "it is not text in UTF-8"))?;
    let value = yaml::read(text).map_err(|why| Unreadable::of(file, format_args!("it is not YAML: {why}")))?;
    match value.get("modules").and_then(Value::as_object) {
        Some(modules) if !modules.is_empty() => Ok(modules.clone()),
        _ => Err(Unreadable::of(file, "it has no modules: give the configuration file of a blackbox_exporter")),
    }
}

fn list(modules: &Map<String, Value>) -> String {
    modules.keys().take(20).cloned().collect::<Vec<_>>().join(", ")
}

fn targets_of_several_modules(targets: &[Target]) -> HashSet<String> {
    let mut first = HashMap::new();
    let mut several = HashSet::new();
    for target in targets {
        if *first.entry(&target.target).or_insert(&target.module) != &target.module {
            several.insert(target.target.clone());
        }
    }
    several
}

fn candidate(
    target: &Target,
    name: &str,
    modules: &Map<String, Value>,
    reading: &Reading,
) -> Result<super::Candidate, super::Refused> {
    let module = target.module.as_deref().unwrap_or_default();
    let mut draft = Draft::new(format!("blackbox:{module}:{}", target.target), target.place.clone(), name, module);
    draft.interval_s = reading.interval_s.map(f64::from);
    draft.tags.clone_from(&target.tags);
    if target.module.is_none() {
        return Err(
            draft.refuse(format!("nothing says which module it is for: --module names one of {}", list(modules)))
        );
    }
    match modules.get(module).and_then(Value::as_object) {
        Some(settings) => module::candidate(&target.target, settings, draft),
        None => Err(draft.refuse(format!("there is no module {module:?}: there are {}", list(modules)))),
    }
}
