//! `picket-collector probe add|list|revoke`: which probes may send.
//!
//! [`add`] tells of a new probe and its token, [`list`] shows how each is.

mod add;
mod list;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::ids::Region;
use picket_shared::time::Timestamp;
use serde_json::json;

use crate::probes::{AddError, Desk};
use crate::store::StoreError;
use crate::store::audit::Author;
use crate::store::read::probes::{self, ProbeRow};

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
    /// Where the probe reaches this collector, if not by the public URL or an address of this machine; such as the
    /// address that a router forwards from.
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

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No probe was added.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The output could not be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// No probe of that id or name.
    #[error("no probe is called {0:?} and no id begins so: see `picket-collector probe list`")]
    NoSuch(String),
    /// Several probes fit.
    #[error("several probes fit {0:?}: give the id of one, see `picket-collector probe list`")]
    Several(String),
}

/// Runs the command.
///
/// # Errors
/// When it could not be done, with what to do instead.
pub async fn run(command: ProbeCommand, desk: &Desk, now: Timestamp) -> Result<ExitCode, ProbeError> {
    match command {
        ProbeCommand::Add(args) => add::run(args, desk, now).await,
        ProbeCommand::List(args) => list::run(args, desk, now).await,
        ProbeCommand::Revoke(args) => revoke(args, desk, now).await,
    }
}

async fn revoke(args: RevokeArgs, desk: &Desk, now: Timestamp) -> Result<ExitCode, ProbeError> {
    let mut conn = desk.pools.auth().await?;
    let row = named(probes::page(&mut conn).await?, &args.probe)?;
    drop(conn);
    let revoked = crate::probes::revoke(desk, row.id, &Author::of_instance(super::actor()), now).await?;
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
fn named(rows: Vec<ProbeRow>, text: &str) -> Result<ProbeRow, ProbeError> {
    let wanted = text.to_ascii_lowercase();
    let fits = |row: &ProbeRow| row.name == text || (wanted.len() >= 8 && row.id.to_string().starts_with(&wanted));
    let mut found: Vec<ProbeRow> = rows.into_iter().filter(fits).collect();
    if found.iter().any(|row| row.revoked_at.is_none()) {
        found.retain(|row| row.revoked_at.is_none());
    }
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => Err(ProbeError::Several(text.to_owned())),
        (None, _) => Err(ProbeError::NoSuch(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::ids::ProbeId;

    fn row(name: &str, revoked: bool) -> ProbeRow {
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        ProbeRow {
            id: ProbeId::at(now),
            region: "eu".parse().unwrap(),
            network: "one".to_owned(),
            eu: true,
            name: name.to_owned(),
            created_at: now,
            revoked_at: revoked.then_some(now),
            heard: None,
        }
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
