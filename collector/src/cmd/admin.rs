//! `admin grant|list|revoke`: who may administer the instance, for how long. The first grant is made here.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::{CmdError, actor, porter, print};
use crate::app::App;
use crate::domain::administration::Term;
use crate::login::administration::Granted;
use crate::store::admin_grants::GrantRow;
use crate::store::audit::Author;

/// Says who may administer the instance.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Lets a user administer the instance, in a browser at /admin, for a time. A second factor is asked for there.
    Grant(GrantArgs),
    /// Shows who may, and who might before.
    List(ListArgs),
    /// Ends that, at once.
    Revoke(RevokeArgs),
}

/// Arguments of `admin grant`.
#[derive(Args, Debug)]
pub struct GrantArgs {
    /// The address that the user signs in with.
    address: String,
    /// For how long: 90m, 8h, 7d; 30d at most. It replaces what the user had.
    #[arg(long = "for", value_name = "TIME", default_value = "8h")]
    term: Term,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `admin list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `admin revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The address that the user signs in with.
    address: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When nobody has the address, or the database fails.
pub async fn run(command: AdminCommand, app: &App) -> Result<ExitCode, CmdError> {
    match command {
        AdminCommand::Grant(args) => grant(&args, app).await?,
        AdminCommand::List(args) => list(&args, app).await?,
        AdminCommand::Revoke(args) => revoke(&args, app).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn grant(args: &GrantArgs, app: &App) -> Result<(), CmdError> {
    let (porter, by, now) = (porter(app)?, Author::of_instance(actor()), app.clock.now());
    let Granted::Done { until, second_factor } = porter.grant(&args.address, args.term, None, &by, now).await? else {
        return Err(nobody(&args.address));
    };
    if args.json {
        return print::json(
            &json!({ "address": args.address, "until": until.to_string(), "second_factor": second_factor }),
        );
    }
    let url = app.config.http.public_url();
    print::line(&format!("{} may administer this instance until {until:.0}, at {url}/admin.", args.address))?;
    if !second_factor {
        print::line(&format!("A second factor is wanted there, and there is none yet: {url}/account/second-factor."))?;
    }
    Ok(())
}

async fn list(args: &ListArgs, app: &App) -> Result<(), CmdError> {
    let (rows, now) = (porter(app)?.grants().await?, app.clock.now());
    if args.json {
        return print::json(&rows.iter().map(|row| as_json(row, now)).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return print::line(
            "Nobody may administer this instance: let somebody with `picket-collector admin grant ADDRESS`.",
        );
    }
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, now)).collect();
    print::table(&["ADDRESS", "STATE", "FROM", "UNTIL", "GIVEN BY", "REVOKED BY"], &cells)
}

async fn revoke(args: &RevokeArgs, app: &App) -> Result<(), CmdError> {
    let by = Author::of_instance(actor());
    let ended = porter(app)?.revoke_grants_of(&args.address, &by, app.clock.now()).await?;
    let ended = ended.ok_or_else(|| nobody(&args.address))?;
    if args.json {
        return print::json(&json!({ "address": args.address, "changed": ended }));
    }
    let what = if ended { "administers this instance no more" } else { "does not administer this instance" };
    print::line(&format!("{} {what}.", args.address))
}

fn nobody(address: &str) -> CmdError {
    CmdError::new(format!("nobody signs in with {address:?}: give the address of a user"))
}

/// How a grant stands, in a word.
fn state(row: &GrantRow, now: Timestamp) -> &'static str {
    match row.revoked_at {
        Some(_) => "revoked",
        None if row.is_live(now) => "live",
        None => "over",
    }
}

fn as_json(row: &GrantRow, now: Timestamp) -> Value {
    let time = |micros: i64| Timestamp::from_micros(micros).to_string();
    json!({
        "id": row.uuid, "address": row.email, "state": state(row, now), "granted_by": row.granted_by,
        "from": time(row.from_at), "until": time(row.until_at), "revoked_at": row.revoked_at.map(time),
        "revoked_by": row.revoked_by,
    })
}

fn cells(row: &GrantRow, now: Timestamp) -> Vec<String> {
    let time = |micros: i64| format!("{:.0}", Timestamp::from_micros(micros));
    let by = row.revoked_by.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        row.email.clone(),
        state(row, now).to_owned(),
        time(row.from_at),
        time(row.until_at),
        row.granted_by.clone(),
        by,
    ]
}
