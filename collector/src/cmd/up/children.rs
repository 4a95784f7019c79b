//! The processes that `up` starts, and the order in which they stop.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::cmd::{CmdError, this_program};

/// How long each child may take to stop in order.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a local probe is started with.
pub(super) struct LocalProbe {
    /// Its settings.
    pub(super) config_file: PathBuf,
    /// Its enrolment token.
    pub(super) token_file: PathBuf,
}

/// The children that run.
#[derive(Default)]
pub(super) struct Children {
    collector: Option<Child>,
    probe: Option<Child>,
}

impl Children {
    /// Starts `serve` of this very program.
    pub(super) fn start_collector(&mut self, config_file: Option<&Path>) -> Result<(), CmdError> {
        let mut command = Command::new(this_program()?);
        if let Some(file) = config_file {
            command.arg("--config").arg(file);
        }
        command.args(["serve", "--quiet"]);
        self.collector = Some(spawn(command, "the collector")?);
        Ok(())
    }

    /// Starts the probe that lies beside this program.
    pub(super) fn start_probe(&mut self, probe: &LocalProbe) -> Result<(), CmdError> {
        let program = this_program()?.with_file_name("picket-probe");
        if !program.exists() {
            return Err(CmdError::new(format!(
                "{} is missing: build it with `cargo build --release --locked` or install it beside picket-collector",
                program.display()
            )));
        }
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&probe.config_file).env("PICKET_TOKEN_FILE", &probe.token_file);
        self.probe = Some(spawn(command, "the local probe")?);
        Ok(())
    }

    /// The name of a child that ended though nobody asked it to.
    pub(super) fn ended(&mut self) -> Option<String> {
        for (name, child) in [("The collector", &mut self.collector), ("The local probe", &mut self.probe)] {
            if let Some(Ok(Some(status))) = child.as_mut().map(Child::try_wait) {
                return Some(format!("{name} ({status})"));
            }
        }
        None
    }

    /// Stops the probe, then the collector; whether both stopped in order.
    pub(super) async fn stop(&mut self) -> bool {
        let probe = stop(self.probe.as_mut()).await;
        let collector = stop(self.collector.as_mut()).await;
        probe && collector
    }

    /// Ends them at once. PostgreSQL is found again, or stopped, by the next start.
    pub(super) fn kill(&mut self) {
        for child in [&self.probe, &self.collector].into_iter().flatten() {
            signal(child, Signal::SIGKILL);
        }
    }
}

async fn stop(child: Option<&mut Child>) -> bool {
    let Some(child) = child else { return true };
    signal(child, Signal::SIGTERM);
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(Ok(status)) => status.success(),
        Ok(Err(_)) => false,
        Err(_) => {
            signal(child, Signal::SIGKILL);
            let _ = child.wait().await;
            false
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // The child may have ended meanwhile: then there is nobody to signal.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn spawn(mut command: Command, what: &str) -> Result<Child, CmdError> {
    command
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| CmdError::new(format!("{what} cannot be started: {error}")))
}
