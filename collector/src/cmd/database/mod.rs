//! `database upgrade`: brings the managed cluster to another major version of PostgreSQL.

mod upgrade;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, print};
use crate::config::{Config, DatabaseMode};
use crate::lifecycle::Signals;
use crate::ops::archive::catalogue::Backup;
use crate::postgres::PostgresError;
use crate::postgres::managed::{Hold, Layout};
use crate::postgres::programs::Programs;
use crate::postgres::upgrade::{self as clusters, Phase, Upgrade};

/// Looks after the database that the collector runs itself.
#[derive(Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Bring the data to another major version of PostgreSQL, while the collector is stopped; it has ended with a verified base backup.
    Upgrade(UpgradeArgs),
}

/// Arguments of `database upgrade`.
#[derive(Args, Clone, Debug)]
pub struct UpgradeArgs {
    /// To which major version; the newest that is installed unless given.
    #[arg(long, value_name = "MAJOR")]
    to: Option<u32>,
    /// Where the programs of the new version lie; where they usually do unless given.
    #[arg(long, value_name = "DIR")]
    binaries_dir: Option<PathBuf>,
    /// Only look whether it can be done: the database is started and stopped once, and nothing is changed.
    #[arg(long)]
    dry_run: bool,
    /// There is no archive, and that is known: nothing of it can be restored.
    #[arg(long)]
    without_archive: bool,
    /// Restore no copy beside to see that the base backup is whole, as where there is no room: every object of it is opened all the same.
    #[arg(long)]
    without_restore: bool,
    /// Remove the old cluster at the end; also that of an upgrade that has ended before.
    #[arg(long, conflicts_with = "dry_run")]
    remove_old: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl DatabaseCommand {
    /// Paths are those of whoever typed them.
    ///
    /// # Errors
    /// When the current folder is gone.
    pub fn prepare(&mut self) -> Result<(), CmdError> {
        let Self::Upgrade(args) = self;
        if let Some(directory) = &mut args.binaries_dir {
            *directory = std::path::absolute(&*directory)?;
        }
        Ok(())
    }
}

impl UpgradeArgs {
    /// Whether there is an archive is no surprise.
    fn agree_with(&self, config: &Config) -> Result<(), CmdError> {
        let has_archive = config.archive.is_on();
        if has_archive == self.without_archive {
            return Err(CmdError::new(if has_archive {
                "--without-archive is for a collector that has none, and this one has: leave it away"
            } else {
                "there is no archive, so that nothing could be restored if this failed: name one by [archive] directory and let the collector \
                 take a base backup, or add --without-archive when you have a copy of your own"
            }));
        }
        Ok(())
    }

