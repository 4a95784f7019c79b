//! Bells: how one stage tells the next that it wrote rows.
//!
//! A store function that leaves work behind rings (`pg_notify`) in its own transaction, so that the bell is heard only
//! if the rows are there. Every stage also runs on a period: a bell may be missed, work may not.
//!
//! And [`Standstill`]: how the clock is set while nobody works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The channel of PostgreSQL on which every bell rings; the payload names which.
pub const CHANNEL: &str = "picket";

/// Who is to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bell {
    /// What probes run has changed, or a recheck or a manual check is wanted: answers long polls.
    Assignments,
    /// There is something new to judge.
    Judge,
    /// There are notices without deliveries.
    Dispatch,
    /// There are deliveries to send.
    Deliver,
    /// Open pages show something that has changed.
    Pages,
    /// A manual check has ended: somebody waits for it.
    Manual,
    /// A probe was added: it must find a door.
    Probes,
    /// There are mails about accounts to send.
    Mails,
    /// A window of maintenance was made, changed or ended.
    Maintenance,
}

impl Bell {
    /// Every bell.
    pub const ALL: &'static [Self] = &[
        Self::Assignments,
        Self::Judge,
        Self::Dispatch,
        Self::Deliver,
        Self::Pages,
        Self::Manual,
        Self::Probes,
        Self::Mails,
        Self::Maintenance,
    ];

    /// Its name in the payload.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assignments => "assignments",
            Self::Judge => "judge",
            Self::Dispatch => "dispatch",
            Self::Deliver => "deliver",
            Self::Pages => "pages",
            Self::Manual => "manual",
            Self::Probes => "probes",
            Self::Mails => "mails",
            Self::Maintenance => "maintenance",
        }
    }
}

/// The bells of this process; [`Bells::ring`] is called by the listener for every payload heard.
#[derive(Clone, Debug)]
pub struct Bells(Arc<BTreeMap<Bell, Notify>>);

impl Default for Bells {
    fn default() -> Self {
        Self(Arc::new(Bell::ALL.iter().copied().map(|bell| (bell, Notify::new())).collect()))
    }
}

impl Bells {
    /// Wakes all who wait for this bell, and the next who will if nobody does.
    pub fn ring(&self, bell: Bell) {
        if let Some(notify) = self.0.get(&bell) {
            notify.notify_waiters();
            notify.notify_one();
        }
    }

    /// Rings the bell that a payload names; unknown names (of a newer collector) are passed over.
    pub fn ring_named(&self, payload: &str) {
        if let Some(bell) = Bell::ALL.iter().copied().find(|bell| bell.as_str() == payload) {
            self.ring(bell);
        }
    }

    /// Rings all: after a lost connection nobody knows what was missed.
    pub fn ring_all(&self) {
        Bell::ALL.iter().copied().for_each(|bell| self.ring(bell));
    }

    /// Waits for the bell, but no longer than `period`.
    pub async fn wait(&self, bell: Bell, period: Duration) {
        if let Some(notify) = self.0.get(&bell) {
            let _ = tokio::time::timeout(period, notify.notified()).await;
        }
    }
}

/// Held by whoever writes times, from before they ask what time it is; alone by whoever sets the clock. So no time of before is
/// written after it.
#[derive(Clone, Debug, Default)]
pub struct Standstill(Arc<RwLock<()>>);

impl Standstill {
    /// The clock is not set while this is held.
    pub async fn working(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().await
    }

    /// Nobody works while this is held; `None` if somebody still does after `patience`.
    pub async fn alone(&self, patience: Duration) -> Option<RwLockWriteGuard<'_, ()>> {
        tokio::time::timeout(patience, self.0.write()).await.ok()
    }
}
