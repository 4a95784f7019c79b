//! Channels of an export: made without a destination, for no export holds one, and so switched off until somebody gives it.

use std::collections::HashSet;

use picket_shared::ids::ChannelId;
use picket_shared::time::Timestamp;
use serde::Serialize;

use super::ImportError;
use super::report::Outcome;
use crate::domain::import::FoundChannel;
use crate::notify::channels::Kind;
use crate::store::Scoped;
use crate::store::channels::{self, NewChannel};

/// One channel of an export.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelEntry {
    /// What it is called.
    pub name: String,
    /// What kind it is.
    pub kind: String,
    /// Whom it reached, shortened.
    pub hint: String,
    /// Whether its messages name nothing that is watched.
    pub minimal: bool,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl ChannelEntry {
    /// Whether it is not taken.
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused { .. })
    }
}

/// What becomes of each: one that is there by name stays as it is.
pub(super) async fn plan(
    scoped: &mut Scoped,
    found: Vec<FoundChannel>,
    may: bool,
) -> Result<Vec<ChannelEntry>, ImportError> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let rows = channels::list(scoped).await?;
    let mut names = HashSet::new();
    let entry = |channel: FoundChannel| {
        let old = rows.iter().find(|row| row.name == channel.name);
        let bad =
            channel.name.is_empty() || channel.name.chars().count() > 200 || channel.name.chars().any(char::is_control);
        let refused = |why: &str| Outcome::Refused { why: why.to_owned() };
        let outcome = match old {
            _ if !may => refused("whoever imports may not change channels here"),
            _ if bad => refused("its name must have 1 to 200 characters on one line"),
            _ if Kind::parse(&channel.kind).is_none() => refused("this Picket does not know its kind"),
            Some(old) if old.kind == channel.kind => Outcome::Kept { why: "a channel is called so already".to_owned() },
            Some(_) => refused("a channel is called so already, and is of another kind: rename it, here or there"),
            None if !names.insert(channel.name.clone()) => refused("another channel of the file is called so"),
            None => Outcome::Taken,
        };
        let hint = channel.hint.chars().filter(|c| !c.is_control()).take(200).collect();
        ChannelEntry { name: channel.name, kind: channel.kind, hint, minimal: channel.minimal, outcome }
    };
    Ok(found.into_iter().map(entry).collect())
}

/// Makes those that are taken.
pub(super) async fn apply(scoped: &mut Scoped, entries: &[ChannelEntry], now: Timestamp) -> Result<(), ImportError> {
    for entry in entries.iter().filter(|entry| entry.outcome == Outcome::Taken) {
        let new = NewChannel {
            id: ChannelId::at(now),
            name: &entry.name,
            kind: &entry.kind,
            hint: &entry.hint,
            abroad: None,
            minimal: entry.minimal,
        };
        channels::insert_unset(scoped, &new, now).await?;
    }
    Ok(())
}