    fn says(&self, text: &str) {
        if !self.json {
            let _ = print::line(text);
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What is in the way, and what to do.
pub async fn run(command: DatabaseCommand, config: Config) -> Result<ExitCode, CmdError> {
    let DatabaseCommand::Upgrade(args) = command;
    if config.database.mode == DatabaseMode::External {
        return Err(CmdError::new(
            "[database] mode is \"external\": whoever runs the database upgrades it, by pg_upgrade or by a dump; Picket needs PostgreSQL 15 \
             or newer at the same URL, and nothing else",
        ));
    }
    let layout = Layout::of(&config.database.data_dir);
    let found = Upgrade::read(&layout)?;
    if found.is_none() && !layout.pgdata().exists() {
        let why = format!("there is no database in {}: `picket-collector serve` makes one", layout.root().display());
        return Err(CmdError::new(why));
    }
    let is_open = found.as_ref().is_some_and(|upgrade| upgrade.phase == Phase::Unproven);
    let hold = match Hold::take(&layout) {
        Ok(hold) => hold,
        Err(PostgresError::Taken(_)) if is_open => return Box::pin(upgrade::end_beside(&args, &config, &layout)).await,
        Err(PostgresError::Taken(_)) => return in_use(&args, &config, &layout),
        Err(error) => return Err(error.into()),
    };
    if layout.unarmed().exists() {
        return Err(PostgresError::Unarmed(layout.root().to_owned()).into());
    }
    if let Some(broken_off) = found.filter(|upgrade| upgrade.phase == Phase::Making) {
        args.says(&format!("An upgrade to PostgreSQL {} broke off; it begins anew", broken_off.to));
    }
    let open = clusters::settle(&layout).await?;
    let plan = if open.is_none() { plan(&args, &config, &layout)? } else { None };
    if open.is_none() && plan.is_none() {
        return up_to_date(&args, &layout);
    }
    args.agree_with(&config)?;
    let mut signals = Signals::listen()?;
    let mut work = upgrade::Work::new(&args, &config, layout, hold);
    let ended = tokio::select! {
        ended = Box::pin(work.run(plan, open)) => Some(ended),
        () = signals.wait() => None,
    };
    let stopped = work.stop().await;
    let Some(ended) = ended else {
        // What was not finished is let go of, with the programs that worked on it.
        clusters::settle(work.layout()).await?;
        return Err(CmdError::new(
            "the upgrade was broken off: run `picket-collector database upgrade` again, or start the collector, which goes on with what is \
             whole",
        ));
    };
    let done = ended?;
    stopped?;
    tell(&args, &config, work.layout(), done)
}

/// A collector runs on the data.
fn in_use(args: &UpgradeArgs, config: &Config, layout: &Layout) -> Result<ExitCode, CmdError> {
    let Some(Plan { old, new }) = plan(args, config, layout)? else { return up_to_date(args, layout) };
    Err(CmdError::new(format!(
        "the data can be brought from PostgreSQL {} to {}, but a collector uses {}: stop it first, as by `systemctl stop picket-collector`",
        old.major(),
        new.major(),
        layout.root().display()
    )))
}

/// From which programs to which.
#[derive(Clone, Debug)]
struct Plan {
    old: Programs,
    new: Programs,
}

/// What is to be done; `None` when the data is of the newest version already.
fn plan(args: &UpgradeArgs, config: &Config, layout: &Layout) -> Result<Option<Plan>, CmdError> {
    let configured = config.database.binaries_dir.as_deref();
    let major = layout.identity()?.major;
    let new = match (&args.binaries_dir, args.to) {
        (Some(directory), to) => {
            let found = Programs::within(directory)?;
            if let Some(to) = to.filter(|to| *to != found.major()) {
                let (place, is) = (directory.display(), found.major());
                return Err(CmdError::new(format!("the programs in {place} are of PostgreSQL {is}, not of {to}")));
            }
            found
        }
        (None, Some(to)) => Programs::of_major(configured, to)?,
        (None, None) => {
            let known = [Programs::newest(None), Programs::newest(configured)];
            let newest = known.into_iter().filter_map(Result::ok).max_by_key(Programs::major);
            newest.map_or_else(|| Programs::newest(configured), Ok)?
        }
    };
    if new.major() < major && (args.to.is_some() || args.binaries_dir.is_some()) {
        let to = new.major();
        let why =
            format!("the data is of PostgreSQL {major}, and nothing brings it back to {to}: name a newer one by --to");
        return Err(CmdError::new(why));
    }
    if new.major() <= major {
        return Ok(None);
    }
    let old = Programs::find(configured, &layout.pgdata())?;
    let kept = clusters::kept(layout, major);
    if kept.exists() {
        let why = format!("{} is in the way, where the old cluster is to be kept: move it away", kept.display());
        return Err(CmdError::new(why));
    }
    if !new.path("pg_upgrade").is_file() {
        let (place, major) = (new.directory().display(), new.major());
        let why = format!("there is no pg_upgrade in {place}: install it with `apt-get install postgresql-{major}`");
        return Err(CmdError::new(why));
    }
    Ok(Some(Plan { old, new }))
}

fn up_to_date(args: &UpgradeArgs, layout: &Layout) -> Result<ExitCode, CmdError> {
    let major = layout.identity()?.major;
    let kept = clusters::all_kept(layout);
    if args.remove_old {
        for old in &kept {
            clusters::remove_kept(old)?;
        }
    }
    let removed = if args.remove_old { kept.as_slice() } else { &[] };
    if args.json {
        print::json(&json!({ "from": major, "to": major, "done": false, "removed": removed }))?;
    } else {
        print::line(&format!(
            "Nothing to do: the data is of PostgreSQL {major}, and no newer one is installed{}.",
            if args.to.is_some() || args.binaries_dir.is_some() { " there" } else { "" }
        ))?;
        for old in removed {
            print::line(&format!("Removed {}.", old.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What an upgrade came to.
#[derive(Debug)]
struct Done {
    from: u32,
    to: u32,
    dry: bool,
    backup: Option<Backup>,
    rows: Option<i64>,
}

fn tell(args: &UpgradeArgs, config: &Config, layout: &Layout, done: Done) -> Result<ExitCode, CmdError> {
    let kept = clusters::kept(layout, done.from);
    let is_kept = kept.exists() && !done.dry;
    if args.remove_old && is_kept {
        clusters::remove_kept(&kept)?;
    }
    let (from, to) = (done.from, done.to);
    if args.json {
        let old = Some(kept).filter(|_| is_kept && !args.remove_old);
        let report =
            json!({ "from": from, "to": to, "done": !done.dry, "backup": done.backup, "rows": done.rows, "old": old });
        print::json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    if done.dry {
        print::line(&format!("PostgreSQL {from} can be upgraded to {to}. Nothing was changed."))?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&format!("Done: the database is of PostgreSQL {to}."))?;
    if let Some(backup) = &done.backup {
        print::line(&format!(
            "With the base backup {} every second from {} on can be restored.",
            backup.id, backup.ended_at
        ))?;
    }
    if args.remove_old {
        print::line(&format!("Removed the old cluster {}.", kept.display()))?;
    } else if is_kept {
        print::line(&format!(
            "The old cluster is kept in {}. Once you have seen the new one run, remove it by `picket-collector database upgrade \
             --remove-old`.",
            kept.display()
        ))?;
    }
    if Programs::find(config.database.binaries_dir.as_deref(), &layout.pgdata()).is_err()
        && let Some(directory) = &args.binaries_dir
    {
        print::line(&format!(
            "Before you start the collector set [database] binaries_dir = \"{}\".",
            directory.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
