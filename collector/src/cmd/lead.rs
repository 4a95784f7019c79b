//! Who leads: one of the collectors that use a database runs the tasks which judge, tell and delete, the others stand by.
//!
//! In: the row of [`leadership`], looked at again and again. Out: the tasks of [`tasks`], begun and ended with each term. Managed, there is
//! one collector, which leads from its start.

use std::sync::Arc;
use std::time::Duration;

use picket_shared::ids::TermId;
use picket_shared::time::{Stopwatch, Timestamp};
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CmdError;
use crate::app::{self, App};
use crate::config::DatabaseMode;
use crate::domain::clock::JUMP;
use crate::domain::leadership::{BEAT, LOOK, Look, Seen, Watch};
use crate::login::Porter;
use crate::postgres::{Access, PostgresError};
use crate::store::leadership::{self, Candidate, Leadership, Taken};
use crate::store::residency::{self, Attested};
use crate::store::{Fence, StoreError, instance};
use crate::tasks::{self, Desks, Term};
use crate::vault::KeyRing;
use crate::{flow, ops};

/// Sessions of the old holder are ended so often before it is left for the next look.
const TRIES: u32 = 5;
/// A beat that is not answered for so long is given up; the next comes anyway.
const PATIENCE: Duration = Duration::from_secs(5);
/// At the start a holder is watched for so long, to know whether it lives.
const FIRST_WATCH: Duration = Duration::from_secs(5);
/// A step of the clock waits so long for what runs.
const STANDSTILL: Duration = Duration::from_secs(5);

/// What this process does to lead.
pub(super) struct Lead {
    app: App,
    access: Access,
    me: Candidate,
    watch: Watch,
    since: Stopwatch,
    /// The last key of whoever leads that was missing here.
    asked: Option<String>,
    /// The last trouble that was told of, so that it is told once.
    trouble: Option<String>,
}

/// What a term's tasks use.
pub(super) struct Parts {
    pub(super) porter: Porter,
    pub(super) archive: tasks::Archive,
}

/// How a term ended.
enum End {
    /// The collector stops.
    Stopped,
    /// Another leads.
    Deposed,
}

