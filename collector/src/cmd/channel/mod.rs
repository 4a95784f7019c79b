//! `channel add|edit|rename|rotate-secret|verify|list|test|remove`: how people are told.

mod args;
mod chat;
mod push;
mod show;

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use picket_shared::ids::DeliveryId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::{CmdError, print};
use crate::app::App;
use crate::channels::{self, Begun, ChannelError, Made, Verdict};
use crate::notify::channels::{Kind, Proof};
use crate::store::Scoped;
use crate::store::channels as store;
use crate::store::channels::ChannelRow;
use crate::store::deliveries::Progress;
use crate::store::monitors::Found;
use args::{Common, SettingsCommand};

/// How long a command waits for the provider's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Manages channels.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Make a channel, and send there what proves that it is wanted.
    #[command(subcommand)]
    Add(SettingsCommand),
    /// Give a channel other settings, all of them: those that are there are never shown. It is verified anew.
    Edit(EditArgs),
    /// Give a channel another name.
    Rename(RenameArgs),
    /// Say whether messages to a channel say no more than what sort of thing happened, since when, and where to look.
    Minimal(MinimalArgs),
    /// Give a webhook another signing secret, shown this once; the former one signs too for a time.
    RotateSecret(RotateArgs),
    /// Verify a channel by the code that was sent to it; without a code, send another.
    Verify(VerifyArgs),
    /// Show every channel.
    List(ListArgs),
    /// Send a test message and show what the receiver answered.
    Test(OneArgs),
    /// Remove a channel; what waits for it is not sent.
    Remove(OneArgs),
}

/// Arguments of `channel edit`.
#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// The channel: id, beginning of the id, or name.
    channel: String,
    #[command(subcommand)]
    settings: SettingsCommand,
}

