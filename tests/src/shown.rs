//! What a monitor looks like to who asks for it by a command.

use picket_shared::time::Timestamp;
use serde_json::Value;

use crate::collector::text_of;

/// What `monitor show --json` prints.
#[derive(Clone, Debug)]
pub struct Shown(pub Value);

impl Shown {
    /// The monitor's state.
    pub fn state(&self) -> String {
        text_of(&self.0, "state")
    }

    /// Its overlays as text.
    pub fn overlays(&self) -> String {
        self.0["overlays"].to_string()
    }

    /// Its incidents, newest first.
    pub fn incidents(&self) -> &[Value] {
        self.list("incidents")
    }

    /// What it was since it was made.
    #[track_caller]
    pub fn uptime(&self) -> Uptime {
        let all = &self.0["availability"]["30d"];
        let time = |key: &str| text_of(all, key).parse::<Timestamp>().unwrap();
        let part = |key: &str| (all[key].as_f64().unwrap() * 1e6).round() as i64;
        let [up_us, down_us, unknown_us] = ["up_s", "down_s", "unknown_s"].map(part);
        let found = Uptime { from: time("from"), to: time("to"), up_us, down_us, unknown_us };
        let sum = up_us + down_us + unknown_us + part("maintenance_s") + part("paused_s");
        assert_eq!(sum, found.to.micros_since(found.from), "the sums are not the wall time: {all:#}");
        found
    }

    /// Its outcomes, newest first.
    pub fn outcomes(&self) -> &[Value] {
        self.list("outcomes")
    }

    /// Its gaps, newest first.
    pub fn gaps(&self) -> &[Value] {
        self.list("gaps")
    }

    /// What one region says.
    pub fn region(&self, region: &str) -> Value {
        self.list("regions").iter().find(|row| row["region"] == region).cloned().unwrap_or_default()
    }

    /// Whether the newest outcome has this status.
    pub fn is_last(&self, status: &str) -> bool {
        self.outcomes().first().is_some_and(|outcome| outcome["status"] == status)
    }

    /// The newest outcome that failed in this way.
    pub fn failed_as(&self, kind: &str) -> Option<&Value> {
        self.outcomes().iter().find(|outcome| outcome["failure"]["kind"] == kind)
    }

    fn list(&self, key: &str) -> &[Value] {
        self.0[key].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// How long a monitor was what, by `monitor show --json`; the parts are the wall time to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// When the monitor was made.
    pub from: Timestamp,
    /// When it was asked for, by the collector's time.
    pub to: Timestamp,
    /// Up.
    pub up_us: i64,
    /// Down.
    pub down_us: i64,
    /// Not known.
    pub unknown_us: i64,
}