impl Lead {
    /// Nobody leads by it yet.
    pub(super) fn new(app: &App, access: &Access) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let me = Candidate {
            id: TermId::at(app.started_at),
            host: format!("{} ({})", host.trim(), app.config.http.listen),
            key_ids: app.key_names(),
        };
        let (watch, since) = (Watch::default(), Stopwatch::start());
        Self { app: app.clone(), access: access.clone(), me, watch, since, asked: None, trouble: None }
    }

    /// Leads from the start where nobody else does, and begins as a start must. Gives nothing where somebody else may: this process
    /// then goes by the time of whoever leads already.
    ///
    /// # Errors
    /// When the database fails, or another collector that uses it has other keys.
    pub(super) async fn at_start(&mut self) -> Result<Option<Fence>, CmdError> {
        let alone = self.app.config.database.mode == DatabaseMode::Managed;
        loop {
            let row = self.read().await?;
            if !alone {
                self.has_their_key(&row)?;
            }
            let look = self.look(&row).await;
            if alone || look == Look::Vacant {
                if let Some(fence) = self.take(&row).await? {
                    self.begins(fence, true).await?;
                    return Ok(Some(fence));
                }
                continue;
            }
            if look == Look::Lives {
                self.has_our_key(&row)?;
                return Ok(None);
            }
            if self.since.elapsed() > FIRST_WATCH {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Leads and stands by in turn until `stop`. `first` is the term that began at the start.
    pub(super) async fn run(mut self, first: Option<Fence>, parts: Parts, stop: CancellationToken) {
        let mut next = first;
        loop {
            let fence = match next.take() {
                Some(fence) => fence,
                None => match self.stand_by(&stop).await {
                    Some(fence) => fence,
                    None => return,
                },
            };
            tracing::info!(leader.term = fence.0, "This collector leads: term {}, as {}", fence.0, self.me.host);
            let term = Term::new(TaskTracker::new(), stop.child_token());
            let app = self.app.leading(fence);
            let desks = Desks { porter: parts.porter.on(app.pools.clone()), office: super::office(&app) };
            tasks::start(&app, desks, parts.archive.clone(), &term);
            self.app.meters.leads(Some(fence.0));
            match self.hold(fence, &stop).await {
                End::Stopped => return self.end(fence, &term).await,
                End::Deposed => {
                    self.app.meters.leads(None);
                    tracing::error!(
                        leader.term = fence.0,
                        "This collector does not lead any more: another took over from its term {}; its tasks are broken off",
                        fence.0
                    );
                    term.break_off().await;
                    (self.watch, self.since) = (Watch::default(), Stopwatch::start());
                }
            }
        }
    }

    /// Waits until nobody leads, and takes over; `None` when the collector stops.
    async fn stand_by(&mut self, stop: &CancellationToken) -> Option<Fence> {
        tracing::info!(
            "This collector stands by: it serves pages, the API and probes, and takes over when nobody leads"
        );
        loop {
            tokio::select! { () = tokio::time::sleep(LOOK) => {}, () = stop.cancelled() => return None }
            match self.taken_over().await {
                Ok(Some(fence)) => return Some(fence),
                Ok(None) => self.trouble = None,
                Err(error) => self.tells(format!("It cannot be seen who leads: {error}")),
            }
        }
    }

    async fn taken_over(&mut self) -> Result<Option<Fence>, StoreError> {
        let row = self.read().await?;
        self.follows_keys(&row).await;
        let fence = if row.holder == Some(self.me.id) {
            // It was taken before, and what comes next, or the answer to the commit, failed.
            row.fence
        } else {
            if self.look(&row).await != Look::Vacant {
                return Ok(None);
            }
            let Some(fence) = self.take(&row).await? else { return Ok(None) };
            fence
        };
        self.begins(fence, false).await?;
        Ok(Some(fence))
    }

    async fn read(&self) -> Result<Leadership, StoreError> {
        leadership::read(&mut self.app.pools.worker().await?).await
    }

    async fn look(&mut self, row: &Leadership) -> Look {
        let seen = Seen { fence: row.fence.0, beat: row.beat, is_held: row.holder.is_some() };
        let look = self.watch.look(seen, self.since.elapsed());
        if let (Look::Lives, Some(at)) = (look, row.beat_at) {
            self.goes_by(at).await;
        }
        look
    }

    /// Whoever leads may have taken a new key, with which all is sealed from then on: the ring is looked at at once, not at the task's next
    /// look. Once for each key, for what prints the ring may count its calls.
    async fn follows_keys(&mut self, row: &Leadership) {
        let Some(key) = row.key_ids.last().filter(|key| !self.app.key_names().contains(key)) else { return };
        if self.asked.as_ref() == Some(key) {
            return;
        }
        self.asked = Some(key.clone());
        let config = Arc::clone(&self.app.config);
        let ring = tokio::task::spawn_blocking(move || KeyRing::load(&config.keys)).await;
        let followed = match ring {
            // One that lacks the key that seals here is somebody else's, or an old copy.
            Ok(Ok(Some(ring))) if ring.ids().contains(&self.app.sealer.key_id()) => {
                self.app.follow_keys(&ring).is_ok() && self.app.key_names().contains(key)
            }
            _ => false,
        };
        if !followed {
            tracing::error!(
                "The key ring here lacks the key {key} with which the collector at {} seals: copy the ring from there. Until then \
                 probes, channels and credentials that it sealed cannot be used here",
                row.host
            );
        }
    }

    /// Sets this process's time by that of whoever leads, which was `at` a moment ago. What is stored here lies beside what is stored there.
    async fn goes_by(&self, at: Timestamp) {
        let clock = &self.app.clock;
        let by = at.micros_since(clock.now());
        let is_far = Duration::from_micros(by.unsigned_abs()) >= JUMP;
        if !is_far {
            // Ahead by less is what it takes to see a beat.
            return clock.slew(by.max(0));
        }
        let Some(_alone) = self.app.standstill.alone(STANDSTILL).await else { return };
        clock.follow(by);
        tracing::warn!(
            clock.stepped_s = by / 1_000_000,
            "The collector that leads goes by a time {} s from this machine's: this one follows it. Set both clocks by NTP",
            by / 1_000_000
        );
    }

    /// Takes the leadership if the row is still as it was seen.
    async fn take(&mut self, seen: &Leadership) -> Result<Option<Fence>, StoreError> {
        for _ in 0..TRIES {
            let mut worker = self.app.pools.worker().await?;
            if let Some(instance) = instance::read(&mut worker).await? {
                self.goes_on_from(instance.last_alive_at);
            }
            self.me.key_ids = self.app.key_names();
            match leadership::take(&mut worker, seen, &self.me, self.app.clock.now()).await? {
                Taken::Changed => return Ok(None),
                Taken::Yes(fence) => {
                    worker.commit().await?;
                    return Ok(Some(fence));
                }
                Taken::Blocked => drop(worker),
            }
            match self.end_transactions().await {
                Ok(ended) => tracing::warn!("Ended {ended} sessions of the collector that led before"),
                Err(error) => self.tells(format!(
                    "Sessions of the collector that led before cannot be ended: {error}. Give every collector the same login"
                )),
            }
        }
        Ok(None)
    }

    /// Time does not run backwards from one that leads to the next.
    fn goes_on_from(&self, last_alive: Timestamp) {
        let behind = last_alive.micros_since(self.app.clock.now());
        if Duration::from_micros(behind.max(0).unsigned_abs()) < JUMP {
            self.app.clock.slew(behind.max(0));
        } else {
            app::go_on_from(&self.app.clock, last_alive);
        }
    }

    async fn end_transactions(&self) -> Result<i64, PostgresError> {
        let mut conn = self.access.connect_by_login().await?;
        let ended = leadership::end_transactions(&mut conn).await;
        let _ = conn.close().await;
        ended.map_err(|error| match error {
            StoreError::Database(error) => error.into(),
            other => PostgresError::Database(sqlx::Error::Protocol(other.to_string())),
        })
    }

    /// What comes before the tasks of a term: it says whether what seems old may be deleted.
    async fn begins(&self, fence: Fence, at_start: bool) -> Result<(), StoreError> {
        let (pools, now) = (self.app.pools.fenced(fence), self.app.clock.now());
        let mut worker = pools.worker().await?;
        if at_start {
            flow::gaps::at_start(&mut worker, now).await?;
        } else {
            flow::gaps::at_takeover(&mut worker, now).await?;
        }
        let attestations = self.app.config.attestations();
        let said = attestations.iter().map(|one| Attested { what: one.what, host: &one.host, text: &one.text });
        residency::take_over(&mut worker, self.app.config.residency.eu_only, &said.collect::<Vec<_>>(), now).await?;
        worker.commit().await?;
        ops::retention::run(&pools, &self.app.config.retention, now).await?;
        Ok(())
    }

    /// Shows again and again that this process lives, until it ends or another leads. Without its database it can neither be told nor do
    /// anything, so it goes on.
    async fn hold(&mut self, fence: Fence, stop: &CancellationToken) -> End {
        loop {
            tokio::select! { () = tokio::time::sleep(BEAT) => {}, () = stop.cancelled() => return End::Stopped }
            if !self.beats(fence).await {
                return End::Deposed;
            }
        }
    }

    /// Whether this process still leads, as far as is known.
    async fn beats(&mut self, fence: Fence) -> bool {
        let me = Candidate { key_ids: self.app.key_names(), ..self.me.clone() };
        let beat = async {
            let mut worker = self.app.pools.worker().await?;
            let held = leadership::beat(&mut worker, fence, &me, self.app.clock.now()).await?;
            worker.commit().await?;
            Ok::<_, StoreError>(held)
        };
        match tokio::time::timeout(PATIENCE, beat).await {
            Ok(Ok(held)) => {
                self.trouble = None;
                return held;
            }
            Ok(Err(error)) => self.tells(format!("It cannot be shown that this collector leads: {error}")),
            Err(_) => {
                self.tells("It cannot be shown that this collector leads: the database does not answer".to_owned())
            }
        }
        true
    }

    /// Ends in order: tasks first, then the leadership is let go.
    async fn end(&mut self, fence: Fence, term: &Term) {
        loop {
            tokio::select! { () = term.ended() => break, () = tokio::time::sleep(BEAT) => {} }
            self.beats(fence).await;
        }
        let release = async {
            let mut worker = self.app.pools.worker().await?;
            leadership::release(&mut worker, fence, self.me.id, self.app.clock.now()).await?;
            worker.commit().await
        };
        match tokio::time::timeout(PATIENCE, release).await {
            Ok(Ok(())) => {}
            _ => tracing::warn!("The leadership could not be let go: whoever stands by takes over a little later"),
        }
    }

    fn tells(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!("{trouble}");
            self.trouble = Some(trouble);
        }
    }

    /// Whether what the other seals can be opened here.
    fn has_their_key(&self, row: &Leadership) -> Result<(), CmdError> {
        let theirs = row.key_ids.last().filter(|key| !self.me.key_ids.contains(key));
        theirs.map_or(Ok(()), |key| {
            Err(CmdError::new(format!(
                "the key ring here lacks the key {key} of the collector at {}, which uses the same database: copy the whole \
                 directory of keys from there; every collector of a database has the same",
                row.host
            )))
        })
    }

    /// Whether what is sealed here can be opened by the collector that leads.
    fn has_our_key(&self, row: &Leadership) -> Result<(), CmdError> {
        let ours = self.me.key_ids.last().filter(|key| !row.key_ids.contains(key));
        ours.map_or(Ok(()), |key| {
            Err(CmdError::new(format!(
                "the collector at {}, which leads, lacks the key {key} of the key ring here: copy the directory of keys there too \
                 and start it again, then this one",
                row.host
            )))
        })
    }
}

/// Serves as what this process is.
pub(super) fn spawn(
    lead: Lead,
    first: Option<Fence>,
    parts: Parts,
    limits: &Arc<flow::verify::Limits>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) {
    tasks::start_everywhere(&lead.app, limits, &Term::new(tracker.clone(), stop.clone()));
    tracker.spawn(lead.run(first, parts, stop.clone()));
}
