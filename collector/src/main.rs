//! `picket-collector`: parses the command line, gives up root's rights, and dispatches.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use picket_collector::cli::{Cli, Command};
use picket_collector::cmd::{self, CmdError};
use picket_collector::config::{Config, Mode};
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
    let file = Config::find(cli.config);
    if let Command::Config(command) = cli.command {
        return cmd::config::run(command, file.as_deref());
    }
    let mut config = Config::load(file.as_deref())?;
    telemetry::start(&config.log).map_err(CmdError::new)?;
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err(CmdError::new("the TLS library was set up twice: this is a defect of Picket"));
    }
    give_up_root(&mut config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(dispatch(cli.command, config, file.as_deref()))
}

async fn dispatch(command: Command, config: Config, _file: Option<&Path>) -> Result<ExitCode, CmdError> {
    let clock = Clock::system();
    match command {
        Command::Serve => cmd::serve::run(config, clock).await,
        Command::Migrate => cmd::migrate::run(&config).await,
        Command::Doctor(args) => cmd::doctor::run(args, &config, &clock).await,
        Command::Config(_) => Err(CmdError::new("this command needs no database")),
    }
}

/// Started as root, the collector becomes the user that owns the data, before any thread is made.
fn give_up_root(config: &mut Config) -> Result<(), CmdError> {
    if !owner::is_root() {
        return Ok(());
    }
    let user = owner::user()?;
    if config.database.mode == Mode::Managed {
        let configured = config.database.data_dir.clone();
        config.database.data_dir = owner::reachable(&configured, &user);
        if config.database.data_dir.file_name() == configured.file_name()
            && !config.database.data_dir.ends_with(&configured)
        {
            tracing::info!(
                "The data lies in {}: {} is closed to user {}",
                config.database.data_dir.display(),
                configured.display(),
                user.name
            );
        }
        owner::make_directory(&config.database.data_dir, &user)?;
    }
    owner::make_directory(&config.keys_directory(), &user)?;
    owner::become_user(&user)?;
    Ok(())
}
