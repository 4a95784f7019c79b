//! The background tasks: a table of name, period, bell and function, and the one loop that runs each.
//!
//! A task takes no input but the parts it uses, reads what is due from the database, and may run anywhere any number of
//! times. It runs at once at the start, then on its bell or its period, whichever comes first; never beside itself.
//!
//! Where several collectors use one database, [`start`] is for the one that leads, as long as its [`Term`] lasts: these tasks judge,
//! tell and delete. What [`start_everywhere`] runs concerns the process alone.

mod safekeeping;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use picket_shared::time::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::safekeeping::{exports, ledger, receipts};
use crate::app::App;
use crate::flow;
use crate::flow::judge::Listening;
use crate::flow::verify::Limits;
use crate::login::Porter;
use crate::ops;
use crate::ops::archive::keeper::Keeper;
use crate::ops::archive::receiver::Receiver;
use crate::ops::drill::schedule::Drills;
use crate::privacy::office::Office;
use crate::store;
use crate::wake::Bell;

/// What a task answers: a report for the log, or why it failed.
type Ran = Result<Box<dyn Debug + Send>, Box<dyn std::error::Error + Send + Sync>>;

type Running = Pin<Box<dyn Future<Output = Ran> + Send>>;

/// One background task, and what it uses besides the parts of the program.
struct Task<S> {
    name: &'static str,
    period: Duration,
    bell: Option<Bell>,
    run: fn(App, Arc<S>) -> Running,
    /// Whether it is broken off when the collector stops: it waits for others, and leaves nothing half done.
    breaks_off: bool,
}

/// What the tasks of a term use.
struct Shared {
    listening: Mutex<Listening>,
    desks: Desks,
    archive: Archive,
    /// How often it was looked whether to ask for the operator's address.
    pings: AtomicU64,
    /// The keys of the ring when all was sealed by the newest of them.
    sealed_by: Mutex<Vec<u32>>,
    /// Follows what ends.
    ended: ops::ended::Follower,
    stop: CancellationToken,
}

/// What the tasks of every collector use.
struct Own {
    /// Those of the web.
    limits: Arc<Limits>,
    /// How often the key ring was looked at.
    key_looks: AtomicU64,
}

/// What looks after people and papers.
#[derive(Clone, Debug)]
pub struct Desks {
    /// Those who may come in, and until when.
    pub porter: Porter,
    /// Papers, and who is told of them.
    pub office: Office,
}

/// What looks after the archive, where there is one.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Archives and backs up.
    pub keeper: Option<Arc<Keeper>>,
    /// Brings WAL from a server that somebody else runs.
    pub receiver: Option<Arc<Receiver>>,
    /// Tries restores.
    pub drills: Arc<Drills>,
}

/// For how long tasks run: until they are stopped, or at once broken off, because what they do would not count any more.
#[derive(Clone, Debug)]
pub struct Term {
    tracker: TaskTracker,
    stop: CancellationToken,
    lost: CancellationToken,
}

impl Term {
    /// Its tasks are on `tracker` and end with `stop`, each after what it is doing.
    pub fn new(tracker: TaskTracker, stop: CancellationToken) -> Self {
        Self { tracker, stop, lost: CancellationToken::new() }
    }

    /// Breaks off whatever its tasks are doing, and waits until nothing of it is left.
    pub async fn break_off(&self) {
        self.lost.cancel();
        self.stop.cancel();
        self.ended().await;
    }

