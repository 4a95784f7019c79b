//! Wires the stages with bounded channels and owns the stop; the only file that knows them all.
//!
//! ```text
//! assignments --(4)--> runner [schedule, checks, selfcheck] --(1024)--> keeper [seen, buffer, batch] --> ship
//!             --(64)-> manual [checks]
//! ```
//! A full channel makes the stage before it wait: the runner then starts checks late and reports slots as missed,
//! so that no queue but the buffer grows, and that one is bounded in bytes.

mod keeper;

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use picket_shared::assignment::Assignments;
use picket_shared::batch::Confinement;
use picket_shared::check::CheckSpec;
use picket_shared::egress::EgressGuard;
use picket_shared::egress::resolve::Resolver;
use picket_shared::ids::BootId;
use picket_shared::manual::ManualCheck;
use picket_shared::outcome::SelfCheck;
use picket_shared::retry::RetryPolicy;
use picket_shared::time::{Clock, Timestamp};
use picket_shared::wire::Welcome;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::checks::{self, Env, Found};
use crate::clock::CollectorClock;
use crate::config::Settings;
use crate::link::{Link, LinkError, Lookup, Stop};
use crate::runner::{Runner, Surroundings};
use crate::selfcheck::{Ask, SelfChecker};
use crate::sign::Signer;
use crate::{assignments, enrol, manual};
use keeper::Keeper;

/// The exit code of a probe that the collector has revoked.
pub const EXIT_REVOKED: u8 = 3;
/// The exit code of a probe of which a newer start has taken over.
pub const EXIT_SUPERSEDED: u8 = 4;

/// Longest look-up of the collector's name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// What a probe needs besides its settings, made before the process is confined.
pub struct Parts {
    /// What checks need.
    pub env: Env,
    /// How names are looked up.
    pub lookup: Lookup,
    /// What the kernel enforces.
    pub confinement: Confinement,
}

/// Makes what checks need, and how names are looked up; reads what the resolver reads, so it comes before confinement.
///
/// # Errors
/// When the machine's resolver settings or a certificate cannot be used; a sentence.
pub fn prepare(settings: &Settings) -> Result<(Env, Lookup), String> {
    let resolver = if settings.resolvers.is_empty() {
        Resolver::system().map_err(|error| format!("{error}; set `resolvers` in the configuration"))?
    } else {
        Resolver::with_servers(&settings.resolvers).map_err(|error| error.to_string())?
    };
    let guard = EgressGuard::new(settings.egress.allow.clone())
        .denying(own_addresses())
        .with_nat64(settings.egress.nat64.into_iter().collect());
    let env = Env::new(guard, resolver.clone(), &settings.extra_ca, &settings.user_agent).map_err(|e| e.to_string())?;
    let lookup: Lookup = Arc::new(move |name| {
        let resolver = resolver.clone();
        Box::pin(async move { resolver.lookup_ip(&name, LOOKUP_TIMEOUT).await.map_err(|error| error.to_string()) })
    });
    Ok((env, lookup))
}

/// What everything runs on; to be built only after the process is confined, so that every thread of it is.
///
/// One thread does: threads that wake each other cost a third more for each check than they save, and one core has room
/// for 2,000 HTTPS checks a second.
///
/// # Errors
/// When the system gives none.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).enable_all().build()
}

/// The addresses of this machine: a target that is the probe's own host must be allowed by name (`/32`, `/128`).
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().map(|found| found.collect::<Vec<_>>()).unwrap_or_default();
    let addresses = interfaces.iter().filter_map(|interface| interface.address.as_ref());
    addresses
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .collect()
}

/// Runs the probe until a signal or the collector ends it.
pub async fn run(settings: Settings, parts: Parts) -> ExitCode {
    let stop = CancellationToken::new();
    let drop_all = CancellationToken::new();
    if let Err(error) = listen_for_signals(stop.clone(), drop_all.clone()) {
        tracing::error!("Cannot listen for signals: {error}");
        return ExitCode::FAILURE;
    }
    match Box::pin(run_until(settings, parts, stop, drop_all)).await {
        Ok(()) => {
            tracing::info!("Stopped");
            ExitCode::SUCCESS
        }
        Err(error @ (Ended::Line(_) | Ended::Defect)) => {
            tracing::error!("Stopped: {error}");
            ExitCode::FAILURE
        }
        Err(Ended::ByCollector(stop)) => {
            tracing::error!("Stopped: {stop}");
            ExitCode::from(match stop {
                Stop::Revoked => EXIT_REVOKED,
                Stop::Superseded => EXIT_SUPERSEDED,
            })
        }
    }
}

