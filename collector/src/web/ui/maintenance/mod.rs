//! Maintenance: the list of windows, one with its next times, the form, and what the buttons do.
//!
//! [`list`] has what runs, comes and was, [`show`] one window, [`form`] plans and changes one, [`deeds`] is what the buttons do.

mod deeds;
pub mod form;
pub mod list;
pub mod show;

use axum::response::Response;

use super::error;
use crate::domain::maintenance::settings::{CountsAs, Scope, Settings};
use crate::domain::zone::Zone;
use crate::store::read::maintenance::{self, Shown, Standing};
use crate::store::{MonitorKey, Scoped, StoreError};
use crate::web::texts::{filled, text};
use picket_shared::time::Timestamp;

pub use deeds::{post_delete, post_end, post_restore, post_skip};

/// A handler's answer, or what to show instead.
fn shown(result: Result<Option<Response>, StoreError>) -> Response {
    match result {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// A time for people and for programs.
pub(in crate::web::ui) struct Clock {
    pub(in crate::web::ui) text: String,
    pub(in crate::web::ui) exact: String,
}

/// `at` by the clocks of `zone`.
pub(in crate::web::ui) fn clock(zone: &Zone, at: Timestamp) -> Clock {
    Clock { text: zone.text(at), exact: at.to_string() }
}

/// A window that a monitor is in, or comes into.
pub(in crate::web::ui) struct OfMonitor {
    pub(in crate::web::ui) id: String,
    pub(in crate::web::ui) says: String,
}

/// The windows of a monitor at `now`, the earliest first.
pub(in crate::web::ui) async fn of_monitor(
    scoped: &mut Scoped,
    monitor: MonitorKey,
    now: Timestamp,
) -> Result<Vec<OfMonitor>, StoreError> {
    let said = |window: Shown| {
        let (key, at) = if window.starts_at <= now {
            ("maintenance.monitor_until", window.ends_at)
        } else {
            ("maintenance.monitor_next", window.starts_at)
        };
        let says = format!("{}: {}", filled(key, window.zone.text(at)), window.title);
        OfMonitor { id: window.id.to_string(), says }
    };
    Ok(maintenance::of_monitors(scoped, &[monitor], now).await?.into_iter().map(said).collect())
}

/// So many monitors are named on a line.
const NAMED: usize = 5;

/// What a window is of, in words.
fn scope(one: &Standing) -> String {
    match &one.kept.settings.scope {
        Scope::All => text("maintenance.of_all").to_owned(),
        Scope::Monitors(_) if one.named.is_empty() => text("maintenance.of_none").to_owned(),
        Scope::Monitors(_) => match one.named.len().checked_sub(NAMED) {
            Some(more) if more > 0 => {
                format!("{} {}", one.named[..NAMED].join(", "), filled("maintenance.and_more", more))
            }
            _ => one.named.join(", "),
        },
        Scope::Tags(tags) => filled("maintenance.of_tags", tags.join(", ")),
    }
}

/// What follows from a window, in words.
fn effects(settings: &Settings) -> Vec<&'static str> {
    let effects = settings.effects;
    let mut said = vec![text(if effects.holds_alerts { "maintenance.is_quiet" } else { "maintenance.is_told" })];
    said.push(text(match effects.counts_as {
        CountsAs::Maintenance => "maintenance.counts_apart",
        CountsAs::Normal => "maintenance.counts_normal",
    }));
    if effects.shows_on_page {
        said.push(text("maintenance.on_page"));
    }
    said
}
