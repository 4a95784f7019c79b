//! `privacy breach`: breaches of personal data, written down, told to those affected, closed.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::ids::AccountMailId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{CmdError, actor, office, organization, print};
use crate::app::App;
use crate::domain::breach::Facts;
use crate::notify::message::account;
use crate::privacy::breaches::{Deed, Unfit, Wish};
use crate::privacy::office::Office;
use crate::store::audit::Author;
use crate::store::breaches::Breach;

/// Looks after breaches.
#[derive(Debug, Subcommand)]
pub enum BreachCommand {
    /// Writes a breach down; the 72 hours begin at `--at`.
    Open(OpenArgs),
    /// Says more of a breach, or something else; what is not given stays.
    Change(ChangeArgs),
    /// Shows every breach with its clock; exit code 1 if the 72 hours of one are over.
    List(ListArgs),
    /// Shows a breach, whom it affects, and the mail that they get.
    Show(ShowArgs),
    /// Tells the owners of every organization that it affects, each once.
    Tell(IdArgs),
    /// Closes a breach.
    Close(IdArgs),
}

/// What is said of a breach.
#[derive(Args, Debug)]
struct Said {
    /// What happened.
    #[arg(long)]
    happened: Option<String>,
    /// Which data is affected, of whom.
    #[arg(long)]
    affected: Option<String>,
    /// What we do.
    #[arg(long)]
    measures: Option<String>,
    /// What those affected should do.
    #[arg(long)]
    advice: Option<String>,
    /// An organization that is affected, by its name or id; can be given several times.
    #[arg(long = "organization", value_name = "NAME", conflicts_with = "all")]
    organizations: Vec<String>,
    /// Every organization is affected.
    #[arg(long)]
    all: bool,
    /// When the authority was told (RFC 3339).
    #[arg(long, value_name = "TIME", conflicts_with = "not_reported")]
    reported_at: Option<Timestamp>,
    /// Why the authority need not be told.
    #[arg(long, value_name = "WHY")]
    not_reported: Option<String>,
}

/// Arguments of `privacy breach open`.
#[derive(Args, Debug)]
pub struct OpenArgs {
    /// When it became known (RFC 3339).
    #[arg(long, value_name = "TIME")]
    at: Timestamp,
    /// What it is called.
    #[arg(long)]
    title: String,
    #[command(flatten)]
    said: Said,
}

/// Arguments of `privacy breach change`.
#[derive(Args, Debug)]
pub struct ChangeArgs {
    /// Which, as `list` shows it.
    id: Uuid,
    /// When it became known (RFC 3339).
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// What it is called.
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    said: Said,
}

/// Arguments of `privacy breach list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `privacy breach show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Which, as `list` shows it.
    id: Uuid,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of what is done to a breach.
#[derive(Args, Debug)]
pub struct IdArgs {
    /// Which, as `list` shows it.
    id: Uuid,
}

