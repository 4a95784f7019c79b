//! `channel add|list|test|remove`: how people are told.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use picket_shared::ids::ChannelId;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::json;

use super::file_text::{self, FileText};
use super::{CmdError, print};
use crate::app::App;
use crate::notify::channels::email::Email;
use crate::notify::channels::webhook::{self, Webhook};
use crate::notify::channels::{InvalidSettings, Settings};
use crate::store::channels::{self, ChannelRow};
use crate::store::monitors::Found;
use crate::store::{ChannelKey, Scoped, deliveries};
use crate::vault::Class;

/// How long `channel test` waits for the answer.
const TEST_WITHIN: Duration = Duration::from_secs(30);

/// Manages channels.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Make a channel.
    #[command(subcommand)]
    Add(AddCommand),
    /// Show every channel.
    List(ListArgs),
    /// Send a test message and show what the receiver answered.
    Test(OneArgs),
    /// Remove a channel; what waits for it is not sent.
    Remove(OneArgs),
}

/// Which kind of channel to make.
#[derive(Debug, Subcommand)]
pub enum AddCommand {
    /// To a mail address, by the server of the mail section.
    Email(EmailArgs),
    /// To a URL, signed as Standard Webhooks says.
    Webhook(WebhookArgs),
}

/// Arguments of `channel add email`.
#[derive(Debug, clap::Args)]
pub struct EmailArgs {
    /// The address.
    address: String,
    /// What to call the channel; the address unless given.
    #[arg(long)]
    name: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `channel add webhook`.
#[derive(Debug, clap::Args)]
pub struct WebhookArgs {
    /// The URL.
    url: String,
    /// What to call the channel; the URL's host unless given.
    #[arg(long)]
    name: Option<String>,
    /// A file with the signing secret (whsec_...); made and shown once unless given.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    secret_file: Option<FileText>,
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

impl From<InvalidSettings> for CmdError {
    fn from(error: InvalidSettings) -> Self {
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
        ChannelCommand::Add(AddCommand::Email(args)) => {
            let name = args.name.unwrap_or_else(|| args.address.clone());
            let settings = Settings::Email(Email { to: args.address });
            let id = add(app, scoped, &name, &settings, now).await?;
            if app.config.mail.host.is_none() {
                tracing::warn!("No mail server is set, so this channel cannot send yet: set [mail] host");
            }
            added(args.json, id, &name, None)?;
        }
        ChannelCommand::Add(AddCommand::Webhook(args)) => {
            let (secret, made) = secret(args.secret_file)?;
            let host = url::Url::parse(&args.url).ok().and_then(|url| url.host_str().map(str::to_owned));
            let settings = Settings::Webhook(Webhook { url: SecretString::new(args.url), secret: secret.clone() });
            let name = args.name.or(host).unwrap_or_else(|| settings.hint());
            let id = add(app, scoped, &name, &settings, now).await?;
            added(args.json, id, &name, made.then_some(&secret))?;
        }
        ChannelCommand::List(args) => list(&mut scoped, &args).await?,
        ChannelCommand::Test(args) => return test(app, scoped, &args, now).await,
        ChannelCommand::Remove(args) => {
            let row = find(&mut scoped, &args.channel).await?;
            let removed = channels::remove(&mut scoped, row.key, now).await?;
            scoped.commit().await?;
            if args.json {
                print::json(&json!({ "id": row.id, "name": row.name, "removed": removed }))?;
            } else {
                print::line(&format!("Removed {}.", row.name))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The signing secret, and whether it was made here.
fn secret(file: Option<FileText>) -> Result<(SecretString, bool), CmdError> {
    match file {
        Some(file) => Ok((file.secret(), false)),
        None => Ok((webhook::make_secret()?, true)),
    }
}

async fn add(
    app: &App,
    mut scoped: Scoped,
    name: &str,
    settings: &Settings,
    now: Timestamp,
) -> Result<ChannelId, CmdError> {
    settings.validate()?;
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(CmdError::new("--name: use 1 to 200 characters on one line"));
    }
    let id = ChannelId::at(now);
    let plain = SecretString::new(serde_json::to_string(settings)?);
    let sealed = app.sealer.seal(Class::ChannelSettings, id.0.as_bytes(), plain.expose().as_bytes())?;
    let row = ChannelRow {
        key: ChannelKey(0),
        id,
        name: name.to_owned(),
        kind: settings.kind().as_str().to_owned(),
        hint: settings.hint(),
        created_at: now,
    };
    channels::insert(&mut scoped, &row, &sealed).await.map_err(|error| match error.constraint() {
        Some("channels_org_name") => {
            CmdError::new(format!("a channel is called {name:?} already: choose another with --name"))
        }
        _ => error.into(),
    })?;
    scoped.commit().await?;
    Ok(id)
}

fn added(as_json: bool, id: ChannelId, name: &str, secret: Option<&SecretString>) -> Result<(), CmdError> {
    if as_json {
        return print::json(&json!({ "id": id, "name": name, "secret": secret.map(SecretString::expose) }));
    }
    print::line(&format!("Made channel {name} ({id})."))?;
    if let Some(secret) = secret {
        print::line(&format!("Its signing secret, shown this once: {}", secret.expose()))?;
    }
    print::line(&format!("Try it: picket-collector channel test {id}"))
}

async fn list(scoped: &mut Scoped, args: &ListArgs) -> Result<(), CmdError> {
    let rows = channels::list(scoped).await?;
    if args.json {
        let shown = rows.iter().map(|row| {
            json!({ "id": row.id, "name": row.name, "kind": row.kind, "hint": row.hint, "created_at": row.created_at.to_string() })
        });
        return print::json(&shown.collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return print::line("There is no channel yet: picket-collector channel add email ADDRESS");
    }
    let shown = rows.iter().map(|row| vec![row.name.clone(), row.kind.clone(), row.hint.clone(), row.id.to_string()]);
    print::table(&["NAME", "KIND", "REACHES", "ID"], &shown.collect::<Vec<_>>())
}

async fn find(scoped: &mut Scoped, text: &str) -> Result<ChannelRow, CmdError> {
    match channels::find(scoped, text).await? {
        Found::One(row) => Ok(*row),
        Found::None => {
            Err(CmdError::new(format!("no channel is called {text:?} and no id begins so: see `channel list`")))
        }
        Found::Many(names) => {
            Err(CmdError::new(format!("several ids begin with {text}: {}; give more of it", names.join(", "))))
        }
    }
}

async fn test(app: &App, mut scoped: Scoped, args: &OneArgs, now: Timestamp) -> Result<ExitCode, CmdError> {
    let row = find(&mut scoped, &args.channel).await?;
    let id = deliveries::insert_test(&mut scoped, row.key, now).await?;
    scoped.commit().await?;
    let waited = tokio::time::timeout(TEST_WITHIN, async {
        loop {
            let mut scoped = app.pools.scoped(app.org).await?;
            let progress = deliveries::progress(&mut scoped, id).await?;
            scoped.commit().await?;
            match progress {
                Some(progress) if progress.attempts > 0 || progress.state != "pending" => {
                    return Ok::<_, CmdError>(progress);
                }
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    });
    let Ok(progress) = waited.await else {
        return Err(CmdError::new(
            "no try was made within 30 s: is the collector running? See `picket-collector doctor`",
        ));
    };
    let progress = progress?;
    let sent = progress.state == "sent";
    let answer = progress.answer.unwrap_or_else(|| "no answer".to_owned());
    if args.json {
        print::json(
            &json!({ "delivery": id, "state": progress.state, "attempts": progress.attempts, "answer": answer }),
        )?;
    } else {
        let word = if sent { "Sent" } else { "Not sent" };
        print::line(&format!("{word} to {} ({}): {answer}", row.name, row.hint))?;
    }
    Ok(if sent { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
