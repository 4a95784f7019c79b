//! `monitor add|edit|list|show|explain|test|check|pause|resume|delete|import|release`.

pub mod explain;
mod fields;
mod import;
mod manual;
mod parse;
mod render;
mod show;

use std::process::ExitCode;

use clap::Subcommand;
use picket_shared::ids::{MonitorId, Region};
use picket_shared::time::Timestamp;
use serde_json::json;

use super::{CmdError, print};
use crate::app::App;
use crate::domain::briefing::Briefing;
use crate::store::monitors::{self, Found, MonitorRow, Settings};
use crate::store::read::telling;
use crate::store::regions::{self, RegionRow};
use crate::store::{Scoped, StoreError, residency};
use fields::Fields;
use import::{ImportArgs, ReleaseArgs};

/// Manages monitors.
#[derive(Debug, Subcommand)]
pub enum MonitorCommand {
    /// Watch a target.
    Add(Box<AddArgs>),
    /// Change a monitor; what is not named stays as it is.
    Edit(Box<EditArgs>),
    /// Show every monitor with its state.
    List(Json),
    /// Show everything about one monitor.
    Show(OneArgs),
    /// Say why somebody was told of a monitor, or was not, from what is stored.
    Explain(explain::ExplainArgs),
    /// Try what `add` would make, from each region, now and once; 0 if all is up.
    Test(Box<manual::TestArgs>),
    /// Check a monitor from each region, now and once; 0 if all is up.
    Check(manual::CheckArgs),
    /// Stop checking; an open incident is resolved as paused.
    Pause(OneArgs),
    /// Check again.
    Resume(OneArgs),
    /// Delete a monitor; its history is kept until it expires.
    Delete(OneArgs),
    /// Take over what another program watches; nobody is told before `monitor release`.
    Import(Box<ImportArgs>),
    /// Let imported monitors tell what they find.
    Release(ReleaseArgs),
}

/// Arguments of `monitor add`.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// A URL (http), a name (dns), HOST or HOST:PORT (tls), HOST:PORT (tcp).
    target: String,
    #[command(flatten)]
    fields: Fields,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `monitor edit`.
#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// The monitor: id, beginning of the id, or name.
    monitor: String,
    /// The new target.
    #[arg(long)]
    target: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of commands about one monitor.
