//! Has drills done in time, each by a process of its own that yields to the collector, and tells when one failed or none passes.
//!
//! In: `drills`, what is archived. Out: the process, which writes what came of it into `drills`; and the log.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_shared::time::Timestamp;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::scratch;
use crate::domain::drill::{is_due, is_overdue};
use crate::ops::archive::inventory;
use crate::ops::archive::keeper::Keeper;
use crate::ops::archive::shelf::ArchiveError;
use crate::store::drills::{self, DrillRow, Standing};
use crate::store::{Pools, StoreError, heartbeats};

/// The first is tried when so much can be restored.
const FIRST: Duration = Duration::from_secs(3600);
/// No drill takes longer; one that does is broken off.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// How long one that is broken off may take to clear up.
const FAREWELL: Duration = Duration::from_secs(10);

/// How a drill is run.
#[derive(Clone, Debug)]
pub struct Way {
    /// This very program.
    pub program: PathBuf,
    /// Its file of settings, where there is one.
    pub settings: Option<PathBuf>,
    /// Where the data lies.
    pub data_dir: PathBuf,
    /// Where the folder for it is made.
    pub parent: PathBuf,
}

/// Has them done.
#[derive(Debug)]
pub struct Drills {
    way: Way,
    every: Duration,
    running: Arc<AtomicBool>,
    told: Mutex<Told>,
}

/// What was said last, so that it is said once.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    tidied: bool,
    overdue: bool,
}

/// Why it cannot be looked whether one is due.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive does not answer.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// None is due, or one runs.
    Nothing,
    /// One began.
    Began,
}

impl Drills {
    /// One every so often; none by itself when that is zero.
    pub fn new(way: Way, every: Duration) -> Self {
        Self { way, every, running: Arc::default(), told: Mutex::default() }
    }

    /// Begins one that is due. It goes on by itself, and `stop` breaks it off.
    ///
    /// # Errors
    /// When the database or the archive does not answer.
    pub async fn run(
        &self,
        pools: &Pools,
        keeper: &Keeper,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<Done, ScheduleError> {
        if self.running.load(Ordering::Acquire) {
            return Ok(Done::Nothing);
        }
        self.tidy().await;
        let mut worker = pools.worker().await?;
        let standing = drills::standing(&mut worker).await?;
        let safe = heartbeats::point(&mut worker, now).await?.filter(|point| point.is_archived).map(|point| point.at);
        drop(worker);
        let (Some(shelf), Some(safe), false) = (keeper.shelf(), safe, self.every.is_zero()) else {
            return Ok(Done::Nothing);
        };
        self.tell_overdue(&standing, now);
        let last = standing.last.as_ref().map(|last| (last.began(), last.passed()));
        if !is_due(last, self.every, now) {
            return Ok(Done::Nothing);
        }
        if last.is_none() {
            let backups = inventory::backups(shelf).await?;
            if backups.first().is_none_or(|first| safe.since(first.ended_at) < FIRST) {
                return Ok(Done::Nothing);
            }
        }
        self.begin(pools.clone(), stop.clone());
        Ok(Done::Began)
    }

    /// Once: what a drill left that was killed with the collector.
    async fn tidy(&self) {
        let tidied = std::mem::replace(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner).tidied, true);
        if tidied {
            return;
        }
        match scratch::tidy(&self.way.parent).await {
            Ok(true) => tracing::info!("Cleared away what a restore drill that was broken off had left"),
            Ok(false) => {}
            Err(error) => tracing::warn!("What a restore drill left is not cleared away: {error}"),
        }
    }

    fn tell_overdue(&self, standing: &Standing, now: Timestamp) {
        let passed = standing.passed.as_ref().map(DrillRow::began);
        let overdue = passed.is_some_and(|passed| is_overdue(passed, self.every, now));
        let was = std::mem::replace(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner).overdue, overdue);
        if let Some(passed) = passed.filter(|_| overdue && !was) {
            tracing::error!(
                drill.passed_s = now.since(passed).as_secs(),
                "No restore drill has passed since {passed:.0}: nobody knows whether the backups can be restored. `picket-collector \
                 drill` says what is wrong"
            );
        }
    }

    fn begin(&self, pools: Pools, stop: CancellationToken) {
        self.running.store(true, Ordering::Release);
        let (running, way) = (Arc::clone(&self.running), self.way.clone());
        tokio::spawn(async move {
            tracing::info!("Trying a restore");
            let ended = drill(&way, &stop).await;
            if !stop.is_cancelled() {
                tell(&pools, ended).await;
            }
            running.store(false, Ordering::Release);
        });
    }
}

/// Runs the process to its end; how it ended, in words, when it wrote down nothing.
async fn drill(way: &Way, stop: &CancellationToken) -> Result<(), String> {
    let mut command = Command::new(&way.program);
    if let Some(settings) = &way.settings {
        command.arg("--config").arg(settings);
    }
    command.args(["drill", "--json", "--scheduled"]).arg(&way.data_dir).arg("--scratch").arg(&way.parent);
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let ended = tokio::select! {
        ended = child.wait() => ended,
        () = stop.cancelled() => farewell(&mut child).await,
        () = tokio::time::sleep(LONGEST) => {
            let _ = farewell(&mut child).await;
            return Err(format!("it was broken off after {} h", LONGEST.as_secs() / 3600));
        }
    };
    match ended {
        Ok(status) if matches!(status.code(), Some(0 | 1)) => Ok(()),
        Ok(status) => Err(format!("its process ended by itself ({status})")),
        Err(error) => Err(error.to_string()),
    }
}

async fn farewell(child: &mut tokio::process::Child) -> std::io::Result<std::process::ExitStatus> {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    match tokio::time::timeout(FAREWELL, child.wait()).await {
        Ok(ended) => ended,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

async fn tell(pools: &Pools, ended: Result<(), String>) {
    let last = async {
        let mut worker = pools.worker().await?;
        Ok::<_, StoreError>(drills::list(&mut worker, 1).await?.pop())
    };
    match (ended, last.await) {
        (Ok(()), Ok(Some(drill))) if drill.passed() => tracing::info!(
            drill.restore_ms = drill.restore_ms,
            drill.rows = drill.row_count,
            "The restore drill passed: a copy could be used after {} ms",
            drill.restore_ms.unwrap_or(0)
        ),
        (Ok(()), Ok(Some(drill))) if drill.ended_at.is_some() => tracing::error!(
            "The restore drill failed, and with it a restore may too: {}. `picket-collector drill list --json` has all of it",
            drill.failure().unwrap_or_else(|| "it says not why".to_owned())
        ),
        (Ok(()), Ok(_)) => {
            tracing::error!("The restore drill did not begin, or wrote down nothing: the lines above say why")
        }
        (Err(why), _) => tracing::error!("The restore drill came to no end: {why}"),
        (_, Err(error)) => tracing::error!("What came of the restore drill cannot be read: {error}"),
    }
}