/// Why a probe ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The line to the collector cannot be set up.
    #[error("{0}")]
    Line(String),
    /// A stage ended by itself.
    #[error("a defect in the probe ended one of its stages; start it again, and report what was logged")]
    Defect,
    /// The collector said so.
    #[error(transparent)]
    ByCollector(#[from] Stop),
}

/// Runs the probe until `stop`, then delivers what it has; `drop_all` ends that too.
///
/// # Errors
/// When the line cannot be set up, or the collector ends the probe.
pub async fn run_until(
    settings: Settings,
    parts: Parts,
    stop: CancellationToken,
    drop_all: CancellationToken,
) -> Result<(), Ended> {
    let clock = Arc::new(CollectorClock::start(Clock::system(), parts.env.roots.collector_clock()));
    let signer = Arc::new(Signer::new(&settings.token, BootId::at(clock.now())));
    let link = Link::new(&settings.collector, parts.lookup, signer, Arc::clone(&clock)).map_err(Ended::Line)?;
    let link = Arc::new(link);
    let Some(welcome) = say_hello(&link, &stop).await? else { return Ok(()) };
    tracing::info!(
        probe.id = %settings.token.probe, region = %welcome.region,
        "Probe {} runs in region {} for a collector of version {}", settings.token.probe, welcome.region, welcome.version
    );

    let self_checker = Arc::new(SelfChecker::new(settings.references.clone(), asking(parts.env.clone())));
    let means = manual::Means {
        link: Arc::clone(&link),
        env: parts.env.clone(),
        own_network: own_network(Arc::clone(&self_checker)),
    };
    let (ask, asked) = mpsc::channel(manual::WAITING);
    let trying = tokio::spawn(manual::run(means, asked, stop.clone()));
    let surroundings = Arc::new(Here { env: parts.env, clock, self_checker: Arc::clone(&self_checker) });
    let (assign, assigned) = mpsc::channel(4);
    let (tell, told) = mpsc::channel(1024);
    let keeper = Keeper::new(Arc::clone(&link), Arc::clone(&self_checker), parts.confinement, settings.buffer_limit);

    let period = settings.self_check_period;
    let checking = tokio::spawn(async move { self_checker.run(period).await });
    let running = tokio::spawn(Runner::new(surroundings, settings.concurrency).run(assigned, tell, stop.clone()));
    let mut keeping = tokio::spawn(keeper.run(told, drop_all));
    let mut following = tokio::spawn(follow(link, (assign, ask), stop.clone()));

    let mut following_ended = false;
    let ended = loop {
        tokio::select! {
            kept = &mut keeping => break match kept {
                Ok(Ok(())) if !stop.is_cancelled() => Err(Ended::Defect),
                Ok(kept) => kept.map_err(Ended::from),
                Err(_) => Err(Ended::Defect),
            },
            followed = &mut following, if !following_ended => {
                following_ended = true;
                match followed {
                    Ok(Ok(())) => {}
                    Ok(Err(stop)) => break Err(stop.into()),
                    Err(_) => break Err(Ended::Defect),
                }
            }
        }
    };
    stop.cancel();
    let tasks = [&checking, &running, &trying].map(tokio::task::JoinHandle::abort_handle);
    for task in tasks.into_iter().chain([keeping.abort_handle(), following.abort_handle()]) {
        task.abort();
    }
    ended
}

/// Says hello until it is heard; `None` if the probe is to stop before that.
async fn say_hello(link: &Link, stop: &CancellationToken) -> Result<Option<Welcome>, Stop> {
    let mut failures = 0;
    loop {
        let heard = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            heard = enrol::hello(link) => heard,
        };
        match heard {
            Ok(welcome) => return Ok(Some(welcome)),
            Err(LinkError::Stop(stop)) => return Err(stop),
            Err(error) => {
                failures += 1;
                let delay = RetryPolicy::PROBE.delay(failures, error.retry_after(), fastrand::f64());
                tracing::warn!(attempt = failures, "The collector did not take this probe in, it tries again: {error}");
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(delay) => {}
                }
            }
        }
    }
}