#[derive(Debug, clap::Args)]
pub struct OneArgs {
    /// The monitor: id, beginning of the id, or name.
    monitor: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `monitor list`.
#[derive(Debug, clap::Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the arguments, and what would be right; or that the database fails.
pub async fn run(command: MonitorCommand, app: &App) -> Result<ExitCode, CmdError> {
    let now = app.clock.now();
    let mut scoped = app.pools.scoped(app.org).await?.by(super::actor());
    match command {
        MonitorCommand::Add(args) => add(*args, app, scoped, now).await?,
        MonitorCommand::Edit(args) => edit(*args, app, scoped, now).await?,
        MonitorCommand::List(args) => list(&args, &mut scoped).await?,
        MonitorCommand::Show(args) => {
            let row = find(&mut scoped, &args.monitor).await?;
            show::run(&mut scoped, &row, args.json, now).await?;
        }
        MonitorCommand::Explain(args) => {
            let row = find(&mut scoped, &args.monitor).await?;
            explain::run(app, scoped, &row, &args).await?;
        }
        MonitorCommand::Test(args) => return manual::test(*args, app, scoped, now).await,
        MonitorCommand::Check(args) => return manual::check(args, app, scoped, now).await,
        MonitorCommand::Pause(args) => switch(args, scoped, now, Switch::Pause).await?,
        MonitorCommand::Resume(args) => switch(args, scoped, now, Switch::Resume).await?,
        MonitorCommand::Delete(args) => switch(args, scoped, now, Switch::Delete).await?,
        MonitorCommand::Import(args) => return import::run(&args, app, scoped, now).await,
        MonitorCommand::Release(args) => import::release(&args, scoped, now).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(args: AddArgs, app: &App, mut scoped: Scoped, now: Timestamp) -> Result<(), CmdError> {
    let id = MonitorId::at(now);
    let name = args.fields.name.clone();
    let spec = args.fields.spec(&args.target)?;
    let (chosen, all) = choose(&mut scoped, &args.fields.region).await?;
    let credentials = args.fields.credentials();
    let held = held(&mut scoped, &args.fields).await?;
    let eu_only = held || args.fields.eu_only || (credentials.is_some() && !args.fields.not_eu_only);
    let regions = eu_regions(chosen, eu_only, args.fields.region.is_empty())?;
    let timeout_ms = args.fields.timeout_ms(None);
    let settings = Settings {
        name: name.unwrap_or_else(|| spec.target()),
        interval_s: args.fields.interval_s(None)?,
        timeout_ms,
        quorum: args.fields.quorum,
        eu_only,
        tags: args.fields.tag.clone(),
        briefing: args.fields.briefing(Briefing::default()),
        regions: regions.iter().map(|region| region.key).collect(),
        sealed_secret: fields::seal(&app.sealer, id.0, credentials.as_ref())?,
        spec,
    };
    fields::check(&settings)?;
    monitors::insert(&mut scoped, id, &settings, now).await.map_err(|error| named(error, &settings.name))?;
    let telling = telling::of(&mut scoped).await?;
    scoped.commit().await?;
    let regions: Vec<_> = regions.iter().map(|region| region.code.to_string()).collect();
    if args.json {
        return print::json(&json!({
            "id": id, "name": settings.name, "kind": settings.spec.kind(), "target": settings.spec.target(),
            "regions": regions, "eu_only": eu_only, "told": telling.is_told(), "why": telling.why(),
        }));
    }
    print::line(&format!(
        "Watching {} from {} every {} s.",
        settings.spec.target(),
        regions.join(", "),
        settings.interval_s
    ))?;
    print::line(&format!("Its id is {id}; see it with: picket-collector monitor show {}", short(id)))?;
    if credentials.is_some() && eu_only && !held && !args.fields.eu_only {
        print::line("It holds credentials, so only regions in the EU run it (--not-eu-only changes that).")?;
    }
    if settings.spec.is_unverified() {
        print::line("Warning: its certificate is NOT VERIFIED (--verify off).")?;
    }
    if let Some(why) = telling.why() {
        print::line(&format!("Warning: {why}."))?;
    }
    if all == 0 { Err(no_region()) } else { Ok(()) }
}

async fn edit(args: EditArgs, app: &App, mut scoped: Scoped, now: Timestamp) -> Result<(), CmdError> {
    let row = find(&mut scoped, &args.monitor).await?;
    let old = row.settings;
    args.fields.refuse_other_kind(old.spec.kind())?;
    let mut settings = old.clone();
    settings.spec = args.fields.changed(&old.spec, args.target.as_deref())?;
    settings.interval_s = args.fields.interval_s(Some(old.interval_s))?;
    settings.timeout_ms = args.fields.timeout_ms(Some(old.timeout_ms));
    let credentials = args.fields.credentials();
    // The first credentials keep a monitor in the EU, as they do where it is made.
    let first = credentials.is_some() && old.sealed_secret.is_none();
    let held = held(&mut scoped, &args.fields).await?;
    settings.eu_only = held || (old.eu_only || args.fields.eu_only || first) && !args.fields.not_eu_only;
    if let Some(name) = &args.fields.name {
        settings.name.clone_from(name);
    }
    if let Some(quorum) = args.fields.quorum {
        settings.quorum = Some(quorum);
    }
    if !args.fields.tag.is_empty() {
        settings.tags.clone_from(&args.fields.tag);
    }
    settings.briefing = args.fields.briefing(settings.briefing);
    let wanted = if args.fields.region.is_empty() { &row.regions } else { &args.fields.region };
    if !args.fields.region.is_empty() || settings.eu_only != old.eu_only {
        let (chosen, _) = choose(&mut scoped, wanted).await?;
        // Where it runs already is left where the organization keeps to the EU; what is named has to be in it.
        let kept = args.fields.region.is_empty() && held;
        settings.regions = eu_regions(chosen, settings.eu_only, kept)?.iter().map(|region| region.key).collect();
    }
    if credentials.is_some() {
        settings.sealed_secret = fields::seal(&app.sealer, row.id.0, credentials.as_ref())?;
    }
    if settings.moves_credentials(&old) {
        return Err(CmdError::new(
            "the stored credentials go nowhere but where they were given for: give them again, or make a monitor without",
        ));
    }
    fields::check(&settings)?;
    if settings == old {
        return Err(CmdError::new(format!("{} is so already: name what to change, see --help", old.name)));
    }
    monitors::edit(&mut scoped, row.key, row.version, &settings, now)
        .await
        .map_err(|error| named(error, &settings.name))?;
    scoped.commit().await?;
    if args.json {
        return print::json(&json!({ "id": row.id, "name": settings.name, "version": row.version + 1 }));
    }
    print::line(&format!("Changed {}: version {}.", settings.name, row.version + 1))
}

async fn list(args: &Json, scoped: &mut Scoped) -> Result<(), CmdError> {
    let rows = monitors::list(scoped).await?;
    let telling = telling::of(scoped).await?;
    if args.json {
        let rows: Vec<_> = rows.iter().map(|row| render::summary(row, telling)).collect();
        return print::json(&rows);
    }
    if rows.is_empty() {
        return print::line("Nothing is watched yet: picket-collector monitor add URL");
    }
    let headings = ["", "STATE", "SINCE", "NAME", "KIND", "TARGET", "EVERY", "REGIONS", "ID"];
    print::table(&headings, &rows.iter().map(render::row).collect::<Vec<_>>())?;
    // One line for all, as it is the same for each.
    match telling.why() {
        Some(why) => print::line(&format!("\nWarning: {why}.")),
        None => Ok(()),
    }
}

#[derive(Clone, Copy)]
enum Switch {
    Pause,
    Resume,
    Delete,
}

async fn switch(args: OneArgs, mut scoped: Scoped, now: Timestamp, switch: Switch) -> Result<(), CmdError> {
    let row = find(&mut scoped, &args.monitor).await?;
    let (done, word, already) = match switch {
        Switch::Pause => (monitors::pause(&mut scoped, row.key, now).await?, "Paused", "is paused already"),
        Switch::Resume => (monitors::resume(&mut scoped, row.key, now).await?, "Resumed", "is not paused"),
        Switch::Delete => (monitors::delete(&mut scoped, row.key, now).await?, "Deleted", "is deleted already"),
    };
    scoped.commit().await?;
    if args.json {
        return print::json(&json!({ "id": row.id, "name": row.settings.name, "changed": done }));
    }
    let name = &row.settings.name;
    print::line(&if done { format!("{word} {name}.") } else { format!("{name} {already}.") })
}

async fn find(scoped: &mut Scoped, text: &str) -> Result<MonitorRow, CmdError> {
    match monitors::find(scoped, text).await? {
        Found::One(row) => Ok(*row),
        Found::None => {
            Err(CmdError::new(format!("no monitor is called {text:?} and no id begins so: see `monitor list`")))
        }
        Found::Many(names) => {
            Err(CmdError::new(format!("several ids begin with {text}: {}; give more of it", names.join(", "))))
        }
    }
}

/// The regions named, or all; and how many there are.
async fn choose(scoped: &mut Scoped, named: &[Region]) -> Result<(Vec<RegionRow>, usize), CmdError> {
    let all = regions::list(scoped).await?;
    let count = all.len();
    if named.is_empty() {
        return if all.is_empty() { Err(no_region()) } else { Ok((all, count)) };
    }
    let known = || all.iter().map(|region| region.code.to_string()).collect::<Vec<_>>().join(", ");
    let unknown = |code: &Region| {
        let hint = if all.is_empty() { "there is none yet".to_owned() } else { format!("there are {}", known()) };
        CmdError::new(format!(
            "there is no region {code}: {hint}. `picket-collector probe add --region {code}` makes it"
        ))
    };
    let found =
        named.iter().map(|code| all.iter().find(|region| region.code == *code).cloned().ok_or_else(|| unknown(code)));
    Ok((found.collect::<Result<_, _>>()?, count))
}

fn no_region() -> CmdError {
    CmdError::new("there is no region to watch from: make one with `picket-collector probe add --region NAME`")
}

/// Whether the organization keeps to the EU, and every monitor that is made or changed with it.
async fn held(scoped: &mut Scoped, fields: &Fields) -> Result<bool, CmdError> {
    let held = residency::holds(scoped).await?;
    if held && fields.not_eu_only {
        return Err(CmdError::new(
            "this organization keeps to the EU, so --not-eu-only is refused: see `picket-collector organization eu-only NAME show`",
        ));
    }
    Ok(held)
}

/// Only regions in the EU run a monitor that is EU only.
fn eu_regions(chosen: Vec<RegionRow>, eu_only: bool, all: bool) -> Result<Vec<RegionRow>, CmdError> {
    if !eu_only {
        return Ok(chosen);
    }
    let outside: Vec<_> = chosen.iter().filter(|region| !region.eu).map(|region| region.code.to_string()).collect();
    if !all && !outside.is_empty() {
        return Err(CmdError::new(format!(
            "{} lies outside the EU, and this monitor runs in the EU only (it holds credentials, --eu-only was given, or the \
             organization keeps to the EU): \
             leave the region out, or allow it with --not-eu-only",
            outside.join(", ")
        )));
    }
    let inside: Vec<_> = chosen.into_iter().filter(|region| region.eu).collect();
    if inside.is_empty() {
        return Err(CmdError::new(
            "no region lies in the EU, and this monitor runs in the EU only: --not-eu-only changes that",
        ));
    }
    Ok(inside)
}

fn named(error: StoreError, name: &str) -> CmdError {
    match (error.constraint(), &error) {
        (Some("monitors_org_name"), _) => {
            CmdError::new(format!("a monitor is called {name:?} already: choose another with --name"))
        }
        (_, StoreError::RowCount { .. }) => {
            CmdError::new("somebody else changed this monitor meanwhile: look at it, and try again")
        }
        _ => error.into(),
    }
}

/// The first 8 characters tell a few monitors apart only by chance: UUIDv7 begins with the time.
fn short(id: MonitorId) -> String {
    id.to_string()
}
