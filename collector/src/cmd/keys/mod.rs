//! `keys list|make|rotate|retire`: the key ring ([`ring`]). `keys kit|prove|take`: the recovery kit, which with its code and the store brings a
//! lost installation back.

mod ring;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::secret::SecretString;
use picket_shared::time::Clock;
use serde_json::json;
use zeroize::Zeroizing;

use super::{CmdError, access, actor, archive, print};
use crate::config::{Archive, Config};
use crate::ops::archive::inventory;
use crate::ops::archive::shelf::{Shelf, SystemId};
use crate::postgres::open_pools;
use crate::store::audit::{self, Author};
use crate::store::{drills, instance};
use crate::vault::KeyRing;
use crate::vault::kit::{self, Kit, Label, Opened, Recipient};

/// Looks after the key ring and the recovery kit.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Show the keys of the ring, how old they are, and what still needs each.
    List(ring::ListArgs),
    /// Write a first key ring into a file, for a place that the collector only reads.
    Make(ring::OutArgs),
    /// Add a key, with which everything is sealed from then on; the collector takes it within seconds and seals again what older keys did.
    Rotate(ring::RotateArgs),
    /// Take a key out of the ring that nothing needs any more.
    Retire(ring::RetireArgs),
    /// Write a recovery kit of the key ring and the archive as they are now.
    Kit(KitArgs),
    /// Show that a recovery kit opens, holds every key, and reads the backups.
    Prove(OpenArgs),
    /// On a new machine: put the key ring of a recovery kit where the settings say.
    Take(OpenArgs),
}

