//! `maintenance add|list|show|end|skip|remove`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::ids::MaintenanceId;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::{CmdError, print};
use crate::app::App;
use crate::domain::maintenance::settings;
use crate::domain::written;
use crate::store::maintenances::{Kept, deeds};
use crate::store::read::maintenance::{self, Standing};
use crate::store::{Scoped, StoreError};

/// Manages maintenance.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Plan maintenance, or begin it now.
    Add(Box<AddArgs>),
    /// Show every window.
    List(Json),
    /// Show one window with its next times.
    Show(OneArgs),
    /// End what runs of a window now.
    End(OneArgs),
    /// Leave out the next time of a window that has not begun.
    Skip(OneArgs),
    /// Delete a window; what runs of it ends.
    Remove(OneArgs),
}

/// Arguments of `maintenance add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What it is called.
    title: String,
    /// The first start, by the clocks of the zone: 2026-03-29T02:00; now if absent.
    #[arg(long)]
    start: Option<String>,
    /// How long it takes: 2h, 30m.
    #[arg(long = "for", value_name = "DURATION")]
    takes: String,
    /// A time zone, as Europe/Berlin.
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// How it repeats: an RRULE, as FREQ=WEEKLY; once if absent.
    #[arg(long)]
    rule: Option<String>,
    /// Only this monitor, by its id; may be given several times.
    #[arg(long, conflicts_with = "tag")]
    monitor: Vec<String>,
    /// Only monitors with this tag; may be given several times.
    #[arg(long)]
    tag: Vec<String>,
    /// Tell of outages meanwhile.
    #[arg(long)]
    keep_alerts: bool,
    /// Count its time as what checks find, not as maintenance.
    #[arg(long)]
    count_as_normal: bool,
    /// Do not show it on status pages.
    #[arg(long)]
    not_on_page: bool,
    /// Tell channels so long before (24h), and of its start and end.
    #[arg(long, value_name = "DURATION")]
    announce: Option<String>,
    /// What is to be known of it.
    #[arg(long, default_value = "")]
    note: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `maintenance list`.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of commands about one window.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Its id.
    id: MaintenanceId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the arguments, and what would be right; or that the database fails.
