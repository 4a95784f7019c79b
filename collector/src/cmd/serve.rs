//! `serve`: the collector itself, until a signal.
//!
//! Start: PostgreSQL, roles, migrations, pools, leadership or standing by, web, tasks. Stop: web, tasks, pools, PostgreSQL.

use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use picket_shared::time::Clock;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lead::{self, Lead, Parts};
use super::{CmdError, POOL_SIZE, access, archive, entrances};
use crate::app::App;
use crate::config::{self, Config, DatabaseMode};
use crate::flow::verify::Limits;
use crate::lifecycle::{self, Signals};
use crate::login::Porter;
use crate::ops::archive::keeper::Keeper;
use crate::ops::archive::receiver::Receiver;
use crate::ops::archive::server::Server;
use crate::postgres::managed::Layout;
use crate::postgres::upgrade::Upgrade;
use crate::postgres::{Access, Cluster, PostgresError, open_pools};
use crate::{tasks, wake};

/// Four pools, and some for commands, doctor and a person at psql.
pub(super) const CONNECTIONS: u32 = POOL_SIZE * 4 + 20;

/// Arguments of `serve`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ServeArgs {
    /// Log only what needs somebody's attention, whatever the settings say.
    #[arg(long)]
    pub quiet: bool,
}

/// Runs the collector.
///
/// # Errors
/// When a part does not start; what did start is stopped first.
pub async fn run(config: Config, clock: Clock) -> Result<ExitCode, CmdError> {
    let mut signals = Signals::listen()?;
    if config.database.mode == DatabaseMode::External {
        let access = access(&config)?;
        return serve(&access, None, config, clock, &mut signals).await;
    }
    let database = &config.database;
    let archiving = archive::archiving(&config)?;
    let is_archiving = archiving.is_some();
    let cluster = tokio::select! {
        cluster = Cluster::start(&database.data_dir, database.binaries_dir.as_deref(), CONNECTIONS, archiving) => cluster?,
        () = signals.wait() => return Ok(ExitCode::SUCCESS),
    };
    // Until PostgreSQL has ended: at its end it hands its last WAL over.
    let server = match is_archiving {
        true => Some(Server::open(&Layout::of(&database.data_dir).socket_directory())?),
        false => None,
    };
    if let Some(open) = Upgrade::read(&Layout::of(&database.data_dir))?.and_then(|upgrade| upgrade.says()) {
        tracing::error!("{open}");
    }
    let access = cluster.access();
    let mut managed = Managed { cluster, server };
    let result = serve(&access, Some(&mut managed), config, clock, &mut signals).await;
    if let Some(server) = &managed.server {
        server.ends();
    }
    managed.cluster.stop().await?;
    tracing::info!("Stopped PostgreSQL");
    result
}

/// The cluster that the collector runs, and where it hands its WAL over.
struct Managed {
    cluster: Cluster,
    server: Option<Server>,
}