/// Arguments of `channel rename`.
#[derive(Debug, clap::Args)]
pub struct RenameArgs {
    /// The channel: id, beginning of the id, or name.
    channel: String,
    /// The new name.
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `channel minimal`.
#[derive(Debug, clap::Args)]
pub struct MinimalArgs {
    /// The channel: id, beginning of the id, or name.
    channel: String,
    /// Whether they do.
    #[arg(value_parser = clap::builder::BoolishValueParser::new(), value_name = "on|off")]
    minimal: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `channel rotate-secret`.
#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    /// The channel: id, beginning of the id, or name.
    channel: String,
    /// How long the former secret signs too, 30 days at most; 0s: no more from now on.
    #[arg(long, value_parser = crate::domain::written::duration, default_value = "24h", value_name = "TIME")]
    former_for: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `channel verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The channel: id, beginning of the id, or name.
    channel: String,
    /// The code that came there.
    code: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of commands about one channel.
#[derive(Debug, clap::Args)]
pub struct OneArgs {
    /// The channel: id, beginning of the id, or name.
    channel: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `channel list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl From<ChannelError> for CmdError {
    fn from(error: ChannelError) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the arguments, and what would be right; or that the database fails.
pub async fn run(command: ChannelCommand, app: &App) -> Result<ExitCode, CmdError> {
    let now = app.clock.now();
    let mut scoped = app.pools.scoped(app.org).await?.by(super::actor());
    match command {
        ChannelCommand::Add(settings) => {
            let (kind, form, common) = settings.taken_apart();
            let said = (common.name.as_deref(), common.minimal);
            let made = channels::add(&mut scoped, &app.sealer, (kind, &form), said, now).await?;
            if kind == Kind::Email && app.config.mail.host.is_none() {
                tracing::warn!("No mail server is set, so this channel cannot send yet: set [mail] host");
            }
            return made_known(app, scoped, "Made", made, &common, now).await;
        }
        ChannelCommand::Edit(args) => {
            let row = find(&mut scoped, &args.channel).await?;
            let (kind, form, common) = args.settings.taken_apart();
            if kind.as_str() != row.kind {
                let why = format!("{} is of kind {}: make another channel for {}", row.name, row.kind, kind.as_str());
                return Err(CmdError::new(why));
            }
            let mut made = channels::edit(&mut scoped, &app.sealer, &row, &form, now).await?;
            if common.minimal {
                channels::set_minimal(&mut scoped, &row, true, now).await?;
            }
            if let Some(name) = &common.name {
                channels::rename(&mut scoped, &row, name, now).await?;
                made.row.name.clone_from(name);
            }
            return made_known(app, scoped, "Changed", made, &common, now).await;
        }
        ChannelCommand::Rename(args) => {
            let row = find(&mut scoped, &args.channel).await?;
            channels::rename(&mut scoped, &row, &args.name, now).await?;
            scoped.commit().await?;
            let text = format!("{} is called {} now.", row.name, args.name);
            said(args.json, &json!({ "id": row.id, "name": args.name }), &text)?;
        }
        ChannelCommand::Minimal(args) => {
            let row = find(&mut scoped, &args.channel).await?;
            channels::set_minimal(&mut scoped, &row, args.minimal, now).await?;
            scoped.commit().await?;
            let what = if args.minimal { "nothing that is watched" } else { "what they are about" };
            let text = format!("Messages to {} name {what} now.", row.name);
            said(args.json, &json!({ "id": row.id, "name": row.name, "minimal": args.minimal }), &text)?;
        }
        ChannelCommand::RotateSecret(args) => rotate_secret(app, scoped, &args, now).await?,
        ChannelCommand::Verify(args) => return verify(app, scoped, &args, now).await,
        ChannelCommand::List(args) => show::list(&mut scoped, args.json).await?,
        ChannelCommand::Test(args) => return test(app, scoped, &args, now).await,
        ChannelCommand::Remove(args) => {
            let row = find(&mut scoped, &args.channel).await?;
            let removed = store::remove(&mut scoped, row.key, now).await?;
            scoped.commit().await?;
            let text = format!("Removed {}.", row.name);
            said(args.json, &json!({ "id": row.id, "name": row.name, "removed": removed }), &text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn said(as_json: bool, value: &Value, text: &str) -> Result<(), CmdError> {
    if as_json { print::json(value) } else { print::line(text) }
}

/// Begins the proof of a channel that was made or changed, or takes the operator's word for it, and tells about both.
async fn made_known(
    app: &App,
    mut scoped: Scoped,
    word: &str,
    made: Made,
    common: &Common,
    now: Timestamp,
) -> Result<ExitCode, CmdError> {
    let Made { row, secret } = made;
    let begun = if common.trust {
        channels::trust(&mut scoped, &row, now).await?;
        None
    } else {
        Some(channels::prove(&mut scoped, &app.sealer, &row, now).await)
    };
    scoped.commit().await?;
    if !common.json {
        print::line(&format!("{word} channel {} ({}).", row.name, row.id))?;
        if let Some(secret) = &secret {
            print::line(&format!("Its signing secret, shown this once: {}", secret.expose()))?;
        }
    }
    let (mut verified, mut proof) = (common.trust, Value::Null);
    match begun {
        None if common.json => {}
        None => print::line(&format!("It is told from now on. Try it: picket-collector channel test {}", row.id))?,
        // The channel is there all the same.
        Some(Err(error)) if common.json => proof = json!({ "error": error.to_string() }),
        Some(Err(error)) => print::line(&format!("Nothing was sent to verify it: {error}"))?,
        Some(Ok(begun)) => {
            let progress = channels::answer(&app.pools, app.org, begun.delivery, ANSWER_WITHIN).await?;
            verified = is_proven(&begun, progress.as_ref());
            proof = proof_json(&begun, progress.as_ref());
            if !common.json {
                next_step(&row, &begun, progress.as_ref())?;
            }
        }
    }
    if common.json {
        let secret = secret.as_ref().map(|secret| secret.expose().as_str());
        print::json(
            &json!({ "id": row.id, "name": row.name, "secret": secret, "verified": verified, "proof": proof }),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_sent(progress: Option<&Progress>) -> bool {
    progress.is_some_and(|progress| progress.state == "sent")
}

fn is_proven(begun: &Begun, progress: Option<&Progress>) -> bool {
    begun.proof == Proof::Acceptance && is_sent(progress)
}

fn proof_json(begun: &Begun, progress: Option<&Progress>) -> Value {
    let proof = if begun.proof == Proof::Code { "code" } else { "acceptance" };
    json!({
        "by": proof, "delivery": begun.delivery, "until": begun.until.to_string(),
        "state": progress.map(|progress| &progress.state), "answer": progress.and_then(|progress| progress.answer.as_ref()),
    })
}

/// What a person does next to have the channel verified.
fn next_step(row: &ChannelRow, begun: &Begun, progress: Option<&Progress>) -> Result<(), CmdError> {
    let (name, hint, id) = (&row.name, &row.hint, row.id);
    let Some(progress) = progress else {
        return print::line(&format!("{NOT_TRIED} What verifies {name} is sent as soon as it runs."));
    };
    let answer = progress.answer.as_deref().unwrap_or("no answer");
    if !is_sent(Some(progress)) {
        print::line(&format!("Not sent to {hint}: {answer}"))?;
        return print::line(&format!(
            "It is told nothing before it is verified; try again with: picket-collector channel verify {id}"
        ));
    }
    print::line(&format!("Sent to {hint}: {answer}"))?;
    print::line(&match begun.proof {
        Proof::Acceptance => format!("{name} is verified, and told from now on."),
        Proof::Code => format!(
            "It is told nothing before it is verified: enter the code that came there, until {:.0}:\n  \
             picket-collector channel verify {id} CODE",
            begun.until
        ),
    })
}

const NOT_TRIED: &str = "No try was made within 30 s: is the collector running? See `picket-collector doctor`.";

async fn find(scoped: &mut Scoped, text: &str) -> Result<ChannelRow, CmdError> {
    match store::find(scoped, text).await? {
        Found::One(row) => Ok(*row),
        Found::None => {
            Err(CmdError::new(format!("no channel is called {text:?} and no id begins so: see `channel list`")))
        }
        Found::Many(names) => {
            Err(CmdError::new(format!("several ids begin with {text}: {}; give more of it", names.join(", "))))
        }
    }
}

async fn rotate_secret(app: &App, mut scoped: Scoped, args: &RotateArgs, now: Timestamp) -> Result<(), CmdError> {
    let row = find(&mut scoped, &args.channel).await?;
    let secret = channels::rotate(&mut scoped, &app.sealer, &row, args.former_for, now).await?;
    scoped.commit().await?;
    let (secret, until) = (secret.expose(), now + args.former_for);
    let former = match args.former_for.is_zero() {
        true => "The former one signs no more.".to_owned(),
        false => format!("The former one signs too until {until:.0}."),
    };
    let text = format!("Its new signing secret, shown this once: {secret}\n{former}");
    let value = json!({ "id": row.id, "name": row.name, "secret": secret, "former_secret_until": until.exact() });
    said(args.json, &value, &text)
}

async fn verify(app: &App, mut scoped: Scoped, args: &VerifyArgs, now: Timestamp) -> Result<ExitCode, CmdError> {
    let row = find(&mut scoped, &args.channel).await?;
    let (id, name) = (row.id, &row.name);
    let Some(code) = &args.code else {
        if row.verified_at.is_some() {
            let text = format!("{name} is verified already.");
            return said(args.json, &json!({ "id": id, "verified": true }), &text).map(|()| ExitCode::SUCCESS);
        }
        return prove(app, scoped, &row, args.json, now).await;
    };
    let verdict = channels::verify(scoped, &app.sealer, &row, code, now).await?;
    let (verified, text) = match verdict {
        Verdict::Verified => (true, format!("{name} is verified, and told from now on.")),
        Verdict::Already => (true, format!("{name} is verified already.")),
        Verdict::Wrong { left: 1.. } => {
            (false, format!("That is not the code that was sent to {}: look again.", row.hint))
        }
        Verdict::Wrong { .. } | Verdict::NoneWorks => {
            (false, format!("No code works for {name} any more. Send another: picket-collector channel verify {id}"))
        }
    };
    let left = if let Verdict::Wrong { left } = verdict { Some(left) } else { None };
    said(args.json, &json!({ "id": id, "verified": verified, "tries_left": left }), &text)?;
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn prove(
    app: &App,
    mut scoped: Scoped,
    row: &ChannelRow,
    as_json: bool,
    now: Timestamp,
) -> Result<ExitCode, CmdError> {
    let begun = channels::prove(&mut scoped, &app.sealer, row, now).await?;
    scoped.commit().await?;
    let progress = channels::answer(&app.pools, app.org, begun.delivery, ANSWER_WITHIN).await?;
    if as_json {
        let verified = is_proven(&begun, progress.as_ref());
        let proof = proof_json(&begun, progress.as_ref());
        print::json(&json!({ "id": row.id, "verified": verified, "proof": proof }))?;
    } else {
        next_step(row, &begun, progress.as_ref())?;
    }
    Ok(if is_sent(progress.as_ref()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn test(app: &App, mut scoped: Scoped, args: &OneArgs, now: Timestamp) -> Result<ExitCode, CmdError> {
    let row = find(&mut scoped, &args.channel).await?;
    let id: DeliveryId = channels::test(&mut scoped, &row, now).await.map_err(|error| match error {
        ChannelError::NotVerified(_) => {
            CmdError::new(format!("{error}: picket-collector channel verify {} sends what it needs", row.id))
        }
        error => error.into(),
    })?;
    scoped.commit().await?;
    let progress = channels::answer(&app.pools, app.org, id, ANSWER_WITHIN).await?;
    let progress = progress.ok_or_else(|| CmdError::new(NOT_TRIED))?;
    let sent = is_sent(Some(&progress));
    let answer = progress.answer.unwrap_or_else(|| "no answer".to_owned());
    let word = if sent { "Sent" } else { "Not sent" };
    let more = if progress.state == "pending" { "; it is tried again for 15 minutes" } else { "" };
    let text = format!("{word} to {} ({}): {answer}{more}", row.name, row.hint);
    let value = json!({ "delivery": id, "state": progress.state, "attempts": progress.attempts, "answer": answer });
    said(args.json, &value, &text)?;
    Ok(if sent { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
