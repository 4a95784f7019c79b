//! The upgrade step by step. The old cluster is the database until the new one is whole; the new one is from then on.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};
use serde_json::{Value, json};

use super::{Done, Plan, UpgradeArgs, tell};
use crate::app::App;
use crate::cmd::{CmdError, actor, archive, open, serve, this_program, wal_fetch};
use crate::config::Config;
use crate::ops::archive::engine::{BackupEngine as _, OwnEngine};
use crate::ops::archive::server::Server;
use crate::ops::archive::shelf::Shelf;
use crate::ops::archive::{base, line};
use crate::ops::upgrade::{self as ops, Beside, Proven, Step};
use crate::postgres::managed::{Hold, Layout};
use crate::postgres::programs::Programs;
use crate::postgres::upgrade::{self as clusters, Making, Phase, RESERVE, Room, Upgrade};
use crate::postgres::{Access, Cluster, open_pools};
use crate::store::Pools;
use crate::store::audit::{self, Author};

/// How long connections may take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// An upgrade, and the cluster that runs for it.
pub(super) struct Work<'a> {
    args: &'a UpgradeArgs,
    config: &'a Config,
    layout: Layout,
    hold: Hold,
    running: Option<Running>,
}

struct Running {
    cluster: Cluster,
    server: Option<Server>,
    app: Option<App>,
}

