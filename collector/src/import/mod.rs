//! Moving in: what other programs watch -> monitors, in one transaction, again and again without a duplicate.
//!
//! [`read`] (of `domain::import`, pure) says what the files hold; [`plan()`] compares it with what is stored; the [`Plan`]'s
//! report says what would be done, and [`Plan::apply`] does just that. Commands and pages call the three in this order, in
//! one transaction, and print the same [`Report`].
//!
//! Monitors that were imported are judged at once and muted: nobody is told before they are released
//! (`store::imports::release`).

mod channels;
mod compare;
mod names;
mod plan;
mod regions;
mod report;

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;

use crate::store::StoreError;
use crate::vault::VaultError;

pub use crate::domain::import::{
    Found, FoundChannel, Left, Lost, MAX_BYTES, MAX_MONITORS, Reading, Source, Unreadable, Upload, read,
};
pub use channels::ChannelEntry;
pub use plan::{Plan, plan};
pub use report::{Counts, Entry, Loss, Outcome, Report};

/// What the person who imports decides.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Where monitors run whose file does not say; everywhere if empty. An import that comes again leaves them where they
    /// are, unless this says otherwise. Another Picket has other regions: what is chosen holds for all monitors of an export.
    pub regions: Vec<Region>,
    /// Tags for all monitors of this import; `imported-<date>` for the new ones if empty.
    pub tags: Vec<String>,
    /// Only regions in the EU may run them.
    pub eu_only: bool,
    /// Regions outside the EU may run those too that hold credentials.
    pub not_eu_only: bool,
    /// Whether monitors that somebody edited or deleted since the last import become again what the file says.
    pub overwrite: bool,
    /// Whoever imports may not change channels: those of an export stay behind.
    pub without_channels: bool,
}

impl Choice {
    /// The tags that new monitors get.
    fn tags_for_new(&self, source: Source, now: Timestamp) -> Vec<String> {
        // What comes from a Picket becomes what it was there.
        if self.tags.is_empty() && source != Source::Picket {
            let date: String = format!("{now:.0}").chars().take(10).collect();
            vec![format!("imported-{date}")]
        } else {
            self.tags.clone()
        }
    }
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The files hold nothing that can be taken.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// There is nowhere to watch from.
    #[error("there is no region to watch from: make one with `picket-collector probe add --region NAME`")]
    NoRegion,
    /// A region that was chosen is none.
    #[error("there is no region {region}: there are {known}. `picket-collector probe add --region {region}` makes it")]
    UnknownRegion {
        /// The one that was named.
        region: Region,
        /// Those that there are.
        known: String,
    },
    /// The organization keeps to the EU.
    #[error("this organization keeps to the EU, so regions outside of it may run nothing: leave --not-eu-only out")]
    KeepsToEu,
    /// A tag that was chosen is none.
    #[error("{0:?} cannot be a tag: use 1 to 64 characters on one line")]
    BadTag(String),
    /// Somebody made or edited a monitor in the meantime.
    #[error("somebody else changed monitors or channels meanwhile, so nothing was imported: try again")]
    Meanwhile,
    /// The database.
    #[error(transparent)]
    Store(StoreError),
    /// Credentials could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Credentials could not be written.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        match (&error, error.constraint()) {
            (StoreError::RowCount { .. }, _)
            | (_, Some("monitors_org_name" | "monitors_external_key" | "channels_org_name")) => Self::Meanwhile,
            _ => Self::Store(error),
        }
    }
}
