//! `organization`: the tenants, as the operator makes, lists and limits them. [`create`] makes one, from a [`template`] if there is
//! one; [`import`] takes over what another has.

pub mod create;
pub mod eu_only;
pub mod import;
pub mod template;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CmdError, actor, print};
use crate::app::App;
use crate::store::limits::{self, Limits};
use crate::store::organizations::{self, Listed};
use create::CreateArgs;

/// Makes, shows and limits organizations.
#[derive(Debug, Subcommand)]
pub enum OrganizationCommand {
    /// Makes an organization, owned by somebody who has an account; with limits, channels and invitations from a template.
    Create(Box<CreateArgs>),
    /// Shows every organization, with members, monitors and limits.
    List(ListArgs),
    /// Takes over the configuration of an export: monitors, channels without their destinations, settings.
    Import(Box<import::ImportArgs>),
    /// Limits what an organization may have; what is there already stays.
    Limit(LimitArgs),
    /// Says whether an organization keeps to the EU, and shows what of it goes elsewhere.
    EuOnly(eu_only::EuOnlyArgs),
}

/// Arguments of `organization list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `organization limit`. What is not given stays; `none` takes a limit away.
#[derive(Args, Debug)]
pub struct LimitArgs {
    /// Which: its name or id.
    organization: String,
    /// Most monitors.
    #[arg(long, value_name = "COUNT|none", value_parser = read)]
    monitors: Option<Limit>,
    /// Shortest interval, in seconds: 5 to 86400.
    #[arg(long, value_name = "SECONDS|none", value_parser = read)]
    interval: Option<Limit>,
    /// Most checks a minute: of every monitor, in each of its regions.
    #[arg(long, value_name = "COUNT|none", value_parser = read)]
    checks_per_minute: Option<Limit>,
    /// Most SMS in 24 hours.
    #[arg(long, value_name = "COUNT|none", value_parser = read)]
    sms_per_day: Option<Limit>,
}

/// A limit, or none.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<i32>);

fn read(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    match text.parse() {
        Ok(limit @ 0..) => Ok(Limit(Some(limit))),
        _ => Err("use a whole number from 0 on, or none".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// When a name or an address cannot be, or the database fails.
pub async fn run(command: OrganizationCommand, app: &App) -> Result<ExitCode, CmdError> {
    match command {
        OrganizationCommand::Create(args) => create::run(*args, app).await?,
        OrganizationCommand::List(args) => list(&args, app).await?,
        OrganizationCommand::Import(args) => return import::run(&args, app).await,
        OrganizationCommand::Limit(args) => limit(&args, app).await?,
        OrganizationCommand::EuOnly(args) => eu_only::run(&args, app).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListArgs, app: &App) -> Result<(), CmdError> {
    let rows = organizations::list(&mut app.pools.worker().await?).await?;
    if args.json {
        let values = rows.iter().map(|row| {
            json!({
                "id": row.uuid, "name": row.name, "members": row.members, "monitors": row.monitors,
                "limits": {
                    "monitors": row.limits.monitors, "interval_s": row.limits.interval_s,
                    "checks_per_minute": row.limits.checks_per_minute, "sms_per_day": row.limits.sms_per_day,
                },
            })
        });
        return print::json(&values.collect::<Vec<_>>());
    }
    let shown = |limit: Option<i32>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    let cells = |row: &Listed| {
        let Limits { monitors, interval_s, checks_per_minute, sms_per_day } = row.limits;
        let counts = [row.name.clone(), row.uuid.to_string(), row.members.to_string(), row.monitors.to_string()];
        let limits = [monitors, interval_s, checks_per_minute, sms_per_day].map(shown);
        counts.into_iter().chain(limits).collect::<Vec<_>>()
    };
    let head =
        ["NAME", "ID", "MEMBERS", "MONITORS", "MOST MONITORS", "SHORTEST INTERVAL S", "CHECKS A MINUTE", "SMS A DAY"];
    print::table(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// The organization of a name or id.
///
/// # Errors
/// When there is none.
pub(super) async fn named(app: &App, wanted: &str) -> Result<Listed, CmdError> {
    let rows = organizations::list(&mut app.pools.worker().await?).await?;
    let named = |row: &Listed| row.name == wanted || row.uuid.to_string() == wanted;
    rows.into_iter()
        .find(named)
        .ok_or_else(|| CmdError::new(format!("there is no organization {wanted:?}: `organization list` shows them")))
}

async fn limit(args: &LimitArgs, app: &App) -> Result<(), CmdError> {
    let rows = organizations::list(&mut app.pools.worker().await?).await?;
    let named = |row: &&Listed| row.name == args.organization || row.uuid.to_string() == args.organization;
    let row = rows.iter().find(named).ok_or_else(|| {
        CmdError::new(format!("there is no organization {:?}: `organization list` shows them", args.organization))
    })?;
    if let Some(Limit(Some(seconds))) = args.interval
        && !(5..=86_400).contains(&seconds)
    {
        return Err(CmdError::new("--interval takes 5 to 86400 seconds, or none"));
    }
    let or = |given: Option<Limit>, before: Option<i32>| given.map_or(before, |limit| limit.0);
    let limits = Limits {
        monitors: or(args.monitors, row.limits.monitors),
        interval_s: or(args.interval, row.limits.interval_s),
        checks_per_minute: or(args.checks_per_minute, row.limits.checks_per_minute),
        sms_per_day: or(args.sms_per_day, row.limits.sms_per_day),
    };
    let mut auth = app.pools.auth().await?;
    limits::set(&mut auth, (row.key, row.uuid), &limits, &actor(), app.clock.now()).await?;
    auth.commit().await?;
    print::line(&format!("Changed the limits of {}. What is there already beyond them stays.", row.name))
}