/// Arguments of `keys kit`.
#[derive(Args, Debug)]
pub struct KitArgs {
    /// The file to be written; beside the key ring unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Make a new code, because the one before was lost or seen; kits from before stay with theirs.
    #[arg(long)]
    new_code: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What opens a kit.
#[derive(Args, Clone, Debug)]
pub struct OpenArgs {
    /// The file of the kit.
    kit: PathBuf,
    /// The file that holds its code; it is read from standard input unless given.
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the kit cannot be written, opened or proven.
pub async fn run(command: KeysCommand, config: &Config) -> Result<ExitCode, CmdError> {
    match command {
        KeysCommand::List(args) => ring::list(args, config).await,
        KeysCommand::Make(args) => ring::make(&args),
        KeysCommand::Rotate(args) => ring::rotate(&args, config).await,
        KeysCommand::Retire(args) => ring::retire(&args, config).await,
        KeysCommand::Kit(args) => write(&args, config).await,
        KeysCommand::Prove(args) => prove(&args, config).await,
        KeysCommand::Take(args) => take(&args, config),
    }
}

async fn write(args: &KitArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let pools = open_pools(&access(config)?, 1)?;
    let found = instance::read(&mut pools.auth().await?).await?;
    pools.close().await;
    let collector =
        found.ok_or_else(|| CmdError::new("the collector has never run on this database: start it"))?.collector;
    let directory = config.keys.directory();
    let (recipient, code) = match Recipient::load(directory)?.filter(|_| !args.new_code) {
        Some(recipient) => (recipient, None),
        None => {
            let (recipient, code) = Recipient::create(directory, args.new_code)?;
            (recipient, Some(code))
        }
    };
    let file = args.out.clone().unwrap_or_else(|| directory.join(kit::FILE));
    let kit = seal(config, &recipient, &collector.to_string()).await?;
    put(&file, &kit)?;
    if args.json {
        print::json(&json!({ "kit": file, "code_file": code, "label": kit.label }))?;
    } else {
        print::line(&format!("Wrote the recovery kit {}. Copy it away from this machine.", file.display()))?;
        if let Some(code) = code {
            print::line(&format!("Its code is in {}: {}", code.display(), ADVICE))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be done with a code.
const ADVICE: &str = "write it down, keep it apart from the kit and from this machine, and remove the file";

/// At the start of a collector that archives: the kit of a first start, and anew when it is not what there is now any more.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn ensure(config: &Config, collector: &str) -> Result<(), CmdError> {
    if !config.archive.is_on() {
        return Ok(());
    }
    let directory = config.keys.directory();
    let file = directory.join(kit::FILE);
    let Some(recipient) = Recipient::load(directory)? else {
        let (recipient, code) = Recipient::create(directory, false)?;
        put(&file, &seal(config, &recipient, collector).await?)?;
        tracing::warn!(
            "Made a recovery kit, {}: copy it away from this machine. Its code is in {}: {ADVICE}. Then run `picket-collector keys prove`",
            file.display(),
            code.display()
        );
        return Ok(());
    };
    let was: Option<Kit> = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let new = seal(config, &recipient, collector).await?;
    let is_same = |was: &Kit| {
        Label { made: String::new(), ..was.label.clone() } == Label { made: String::new(), ..new.label.clone() }
    };
    if !was.as_ref().is_some_and(is_same) {
        put(&file, &new)?;
        tracing::warn!(
            "Wrote the recovery kit {} anew, for other keys or another archive: copy it away, and prove it",
            file.display()
        );
    }
    Ok(())
}

async fn seal(config: &Config, recipient: &Recipient, collector: &str) -> Result<Kit, CmdError> {
    let ring = archive::ring(config)?;
    let place = config
        .archive
        .place()
        .ok_or_else(|| CmdError::new("there is no archive: name its place by [archive] directory"))?;
    let label = Label {
        picket_recovery_kit: 1,
        collector: collector.to_owned(),
        system: SystemId(archive::identity(config).await?.system).to_string(),
        made: format!("{:.0}", Clock::system().now()),
        place: place.says(),
        keys: names(&ring),
    };
    Ok(recipient.seal(label, &ring, serde_json::to_value(&place)?)?)
}

/// Writes beside and puts into place, for the owner alone.
fn put(file: &Path, kit: &Kit) -> Result<(), CmdError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let write = || {
        let mut opened =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        opened.write_all(serde_json::to_string_pretty(kit)?.as_bytes())?;
        opened.sync_all()?;
        std::fs::rename(&beside, file)
    };
    write().map_err(|error: std::io::Error| CmdError::new(format!("{}: {error}", file.display())))
}

/// Reads a kit and opens it by its code.
///
/// # Errors
/// When it is none, or the code is another's.
pub(super) fn open(file: &Path, code_file: Option<&Path>) -> Result<(Kit, Opened), CmdError> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| CmdError::new(format!("{}: {error}", path.display()));
    let text = std::fs::read(file).map_err(|error| failed(file, &error))?;
    let kit: Kit = serde_json::from_slice(&text)
        .map_err(|_| failed(file, &"this is no recovery kit, or it is damaged: take another copy of it"))?;
    let mut code = Zeroizing::new(String::new());
    match code_file {
        Some(path) => *code = std::fs::read_to_string(path).map_err(|error| failed(path, &error))?,
        None => {
            print::line("The code of the kit:")?;
            std::io::stdin().take(4096).read_to_string(&mut code)?;
        }
    }
    let opened = kit.open(&SecretString::new(code.trim().to_owned()))?;
    Ok((kit, opened))
}

/// The shelf of a kit: by its own keys, where it says that the backups are. Nothing of this machine is used.
///
/// # Errors
/// When what it says is none.
pub(super) async fn shelf(config: &Config, kit: &Kit, opened: &Opened) -> Result<Shelf, CmdError> {
    let strange =
        || CmdError::new("the recovery kit says of no archive that this version knows: take the version that wrote it");
    let place = serde_json::from_value(opened.place.clone()).map_err(|_| strange())?;
    let config = Config { archive: Archive::at(place).ok_or_else(strange)?, ..config.clone() };
    let system: SystemId = kit.label.system.parse().map_err(|_| strange())?;
    archive::shelf_of(&config, &opened.ring, system).await
}

async fn prove(args: &OpenArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let (kit, opened) = open(&args.kit, args.code_file.as_deref())?;
    let own = SystemId(archive::identity(config).await?.system).to_string();
    if kit.label.system != own {
        let why = format!(
            "the kit is of the cluster {}, and this one is {own}: after an upgrade of PostgreSQL take the kit that was written since",
            kit.label.system
        );
        return Err(CmdError::new(why));
    }
    let held = names(&opened.ring);
    if let Some(ring) = KeyRing::load(&config.keys)?
        && let Some(missing) = names(&ring).into_iter().find(|name| !held.contains(name))
    {
        let why =
            format!("the kit lacks key {missing}: write a new one with `picket-collector keys kit`, and copy it away");
        return Err(CmdError::new(why));
    }
    let shelf = shelf(config, &kit, &opened).await?;
    let backups = inventory::backups(&shelf).await?;
    let last = backups.last().ok_or_else(|| CmdError::new(format!("{} holds no base backup yet", shelf.place())))?;
    if shelf.fetch(&last.part(0)).await?.is_none() {
        return Err(CmdError::new(format!("{} is missing in {}", last.part(0), shelf.place())));
    }
    let now = Clock::system().now();
    let pools = open_pools(&access(config)?, 1)?;
    let mut worker = pools.worker().await?;
    drills::prove(&mut worker, &held, &shelf.place(), &last.id, now).await?;
    let author = Author::of_instance(actor());
    audit::append(&mut worker, &author.did("keys.prove", &kit.label.system, json!({ "keys": held }), now)).await?;
    worker.commit().await?;
    pools.close().await;
    if args.json {
        print::json(&json!({ "keys": held, "place": shelf.place(), "backup": last.id }))?;
    } else {
        print::line(&format!(
            "Proven: the kit opens, holds every key ({}), and reads the base backup {} in {}. Next: `picket-collector drill --kit`.",
            held.join(", "),
            last.id,
            shelf.place()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn take(args: &OpenArgs, config: &Config) -> Result<ExitCode, CmdError> {
    let (kit, opened) = open(&args.kit, args.code_file.as_deref())?;
    let file = opened.ring.write(config.keys.directory())?;
    if args.json {
        print::json(&json!({ "key_ring": file, "label": kit.label }))?;
    } else {
        print::line(&format!(
            "Wrote the key ring {}. The backups are in {}: name that in [archive], then `picket-collector restore --to-time latest`.",
            file.display(),
            kit.label.place
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn names(ring: &KeyRing) -> Vec<String> {
    ring.ids().into_iter().map(|id| format!("{id:08x}")).collect()
}
