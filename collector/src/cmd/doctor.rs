//! `doctor`: says what is wrong and what to do.

use std::process::ExitCode;
use std::time::Duration;

use picket_shared::egress::EgressGuard;
use picket_shared::time::{Clock, Timestamp};
use serde::Serialize;
use sqlx::Connection;

use super::{CmdError, access, print};
use crate::config::Config;
use crate::notify::Client;
use crate::notify::channels::email;
use crate::postgres::{Access, roles};
use crate::vault::{KeyRing, keyring};

/// Says what is wrong and what to do; exit code 1 if anything is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    about: &'static str,
    state: State,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    Warning,
    Bad,
}

impl Finding {
    fn new(about: &'static str, state: State, message: impl Into<String>) -> Self {
        Self { about, state, message: message.into() }
    }
}

/// Looks at everything.
///
/// # Errors
/// When standard output is closed.
pub async fn run(args: DoctorArgs, config: &Config, clock: &Clock) -> Result<ExitCode, CmdError> {
    let mut findings = vec![keys(config), disk(config)];
    match access(config) {
        Ok(access) => database(&access, clock, &mut findings).await,
        Err(error) => findings.push(Finding::new("database", State::Bad, error.to_string())),
    }
    findings.extend(mail(config).await);
    findings.extend(certificate(config, clock.now()));
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    if args.json {
        print::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.state {
                State::Good => "ok  ",
                State::Warning => "warn",
                State::Bad => "BAD ",
            };
            print::line(&format!("{mark}  {:<12} {}", finding.about, finding.message))?;
        }
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn keys(config: &Config) -> Finding {
    let directory = config.keys.directory();
    match KeyRing::load(directory) {
        Ok(None) => Finding::new(
            "keys",
            State::Bad,
            format!(
                "{} is missing: start the collector, or copy the key ring back",
                keyring::file(directory).display()
            ),
        ),
        Ok(Some(_)) => {
            Finding::new("keys", State::Good, format!("{} is private and complete", keyring::file(directory).display()))
        }
        Err(error) => Finding::new("keys", State::Bad, error.to_string()),
    }
}

fn disk(config: &Config) -> Finding {
    let directory = &config.database.data_dir;
    match nix::sys::statvfs::statvfs(directory) {
        Ok(stat) => {
            let free = stat.blocks_available().saturating_mul(stat.fragment_size()) / (1 << 20);
            let share = stat.blocks_available().saturating_mul(100) / stat.blocks().max(1);
            let state = if free < 512 {
                State::Bad
            } else if share < 10 {
                State::Warning
            } else {
                State::Good
            };
            let advice = if state == State::Good { "" } else { ": make room, or shorten [retention]" };
            Finding::new("disk", state, format!("{free} MiB ({share} %) free at {}{advice}", directory.display()))
        }
        Err(errno) => {
            Finding::new("disk", State::Bad, format!("{} cannot be looked at ({errno})", directory.display()))
        }
    }
}

async fn database(access: &Access, clock: &Clock, findings: &mut Vec<Finding>) {
    let mut conn = match access.connect_as("picket_owner").await {
        Ok(conn) => conn,
        Err(error) => return findings.push(Finding::new("database", State::Bad, error.to_string())),
    };
    match crate::store::health::database(&mut conn).await {
        Ok(health) => {
            findings.push(Finding::new("database", State::Good, format!("PostgreSQL {} answers", health.version)));
            findings.push(row_security(&health.without_row_security));
            findings.push(clock_offset(clock.now(), health.now));
        }
        Err(error) => findings.push(Finding::new("database", State::Bad, error.to_string())),
    }
    findings.push(match roles::pending(&mut conn).await {
        Ok(0) => Finding::new("migrations", State::Good, "up to date"),
        Ok(n) => Finding::new("migrations", State::Bad, format!("{n} are missing: run `picket-collector migrate`")),
        Err(error) => Finding::new("migrations", State::Bad, error.to_string()),
    });
    let _ = conn.close().await;
}

fn row_security(without: &[String]) -> Finding {
    if without.is_empty() {
        return Finding::new("isolation", State::Good, "row security is forced on every table of a tenant");
    }
    let message = format!(
        "row security is not forced on {}: run `picket-collector migrate`, and find out who changed it",
        without.join(", ")
    );
    Finding::new("isolation", State::Bad, message)
}

fn clock_offset(own: Timestamp, theirs: Timestamp) -> Finding {
    let off = own.micros_since(theirs).unsigned_abs();
    let message = format!("{} ms off the database's clock", off / 1000);
    if off > 1_000_000 {
        return Finding::new("clock", State::Bad, format!("{message}: set both by NTP (for example with chrony)"));
    }
    Finding::new("clock", State::Good, message)
}

async fn mail(config: &Config) -> Option<Finding> {
    let host = config.mail.host.as_deref();
    let Some(host) = host else {
        return Some(Finding::new(
            "mail",
            State::Warning,
            "no mail server is set: e-mail channels cannot send. Set [mail] host",
        ));
    };
    let reached = tokio::time::timeout(Duration::from_secs(10), try_mail(config)).await;
    Some(match reached {
        Ok(Ok(())) => Finding::new("mail", State::Good, format!("{host}:{} takes mail from us", config.mail.port())),
        Ok(Err(error)) => Finding::new("mail", State::Bad, format!("{host}:{}: {error}", config.mail.port())),
        Err(_) => {
            Finding::new("mail", State::Bad, format!("{host}:{} does not answer within 10 s", config.mail.port()))
        }
    })
}

fn certificate(config: &Config, now: Timestamp) -> Option<Finding> {
    let certificate = config.http.certificate()?;
    let file = certificate.chain_file.display();
    Some(match not_after(certificate.chain_pem.as_bytes()) {
        None => Finding::new("certificate", State::Bad, format!("{file} holds no certificate in PEM")),
        Some(end) if end <= now => {
            Finding::new("certificate", State::Bad, format!("{file} ended at {end:.0}: renew it"))
        }
        Some(end) if end.since(now) < Duration::from_secs(14 * 86_400) => {
            Finding::new("certificate", State::Warning, format!("{file} ends at {end:.0}: renew it"))
        }
        Some(end) => Finding::new("certificate", State::Good, format!("{file} holds until {end:.0}")),
    })
}

/// When the first certificate of a chain ends.
fn not_after(pem: &[u8]) -> Option<Timestamp> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let seconds = pem.parse_x509().ok()?.validity().not_after.timestamp();
    Some(Timestamp::from_seconds(seconds))
}

/// Connects, encrypts and logs in as for a mail, and sends none.
async fn try_mail(config: &Config) -> Result<(), String> {
    let client = Client::new(config.mail.clone(), config.outbound.clone(), EgressGuard::default());
    email::reach(&client.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())
}
