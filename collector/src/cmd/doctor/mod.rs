//! `doctor`: says what is wrong and what to do.

mod archive;
mod breaches;
mod clock;
mod leader;
mod probes;
mod process;
mod reach;
mod recovery;

use std::process::ExitCode;
use std::time::Duration;

use picket_shared::egress::EgressGuard;
use picket_shared::time::{Clock, Timestamp};
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use super::{CmdError, access, print};
use crate::config::{Config, DatabaseMode};
use crate::domain::passkey::RelyingParty;
use crate::notify::Client;
use crate::notify::channels::email;
use crate::notify::dkim::Signer;
use crate::postgres::{Access, roles};
use crate::vault::{Authority, KeyRing, authority, source};
use crate::web::tls::Pair;

/// Says what is wrong and what to do; exit code 1 if anything is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DoctorArgs {
    /// Only what this machine answers for: mail server and public URL are left out, as a health check every minute wants.
    #[arg(long)]
    pub local: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    message: String,
}

/// How it is; the words are those of the probe's doctor, which knows no warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Pass,
    Warning,
    Fail,
    NotMeasured,
}

impl Finding {
    fn new(name: &'static str, state: State, message: impl Into<String>) -> Self {
        Self { name, state, message: message.into() }
    }
}

/// Looks at everything.
///
/// # Errors
/// When standard output is closed.
pub async fn run(args: DoctorArgs, config: &Config, clock: &Clock) -> Result<ExitCode, CmdError> {
    let mut findings = vec![keys(config), disk(config), archive::archive(config, clock.now())];
    findings.extend(archive::upgrade(config));
    findings.extend(archive::store(config, clock.now(), args.local).await);
    let mut told = Vec::new();
    match access(config) {
        Ok(access) => {
            database(config, &access, clock, &mut findings).await;
            told = probes::look(&access, clock, &mut findings).await;
        }
        Err(error) => findings.push(Finding::new("database", State::Fail, error.to_string())),
    }
    findings.push(process::confinement(config));
    match Client::new(config.mail.clone(), config.outbound.clone(), EgressGuard::default()) {
        Ok(client) => {
            findings.push(reach::listener(config, &client).await);
            findings.extend(reach::door(config, &told).await);
            if !args.local {
                findings.extend(reach::public_url(config, &client).await);
                findings.push(mail(config, &client).await);
            }
            findings.extend(client.signer().map(signature));
        }
        Err(error) => findings.push(Finding::new("outbound", State::Fail, error.to_string())),
    }
    findings.extend(certificate(config, clock.now()));
    let ok = findings.iter().all(|finding| finding.state != State::Fail);
    if args.json {
        print::json(&serde_json::json!({ "ok": ok, "findings": findings }))?;
    } else {
        for finding in &findings {
            let mark = match finding.state {
                State::Pass => "ok",
                State::Warning => "warn",
                State::Fail => "FAIL",
                State::NotMeasured => "-",
            };
            print::line(&format!("{mark:<5} {:<14} {}", finding.name, finding.message))?;
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keys(config: &Config) -> Finding {
    let place = source::place(&config.keys);
    match KeyRing::load(&config.keys) {
        Ok(None) => {
            let why = format!("there is no key ring in {place}: start the collector, or copy the key ring back");
            Finding::new("keys", State::Fail, why)
        }
        Ok(Some(_)) => Finding::new("keys", State::Pass, format!("the key ring in {place} is private and complete")),
        Err(error) => Finding::new("keys", State::Fail, error.to_string()),
    }
}

fn disk(config: &Config) -> Finding {
    if config.database.mode == DatabaseMode::External && !config.archive.is_on() {
        return Finding::new("disk", State::NotMeasured, "the data lie with the external database");
    }
    let directory = &config.database.data_dir;
    match nix::sys::statvfs::statvfs(directory) {
        Ok(stat) => {
            let free = stat.blocks_available().saturating_mul(stat.fragment_size()) / (1 << 20);
            let share = stat.blocks_available().saturating_mul(100) / stat.blocks().max(1);
            let state = if free < 512 {
                State::Fail
            } else if share < 10 {
                State::Warning
            } else {
                State::Pass
            };
            let advice = if state == State::Pass { "" } else { ": make room, or shorten [retention]" };
            Finding::new("disk", state, format!("{free} MiB ({share} %) free at {}{advice}", directory.display()))
        }
        Err(errno) => {
            Finding::new("disk", State::Fail, format!("{} cannot be looked at ({errno})", directory.display()))
        }
    }
}

async fn database(config: &Config, access: &Access, clock: &Clock, findings: &mut Vec<Finding>) {
    let mut conn = match access.connect_as("picket_owner").await {
        Ok(conn) => conn,
        Err(error) => return findings.push(Finding::new("database", State::Fail, error.to_string())),
    };
    match crate::store::health::database(&mut conn).await {
        Ok(health) => {
            findings.push(Finding::new("database", State::Pass, format!("PostgreSQL {} answers", health.version)));
            findings.push(row_security(&health.without_row_security));
            findings.push(clock_offset(clock.now(), health.now));
            findings.extend(archive::archived(config, &mut conn, clock.now()).await);
        }
        Err(error) => findings.push(Finding::new("database", State::Fail, error.to_string())),
    }
    match roles::pending(&mut conn).await {
        Ok(0) => {
            findings.push(Finding::new("migrations", State::Pass, "up to date"));
            findings.extend(passkeys(config, &mut conn).await);
            findings.extend(archive::recovery_point(config, &mut conn).await);
            findings.extend(recovery::recovery(config, &mut conn).await);
            findings.push(breaches::look(&mut conn, clock.now()).await);
        }
        Ok(n) => {
            let message = format!("{n} are missing: run `picket-collector migrate`");
            findings.push(Finding::new("migrations", State::Fail, message));
        }
        Err(error) => findings.push(Finding::new("migrations", State::Fail, error.to_string())),
    }
    let _ = conn.close().await;
}

/// Passkeys that another public URL made useless.
async fn passkeys(config: &Config, conn: &mut PgConnection) -> Option<Finding> {
    const NAME: &str = "passkeys";
    let url = config.http.public_url();
    let party = RelyingParty::of(&url);
    match crate::store::passkeys::stranded(conn, party.as_ref().map(RelyingParty::id)).await {
        Ok(0) => None,
        Ok(count) => {
            let message = format!(
                "{count} were made for another host than that of {url} and do not work: set http.public_url back, or let \
                 their users sign in with a recovery code and add others"
            );
            Some(Finding::new(NAME, State::Warning, message))
        }
        Err(error) => Some(Finding::new(NAME, State::Fail, error.to_string())),
    }
}

fn row_security(without: &[String]) -> Finding {
    if without.is_empty() {
        return Finding::new("isolation", State::Pass, "row security is forced on every table of a tenant");
    }
    let message = format!(
        "row security is not forced on {}: run `picket-collector migrate`, and find out who changed it",
        without.join(", ")
    );
    Finding::new("isolation", State::Fail, message)
}

fn clock_offset(own: Timestamp, theirs: Timestamp) -> Finding {
    let off = own.micros_since(theirs).unsigned_abs();
    let message = format!("{} ms off the database's clock", off / 1000);
    if off > 1_000_000 {
        return Finding::new(
            "database clock",
            State::Fail,
            format!("{message}: set both by NTP (for example with chrony)"),
        );
    }
    Finding::new("database clock", State::Pass, message)
}

/// Greets the mail server and logs in, as sending a mail would; sends nothing.
async fn mail(config: &Config, client: &Client) -> Finding {
    const NAME: &str = "mail";
    let Some(host) = config.mail.host.as_deref() else {
        let why = "no mail server is set, so e-mail channels cannot send: set [mail] host";
        return Finding::new(NAME, State::Warning, why);
    };
    let server = format!("{host}:{}", config.mail.port());
    let login = if config.mail.user.is_some() { ", with the login" } else { "" };
    match tokio::time::timeout(Duration::from_secs(15), email::reach(client)).await {
        Ok(Ok(())) => Finding::new(NAME, State::Pass, format!("{server} takes mail from us{login}")),
        Ok(Err(error)) => Finding::new(NAME, State::Fail, format!("{server}: {error}. Check [mail] and [outbound]")),
        Err(_) => Finding::new(
            NAME,
            State::Fail,
            format!("{server} does not answer within 15 s: check [mail], and that a firewall lets it through"),
        ),
    }
}

/// By whom mails are signed; a key that is none is no client, which was told already.
fn signature(signer: &Signer) -> Finding {
    let name = signer.name();
    Finding::new(
        "mail signature",
        State::Pass,
        format!("mails are signed; others look for the key at {name}: `mail dkim-record`"),
    )
}

fn certificate(config: &Config, now: Timestamp) -> Option<Finding> {
    const NAME: &str = "certificate";
    let Some(certificate) = config.http.certificate() else {
        return config.http.needs_authority().then(|| own_authority(config));
    };
    let file = certificate.chain_file.display();
    Some(match Pair::parse(&certificate.chain_pem, &certificate.key_pem) {
        Err(error) => {
            let why = format!("{file}: {error}. A collector that runs goes on to show the certificate before it");
            Finding::new(NAME, State::Fail, why)
        }
        Ok(pair) if pair.not_after <= now => {
            Finding::new(NAME, State::Fail, format!("{file} ended at {:.0}: renew it", pair.not_after))
        }
        Ok(pair) if pair.not_after.since(now) < Duration::from_secs(14 * 86_400) => {
            Finding::new(NAME, State::Warning, format!("{file} ends at {:.0}: renew it", pair.not_after))
        }
        Ok(pair) => Finding::new(NAME, State::Pass, format!("{file} holds until {:.0}", pair.not_after)),
    })
}

fn own_authority(config: &Config) -> Finding {
    const NAME: &str = "certificate";
    let directory = config.keys.directory();
    match Authority::load(directory) {
        Ok(Some(authority)) => {
            let why = format!("by our own authority, which probes know by its SHA-256 {}", authority.pin());
            Finding::new(NAME, State::Pass, why)
        }
        Ok(None) => {
            let file = authority::file(directory);
            let why = format!("{} is missing: start the collector, or copy it back", file.display());
            Finding::new(NAME, State::Fail, why)
        }
        Err(error) => Finding::new(NAME, State::Fail, error.to_string()),
    }
}
