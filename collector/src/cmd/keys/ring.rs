//! `keys list|make|rotate|retire`: the key ring itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use picket_shared::time::{Clock, Timestamp};
use serde_json::{Value, json};

use super::{CmdError, access, actor, archive, ensure, print};
use crate::config::{Config, DatabaseMode, KeysFrom};
use crate::ops::archive::{inventory, lineage};
use crate::postgres::open_pools;
use crate::privacy::ledger;
use crate::store::audit::{self, Author};
use crate::store::{Pools, instance, sealed};
use crate::vault::opener::key_of;
use crate::vault::{KeyRing, keyring, source};

/// Arguments of `keys list`.
#[derive(Args, Clone, Copy, Debug)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `keys make`.
#[derive(Args, Clone, Debug)]
pub struct OutArgs {
    /// The file to be written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `keys rotate`.
#[derive(Args, Clone, Debug)]
pub struct RotateArgs {
    /// Write the ring with the new key into this file, and leave the one that is used alone: for a ring that the collector only reads.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `keys retire`.
#[derive(Args, Clone, Debug)]
pub struct RetireArgs {
    /// The key, as `keys list` names it.
    #[arg(value_parser = key)]
    key: u32,
    /// Write the ring without it into this file, and leave the one that is used alone.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn key(text: &str) -> Result<u32, String> {
    let named = || "is no key: take one of `picket-collector keys list`".to_owned();
    if text.len() == 8 { u32::from_str_radix(text, 16).map_err(|_| named()) } else { Err(named()) }
}

/// What still needs a key.
struct Needs {
    /// Values in the database.
    values: i64,
    /// Lines that it signed: anchors of the audit log, and the ledger of what ended.
    lines: usize,
    /// Whether backups may hold objects that it sealed; with why not known otherwise.
    backups: Result<bool, String>,
}

impl Needs {
    fn told(&self) -> String {
        let count = |count: u64, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let backups = match &self.backups {
            Ok(true) => Some("backups".to_owned()),
            Ok(false) => None,
            Err(why) => Some(format!("perhaps backups ({why})")),
        };
        let parts = [
            count(self.values.unsigned_abs(), "sealed value", "sealed values"),
            count(self.lines as u64, "signed line beside the keys", "signed lines beside the keys"),
            backups,
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    }

    fn nothing(&self) -> bool {
        self.values == 0 && self.lines == 0 && self.backups == Ok(false)
    }
}

pub(super) async fn list(args: ListArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let (ring, pools) = (archive::ring(config)?, open_pools(&access(config)?, 1)?);
    let now = Clock::system().now();
    let mut rows = Vec::new();
    for id in ring.ids() {
        rows.push((id, needs(config, &ring, &pools, id).await?));
    }
    pools.close().await;
    if args.json {
        let row = |(id, needs): &(u32, Needs)| {
            json!({
                "key": format!("{id:08x}"), "made_at": ring.made_at(*id).map(|at| format!("{at:.0}")),
                "seals": *id == ring.newest_id(), "sealed_values": needs.values, "signed_lines": needs.lines,
                "backups": needs.backups.as_ref().ok(),
            })
        };
        print::json(&json!({ "from": source::place(&config.keys), "keys": rows.iter().map(row).collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&format!("The key ring in {}:", source::place(&config.keys)))?;
    for (id, needs) in &rows {
        let age = ring.made_at(*id).map_or_else(|| "of unknown age".to_owned(), |made| days(now, made));
        let seals = if *id == ring.newest_id() { "seals" } else { "opens" };
        print::line(&format!("{id:08x}  {seals}  {age}; needed by: {}", needs.told()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn days(now: Timestamp, made: Timestamp) -> String {
    match now.since(made).as_secs() / 86_400 {
        0 => "made today".to_owned(),
        1 => "1 day old".to_owned(),
        days => format!("{days} days old"),
    }
}

pub(super) fn make(args: &OutArgs) -> Result<ExitCode, CmdError> {
    if args.out.exists() {
        return Err(CmdError::new(format!("{} is there already: no key is replaced", args.out.display())));
    }
    KeyRing::make(Clock::system().now())?.replace(&args.out)?;
    print::line(&format!(
        "Wrote a key ring into {}. Put it where [keys] from says, keep a copy in a safe place, and remove this file.",
        args.out.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn rotate(args: &RotateArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let mut ring = archive::ring(config)?;
    ring.rotate(Clock::system().now())?;
    let id = format!("{:08x}", ring.newest_id());
    put(config, &ring, args.out.as_deref())?;
    if args.out.is_none() {
        note(config, "keys.rotate", &id).await?;
    }
    if args.json {
        print::json(&json!({ "key": id, "out": args.out }))?;
    } else if let Some(out) = &args.out {
        print::line(&format!(
            "Wrote the key ring with the new key {id} into {}: put it where the collector reads it.",
            out.display()
        ))?;
    } else {
        let other = match config.database.mode {
            DatabaseMode::Managed => ",",
            DatabaseMode::External => ", and at once to where the collector that stands by has its ring,",
        };
        print::line(&format!(
            "Added key {id}. The collector seals with it within 10 s, and seals again what older keys did. Copy {} to where its copy is{other} \
             and prove the recovery kit anew.",
            keyring::file(config.keys.directory()).display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn retire(args: &RetireArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let ring = archive::ring(config)?;
    let id = format!("{:08x}", args.key);
    if args.key == ring.newest_id() {
        return Err(CmdError::new(format!("{id} is the key with which everything is sealed: rotate first")));
    }
    let Some(rest) = ring.without(args.key) else {
        return Err(CmdError::new(format!(
            "there is no key {id} in the ring: `picket-collector keys list` names them"
        )));
    };
    let pools = open_pools(&access(config)?, 1)?;
    let needs = needs(config, &ring, &pools, args.key).await?;
    pools.close().await;
    if !needs.nothing() {
        return Err(CmdError::new(format!("key {id} stays: it is needed by {}", needs.told())));
    }
    put(config, &rest, args.out.as_deref())?;
    if args.out.is_none() {
        note(config, "keys.retire", &id).await?;
    }
    print::line(&format!("Took key {id} out of the ring: nothing needed it."))?;
    Ok(ExitCode::SUCCESS)
}

fn put(config: &Config, ring: &KeyRing, out: Option<&Path>) -> Result<(), CmdError> {
    match (out, config.keys.from) {
        (Some(out), _) if out.exists() => {
            Err(CmdError::new(format!("{} is there already: no key is replaced", out.display())))
        }
        (Some(out), _) => Ok(ring.replace(out)?),
        (None, KeysFrom::File) => Ok(ring.replace(&keyring::file(config.keys.directory()))?),
        (None, _) => Err(CmdError::new(format!(
            "the key ring comes from {}, which the collector only reads: name a file by --out, and put it there yourself",
            source::place(&config.keys)
        ))),
    }
}

/// Writes down what was done, and the recovery kit of the ring as it is now.
async fn note(config: &Config, action: &str, id: &str) -> Result<(), CmdError> {
    let pools = open_pools(&access(config)?, 1)?;
    let mut auth = pools.auth().await?;
    let found = instance::read(&mut auth).await?;
    let author = Author::of_instance(actor());
    audit::append(&mut auth, &author.did(action, id, json!({}), Clock::system().now())).await?;
    auth.commit().await?;
    pools.close().await;
    match found {
        Some(found) => ensure(config, &found.collector.to_string()).await,
        None => Ok(()),
    }
}

async fn needs(config: &Config, ring: &KeyRing, pools: &Pools, id: u32) -> Result<Needs, CmdError> {
    let counts = sealed::count(&mut pools.worker().await?, &mut pools.auth().await?).await?;
    let values = counts.iter().filter(|(_, beginning, _)| key_of(beginning) == Some(id)).map(|(.., count)| count).sum();
    let files = [config.audit.anchors_file(&config.keys), config.keys.directory().join(ledger::FILE)];
    let lines = files.iter().map(|file| signed(file, id)).sum::<Result<usize, _>>()?;
    Ok(Needs { values, lines, backups: backups(config, ring, id).await })
}

/// Lines of a file that a key signed.
fn signed(file: &Path, id: u32) -> Result<usize, CmdError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(CmdError::new(format!("{}: {error}", file.display()))),
    };
    let by = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["key"].as_u64() == Some(u64::from(id)) || line["key"].as_str() == Some(&format!("{id:08x}"))
    };
    Ok(text.lines().filter(|line| by(line)).count())
}

/// Whether what the archive holds may be sealed by a key: it is, unless all of it came after the key that followed.
async fn backups(config: &Config, ring: &KeyRing, id: u32) -> Result<bool, String> {
    if !config.archive.is_on() {
        return Ok(false);
    }
    let Some(followed) = ring.followed_at(id) else { return Ok(true) };
    let look = async {
        let shelf = archive::found_shelf(config, None).await?;
        let mut found = Vec::new();
        // The clusters before upgrades too.
        for link in lineage::back_from(&shelf).await? {
            found.extend(inventory::backups(&link.shelf).await?);
        }
        Ok::<_, CmdError>(found)
    };
    let backups = look.await.map_err(|error| error.to_string())?;
    Ok(backups.iter().map(|backup| backup.began_at).min().is_none_or(|oldest| oldest <= followed))
}
