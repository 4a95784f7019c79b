//! `picket-collector`: parses the command line, gives up root's rights, and dispatches.

use std::process::ExitCode;

use clap::Parser;
use picket_collector::app::App;
use picket_collector::cli::{Cli, Command};
use picket_collector::cmd::probe::Desk;
use picket_collector::cmd::up::Start;
use picket_collector::cmd::{self, CmdError};
use picket_collector::config::{Config, DatabaseMode};
use picket_collector::postgres::owner;
use picket_collector::telemetry;
use picket_shared::time::Clock;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr().lock(), "picket-collector: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode, CmdError> {
    let file = cli.config;
    if let Command::Config(command) = cli.command {
        return cmd::config::run(command, file.as_deref());
    }
    let mut config = Config::load(file.as_deref())?;
    telemetry::start(&config.log);
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err(CmdError::new("the TLS library was set up twice: this is a defect of Picket"));
    }
    let owner = prepare_owner(&mut config)?;
    if let Command::Up(args) = cli.command {
        let start = Start { args, config, user: owner };
        return runtime()?.block_on(Box::pin(cmd::up::run(start, Clock::system())));
    }
    if let Some(user) = owner {
        owner::become_user(&user)?;
    }
    runtime()?.block_on(Box::pin(dispatch(cli.command, config)))
}

fn runtime() -> Result<tokio::runtime::Runtime, CmdError> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn dispatch(command: Command, config: Config) -> Result<ExitCode, CmdError> {
    let clock = Clock::system();
    match command {
        Command::Serve => cmd::serve::run(config, clock).await,
        Command::Migrate => cmd::migrate::run(&config).await,
        Command::Doctor(args) => cmd::doctor::run(args, &config, &clock).await,
        Command::Monitor(command) => cmd::monitor::run(command, &App::open(config, clock).await?).await,
        Command::Channel(command) => cmd::channel::run(command, &App::open(config, clock).await?).await,
        Command::Probe(command) => {
            let app = App::open(config, clock).await?;
            let url = app.config.http.public_url();
            let desk = Desk {
                pools: &app.pools,
                sealer: &app.sealer,
                collector: app.collector_id,
                public_url: &url,
                now: app.clock.now(),
            };
            Ok(cmd::probe::run(command, desk).await?)
        }
        Command::Config(_) | Command::Up(_) => Err(CmdError::new("this command is not run from here")),
    }
}

/// Started as root, the collector becomes the user that owns the data: makes that user and the directories, before any
/// thread is made. `None` when this is not root.
fn prepare_owner(config: &mut Config) -> Result<Option<nix::unistd::User>, CmdError> {
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
    }
    owner::make_directory(config.keys.directory(), &user)?;
    Ok(Some(user))
}