    /// Waits until its tasks have ended.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// After failures a task waits longer and longer, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

fn task<S>(name: &'static str, period: Duration, run: fn(App, Arc<S>) -> Running) -> Task<S> {
    Task { name, period, bell: None, run, breaks_off: false }
}

/// Those of the collector that leads.
fn tasks() -> Vec<Task<Shared>> {
    let rung = |bell, task| Task { bell: Some(bell), ..task };
    let breaks_off = |task| Task { breaks_off: true, ..task };
    let hour = SECOND * 3600;
    vec![
        task("gaps", SECOND * 5, |app, _| Box::pin(gaps(app))),
        task("retention", hour, |app, _| Box::pin(safekeeping::retention(app))),
        task("anchor", hour, |app, _| Box::pin(safekeeping::anchor(app))),
        task("archive", SECOND * 15, |app, shared| Box::pin(safekeeping::archive(app, shared))),
        breaks_off(task("posture", hour, |app, shared| Box::pin(safekeeping::posture(app, shared)))),
        task("heartbeat", ops::heartbeat::PERIOD, |app, shared| Box::pin(safekeeping::heartbeat(app, shared))),
        breaks_off(task("archive-receive", SECOND * 2, |_, shared| Box::pin(safekeeping::receive(shared)))),
        breaks_off(task("archive-manifest", hour, |_, shared| Box::pin(safekeeping::archive_manifest(shared)))),
        breaks_off(task("archive-backup", SECOND * 300, |_, shared| Box::pin(safekeeping::archive_backup(shared)))),
        breaks_off(task("drill", SECOND * 60, |app, shared| Box::pin(safekeeping::drill(app, shared)))),
        task("operator", SECOND * 60, |app, shared| Box::pin(safekeeping::operator(app, shared))),
        breaks_off(task("ping", safekeeping::PING, |app, shared| Box::pin(safekeeping::ping(app, shared)))),
        task("sealing", SECOND * 10, |app, shared| Box::pin(safekeeping::sealing(app, shared))),
        task("ended", SECOND * 10, |app, shared| Box::pin(safekeeping::ended(app, shared))),
        task("ends", SECOND * 60, |app, shared| Box::pin(ends(app, shared))),
        task("managements", SECOND * 60, |app, shared| Box::pin(managements(app, shared))),
        task("closures", SECOND * 15, |app, shared| Box::pin(closures(app, shared))),
        task("papers", SECOND * 60, |app, shared| Box::pin(papers(app, shared))),
        breaks_off(task("exports", SECOND * 5, |app, _| Box::pin(safekeeping::make_exports(app)))),
        task("erasure", hour, |app, _| Box::pin(safekeeping::erasure(app))),
        rung(Bell::Judge, task("judge", SECOND, |app, shared| Box::pin(judge(app, shared)))),
        rung(Bell::Maintenance, task("maintenance", SECOND, |app, _| Box::pin(maintenance(app)))),
        task("replay", SECOND * 30, |app, _| Box::pin(replay(app))),
        rung(Bell::Dispatch, task("dispatch", SECOND * 5, |app, _| Box::pin(dispatch(app)))),
        task("alarm-drills", SECOND * 15, |app, _| Box::pin(alarm_drills(app))),
        task("escalate", SECOND * 5, |app, _| Box::pin(escalate(app))),
        task("summaries", SECOND * 10, |app, _| Box::pin(summaries(app))),
        rung(Bell::Mails, task("account-mails", SECOND * 5, |app, _| Box::pin(account_mails(app)))),
        task("again", SECOND * 10, |app, _| Box::pin(again(app))),
        rung(Bell::Deliver, task("deliver", SECOND, |app, _| Box::pin(deliver(app)))),
    ]
}

/// Those of every collector.
fn everywhere() -> Vec<Task<Own>> {
    vec![
        task("limits", SECOND * 60, |_, own| Box::pin(forget(own))),
        task("gauges", SECOND * 15, |app, _| Box::pin(gauges(app))),
        task("keys", SECOND * 10, |app, own| Box::pin(safekeeping::keys(app, own))),
    ]
}

/// Runs the tasks of whoever leads; `app` and `desks` reach the rows under the number of the term.
pub fn start(app: &App, desks: Desks, archive: Archive, term: &Term) {
    term.tracker.spawn(keep_time(app.clone(), term.clone()));
    let shared = Arc::new(Shared {
        listening: Mutex::new(Listening::from(app.started_at)),
        desks,
        archive,
        pings: AtomicU64::new(0),
        sealed_by: Mutex::default(),
        ended: ops::ended::Follower::default(),
        stop: term.stop.clone(),
    });
    for task in tasks() {
        term.tracker.spawn(repeat(app.clone(), Arc::clone(&shared), task, term.clone()));
    }
}

/// Runs the tasks of every collector until `term` ends. `limits` are those of the web.
pub fn start_everywhere(app: &App, limits: &Arc<Limits>, term: &Term) {
    let own = Arc::new(Own { limits: Arc::clone(limits), key_looks: AtomicU64::new(0) });
    for task in everywhere() {
        term.tracker.spawn(repeat(app.clone(), Arc::clone(&own), task, term.clone()));
    }
}

async fn repeat<S>(app: App, shared: Arc<S>, task: Task<S>, term: Term) {
    let mut failures = 0_u32;
    while !term.stop.is_cancelled() {
        let run = (task.run)(app.clone(), Arc::clone(&shared));
        let Some(ran) = unless_stopped(run, task.breaks_off, &term).await else { return };
        let wait = match ran {
            Ok(report) => {
                if failures > 0 {
                    tracing::info!(task = task.name, "Task {} works again after {failures} failures", task.name);
                }
                failures = 0;
                tracing::trace!(task = task.name, ?report, "Task {} ran", task.name);
                task.period
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::error!(task = task.name, task.failures = failures, "Task {} failed: {error}", task.name);
                task.period.max(Duration::from_millis(500) * 2_u32.saturating_pow(failures.min(6))).min(LONGEST_WAIT)
            }
        };
        let bell = async {
            match task.bell {
                // After a failure only time helps: the rows that rang are still there.
                Some(bell) if failures == 0 => app.bells.wait(bell, wait).await,
                _ => tokio::time::sleep(wait).await,
            }
        };
        tokio::select! { () = bell => {}, () = term.stop.cancelled() => {} }
    }
}

/// What a task answers; `None` when it was broken off.
async fn unless_stopped(run: Running, breaks_off: bool, term: &Term) -> Option<Ran> {
    tokio::select! {
        ran = run => Some(ran),
        () = term.stop.cancelled(), if breaks_off => None,
        () = term.lost.cancelled() => None,
    }
}

fn report(report: impl Debug + Send + 'static) -> Ran {
    Ok(Box::new(report))
}

/// Keeps the time in which all the others work: looks every second whether the machine's clock was set.
async fn keep_time(app: App, term: Term) {
    let mut keeper = flow::clock::Timekeeper::default();
    while !term.stop.is_cancelled() {
        let looked = tokio::select! {
            looked = keeper.look(&app.pools, &app.clock, &app.standstill) => looked,
            () = term.lost.cancelled() => return,
        };
        if let Err(error) = looked {
            tracing::error!("The machine's clock could not be looked at: {error}");
        }
        tokio::select! { () = tokio::time::sleep(SECOND) => {}, () = term.stop.cancelled() => {} }
    }
}

async fn gaps(app: App) -> Ran {
    let _working = app.standstill.working().await;
    let mut worker = app.pools.worker().await?;
    let found = flow::gaps::run(&mut worker, app.clock.now()).await?;
    worker.commit().await?;
    report(found)
}

async fn maintenance(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(flow::maintenance::run(&app.pools, app.clock.now()).await?)
}

async fn replay(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(flow::replay::run(&app.pools, app.clock.now()).await?)
}

async fn dispatch(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(flow::dispatch::run(&app.pools, app.clock.now()).await?)
}

/// Who is told next, where nobody acknowledged.
async fn escalate(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(flow::dispatch::escalate(&app.pools, app.clock.now()).await?)
}

/// Drills that begin each week, and those that end.
async fn alarm_drills(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(flow::alarm_drills::run(&app.pools, app.clock.now()).await?)
}

async fn deliver(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(flow::deliver::run(&delivering(&app), app.clock.now()).await?)
}

/// Alarms at receivers that forget them.
async fn again(app: App) -> Ran {
    let _working = app.standstill.working().await;
    report(flow::deliver::again(&delivering(&app), app.clock.now()).await?)
}

fn delivering(app: &App) -> flow::deliver::Ctx {
    flow::deliver::Ctx {
        pools: app.pools.clone(),
        opener: app.opener.clone(),
        sealer: app.sealer.clone(),
        client: app.client.clone(),
        meters: app.meters.clone(),
        bells: app.bells.clone(),
        public_url: app.config.http.link_url(),
    }
}

async fn account_mails(app: App) -> Ran {
    let _working = app.standstill.working().await;
    let ctx = flow::account_mails::Ctx {
        pools: app.pools.clone(),
        opener: app.opener.clone(),
        client: app.client.clone(),
        public_url: app.config.http.public_url(),
    };
    report(flow::account_mails::run(&ctx, app.clock.now()).await?)
}

/// Memberships that end.
async fn ends(app: App, shared: Arc<Shared>) -> Ran {
    let _working = app.standstill.working().await;
    report(shared.desks.porter.end_memberships(app.clock.now()).await?)
}

/// Consents to be managed that end.
async fn managements(app: App, shared: Arc<Shared>) -> Ran {
    let _working = app.standstill.working().await;
    report(shared.desks.porter.end_managements(app.clock.now()).await?)
}

/// Monitors of organizations that were closed, or came back.
async fn closures(app: App, shared: Arc<Shared>) -> Ran {
    let _working = app.standstill.working().await;
    report(shared.desks.porter.settle_closures(app.clock.now()).await?)
}

/// Agreements, sub-processors and breaches: what is to be issued or told.
async fn papers(app: App, shared: Arc<Shared>) -> Ran {
    let _working = app.standstill.working().await;
    report(shared.desks.office.look(app.clock.now()).await?)
}

async fn judge(app: App, shared: Arc<Shared>) -> Ran {
    let _working = app.standstill.working().await;
    let now = app.clock.now();
    let since = shared.listening.lock().unwrap_or_else(PoisonError::into_inner).since(now);
    let judged = flow::judge::run(&app.pools, now, since.max(app.listening_since())).await?;
    shared.listening.lock().unwrap_or_else(PoisonError::into_inner).looked(now);
    report(judged)
}

/// What managing organizations see of those that they manage.
async fn summaries(app: App) -> Ran {
    let _working = app.standstill.working().await;
    let mut worker = app.pools.worker().await?;
    let found = store::summaries::refresh(&mut worker, app.clock.now()).await?;
    worker.commit().await?;
    report(found)
}

/// What `/metrics` shows of the database; a reader of metrics must not be able to keep it busy.
async fn gauges(app: App) -> Ran {
    let mut worker = app.pools.worker().await?;
    let mut gauges = store::read::gauges::read(&mut worker, app.clock.now()).await?;
    if !app.config.archive.is_on() {
        app.meters.take_gauges(gauges);
        return report("read");
    }
    // Both of the machine's own clock, so that nothing is late for a clock that was set.
    let machine = Clock::system().now();
    let point = store::heartbeats::point(&mut worker, machine).await?;
    gauges.recovery_point = point.map(|point| machine.since(point.at));
    let standing = store::drills::standing(&mut worker).await?;
    gauges.last_drill_passed = standing.last.as_ref().map(store::drills::DrillRow::passed);
    gauges.drill_passed = standing.passed;
    app.meters.take_gauges(gauges);
    report("read")
}

/// Who has long been quiet has all of its allowance again: its row says nothing any more.
async fn forget(own: Arc<Own>) -> Ran {
    own.limits.forget_quiet();
    report("forgot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_for_others_is_broken_off_and_everything_else_is_finished() {
        let term = Term::new(TaskTracker::new(), CancellationToken::new());
        let ran = unless_stopped(Box::pin(async { report("done") }), true, &term).await;
        assert!(ran.is_some());
        term.stop.cancel();
        assert!(unless_stopped(Box::pin(std::future::pending()), true, &term).await.is_none());
        let later = Box::pin(async {
            tokio::task::yield_now().await;
            report("done")
        });
        assert!(unless_stopped(later, false, &term).await.is_some());
        term.lost.cancel();
        assert!(unless_stopped(Box::pin(std::future::pending()), false, &term).await.is_none());
    }
}