pub async fn run(command: MaintenanceCommand, app: &App) -> Result<ExitCode, CmdError> {
    let now = app.clock.now();
    let mut scoped = app.pools.scoped(app.org).await?.by(super::actor());
    match command {
        MaintenanceCommand::Add(args) => add(*args, app, scoped, now).await?,
        MaintenanceCommand::List(args) => list(&args, &mut scoped, now).await?,
        MaintenanceCommand::Show(args) => show(&mut scoped, args.id, args.json, now).await?,
        MaintenanceCommand::End(args) => {
            let kept = hold(&mut scoped, args.id).await?;
            if !deeds::end_now(&mut scoped, &kept, now).await? {
                return Err(CmdError::new(format!(
                    "nothing of {:?} runs now: see `maintenance list`",
                    kept.settings.title
                )));
            }
            scoped.commit().await?;
            said(args.json, &args.id, &format!("Ended {:?}: what still fails is told now.", kept.settings.title))?;
        }
        MaintenanceCommand::Skip(args) => {
            let kept = hold(&mut scoped, args.id).await?;
            let title = &kept.settings.title;
            let Some(at) = deeds::skip_next(&mut scoped, &kept, now).await? else {
                let why = format!("no time of {title:?} is to come that could be left out: see `maintenance remove`");
                return Err(CmdError::new(why));
            };
            scoped.commit().await?;
            let at = kept.settings.window.zone.text(at);
            said(args.json, &args.id, &format!("Left out of {title:?}: {at}."))?;
        }
        MaintenanceCommand::Remove(args) => {
            let kept = hold(&mut scoped, args.id).await?;
            deeds::delete(&mut scoped, &kept, now).await?;
            scoped.commit().await?;
            let text = format!("Deleted {:?}; the API and the page can undo that for an hour.", kept.settings.title);
            said(args.json, &args.id, &text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(args: AddArgs, app: &App, mut scoped: Scoped, now: Timestamp) -> Result<(), CmdError> {
    let seconds = |text: &str| written::duration(text).map(|duration| duration.as_secs()).map_err(CmdError::new);
    let takes = seconds(&args.takes)?;
    let announce = args.announce.as_deref().map(seconds);
    let scope = match (args.monitor.is_empty(), args.tag.is_empty()) {
        (false, _) => "monitors",
        (true, false) => "tags",
        (true, true) => "all",
    };
    let body = json!({
        "title": args.title, "note": args.note, "start": args.start, "duration_s": takes, "zone": args.zone, "rule": args.rule,
        "scope": scope, "monitors": args.monitor, "tags": args.tag, "holds_alerts": !args.keep_alerts,
        "shows_on_page": !args.not_on_page, "counts_as": if args.count_as_normal { "normal" } else { "maintenance" },
        "announce_before_s": announce.transpose()?,
    });
    let wanted = settings::read(&body, None, now).map_err(|wrong| {
        CmdError::new(wrong.iter().map(|(field, why)| format!("{field}: {why}")).collect::<Vec<_>>().join("\n"))
    })?;
    let id = MaintenanceId::at(now);
    if !deeds::add(&mut scoped, id, &wanted, now).await? {
        return Err(CmdError::new("one of these monitors is not there: see `monitor list`"));
    }
    scoped.commit().await?;
    let mut scoped = app.pools.scoped(app.org).await?;
    show(&mut scoped, id, args.json, now).await
}

async fn list(args: &Json, scoped: &mut Scoped, now: Timestamp) -> Result<(), CmdError> {
    let all = maintenance::list(scoped, now).await?;
    if args.json {
        return print::json(&all.iter().map(|one| one.exported(now)).collect::<Vec<_>>());
    }
    if all.is_empty() {
        return print::line(
            "There is no maintenance: `picket-collector maintenance add TITLE --for 2h` begins one now.",
        );
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let settings = &one.kept.settings;
            vec![one.kept.id.to_string(), settings.title.clone(), stands(one), settings.window.words()]
        })
        .collect();
    print::table(&["ID", "TITLE", "STANDS", "WHEN"], &rows)
}

async fn show(scoped: &mut Scoped, id: MaintenanceId, as_json: bool, now: Timestamp) -> Result<(), CmdError> {
    let one = maintenance::one(scoped, id, now).await?.ok_or_else(|| none(id))?;
    if as_json {
        return print::json(&one.exported(now));
    }
    let window = &one.kept.settings.window;
    print::line(&format!("{} ({id})\n{}\n{}", one.kept.settings.title, window.words(), stands(&one)))?;
    for time in window.after(now).filter(|time| time.start > now).take(maintenance::SHOWN) {
        print::line(&format!("  {} to {}", window.zone.text(time.start), window.zone.text(time.end)))?;
    }
    Ok(())
}

/// Whether it runs, comes or is over.
fn stands(one: &Standing) -> String {
    let zone = &one.kept.settings.window.zone;
    match (one.running, one.next) {
        (Some((_, to)), _) => format!("runs until {}", zone.text(to)),
        (None, Some(next)) => format!("next on {}", zone.text(next)),
        (None, None) => "over".to_owned(),
    }
}

async fn hold(scoped: &mut Scoped, id: MaintenanceId) -> Result<Kept, CmdError> {
    deeds::hold(scoped, id).await.map_err(|error: StoreError| CmdError::from(error))?.ok_or_else(|| none(id))
}

fn none(id: MaintenanceId) -> CmdError {
    CmdError::new(format!("there is no maintenance {id}: see `maintenance list`"))
}

fn said(as_json: bool, id: &MaintenanceId, text: &str) -> Result<(), CmdError> {
    if as_json { print::json(&json!({ "id": id })) } else { print::line(text) }
}