/// Follows the assignments until `stop`.
async fn follow(
    link: Arc<Link>,
    (assign, ask): (mpsc::Sender<Assignments>, mpsc::Sender<ManualCheck>),
    stop: CancellationToken,
) -> Result<(), Stop> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = assignments::follow(&link, assign, ask) => ended,
    }
}

fn own_network(self_checker: Arc<SelfChecker>) -> manual::OwnNetwork {
    Arc::new(move |address| self_checker.last().for_address(address))
}

/// What the runner sees of the rest.
struct Here {
    env: Env,
    clock: Arc<CollectorClock>,
    self_checker: Arc<SelfChecker>,
}

impl Surroundings for Here {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn time(&self) -> (Timestamp, i64) {
        self.clock.time()
    }

    fn check(&self, spec: &CheckSpec, timeout: Duration) -> impl Future<Output = Found> + Send {
        checks::run(spec, &self.env, timeout)
    }

    fn last_self_check(&self, address: Option<IpAddr>) -> SelfCheck {
        self.self_checker.last().for_address(address)
    }

    async fn closing_self_check(&self, address: Option<IpAddr>) -> SelfCheck {
        self.self_checker.close().await.for_address(address)
    }
}

/// Asks reference targets as checks are run.
pub fn asking(env: Env) -> Ask {
    Arc::new(move |spec, limit| {
        let env = env.clone();
        Box::pin(async move {
            let found = tokio::time::timeout(limit, checks::run(&spec, &env, limit)).await;
            found.map_or((false, None), |found| (found.status.is_good(), found.address))
        })
    })
}

