//! `picket-probe`: parse, load, confine, and only then build the runtime.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use picket_probe::cli::{Cli, Command, ConfigArgs};
use picket_probe::config::{ConfigError, File, Settings, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE};
use picket_probe::{check_once, confine, doctor, pipeline, telemetry};
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::secret::Secret;

/// The exit code of settings that cannot be used.
const EXIT_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    // Whoever installed one before us is the same code, so a failure means that it is there.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let token = take_token_from_environment();
    match Cli::parse().command {
        Command::Run(args) => run(&args, token),
        Command::Doctor(args) => doctor::run(&args, |file| find_token(file, token.clone())),
        Command::CheckOnce(args) => match pipeline::runtime() {
            Ok(runtime) => runtime.block_on(check_once::run(*args)),
            Err(error) => fail(&error),
        },
    }
}

fn run(args: &ConfigArgs, token: Option<Secret<String>>) -> ExitCode {
    let (settings, log) = match load(args, token) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error),
    };
    telemetry::start(&log);
    let (env, lookup) = match pipeline::prepare(&settings) {
        Ok(prepared) => prepared,
        Err(error) => return fail(&error),
    };
    if let Err(error) = confine::give_up_root() {
        return fail(&error);
    }
    let confinement = confine::confine(&settings.read_files);
    let holds = confine::describe(&confinement);
    if confine::is_whole(&confinement) {
        tracing::info!("Confined by the kernel: {holds}");
    } else {
        tracing::warn!("Confined by the kernel only in part, so that the promise to write nothing is weaker: {holds}");
    }
    match pipeline::runtime() {
        Ok(runtime) => {
            runtime.block_on(Box::pin(pipeline::run(settings, pipeline::Parts { env, lookup, confinement })))
        }
        Err(error) => fail(&error),
    }
}

fn load(
    args: &ConfigArgs,
    token: Option<Secret<String>>,
) -> Result<(Settings, picket_probe::config::Log), ConfigError> {
    let file = File::read(args.config.as_deref())?;
    let token = find_token(&file, token)?;
    let log = file.log.clone();
    Ok((file.settings(token)?, log))
}

fn find_token(file: &File, text: Option<Secret<String>>) -> Result<EnrolmentToken, ConfigError> {
    let path = std::env::var_os(TOKEN_FILE_VARIABLE).map(std::path::PathBuf::from);
    file.token(text, path.as_deref())
}

fn take_token_from_environment() -> Option<Secret<String>> {
    let token = std::env::var(TOKEN_VARIABLE).ok().filter(|text| !text.is_empty()).map(Secret::new);
    #[expect(unsafe_code, reason = "no other thread exists yet that could read the environment meanwhile")]
    // SAFETY: this is the first thing that `main` does, before any thread is started.
    unsafe {
        std::env::remove_var(TOKEN_VARIABLE);
    }
    token
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    // Logging may not have started yet; nothing is left to do if standard error is closed.
    writeln!(std::io::stderr().lock(), "picket-probe: {error}").ok();
    ExitCode::from(EXIT_SETTINGS)
}
