//! Posture: whether promises are kept, looked at while the collector runs.
//!
//! [`facts`] looks once at everything; each control is a file and a row of [`CONTROLS`]: a pure function from facts to a finding. What
//! could not be looked at makes no control pass: it says that it was not measured, and why. Findings are rows
//! (`store::posture`); pages and programs read those.

mod administration;
mod agreements;
mod api_keys;
mod audit_chain;
mod audit_retention;
mod audit_writers;
mod backup_age;
mod backup_place;
mod breach_clock;
mod column_classes;
mod database_line;
mod facts;
mod front_door;
mod isolation;
mod key_age;
mod mail_line;
mod mail_place;
mod outcome_age;
mod passwords;
mod rates;
mod recovery_kit;
mod residency;
mod restore_drill;
mod restore_point;
mod sealed_values;
mod security_contact;
mod sessions;
mod sub_processors;
mod telling;

use picket_shared::time::Timestamp;

pub use facts::{Facts, Sources};

use crate::domain::posture::Finding;
use crate::store::{Pools, StoreError, posture};

/// A promise that can be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    /// Its name, here and for programs.
    pub id: &'static str,
    /// Which promises of `docs/controls.md` it is about.
    pub promises: &'static [&'static str],
    /// What it says of the facts.
    pub check: fn(&Facts) -> Finding,
}

/// Every control, in the order in which they are shown.
pub const CONTROLS: &[Control] = &[
    isolation::CONTROL,
    residency::CONTROL,
    backup_age::CONTROL,
    backup_place::CONTROL,
    restore_point::CONTROL,
    restore_drill::CONTROL,
    recovery_kit::CONTROL,
    sealed_values::CONTROL,
    key_age::CONTROL,
    database_line::CONTROL,
    front_door::CONTROL,
    passwords::CONTROL,
    sessions::CONTROL,
    api_keys::CONTROL,
    administration::CONTROL,
    rates::CONTROL,
    audit_writers::CONTROL,
    audit_chain::CONTROL,
    audit_retention::CONTROL,
    column_classes::CONTROL,
    outcome_age::CONTROL,
    telling::CONTROL,
    mail_line::CONTROL,
    mail_place::CONTROL,
    security_contact::CONTROL,
    agreements::CONTROL,
    sub_processors::CONTROL,
    breach_clock::CONTROL,
];

/// What a control says of a fact; what is not known it does not judge.
fn judged<T>(fact: &Result<T, String>, judge: impl FnOnce(&T) -> Finding) -> Finding {
    fact.as_ref().map_or_else(Finding::not_measured, judge)
}

/// What the controls of drills and of the restore point say now: they are looked at more often than the rest.
pub async fn recoverable(sources: &Sources<'_>, now: Timestamp) -> Vec<(&'static Control, Finding)> {
    let facts = Facts::of_recovery(sources, now).await;
    let often = [restore_point::CONTROL.id, restore_drill::CONTROL.id];
    let controls = CONTROLS.iter().filter(|control| often.contains(&control.id));
    controls.map(|control| (control, (control.check)(&facts))).collect()
}

/// What all controls say of these facts.
pub fn check(facts: &Facts) -> Vec<(&'static Control, Finding)> {
    CONTROLS.iter().map(|control| (control, (control.check)(facts))).collect()
}

/// Writes down what was found.
///
/// # Errors
/// When the database fails.
pub async fn note(pools: &Pools, found: &[(&'static Control, Finding)], now: Timestamp) -> Result<(), StoreError> {
    let mut worker = pools.worker().await?;
    for (control, finding) in found {
        posture::note(&mut worker, control.id, finding, now).await?;
    }
    worker.commit().await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::controls::Catalogue;
    use crate::domain::posture::State;

    #[test]
    fn no_control_passes_that_could_not_look() {
        for (control, finding) in check(&Facts::blind()) {
            assert_eq!(finding.state, State::NotMeasured, "{}: {}", control.id, finding.evidence);
        }
    }

    #[test]
    fn controls_have_names_of_their_own_and_name_promises() {
        let mut names: Vec<&str> = CONTROLS.iter().map(|control| control.id).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CONTROLS.len());
        for control in CONTROLS {
            assert!(control.id.len() <= 60 && !control.promises.is_empty(), "{}", control.id);
        }
    }

    #[test]
    fn the_catalogue_says_of_each_control_what_the_control_says_of_itself() {
        let named = Catalogue::ours().entries.iter().flat_map(|entry| entry.controls.iter().chain(&entry.rests_on));
        for name in named {
            assert!(
                CONTROLS.iter().any(|control| control.id == name),
                "controls.toml names {name}, which is no control"
            );
        }
        for control in CONTROLS {
            let own: BTreeSet<&str> = control.promises.iter().copied().collect();
            assert_eq!(Catalogue::ours().looked_at(control.id), own, "{}", control.id);
        }
    }
}