pub(super) async fn run(command: BreachCommand, app: &App) -> Result<ExitCode, CmdError> {
    let (office, by, now) = (office(app), Author::of_instance(actor()), app.clock.now());
    match command {
        BreachCommand::Open(args) => {
            let facts = Facts {
                title: args.title,
                known_at: args.at,
                happened: String::new(),
                affected: String::new(),
                measures: String::new(),
                advice: String::new(),
                everyone: false,
                reported_at: None,
                unreported_why: None,
            };
            let wish = wish(app, facts, Vec::new(), args.said).await?;
            let made = office.open_breach(&wish, &by, now).await?;
            let id = made.map_err(unfit)?;
            let breach = found(&office, id).await?;
            print::line(&format!("{id}  {}", told(&breach, now)))?;
        }
        BreachCommand::Change(args) => {
            let breach = found(&office, args.id).await?;
            let mut facts = breach.facts.clone();
            facts.title = args.title.unwrap_or(facts.title);
            facts.known_at = args.at.unwrap_or(facts.known_at);
            let chosen = office.affected(&breach).await?.into_iter().map(|(org, ..)| org).collect();
            let wish = wish(app, facts, chosen, args.said).await?;
            let done = office.change_breach(&breach, &wish, &by, now).await?;
            said(done.map_err(unfit)?, "Changed.")?;
        }
        BreachCommand::List(args) => return list(&args, &office, now).await,
        BreachCommand::Show(args) => show(&args, app, &office, now).await?,
        BreachCommand::Tell(args) => {
            let breach = found(&office, args.id).await?;
            let done = office.tell_breach(&breach, &by, now).await?;
            let words = match &done {
                Deed::Done(1) => "Told 1 organization.".to_owned(),
                Deed::Done(many) => format!("Told {many} organizations."),
                _ => String::new(),
            };
            said(done, &words)?;
        }
        BreachCommand::Close(args) => {
            let breach = found(&office, args.id).await?;
            said(office.close_breach(&breach, &by, now).await?, "Closed.")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is wrong, by the names of arguments.
fn unfit(unfit: Unfit) -> CmdError {
    CmdError::new(match unfit {
        Unfit::Nobody => "it affects no organization: name some by --organization NAME, or all by --all",
        Unfit::Future => {
            "--at or --reported-at lies ahead, or the authority was told before it was known: give times in their order"
        }
        Unfit::NoTitle | Unfit::Long | Unfit::Both => unfit.as_str(),
    })
}

fn said(done: Deed, words: &str) -> Result<(), CmdError> {
    match done {
        Deed::Done(_) => Ok(print::line(words)?),
        Deed::Missing(parts) => {
            let parts = parts.into_iter().map(|part| format!("--{part}")).collect::<Vec<_>>().join(", ");
            Err(CmdError::new(format!("nobody is told before it says {parts}: `privacy breach change`")))
        }
        Deed::Closed => Err(CmdError::new("the breach is closed: nothing of it is changed any more")),
    }
}

/// What somebody wants, from what is known and what is said now.
async fn wish(app: &App, mut facts: Facts, chosen: Vec<crate::store::OrgKey>, said: Said) -> Result<Wish, CmdError> {
    facts.happened = said.happened.unwrap_or(facts.happened);
    facts.affected = said.affected.unwrap_or(facts.affected);
    facts.measures = said.measures.unwrap_or(facts.measures);
    facts.advice = said.advice.unwrap_or(facts.advice);
    if said.reported_at.is_some() || said.not_reported.is_some() {
        (facts.reported_at, facts.unreported_why) = (said.reported_at, said.not_reported);
    }
    let mut organizations = chosen;
    if said.all {
        facts.everyone = true;
    } else if !said.organizations.is_empty() {
        facts.everyone = false;
        organizations.clear();
        for name in &said.organizations {
            organizations.push(organization::named(app, name).await?.key);
        }
    }
    Ok(Wish { facts, organizations })
}

async fn found(office: &Office, id: Uuid) -> Result<Breach, CmdError> {
    let rows = office.breaches(Some(id)).await?;
    rows.into_iter()
        .next()
        .ok_or_else(|| CmdError::new(format!("there is no breach {id}: `privacy breach list` shows them")))
}

fn clock(breach: &Breach, now: Timestamp) -> crate::domain::breach::Clock {
    breach.facts.clock(breach.told == breach.organizations, now)
}

fn told(breach: &Breach, now: Timestamp) -> String {
    let state = if breach.closed_at.is_some() { "closed" } else { "open" };
    format!(
        "{state}, known since {:.0}, {}, {} of {} organizations told: {}",
        breach.facts.known_at,
        clock(breach, now).told(),
        breach.told,
        breach.organizations,
        breach.facts.title
    )
}

fn value(breach: &Breach, now: Timestamp) -> Value {
    let facts = &breach.facts;
    json!({
        "id": breach.id, "title": facts.title, "known_at": facts.known_at.exact(), "clock": clock(breach, now).as_str(),
        "happened": facts.happened, "affected": facts.affected, "measures": facts.measures, "advice": facts.advice,
        "everyone": facts.everyone, "reported_at": facts.reported_at.map(Timestamp::exact),
        "unreported_why": facts.unreported_why, "organizations": breach.organizations, "told": breach.told,
        "opened_at": breach.opened_at.exact(), "opened_by": breach.opened_by,
        "closed_at": breach.closed_at.map(Timestamp::exact),
    })
}

async fn list(args: &ListArgs, office: &Office, now: Timestamp) -> Result<ExitCode, CmdError> {
    let rows = office.breaches(None).await?;
    let over = rows.iter().any(|row| row.closed_at.is_none() && clock(row, now).as_str() == "overdue");
    if args.json {
        print::json(&json!({ "items": rows.iter().map(|row| value(row, now)).collect::<Vec<_>>() }))?;
    } else if rows.is_empty() {
        print::line("No breach was written down.")?;
    } else {
        for row in &rows {
            print::line(&format!("{}  {}", row.id, told(row, now)))?;
        }
    }
    Ok(if over { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn show(args: &ShowArgs, app: &App, office: &Office, now: Timestamp) -> Result<(), CmdError> {
    let breach = found(office, args.id).await?;
    let affected = office.affected(&breach).await?;
    let to = affected.first().map_or("an organization", |(_, name, _)| name);
    let about = office.breach_mail(&breach, to, now);
    let mail = account::write(AccountMailId(Uuid::nil()), &about, &app.config.http.public_url(), now);
    let at = |at: &Option<i64>| at.map(|at| Timestamp::from_micros(at).exact());
    if args.json {
        let mut shown = value(&breach, now);
        shown["affected"] =
            affected.iter().map(|(_, name, told)| json!({ "organization": name, "told_at": at(told) })).collect();
        shown["mail"] = json!({ "subject": mail.subject, "text": mail.text });
        return print::json(&shown);
    }
    print::line(&told(&breach, now))?;
    for (_, name, told) in &affected {
        print::line(&format!("  {name}: {}", at(told).map_or("not told yet".to_owned(), |at| format!("told {at}"))))?;
    }
    let missing = breach.facts.missing();
    if !missing.is_empty() {
        print::line(&format!("Missing: {}", missing.join(", ")))?;
    }
    print::line(&format!("\n{}\n\n{}", mail.subject, mail.text.trim_end()))?;
    Ok(())
}