async fn serve(
    access: &Access,
    managed: Option<&mut Managed>,
    config: Config,
    clock: Clock,
    signals: &mut Signals,
) -> Result<ExitCode, CmdError> {
    let ran = tokio::select! {
        ran = prepare(access) => ran?,
        () = signals.wait() => return Ok(ExitCode::SUCCESS),
    };
    if ran > 0 {
        tracing::info!("Ran {ran} migrations");
    }
    let app = App::start(open_pools(access, POOL_SIZE)?, config, clock).await?;
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let server = managed.as_ref().and_then(|managed| managed.server.as_ref());
    let (keeper, receiver) = tokio::select! {
        begun = begin_archive(server, &app, &tracker, &stop) => begun?,
        () = signals.wait() => return Ok(ExitCode::SUCCESS),
    };
    let mut lead = Lead::new(&app, access);
    let first = tokio::select! {
        first = lead.at_start() => first?,
        () = signals.wait() => return Ok(ExitCode::SUCCESS),
    };
    let limits = Arc::new(request_limits(&app.config.limits));
    let porter = super::porter(&app)?;
    entrances::open(&app, &porter, Arc::clone(&limits), &tracker, &stop).await?;
    tracker.spawn(listen(app.clone(), stop.clone()));
    if let Err(error) = super::keys::ensure(&app.config, &app.collector_id.to_string()).await {
        tracing::error!("The recovery kit is not written: {error}");
    }
    let drills = Arc::new(super::drill::scheduled(&app.config)?);
    let parts = Parts { porter: porter.clone(), archive: tasks::Archive { keeper, receiver, drills } };
    lead::spawn(lead, first, parts, &limits, &tracker, &stop);
    tracing::info!("Picket {} runs at {}", env!("CARGO_PKG_VERSION"), app.config.http.public_url());
    invite(&app, &porter).await?;
    tokio::select! {
        () = signals.wait() => {}
        () = watch(managed.map(|managed| &mut managed.cluster)) => {}
    }
    tracing::info!("Stopping");
    let orderly = lifecycle::stop(&tracker, &stop, signals).await;
    let _ = tokio::time::timeout(Duration::from_secs(5), app.pools.close()).await;
    Ok(if orderly { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The archive of whichever database it is, where there is one.
async fn begin_archive(
    server: Option<&Server>,
    app: &App,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(Option<Arc<Keeper>>, Option<Arc<Receiver>>), CmdError> {
    if let Some(server) = server {
        return Ok((Some(archive::begin(server, app, tracker, stop).await?), None));
    }
    let receiver = archive::begin_external(app, tracker, stop).await?;
    Ok((receiver.as_ref().map(|receiver| receiver.keeper()), receiver))
}

/// Makes roles and runs migrations; an external database that is not there yet is waited for, one minute or two.
async fn prepare(access: &Access) -> Result<usize, PostgresError> {
    let waits = ExponentialBuilder::default().with_jitter().with_max_times(6);
    (|| access.prepare())
        .retry(waits)
        .when(PostgresError::is_transient)
        .notify(|error, after| tracing::warn!("The database is not ready, trying again in {after:?}: {error}"))
        .await
}

/// Prints the way in for the first administrator, while there is none. To standard error, not to the log: it is a secret.
async fn invite(app: &App, porter: &Porter) -> Result<(), CmdError> {
    let Some(link) = porter.set_up_link(app.clock.now()).await.map_err(|error| CmdError::new(error.to_string()))?
    else {
        return Ok(());
    };
    let http = &app.config.http;
    let url = format!("{}/set-up/{}", http.public_url(), link.expose());
    if app.config.log.format == config::Format::Json {
        // Whoever reads standard error as JSON can read this line too.
        let line = serde_json::json!({
            "timestamp": app.clock.now().to_string(),
            "level": "INFO",
            "message": format!("Set Picket up in a browser (the link works once, for a day): {url}"),
            "target": module_path!(),
        });
        writeln!(std::io::stderr().lock(), "{line}")?;
        return Ok(());
    }
    let mut text = format!("\nSet Picket up in a browser (the link works once, for a day):\n\n    {url}\n");
    if http.listen.ip().is_loopback() {
        let port = http.listen.port();
        let _ = write!(
            text,
            "\nIs the browser on another machine? Run this there first: ssh -L {port}:localhost:{port} USER@THIS-MACHINE\n"
        );
    }
    writeln!(std::io::stderr().lock(), "{text}")?;
    Ok(())
}

fn request_limits(limits: &config::Limits) -> Limits {
    let rate = |per_second: u32| NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
    Limits::new(rate(limits.batches_per_second_per_probe), rate(limits.batches_per_second))
}

/// Starts PostgreSQL again whenever it ends by itself; never returns.
async fn watch(cluster: Option<&mut Cluster>) {
    let Some(cluster) = cluster else { return std::future::pending().await };
    let mut failures = 0_u32;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        if cluster.is_running() {
            failures = 0;
            continue;
        }
        tracing::error!("PostgreSQL ended by itself; starting it again");
        match cluster.restart().await {
            Ok(()) => tracing::info!("PostgreSQL runs again"),
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::error!("PostgreSQL cannot be started: {error}");
                tokio::time::sleep(Duration::from_millis(500) * 2_u32.saturating_pow(failures.min(6))).await;
            }
        }
    }
}

/// Hears the bells that any process rings, and passes them on. After a lost connection everything is rung: nobody knows
/// what was missed.
async fn listen(app: App, stop: CancellationToken) {
    loop {
        let heard = async {
            let mut listener = PgListener::connect_with(&app.pools.worker).await?;
            listener.listen(wake::CHANNEL).await?;
            app.bells.ring_all();
            loop {
                match listener.try_recv().await? {
                    Some(notification) => app.bells.ring_named(notification.payload()),
                    None => app.bells.ring_all(),
                }
            }
        };
        let lost: Result<(), sqlx::Error> = tokio::select! { lost = heard => lost, () = stop.cancelled() => return };
        if let Err(error) = lost {
            tracing::warn!("Lost the connection that hears the bells: {error}");
        }
        tokio::select! { () = tokio::time::sleep(Duration::from_secs(1)) => {}, () = stop.cancelled() => return }
    }
}
