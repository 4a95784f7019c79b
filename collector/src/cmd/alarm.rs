//! `alarm drill|list|weekly`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use picket_shared::ids::{IncidentId, MonitorId};
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::{CmdError, print};
use crate::app::App;
use crate::store::audit::Author;
use crate::store::incidents::drills::{self, DrillRow};

/// Tries whether and how soon people are reached.
#[derive(Debug, Subcommand)]
pub enum AlarmCommand {
    /// Tell whoever would be told, that it is a drill; wait for providers, and say how soon they took it.
    Drill(DrillArgs),
    /// Show the last drills, and what came of them.
    List(Json),
    /// Say whether a drill comes each week, or show it.
    Weekly(WeeklyArgs),
}

/// Arguments of `alarm drill`.
#[derive(Debug, clap::Args)]
pub struct DrillArgs {
    /// Of the policy of this monitor, by its id. Of the default policy if absent.
    #[arg(long)]
    monitor: Option<MonitorId>,
    /// For so many seconds providers are waited for.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=1800))]
    wait: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `alarm list`.
#[derive(Debug, clap::Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `alarm weekly`.
#[derive(Debug, clap::Args)]
pub struct WeeklyArgs {
    /// `on` or `off`; shown if absent.
    wanted: Option<Switch>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Each week.
    On,
    /// Only when somebody asks.
    Off,
}

const SHOWN: i64 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// Runs the command; 1 where a drill reached nobody, or not all.
///
/// # Errors
/// What cannot be, or that the database fails.
pub async fn run(command: AlarmCommand, app: &App) -> Result<ExitCode, CmdError> {
    match command {
        AlarmCommand::Drill(args) => drill(&args, app).await,
        AlarmCommand::List(args) => {
            list(&args, app).await?;
            Ok(ExitCode::SUCCESS)
        }
        AlarmCommand::Weekly(args) => {
            weekly(args.wanted, app).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn drill(args: &DrillArgs, app: &App) -> Result<ExitCode, CmdError> {
    let now = app.clock.now();
    let mut scoped = app.pools.scoped(app.org).await?.by(super::actor());
    let monitors: Vec<MonitorId> = args.monitor.into_iter().collect();
    let Some(id) = drills::begin(&mut scoped, &monitors, false, now).await? else {
        return Err(CmdError::new("there is no such monitor: see `monitor list`"));
    };
    scoped.commit().await?;
    let waits_until = now + Duration::from_secs(args.wait);
    let row = loop {
        let row = one(app, id).await?;
        let settled = row.messages > 0 && row.taken + row.failed >= row.messages;
        if settled || app.clock.now() >= waits_until {
            break row;
        }
        tokio::time::sleep(PAUSE).await;
    };
    if args.json {
        print::json(&shown(&row))?;
    } else {
        print::line(&said(&row))?;
    }
    let good = row.messages > 0 && row.taken == row.messages;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn one(app: &App, id: IncidentId) -> Result<DrillRow, CmdError> {
    let rows = drills::list(&mut app.pools.scoped(app.org).await?, Some(id), 1).await?;
    rows.into_iter().next().ok_or_else(|| CmdError::new("the drill was removed meanwhile"))
}

fn said(row: &DrillRow) -> String {
    let id = row.uuid;
    if row.messages == 0 {
        return format!(
            "Nobody was told (incident {id}).\nNo channel is verified, or no policy reaches one, or the collector does not run: \
             see `channel list` and `picket-collector doctor`."
        );
    }
    let mut lines = vec![format!("Told {} of {} channels (incident {id}).", row.taken, row.messages)];
    if let (Some(first), Some(last)) = (row.first_us, row.last_us) {
        lines.push(format!("Providers took it after {} (the first) to {} (the last).", seconds(first), seconds(last)));
    }
    let waiting = row.messages - row.taken - row.failed;
    if row.failed > 0 {
        lines.push(format!("{} could not be sent: the page Messages says why.", row.failed));
    }
    if waiting > 0 {
        lines.push(format!("{waiting} still wait: `alarm list` shows what comes of them."));
    }
    lines.push("Acknowledge it from where it came; `alarm list` then says how long that took.".to_owned());
    lines.join("\n")
}

async fn list(args: &Json, app: &App) -> Result<(), CmdError> {
    let rows = drills::list(&mut app.pools.scoped(app.org).await?, None, SHOWN).await?;
    if args.json {
        return print::json(&rows.iter().map(shown).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return print::line("No alarm was drilled yet: `picket-collector alarm drill` does it now.");
    }
    let columns = |row: &DrillRow| {
        let of = |us: Option<i64>| us.map_or_else(|| "-".to_owned(), seconds);
        vec![
            format!("{:.0}", Timestamp::from_micros(row.started_at)),
            row.drill.clone(),
            format!("{} of {}", row.taken, row.messages),
            of(row.first_us),
            of(row.last_us),
            of(row.acknowledged_at.map(|at| at - row.started_at)),
        ]
    };
    let headings = ["BEGAN", "WHY", "TAKEN", "FIRST", "LAST", "ACKNOWLEDGED"];
    print::table(&headings, &rows.iter().map(columns).collect::<Vec<_>>())
}

async fn weekly(wanted: Option<Switch>, app: &App) -> Result<(), CmdError> {
    if let Some(wanted) = wanted {
        let mut auth = app.pools.auth().await?;
        let by = Author::of_instance(super::actor());
        drills::set_weekly(&mut auth, app.org, wanted == Switch::On, &by, app.clock.now()).await?;
        auth.commit().await?;
    }
    let weekly = drills::are_weekly(&mut app.pools.scoped(app.org).await?).await?;
    print::line(match weekly {
        true => "Alarms are drilled each week, a week after the last drill.",
        false => "Alarms are drilled when somebody asks: `picket-collector alarm weekly on` does it each week.",
    })
}

fn seconds(us: i64) -> String {
    format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000)
}

fn shown(row: &DrillRow) -> Value {
    row.exported()
}
