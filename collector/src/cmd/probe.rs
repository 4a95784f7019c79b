//! `picket-collector probe add|list|revoke`: which probes may send.

use std::io::{self, Write};
use std::process::ExitCode;

use aws_lc_rs::rand;
use clap::{Args, Subcommand};
use picket_shared::batch::Confinement;
use picket_shared::enrolment::EnrolmentToken;
use picket_shared::ids::{CollectorId, ProbeId, Region};
use picket_shared::outcome::SelfCheck;
use picket_shared::secret::Secret;
use picket_shared::time::Timestamp;
use serde_json::json;

use crate::store::probes::{self, ListedRow};
use crate::store::{Pools, StoreError, regions};
use crate::vault::{Class, Sealer, VaultError};

/// Manages probes.
#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// Makes a probe and prints its enrolment token, once.
    Add(AddArgs),
    /// Shows every probe and how it is.
    List(ListArgs),
    /// Refuses everything from a probe, at once and for ever.
    Revoke(RevokeArgs),
}

/// Arguments of `probe add`.
#[derive(Args, Debug)]
pub struct AddArgs {
    /// The place it runs in, such as us-east; made when it is new.
    #[arg(long)]
    region: Region,
    /// The provider or autonomous system that a new region is in, such as hetzner; one of its own unless given.
    #[arg(long)]
    network: Option<String>,
    /// A new region lies in the EU.
    #[arg(long)]
    eu: bool,
    /// What to call the probe; the region's name unless given.
    #[arg(long)]
    name: Option<String>,
    /// Where the probe reaches this collector; the public URL unless given.
    #[arg(long)]
    url: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `probe list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `probe revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The probe: id, beginning of the id, or name.
    probe: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the command uses.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    /// The ways to the database.
    pub pools: &'a Pools,
    /// Seals the probe's secret.
    pub sealer: &'a Sealer,
    /// The audience of the probe's tokens.
    pub collector: CollectorId,
    /// Where probes reach this collector unless told otherwise.
    pub public_url: &'a str,
    /// The time of day.
    pub now: Timestamp,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The output could not be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
    /// No probe of that id or name.
    #[error("no probe is called {0:?} and no id begins so: see `picket-collector probe list`")]
    NoSuch(String),
    /// Several probes fit.
    #[error("several probes fit {0:?}: give the id of one, see `picket-collector probe list`")]
    Several(String),
    /// An existing region was described otherwise.
    #[error("{0} exists already, in network {1:?}, {2}: leave --network and --eu out, or choose another name")]
    OtherRegion(Region, String, &'static str),
}

/// Runs the command.
///
/// # Errors
/// When it could not be done, with what to do instead.
pub async fn run(command: ProbeCommand, desk: Desk<'_>) -> Result<ExitCode, ProbeError> {
    match command {
        ProbeCommand::Add(args) => add(args, desk).await,
        ProbeCommand::List(args) => list(args, desk).await,
        ProbeCommand::Revoke(args) => revoke(args, desk).await,
    }
}

async fn add(args: AddArgs, desk: Desk<'_>) -> Result<ExitCode, ProbeError> {
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| ProbeError::Random)?;
    let probe = ProbeId::at(desk.now);
    let sealed = desk.sealer.seal(Class::ProbeSecret, probe.0.as_bytes(), &secret)?;
    let name = args.name.clone().unwrap_or_else(|| args.region.to_string());
    let mut conn = desk.pools.auth().await?;
    let region = match regions::find(&mut conn, &args.region).await? {
        Some(found) => {
            let same = args.network.as_ref().is_none_or(|network| *network == found.network) && (found.eu || !args.eu);
            if !same {
                let place = if found.eu { "in the EU" } else { "outside the EU" };
                return Err(ProbeError::OtherRegion(args.region, found.network, place));
            }
            found
        }
        None => {
            // A region that names no network counts as one of its own.
            let network = args.network.as_deref().unwrap_or(args.region.as_str());
            regions::insert(&mut conn, &args.region, network, args.eu, desk.now).await?
        }
    };
    probes::insert(&mut conn, probe, region.key, &name, &sealed, desk.now).await?;
    conn.commit().await?;
    let url = args.url.unwrap_or_else(|| desk.public_url.to_owned());
    let token = EnrolmentToken {
        probe,
        collector: desk.collector,
        secret: Secret::new(secret.to_vec()),
        url: Some(url),
        pin: None,
    };
    let token = token.to_text();
    let mut out = io::stdout().lock();
    if args.json {
        let value = json!({ "id": probe, "region": region.code, "name": name, "token": token.expose() });
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "Probe {name} ({probe}) in region {} may send now.", region.code)?;
        writeln!(out, "Its token is shown this once. On the probe's machine, run:\n")?;
        writeln!(out, "  PICKET_TOKEN={} picket-probe run", token.expose())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: ListArgs, desk: Desk<'_>) -> Result<ExitCode, ProbeError> {
    let mut conn = desk.pools.auth().await?;
    let rows = probes::list(&mut conn).await?;
    let mut out = io::stdout().lock();
    if args.json {
        let values: Vec<_> = rows.iter().map(|row| as_json(row, desk.now)).collect();
        writeln!(out, "{}", serde_json::Value::from(values))?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        writeln!(out, "There is no probe yet: make one with `picket-collector probe add --region NAME`.")?;
    }
    for row in &rows {
        writeln!(out, "{:<12} {}  {}", row.region.as_str(), row.id, row.name)?;
        writeln!(out, "             {}", in_words(row, desk.now))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(args: RevokeArgs, desk: Desk<'_>) -> Result<ExitCode, ProbeError> {
    let mut conn = desk.pools.auth().await?;
    let row = named(probes::list(&mut conn).await?, &args.probe)?;
    let revoked = probes::revoke(&mut conn, row.id, desk.now).await?;
    conn.commit().await?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "id": row.id, "name": row.name, "changed": revoked }))?;
    } else if revoked {
        writeln!(out, "Probe {} ({}) is revoked: nothing that it sends is taken any more.", row.name, row.id)?;
    } else {
        writeln!(out, "Probe {} ({}) is revoked already.", row.name, row.id)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The one probe of that id, that beginning of an id (8 characters at least), or that name. A name may be given again
/// after a probe was revoked: one in force goes before those that are not.
fn named(rows: Vec<ListedRow>, text: &str) -> Result<ListedRow, ProbeError> {
    let wanted = text.to_ascii_lowercase();
    let fits = |row: &ListedRow| row.name == text || (wanted.len() >= 8 && row.id.to_string().starts_with(&wanted));
    let mut found: Vec<ListedRow> = rows.into_iter().filter(fits).collect();
    if found.iter().any(|row| row.revoked_at.is_none()) {
        found.retain(|row| row.revoked_at.is_none());
    }
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => Err(ProbeError::Several(text.to_owned())),
        (None, _) => Err(ProbeError::NoSuch(text.to_owned())),
    }
}