impl<'a> Work<'a> {
    pub(super) fn new(args: &'a UpgradeArgs, config: &'a Config, layout: Layout, hold: Hold) -> Self {
        Self { args, config, layout, hold, running: None }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All of it, or the end of one that broke off after the new cluster was in place.
    pub(super) async fn run(&mut self, plan: Option<Plan>, open: Option<Upgrade>) -> Result<Done, CmdError> {
        let upgrade = match (open, plan) {
            (Some(open), _) => {
                let (from, to) = (open.from, open.to);
                self.args.says(&format!(
                    "The data was brought from PostgreSQL {from} to {to} already; what is left is its end"
                ));
                open
            }
            (None, Some(plan)) => match self.bring_over(&plan).await? {
                Some(upgrade) => upgrade,
                None => {
                    return Ok(Done {
                        from: plan.old.major(),
                        to: plan.new.major(),
                        dry: true,
                        backup: None,
                        rows: None,
                    });
                }
            },
            (None, None) => return Err(CmdError::new("there is nothing to upgrade")),
        };
        let programs = self.args.binaries_dir.as_deref().map(Programs::within).transpose()?;
        let programs = match programs.filter(|found| found.major() == upgrade.to) {
            Some(found) => found,
            None => Programs::of_major(self.config.database.binaries_dir.as_deref(), upgrade.to)?,
        };
        if self.args.dry_run {
            return Ok(Done { from: upgrade.from, to: upgrade.to, dry: true, backup: None, rows: None });
        }
        self.end(&upgrade, &programs).await.map_err(|error| {
            let (from, to) = (upgrade.from, upgrade.to);
            CmdError::new(format!(
                "the database is of PostgreSQL {to} and whole, but the upgrade from {from} has not ended: {error}. Mend that and run \
                 `picket-collector database upgrade` again; the collector may run meanwhile"
            ))
        })
    }

    /// From the old cluster to a new one in its place; `None` when that was only to be looked at.
    async fn bring_over(&mut self, plan: &Plan) -> Result<Option<Upgrade>, CmdError> {
        let (from, to) = (plan.old.major(), plan.new.major());
        let room = self.has_room(plan)?;
        let mib = room.data >> 20;
        self.args.says(&format!("From PostgreSQL {from} to {to}: {mib} MiB of data, {} MiB are free", room.free >> 20));
        let (at, timeline) = self.secure_old(&plan.old, to).await?;
        let system = self.layout.identity()?.system;
        let upgrade = Upgrade { phase: Phase::Making, from, to, system, timeline, at };
        upgrade.write(&self.layout)?;
        let making = Making { layout: &self.layout, old: &plan.old, new: &plan.new };
        self.args.says(&format!("Making a cluster of PostgreSQL {to}, and checking whether everything can come over"));
        let checked = async {
            making.begin().await?;
            making.check().await
        };
        if let Err(error) = checked.await {
            clusters::let_go(&self.layout).await?;
            return Err(CmdError::new(format!(
                "{error}\nNothing was changed: the database is of PostgreSQL {from}, as before"
            )));
        }
        if self.args.dry_run {
            clusters::let_go(&self.layout).await?;
            return Ok(None);
        }
        self.args.says(&format!("Copying {mib} MiB by pg_upgrade"));
        making.copy().await.map_err(|error| {
            CmdError::new(format!(
                "{error}\nThe database is of PostgreSQL {from}, as before. What pg_upgrade wrote lies below {}, until this is run again or \
                 the collector starts",
                self.layout.upgrading().display()
            ))
        })?;
        let upgrade = clusters::switch(&self.layout, &upgrade)?;
        let kept = clusters::kept(&self.layout, from);
        self.args.says(&format!("The new cluster is the database; the old one is kept in {}", kept.display()));
        Ok(Some(upgrade))
    }

    /// Has everything of the old cluster in the archive, writes down there that it ends, and stops it; after its last transaction, and on
    /// which timeline.
    async fn secure_old(&mut self, programs: &Programs, to: u32) -> Result<(Timestamp, u32), CmdError> {
        let (app, shelf) = self.start(programs).await?;
        let from = programs.major();
        let engine = match &shelf {
            Some(shelf) => Some(self.engine(programs, shelf).await?),
            None => None,
        };
        if let Some(engine) = &engine {
            if let (true, Some(why)) = (self.args.dry_run, engine.due().await?) {
                self.args.says(&format!("A base backup of the old cluster would be taken first: {why}"));
            } else {
                let backup = ops::secure(engine, &access(&self.running)?, |step| self.says(&step, from)).await?;
                let ended = backup.ended_at;
                self.args.says(&format!(
                    "The archive is whole; the last base backup of PostgreSQL {from} ended at {ended:.0}"
                ));
            }
        }
        // A restore to any time before this finds a later transaction, and so where to stop.
        let at = app.clock.now();
        if !self.args.dry_run {
            note(&app.pools, "database.upgrade.begin", json!({ "from": from, "to": to }), at).await?;
        }
        drop(app);
        let pg_wal = self.layout.pgdata().join("pg_wal");
        self.stop().await?;
        if let Some(engine) = engine {
            let waiting = crate::ops::archive::keeper::Waiting::in_folder(&pg_wal).files;
            if waiting > 0 {
                return Err(CmdError::new(format!(
                    "{waiting} files of WAL of the old cluster did not come into the archive. Nothing was changed: mend the archive, and \
                     run this again"
                )));
            }
            engine.note(std::collections::BTreeMap::new()).await?;
        }
        let timeline = base::newest_timeline(&pg_wal).unwrap_or(1);
        Ok((at, timeline))
    }

    /// What is left once the new cluster is the database.
    async fn end(&mut self, upgrade: &Upgrade, programs: &Programs) -> Result<Done, CmdError> {
        let (app, shelf) = self.start(programs).await?;
        self.args.says("Gathering statistics for the planner");
        let access = access(&self.running)?;
        clusters::analyze(&access, programs).await?;
        let proven = match &shelf {
            Some(shelf) => {
                let engine = self.engine(programs, shelf).await?;
                let proven =
                    prove(self.args, self.config, &engine, &access, programs, |step| self.says(&step, upgrade.to));
                Some(Box::pin(proven).await?)
            }
            None => None,
        };
        has_ended(&app.pools, &self.layout, upgrade, proven.as_ref()).await?;
        drop(app);
        self.stop().await?;
        Ok(done(upgrade, proven))
    }

    /// Starts the cluster, and its archive where there is one.
    async fn start(&mut self, programs: &Programs) -> Result<(App, Option<Shelf>), CmdError> {
        let archiving = archive::archiving(self.config)?;
        let has_archive = archiving.is_some();
        let (layout, hold) = (self.layout.clone(), self.hold.clone());
        let cluster =
            Cluster::start_held(layout, hold, Some(programs.directory()), serve::CONNECTIONS, archiving).await?;
        let access = cluster.access();
        let running = self.running.insert(Running { cluster, server: None, app: None });
        access.prepare().await?;
        let mut config = self.config.clone();
        config.database.binaries_dir = Some(programs.directory().to_owned());
        let app = App::open(open_pools(&access, 2)?, config, Clock::system()).await?;
        running.app = Some(app.clone());
        if !has_archive {
            return Ok((app, None));
        }
        let server = running.server.insert(Server::open(&self.layout.socket_directory())?);
        let shelf = archive::begin_at_once(server, &app).await?;
        Ok((app, Some(shelf)))
    }

    /// Stops the cluster that runs; what it hands over at its end is archived.
    pub(super) async fn stop(&mut self) -> Result<(), CmdError> {
        let Some(Running { cluster, server, app }) = self.running.take() else { return Ok(()) };
        if let Some(app) = app {
            let _ = tokio::time::timeout(FAREWELL, app.pools.close()).await;
        }
        cluster.stop().await?;
        drop(server);
        Ok(())
    }

    async fn engine(&self, programs: &Programs, shelf: &Shelf) -> Result<OwnEngine, CmdError> {
        let mut config = self.config.clone();
        config.database.binaries_dir = Some(programs.directory().to_owned());
        Ok(archive::engine(&config, shelf.clone()).await?)
    }

    /// That the data fits on the disk twice, and a third time where a copy is restored on the same one.
    fn has_room(&self, plan: &Plan) -> Result<Room, CmdError> {
        let room = Room::of(&self.layout)?;
        let scratch = self.config.archive.drill_directory().filter(|_| !self.args.without_restore);
        let is_beside = self.config.archive.is_on()
            && !self.args.without_restore
            && scratch.is_none_or(|scratch| clusters::disk_of(scratch).is_ok_and(|disk| disk == room.disk));
        let needed = room.data * if is_beside { 2 } else { 1 } + RESERVE;
        if room.free >= needed {
            return Ok(room);
        }
        let restored = if is_beside {
            ", and of a copy that is restored to see that the base backup is whole, which --without-restore leaves away or [archive] \
             drill_directory puts on another disk"
        } else {
            ""
        };
        Err(CmdError::new(format!(
            "the upgrade from PostgreSQL {} to {} needs {} MiB in {}, and {} MiB are free: room for a copy of {} MiB of data{restored}; {} \
             MiB stay free. Make room, or move the data to a larger disk first",
            plan.old.major(),
            plan.new.major(),
            needed >> 20,
            self.layout.root().display(),
            room.free >> 20,
            room.data >> 20,
            RESERVE >> 20
        )))
    }

    fn says(&self, step: &Step, major: u32) {
        self.args.says(&says(step, major));
    }
}

/// The end of an upgrade whose new cluster a collector runs by now.
pub(super) async fn end_beside(args: &UpgradeArgs, config: &Config, layout: &Layout) -> Result<ExitCode, CmdError> {
    let Some(upgrade) = Upgrade::read(layout)? else { return Err(CmdError::new("the upgrade has ended meanwhile")) };
    if args.dry_run {
        return tell(args, config, layout, Done { dry: true, ..done(&upgrade, None) });
    }
    args.says("The new cluster is in use; what is left of the upgrade is a verified base backup of it");
    let programs = Programs::find(config.database.binaries_dir.as_deref(), &layout.pgdata())?;
    let app = open(config.clone(), Clock::system()).await?;
    let proven = match config.archive.is_on() {
        true => {
            let engine = archive::engine(config, archive::own_shelf(config).await?).await?;
            let told = |step| args.says(&says(&step, upgrade.to));
            let access = layout.access()?;
            let proven = prove(args, config, &engine, &access, &programs, told);
            Some(Box::pin(proven).await?)
        }
        false => None,
    };
    has_ended(&app.pools, layout, &upgrade, proven.as_ref()).await?;
    app.pools.close().await;
    tell(args, config, layout, done(&upgrade, proven))
}

async fn prove(
    args: &UpgradeArgs,
    config: &Config,
    engine: &OwnEngine,
    access: &Access,
    programs: &Programs,
    told: impl Fn(Step),
) -> Result<Proven, CmdError> {
    let program = this_program()?;
    let command = |socket: &Path| line::command(&program, "wal-fetch", socket, wal_fetch::ENDS);
    let parent = config.archive.drill_directory().unwrap_or(&config.database.data_dir);
    let beside = Beside { parent, binaries: Some(programs.directory()) };
    let beside = Some(beside).filter(|_| !args.without_restore);
    Ok(Box::pin(ops::prove(engine, access, beside, command, told)).await?)
}

/// Writes down that it has ended.
async fn has_ended(pools: &Pools, layout: &Layout, upgrade: &Upgrade, proven: Option<&Proven>) -> Result<(), CmdError> {
    let backup = proven.map(|proven| &proven.backup.id);
    let detail = json!({ "from": upgrade.from, "to": upgrade.to, "backup": backup });
    note(pools, "database.upgrade", detail, Clock::system().now()).await?;
    Ok(Upgrade::forget(layout)?)
}

async fn note(pools: &Pools, action: &str, detail: Value, now: Timestamp) -> Result<(), CmdError> {
    let mut auth = pools.auth().await?;
    let author = Author::of_instance(actor());
    audit::append(&mut auth, &author.did(action, "", detail, now)).await?;
    Ok(auth.commit().await?)
}

fn access(running: &Option<Running>) -> Result<Access, CmdError> {
    running.as_ref().map(|running| running.cluster.access()).ok_or_else(|| CmdError::new("the database does not run"))
}

fn done(upgrade: &Upgrade, proven: Option<Proven>) -> Done {
    let rows = proven.as_ref().and_then(|proven| proven.read).map(|(rows, _)| rows);
    Done { from: upgrade.from, to: upgrade.to, dry: false, backup: proven.map(|proven| proven.backup), rows }
}

fn says(step: &Step, major: u32) -> String {
    match step {
        Step::BackingUp(why) => format!("Taking a base backup of PostgreSQL {major}: {why}"),
        Step::Opening => "Opening every object of its path in the archive".to_owned(),
        Step::Restoring => "Restoring a copy of it beside, to read all of it".to_owned(),
    }
}
