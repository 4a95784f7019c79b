//! `schedule list|on-call`: who is on call.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::{CmdError, print};
use crate::app::App;
use crate::domain::telling::schedule::AHEAD;
use crate::domain::written;
use crate::store::members::{self, MemberRow};
use crate::store::schedules::{self, ScheduleRow};
use crate::store::{StoreError, UserKey};

/// Shows who is on call.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Show every schedule, with who is on call now.
    List(Json),
    /// Say who is on call on a schedule.
    OnCall(OnCallArgs),
}

/// Arguments of `schedule list`.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `schedule on-call`.
#[derive(Debug, Args)]
pub struct OnCallArgs {
    /// The schedule: id or name.
    schedule: String,
    /// When; now if absent.
    #[arg(long, value_name = "TIME", value_parser = written::moment)]
    at: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// That there is no such schedule; or that the database fails.
pub async fn run(command: ScheduleCommand, app: &App) -> Result<ExitCode, CmdError> {
    let members = members::list(&mut app.pools.auth().await?, app.org).await?;
    match command {
        ScheduleCommand::List(args) => list(&args, app, &members).await?,
        ScheduleCommand::OnCall(args) => on_call(&args, app, &members).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &Json, app: &App, members: &[MemberRow]) -> Result<(), CmdError> {
    let now = app.clock.now();
    let rows = all(app, now).await?;
    let who = |row: &ScheduleRow| row.rota.on_call(now).and_then(|user| called(members, user));
    if args.json {
        let one = |row: &ScheduleRow| {
            let empty = row.rota.empty(now, now + AHEAD).into_iter();
            let empty = empty.map(|(from, to)| json!({ "from": from.exact(), "to": to.exact() }));
            json!({
                "id": row.id, "name": row.name, "zone": row.rota.zone, "on_call": who(row), "policies": row.policies,
                "nobody": empty.collect::<Vec<Value>>(),
            })
        };
        return print::json(&rows.iter().map(one).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return print::line("No schedule says who is on call.");
    }
    let line = |row: &ScheduleRow| {
        let empty = row.rota.empty(now, now + AHEAD).first().map(|(from, _)| row.rota.zone.text(*from));
        vec![
            row.name.clone(),
            who(row).unwrap_or("nobody").to_owned(),
            empty.unwrap_or_else(|| "–".to_owned()),
            row.policies.join(", "),
            row.id.to_string(),
        ]
    };
    print::table(&["NAME", "ON CALL", "NOBODY FROM", "POLICIES", "ID"], &rows.iter().map(line).collect::<Vec<_>>())
}

async fn on_call(args: &OnCallArgs, app: &App, members: &[MemberRow]) -> Result<(), CmdError> {
    let at = args.at.unwrap_or_else(|| app.clock.now());
    let rows = all(app, at).await?;
    let row = rows.iter().find(|row| row.name == args.schedule || row.id.to_string() == args.schedule);
    let row =
        row.ok_or_else(|| CmdError::new(format!("there is no schedule {:?}: see `schedule list`", args.schedule)))?;
    let who = row.rota.on_call(at).and_then(|user| called(members, user));
    if args.json {
        return print::json(&json!({ "id": row.id, "name": row.name, "at": at.exact(), "on_call": who }));
    }
    print::line(who.unwrap_or("nobody"))
}

async fn all(app: &App, since: Timestamp) -> Result<Vec<ScheduleRow>, StoreError> {
    schedules::list(&mut app.pools.scoped(app.org).await?, since).await
}

fn called(members: &[MemberRow], user: UserKey) -> Option<&str> {
    members.iter().find(|member| member.user == user).map(|member| member.called.as_str())
}
