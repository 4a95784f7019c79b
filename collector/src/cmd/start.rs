//! From the parsed command line to the command: settings, logs, the user that owns the data, the runtime.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::User;
use picket_shared::time::Clock;

use super::up::Start;
use super::{
    CmdError, admin, alarm, audit, backup, channel, config, database, doctor, drill, keys, mail, maintenance, migrate,
    monitor, open, organization, policy, posture, privacy, probe, region, restore, schedule, serve, up, user,
    wal_fetch, wal_push,
};
use crate::cli::{Cli, Command};
use crate::config::{Config, DatabaseMode, Format, Level};
use crate::postgres::owner;
use crate::probes::Desk;
use crate::telemetry;

/// How long work that nobody waits for any more may take to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs the command, as the user that owns the data.
///
/// # Errors
/// What went wrong, and what to do.
pub fn start(cli: Cli) -> Result<ExitCode, CmdError> {
    let file = cli.config;
    match cli.command {
        Command::Config(command) => return config::run(command, file.as_deref()),
        // PostgreSQL runs these, as its own user: they read no settings.
        Command::WalPush(args) => return Ok(wal_push::run(&args)),
        Command::WalFetch(args) => return Ok(wal_fetch::run(&args)),
        Command::Posture(ref args) => {
            if let Some(args) = args.offline() {
                return posture::verify(args);
            }
        }
        Command::Drill(ref args) => args.yield_to_others(),
        _ => {}
    }
    let mut config = Config::load(file.as_deref())?;
    if matches!(cli.command, Command::Serve(args) if args.quiet) {
        config.log.level = Level::Warn;
    }
    telemetry::start(&config.log);
    // What a program reads the log of, says everything in it; a person who ran a command is told by standard error.
    let logs_all = config.log.format == Format::Json && matches!(cli.command, Command::Serve(_));
    match begin(cli.command, config) {
        Err(error) if logs_all => {
            tracing::error!("{error}");
            Ok(ExitCode::FAILURE)
        }
        ended => ended,
    }
}

fn begin(command: Command, mut config: Config) -> Result<ExitCode, CmdError> {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err(CmdError::new("the TLS library was set up twice: this is a defect of Picket"));
    }
    // Who only looks makes no archive: where a disk is not mounted, an empty folder would take what belongs on it.
    let archives = matches!(command, Command::Serve(_) | Command::Up(_));
    let owner = prepare_owner(&mut config, archives)?;
    if let Command::Up(args) = command {
        let start = Start { args, config, user: owner };
        return to_its_end(Box::pin(up::run(start, Clock::system())));
    }
    let mut command = command;
    if let Command::Restore(args) = &mut command {
        args.prepare(&mut config, owner.as_ref())?;
    }
    if let Command::Database(command) = &mut command {
        command.prepare()?;
    }
    if let Command::Drill(args) = &command {
        args.follow(&mut config);
    }
    if let Some(user) = owner {
        owner::become_user(&user)?;
    }
    to_its_end(Box::pin(dispatch(command, config)))
}

/// Runs a command. What it left at a disk that does not answer is not waited for.
fn to_its_end(command: impl Future<Output = Result<ExitCode, CmdError>>) -> Result<ExitCode, CmdError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(command);
    runtime.shutdown_timeout(FAREWELL);
    ended
}

async fn dispatch(command: Command, config: Config) -> Result<ExitCode, CmdError> {
    let clock = Clock::system();
    match command {
        Command::Serve(_) => Box::pin(serve::run(config, clock)).await,
        Command::Migrate => migrate::run(&config).await,
        Command::Doctor(args) => doctor::run(args, &config, &clock).await,
        Command::Monitor(command) => monitor::run(command, &open(config, clock).await?).await,
        Command::Channel(command) => channel::run(command, &open(config, clock).await?).await,
        Command::Probe(command) => {
            let app = open(config, clock).await?;
            let now = app.clock.now();
            let desk = Desk {
                pools: app.pools.clone(),
                sealer: app.sealer.clone(),
                collector: app.collector_id,
                config: Arc::clone(&app.config),
            };
            Ok(probe::run(command, &desk, now).await?)
        }
        Command::Alarm(command) => alarm::run(command, &open(config, clock).await?).await,
        Command::Maintenance(command) => maintenance::run(command, &open(config, clock).await?).await,
        Command::Policy(command) => policy::run(command, &open(config, clock).await?).await,
        Command::Schedule(command) => schedule::run(command, &open(config, clock).await?).await,
        Command::Region(command) => region::run(command, &open(config, clock).await?).await,
        Command::Audit(command) => audit::run(command, &open(config, clock).await?).await,
        Command::Posture(args) => Box::pin(posture::run(args, config, clock)).await,
        Command::Organization(command) => organization::run(command, &open(config, clock).await?).await,
        Command::Privacy(command) => privacy::run(command, &open(config, clock).await?).await,
        Command::Admin(command) => admin::run(command, &open(config, clock).await?).await,
        Command::Backup(command) => backup::run(command, &config).await,
        Command::Restore(args) => restore::run(args, &config).await,
        Command::Database(command) => Box::pin(database::run(command, config)).await,
        Command::Mail(command) => mail::run(command, &config),
        Command::Keys(command) => keys::run(command, &config).await,
        Command::Drill(args) => drill::run(args, &config).await,
        Command::User(command) => user::run(command, &open(config, clock).await?).await,
        Command::Config(_) | Command::Up(_) | Command::WalPush(_) | Command::WalFetch(_) => {
            Err(CmdError::new("this command is not run from here"))
        }
    }
}

/// Started as root, the collector becomes the user that owns the data: makes that user and the directories, before any
/// thread is made. `None` when this is not root.
fn prepare_owner(config: &mut Config, archives: bool) -> Result<Option<User>, CmdError> {
    if !owner::is_root() {
        return Ok(None);
    }
    let user = owner::user()?;
    if config.database.mode == DatabaseMode::Managed {
        let configured = config.database.data_dir.clone();
        config.database.data_dir = owner::reachable(&configured, &user);
        let data = config.database.data_dir.display();
        if config.database.data_dir != configured {
            tracing::info!("The data lies in {data}: user {} cannot reach {}", user.name, configured.display());
        }
        config.keys.follow(&config.database.data_dir);
        owner::make_directory(&config.database.data_dir, &user)?;
    } else if config.archive.is_on() {
        // For what is on its way to the archive; the keys stay where they are.
        config.database.data_dir = owner::reachable(&config.database.data_dir, &user);
        if archives {
            owner::make_directory(&config.database.data_dir, &user)?;
        }
    }
    owner::make_directory(config.keys.directory(), &user)?;
    for directory in [config.archive.directory(), config.archive.drill_directory()].into_iter().flatten() {
        if archives {
            owner::make_directory(directory, &user)?;
        }
    }
    Ok(Some(user))
}
