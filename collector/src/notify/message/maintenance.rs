//! A message about maintenance: what, when by the clocks of its zone and in UTC, and of which monitors.

use picket_shared::ids::MaintenanceId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::Facts;
use super::sheet::Sheet;
use super::words::{duration, one_line};
use crate::domain::outage::NoticeKind;
use crate::domain::zone::Zone;

/// One time of maintenance.
#[derive(Clone, Debug)]
pub struct MaintenanceFacts {
    /// The window's id.
    pub id: MaintenanceId,
    /// What it is called.
    pub title: String,
    /// What is to be known of it; may be empty.
    pub note: String,
    /// By whose clocks it is told.
    pub zone: Zone,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Whether it is of all monitors.
    pub all: bool,
    /// The names of its monitors, where it is not of all.
    pub monitors: Vec<String>,
}

/// So many monitors are named.
const NAMED: usize = 20;

impl MaintenanceFacts {
    fn affected(&self) -> String {
        match self.monitors.len() {
            _ if self.all => "all".to_owned(),
            0 => "none".to_owned(),
            n if n > NAMED => format!("{} and {} more", self.monitors[..NAMED].join(", "), n - NAMED),
            _ => self.monitors.join(", "),
        }
    }

    /// Where to look: what is called off may be gone.
    pub(super) fn link(&self, kind: &NoticeKind, url: &str) -> String {
        let list = format!("{}/maintenance", url.trim_end_matches('/'));
        if matches!(kind, NoticeKind::MaintenanceCalledOff) { list } else { format!("{list}/{}", self.id) }
    }

    /// A time by the clocks of the zone, and in UTC.
    fn told(&self, at: Timestamp) -> String {
        let there = self.zone.text(at);
        if self.zone == Zone::utc() { there } else { format!("{there}, {at:.0}") }
    }
}

pub(super) fn sheet(facts: &Facts, kind: &NoticeKind, maintenance: &MaintenanceFacts) -> Sheet {
    let title = &maintenance.title;
    let takes = duration(maintenance.ends_at.since(maintenance.starts_at));
    let (subject, lead) = match kind {
        NoticeKind::MaintenanceEnded => {
            (format!("Maintenance over: {title}"), format!("The maintenance \"{title}\" is over after {takes}."))
        }
        NoticeKind::MaintenanceBegan => {
            (format!("Maintenance began: {title}"), format!("The maintenance \"{title}\" has begun and takes {takes}."))
        }
        NoticeKind::MaintenanceCalledOff => {
            let when = maintenance.zone.text(maintenance.starts_at);
            (
                format!("Maintenance called off: {title}"),
                format!("The maintenance \"{title}\" that was planned for {when} will not be."),
            )
        }
        _ => {
            let when = maintenance.zone.text(maintenance.starts_at);
            (
                format!("Maintenance on {when}: {title}"),
                format!("The maintenance \"{title}\" is planned and takes {takes}."),
            )
        }
    };
    let mut rows = vec![
        ("Begins", maintenance.told(maintenance.starts_at)),
        ("Ends", maintenance.told(maintenance.ends_at)),
        ("Monitors", maintenance.affected()),
    ];
    if !maintenance.note.is_empty() {
        rows.push(("Note", one_line(&maintenance.note)));
    }
    let link = facts.public_url.as_deref().map(|url| maintenance.link(kind, url));
    Sheet { subject, lead, rows, link }
}

/// The labelled lines of the short form.
pub(super) fn rows(maintenance: &MaintenanceFacts) -> Vec<(&'static str, String)> {
    vec![
        ("What", one_line(&maintenance.affected())),
        ("Begins", maintenance.told(maintenance.starts_at)),
        ("Ends", maintenance.told(maintenance.ends_at)),
    ]
}

pub(super) fn event(kind: &NoticeKind, at: Timestamp, maintenance: &MaintenanceFacts) -> Value {
    json!({
        "notice": kind.as_str(),
        "at": at.to_string(),
        "maintenance": {
            "id": maintenance.id,
            "title": maintenance.title,
            "note": maintenance.note,
            "zone": maintenance.zone,
            "starts_at": maintenance.starts_at.to_string(),
            "ends_at": maintenance.ends_at.to_string(),
            "all": maintenance.all,
            "monitors": maintenance.monitors,
        },
    })
}
