//! What an import did or would do: the same for a person, a program and a page.

use std::collections::BTreeMap;

use picket_shared::ids::Region;
use serde::Serialize;

use super::channels::ChannelEntry;
use crate::domain::import::{Left, Lost, Refused, Source};

/// An import, monitor by monitor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Where it came from.
    pub source: Source,
    /// Whether it was done, or only planned.
    pub applied: bool,
    /// The tags that new monitors have of this import: by the first of them they can be released.
    pub tags: Vec<String>,
    /// How many of each.
    pub counts: Counts,
    /// Every monitor of the files, in their order; those that were refused at the end.
    pub monitors: Vec<Entry>,
    /// Channels of an export; those that are taken are switched off, without a destination.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelEntry>,
    /// Whether the export says that members need a second factor: whoever imports asks for that, where it may.
    pub second_factor: bool,
    /// What is no monitor and stays behind.
    pub left: Vec<Left>,
    /// Monitors of earlier imports from this source that these files do not have; they stay as they are.
    pub missing: Vec<String>,
}

/// How many monitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Made.
    pub taken: usize,
    /// Changed to what the files say.
    pub changed: usize,
    /// As the files say already.
    pub unchanged: usize,
    /// Left as a person made them.
    pub kept: usize,
    /// Not taken.
    pub refused: usize,
}

/// One monitor of the files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Where it stands in its file.
    pub place: String,
    /// What it is called.
    pub name: String,
    /// What kind it is: Picket's, or its program's where it was refused.
    pub kind: String,
    /// What is watched; empty where it was refused.
    pub target: String,
    /// What names it in imports; absent where it was refused.
    pub external_key: Option<String>,
    /// Where it runs.
    pub regions: Vec<Region>,
    /// Whether it is paused.
    pub paused: bool,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What could not be taken over of it.
    pub lost: Vec<Lost>,
}

/// What becomes of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is made.
    Taken,
    /// It is changed.
    Changed {
        /// What of it.
        fields: Vec<String>,
    },
    /// It is so already.
    Unchanged,
    /// It stays as a person made it.
    Kept {
        /// Why.
        why: String,
    },
    /// It is not taken.
    Refused {
        /// Why, and what would be nearest.
        why: String,
    },
}

/// One thing that was lost, with all monitors of which it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss<'r> {
    /// The field.
    pub field: &'r str,
    /// What became of it.
    pub why: &'r str,
    /// The names of the monitors.
    pub monitors: Vec<&'r str>,
}

impl Report {
    /// What was lost of monitors that are here now, the most frequent first.
    pub fn losses(&self) -> Vec<Loss<'_>> {
        let mut losses: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        let lost = |entry: &&Entry| !matches!(entry.outcome, Outcome::Refused { .. });
        for entry in self.monitors.iter().filter(lost) {
            for lost in &entry.lost {
                losses.entry((&lost.field, &lost.why)).or_default().push(&entry.name);
            }
        }
        let mut losses: Vec<_> =
            losses.into_iter().map(|((field, why), monitors)| Loss { field, why, monitors }).collect();
        losses.sort_by_key(|loss| std::cmp::Reverse(loss.monitors.len()));
        losses
    }

    /// Counts again what became of each.
    pub(super) fn count(&mut self) {
        let mut counts = Counts::default();
        for entry in &self.monitors {
            *match entry.outcome {
                Outcome::Taken => &mut counts.taken,
                Outcome::Changed { .. } => &mut counts.changed,
                Outcome::Unchanged => &mut counts.unchanged,
                Outcome::Kept { .. } => &mut counts.kept,
                Outcome::Refused { .. } => &mut counts.refused,
            } += 1;
        }
        self.counts = counts;
    }
}

impl From<Refused> for Entry {
    fn from(refused: Refused) -> Self {
        Self {
            place: refused.place,
            name: refused.name,
            kind: refused.kind,
            target: String::new(),
            external_key: None,
            regions: Vec::new(),
            paused: false,
            outcome: Outcome::Refused { why: refused.why },
            lost: Vec::new(),
        }
    }
}
