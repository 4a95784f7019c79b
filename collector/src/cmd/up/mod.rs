//! `up`: PostgreSQL, collector and one local probe from one foreground command, a monitor for each URL, and the
//! outcomes as they come, until Ctrl-C.
//!
//! The children run in process groups of their own: Ctrl-C reaches this process alone, which stops them in order
//! (probe, then collector, which stops PostgreSQL).

mod children;
mod live;
mod setup;

use std::process::ExitCode;
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};

use super::CmdError;
use crate::app::App;
use crate::cmd;
use crate::config::Config;
use crate::lifecycle::Signals;
use crate::postgres::owner;
use children::Children;
use live::Screen;

/// How long `--check` waits for the first outcome of every URL.
const CHECK_WITHIN: Duration = Duration::from_secs(60);

/// Runs everything on this machine in the foreground and shows the outcomes.
#[derive(Debug, clap::Args)]
pub struct UpArgs {
    /// What to watch; each becomes a monitor that is checked every 30 s, unless there is one.
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
    /// Stop when the first outcome of every URL is stored: exit code 0, or 1 with the reason after 60 s.
    #[arg(long)]
    pub check: bool,
}

/// What `up` is started with.
#[derive(Debug)]
pub struct Start {
    /// The command line.
    pub args: UpArgs,
    /// The settings.
    pub config: Config,
    /// The user to become once every child runs; `None` when this is not root.
    pub user: Option<nix::unistd::User>,
}

/// Runs until a signal comes or, with `--check`, until every URL has an outcome.
///
/// # Errors
/// When a part does not start; what did start is stopped first.
pub async fn run(start: Start, clock: Clock) -> Result<ExitCode, CmdError> {
    setup::free(&start.config)?;
    let began = clock.now();
    let mut screen = Screen::new();
    let mut children = Children::default();
    let mut stop = Signals::listen()?;
    let result = tokio::select! {
        result = all(start, &clock, began, &mut screen, &mut children) => result,
        () = stop.wait() => Ok(ExitCode::SUCCESS),
    };
    screen.line("Stopping: the probe ships what it has, then the collector, then PostgreSQL.");
    // A second signal ends the wait for an orderly stop.
    let orderly = tokio::select! {
        orderly = children.stop() => orderly,
        () = stop.wait() => { children.kill(); false }
    };
    screen.line(if orderly { "Stopped." } else { "Stopped, not in order: see the messages above." });
    result
}

async fn all(
    start: Start,
    clock: &Clock,
    began: Timestamp,
    screen: &mut Screen,
    children: &mut Children,
) -> Result<ExitCode, CmdError> {
    let Start { args, config, user } = start;
    let config_file = config.file.as_deref();
    screen.line("Starting PostgreSQL and the collector");
    children.start_collector(config_file)?;
    setup::healthy(&config, children).await?;
    let probe = setup::local_probe(&config, config_file).await?;
    screen.line("Starting the local probe, which may contact private addresses");
    children.start_probe(&probe)?;
    let monitors = setup::monitors(config_file, &args.urls).await?;
    // The children are started from files that the unprivileged user may not reach; everything after needs no root.
    if let Some(user) = user {
        owner::become_user(&user)?;
    }
    screen.line(&format!("Picket runs at {}", config.http.public_url()));
    if monitors.is_empty() {
        screen.line("Name URLs to watch, or run `picket-collector monitor add URL` meanwhile.");
    }
    screen.line(if args.check { "Waiting for the first outcome of each URL" } else { "Stop with Ctrl-C." });
    let app = cmd::open(config, clock.clone()).await?;
    watch(&args, &app, live::Shown::new(began, &monitors), screen, children).await
}

async fn watch(
    args: &UpArgs,
    app: &App,
    mut shown: live::Shown,
    screen: &mut Screen,
    children: &mut Children,
) -> Result<ExitCode, CmdError> {
    let mut waited = tokio::time::interval(Duration::from_millis(300));
    let check_ends = tokio::time::sleep(CHECK_WITHIN);
    tokio::pin!(check_ends);
    let mut away = false;
    loop {
        tokio::select! {
            _ = waited.tick() => {}
            () = &mut check_ends, if args.check => {
                for target in shown.missing() {
                    screen.line(&format!("No outcome of {target} came within 60 s: see the messages above."));
                }
                return Ok(ExitCode::FAILURE);
            }
        }
        let looked = shown.show_new(app, screen).await;
        if args.check && shown.missing().is_empty() {
            screen.line("The first outcome of every URL is stored.");
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(ended) = children.ended() {
            return Err(CmdError::new(format!("{ended} ended by itself: see its messages above")));
        }
        // The collector starts a database that ended again; what was stored is shown then.
        match &looked {
            Err(error) if !away => screen.line(&format!("Outcomes cannot be shown for now: {error}")),
            Ok(()) if away => screen.line("Outcomes are shown again."),
            _ => {}
        }
        away = looked.is_err();
    }
}