fn as_json(row: &ListedRow, now: Timestamp) -> serde_json::Value {
    let ago = |time: Option<Timestamp>| time.map(|time| now.since(time).as_secs());
    json!({
        "id": row.id, "region": row.region, "name": row.name,
        "revoked_at": row.revoked_at.map(|time| time.to_string()),
        "version": row.heard.as_ref().map(|(version, _)| version),
        "heard_seconds_ago": ago(row.heard.as_ref().map(|(_, at)| *at)),
        "batch_seconds_ago": ago(row.batch_at), "lag_seconds": ago(row.through),
        "report": row.report,
    })
}

fn in_words(row: &ListedRow, now: Timestamp) -> String {
    if let Some(at) = row.revoked_at {
        return format!("revoked {at:.0}");
    }
    let Some((version, heard)) = &row.heard else { return "never heard: start it with its token".to_owned() };
    let seconds = |time: Timestamp| now.since(time).as_secs();
    let mut words = vec![format!("version {version}")];
    words.push(match row.batch_at {
        Some(at) => format!("last batch {} s ago", seconds(at)),
        None => format!("no batch yet, heard {} s ago", seconds(*heard)),
    });
    words.extend(row.through.map(|through| format!("reported up to {} s ago", seconds(through))));
    if let Some(report) = &row.report {
        words.extend(report.clock_offset_us.map(|us| format!("clock {:+} ms off", us / 1000)));
        let checks = [("IPv4", report.ipv4), ("IPv6", report.ipv6), ("DNS", report.dns)];
        words.extend(checks.map(|(what, check)| match check {
            SelfCheck::Good => format!("{what} good"),
            SelfCheck::Bad => format!("{what} BAD"),
            SelfCheck::Unverified => format!("{what} unverified"),
        }));
        words.push(confinement(&report.confinement));
    }
    words.join(", ")
}

/// What is in force on the probe's kernel, by name, and what is not.
fn confinement(confinement: &Confinement) -> String {
    let Confinement { landlock_abi, seccomp, no_new_privileges, no_core_dumps } = confinement;
    let landlock = if *landlock_abi > 0 { format!("Landlock ABI {landlock_abi}") } else { "Landlock".to_owned() };
    let parts = [
        (landlock, *landlock_abi > 0),
        ("seccomp".to_owned(), *seccomp),
        ("no new privileges".to_owned(), *no_new_privileges),
        ("no core dumps".to_owned(), *no_core_dumps),
    ];
    let (in_force, missing): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(_, in_force)| *in_force);
    let names = |parts: Vec<(String, bool)>| parts.into_iter().map(|(what, _)| what).collect::<Vec<_>>().join(", ");
    match (in_force.is_empty(), missing.is_empty()) {
        (_, true) => format!("confined by the kernel ({})", names(in_force)),
        (true, false) => "NOT confined by the kernel".to_owned(),
        (false, false) => format!("NOT fully confined (missing: {}; in force: {})", names(missing), names(in_force)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, revoked: bool) -> ListedRow {
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        ListedRow {
            id: ProbeId::at(now),
            region: "eu".parse().unwrap(),
            name: name.to_owned(),
            revoked_at: revoked.then_some(now),
            heard: None,
            batch_at: None,
            through: None,
            report: None,
        }
    }

    #[test]
    fn what_the_kernel_enforces_is_named() {
        let mut found = Confinement { landlock_abi: 6, seccomp: true, no_new_privileges: true, no_core_dumps: true };
        let whole = "confined by the kernel (Landlock ABI 6, seccomp, no new privileges, no core dumps)";
        assert_eq!(confinement(&found), whole);
        found.landlock_abi = 0;
        let part = "NOT fully confined (missing: Landlock; in force: seccomp, no new privileges, no core dumps)";
        assert_eq!(confinement(&found), part);
        assert_eq!(confinement(&Confinement::default()), "NOT confined by the kernel");
    }

    #[test]
    fn a_probe_is_named_by_name_or_id_and_never_guessed() {
        let id = row("x", false).id;
        let rows = || vec![row("eu", true), row("eu", false), row("us", false), row("us", false)];
        assert!(named(rows(), "eu").unwrap().revoked_at.is_none());
        assert!(matches!(named(rows(), "us"), Err(ProbeError::Several(_))));
        assert!(matches!(named(rows(), "ap"), Err(ProbeError::NoSuch(_))));
        assert!(matches!(named(rows(), &id.to_string()[..8]), Err(ProbeError::Several(_))));
        assert!(matches!(named(rows(), ""), Err(ProbeError::NoSuch(_))));
    }
}