/// The first signal stops softly, the second drops everything.
fn listen_for_signals(stop: CancellationToken, drop_all: CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        for (token, says) in
            [(stop, "Stops: ends running checks and delivers what it has"), (drop_all, "Drops what is left")]
        {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("{says}");
            token.cancel();
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::File;
    use crate::link::testing::{Reply, Seen, TestCollector, token};
    use picket_shared::assignment::Assignment;
    use picket_shared::batch::Batch;
    use picket_shared::check::TcpSpec;
    use picket_shared::ids::{ManualId, MonitorId};
    use picket_shared::manual::ManualAnswer;
    use picket_shared::outcome::{FailureKind, Outcome, Status, Trigger};
    use picket_shared::wire::{BATCHES_PATH, MANUAL_PATH, RefusalCode};
    use std::collections::BTreeMap;
    use uuid::Uuid;

    /// A target on loopback that takes every connection, and its assignment; the first slot is far away.
    async fn target(n: u128) -> Assignment {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let now = Clock::system().now();
        Assignment {
            monitor: MonitorId(Uuid::from_u128(n)),
            version: 1,
            interval_s: 3600,
            timeout_ms: 5_000,
            phase_us: u64::try_from((now.micros() + 1_800_000_000) % 3_600_000_000).unwrap(),
            check: CheckSpec::Tcp(TcpSpec { host: "127.0.0.1".to_owned(), port }),
        }
    }

    struct Running {
        stop: CancellationToken,
        task: tokio::task::JoinHandle<Result<(), Ended>>,
    }

    fn start(collector: &TestCollector) -> Running {
        let file = "resolvers = [\"127.0.0.1:9\"]\n[egress]\nallow = [\"127.0.0.1/32\"]";
        let mut enrolment = token();
        enrolment.url = Some(collector.settings().url.to_string());
        let settings = toml::from_str::<File>(file).unwrap().settings(enrolment).unwrap();
        let (env, lookup) = prepare(&settings).unwrap();
        let parts = Parts { env, lookup, confinement: Confinement::default() };
        let stop = CancellationToken::new();
        let task = tokio::spawn(Box::pin(run_until(settings, parts, stop.clone(), CancellationToken::new())));
        Running { stop, task }
    }

    /// Waits until the collector has seen what is looked for; bounded by the test runner's own limit only if it never comes.
    async fn until<T>(collector: &TestCollector, find: impl Fn(&[Seen]) -> Option<T>) -> T {
        for _ in 0..3000 {
            if let Some(found) = find(&collector.seen(BATCHES_PATH)) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not come in 30 s");
    }

    fn batches(seen: &[Seen]) -> impl Iterator<Item = (u64, &Batch)> {
        seen.iter().filter_map(|seen| seen.batch.as_ref()).map(|(claims, batch)| (claims.seq, batch))
    }

    fn outcomes(seen: &[Seen]) -> Vec<Outcome> {
        batches(seen).flat_map(|(_, batch)| batch.outcomes.clone()).collect()
    }

    fn assign(collector: &TestCollector, version: u64, monitors: Vec<Assignment>) {
        let news = Assignments { version, full: version == 1, monitors, ..Assignments::default() };
        collector.with(|state| state.assignments.push_back(news));
    }

    #[tokio::test]
    async fn a_new_monitor_has_an_outcome_at_the_collector_at_once_and_a_stop_ends_cleanly() {
        let collector = TestCollector::start().await;
        assign(&collector, 1, vec![target(1).await]);
        let running = start(&collector);
        let found = until(&collector, |seen| outcomes(seen).pop()).await;
        assert_eq!((found.status, found.trigger), (Status::Up, Trigger::Recheck));
        running.stop.cancel();
        assert!(running.task.await.unwrap().is_ok());
        let seen = collector.seen(BATCHES_PATH);
        let numbers: Vec<u64> = batches(&seen).map(|(seq, _)| seq).collect();
        assert_eq!(numbers, (1..=u64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
        let last = batches(&seen).last().unwrap().1.clone();
        assert_eq!((last.report.monitors, last.report.assignments), (1, 1));
        assert!(batches(&seen).all(|(_, batch)| batch.missed.is_empty()));
    }

    fn answers(collector: &TestCollector) -> Vec<ManualAnswer> {
        let read = |seen: Seen| {
            let json = zstd::bulk::decompress(&seen.body, 1 << 20).unwrap();
            serde_json::from_slice(&json).unwrap()
        };
        collector.seen(MANUAL_PATH).into_iter().map(read).collect()
    }

    #[tokio::test]
    async fn what_a_person_asks_is_answered_at_once_and_is_in_no_batch() {
        let collector = TestCollector::start().await;
        // Nobody may come here: the probe's own file allows 127.0.0.1 alone.
        let private = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let check = |n: u128, check: CheckSpec, ahead_s: i64| ManualCheck {
            id: ManualId(Uuid::from_u128(n)),
            check,
            timeout_ms: 5_000,
            until: Clock::system().now().shifted(ahead_s * 1_000_000),
        };
        let closed = CheckSpec::Tcp(TcpSpec { host: "127.0.0.1".to_owned(), port: 9 });
        let port = private.local_addr().unwrap().port();
        let blocked = CheckSpec::Tcp(TcpSpec { host: "127.0.0.2".to_owned(), port });
        let over = check(4, closed.clone(), -1);
        let asked = vec![
            over,
            check(1, target(1).await.check, 60),
            check(2, closed, 60),
            check(3, blocked, 60),
            check(5, CheckSpec::Other, 60),
        ];
        let news = Assignments { version: 1, full: true, manual: asked, ..Assignments::default() };
        collector.with(|state| state.assignments.push_back(news));
        // The first try is lost on the way: what somebody still waits for is sent again.
        collector.script(MANUAL_PATH, Reply::Lose);
        let running = start(&collector);
        let found = until(&collector, |_| {
            let found: BTreeMap<_, _> =
                answers(&collector).into_iter().map(|answer| (answer.id.0.as_u128(), answer.outcome)).collect();
            (found.len() == 4 && collector.seen(MANUAL_PATH).len() == 5).then_some(found)
        })
        .await;
        let failure = |n: u128| found[&n].failure.as_ref().map(|failure| failure.kind);
        assert_eq!((found[&1].status, failure(1)), (Status::Up, None));
        assert!(found[&1].phases.connect.is_some());
        assert_eq!((found[&2].status, failure(2)), (Status::Down, Some(FailureKind::ConnectRefused)));
        assert_eq!((found[&3].status, failure(3)), (Status::Unmeasured, Some(FailureKind::BlockedByPolicy)));
        assert_eq!((found[&5].status, failure(5)), (Status::Unmeasured, Some(FailureKind::Unsupported)));
        let nobody = tokio::time::timeout(Duration::from_millis(100), private.accept()).await;
        assert!(nobody.is_err(), "a private address was contacted");
        running.stop.cancel();
        assert!(running.task.await.unwrap().is_ok());
        let seen = collector.seen(BATCHES_PATH);
        assert!(outcomes(&seen).is_empty(), "it belongs to no monitor");
        assert!(batches(&seen).all(|(_, batch)| batch.missed.is_empty() && batch.report.dropped.is_empty()));
    }

    #[tokio::test]
    async fn a_batch_that_is_too_large_comes_in_halves_and_loses_nothing() {
        let collector = TestCollector::start().await;
        // The first batch says that the probe is there; the one with the outcomes is refused.
        let running = start(&collector);
        until(&collector, |seen| batches(seen).next().map(drop)).await;
        collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::TooLarge, None));
        let mut monitors = Vec::new();
        for n in 1..=4 {
            monitors.push(target(n).await);
        }
        assign(&collector, 1, monitors);
        let delivered = until(&collector, |seen| {
            let refused = seen.iter().position(|seen| seen.batch.as_ref().is_some_and(|(_, b)| b.outcomes.len() > 1));
            let rest = seen.get(refused? + 1..)?;
            let mut monitors: Vec<_> = outcomes(rest).iter().map(|outcome| outcome.monitor).collect();
            monitors.extend(seen.get(..refused?).map(outcomes)?.iter().map(|outcome| outcome.monitor));
            monitors.sort();
            (monitors.len() >= 4).then_some(monitors)
        })
        .await;
        assert_eq!(delivered, (1..=4).map(|n| MonitorId(Uuid::from_u128(n))).collect::<Vec<_>>());
        running.stop.cancel();
        assert!(running.task.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_batch_refused_for_good_is_counted_and_not_sent_again() {
        let collector = TestCollector::start().await;
        let running = start(&collector);
        until(&collector, |seen| batches(seen).next().map(drop)).await;
        collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::Malformed, None));
        assign(&collector, 1, vec![target(1).await]);
        let dropped =
            until(&collector, |seen| batches(seen).find_map(|(_, batch)| batch.report.dropped.get("other").copied()))
                .await;
        assert_eq!(dropped, 1);
        assert_eq!(outcomes(&collector.seen(BATCHES_PATH)).len(), 1);
        running.stop.cancel();
        assert!(running.task.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn what_was_found_while_the_collector_was_away_comes_when_it_is_back() {
        let collector = TestCollector::start().await;
        let running = start(&collector);
        until(&collector, |seen| batches(seen).next().map(drop)).await;
        (0..3).for_each(|_| collector.script(BATCHES_PATH, Reply::Refuse(RefusalCode::Unavailable, None)));
        collector.script(BATCHES_PATH, Reply::Lose);
        assign(&collector, 1, vec![target(1).await]);
        let ids = until(&collector, |seen| {
            let with = |seen: &&Seen| seen.batch.as_ref().is_some_and(|(_, batch)| !batch.outcomes.is_empty());
            let carrying: Vec<_> =
                seen.iter().filter(with).map(|seen| (seen.batch.clone().unwrap().0.jti, seen.body.clone())).collect();
            (carrying.len() >= 2).then_some(carrying)
        })
        .await;
        assert!(ids.iter().all(|(id, body)| (id, body) == (&ids[0].0, &ids[0].1)), "the same bytes under the same id");
        running.stop.cancel();
        assert!(running.task.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn the_collector_can_end_the_probe() {
        for (code, stop) in [(RefusalCode::Revoked, Stop::Revoked), (RefusalCode::Superseded, Stop::Superseded)] {
            let collector = TestCollector::start().await;
            let running = start(&collector);
            until(&collector, |seen| batches(seen).next().map(drop)).await;
            collector.script(picket_shared::wire::ASSIGNMENTS_PATH, Reply::Refuse(code, None));
            assert!(matches!(running.task.await.unwrap(), Err(Ended::ByCollector(found)) if found == stop));
        }
    }
}
