//! The arguments of `channel add` and `channel edit`: one set a kind, turned into the fields of its form. Secrets come from
//! files, for a command line is seen by everyone on the machine.

use clap::Subcommand;

use super::chat::DiscordArgs;
use super::chat::MatrixArgs;
use super::chat::MattermostArgs;
use super::chat::TeamsArgs;
use super::push::AlertmanagerArgs;
use super::push::GotifyArgs;
use super::push::KeyArgs;
use super::push::NtfyArgs;
use super::push::PagerdutyArgs;
use super::push::PushoverArgs;
use crate::cmd::file_text::{self, FileText};
use crate::notify::channels::{Form, Kind};

/// Which kind of channel, and where it leads.
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// To a mail address, by the server of the mail section.
    Email(EmailArgs),
    /// To a URL, signed as Standard Webhooks says.
    Webhook(WebhookArgs),
    /// To a chat, by a bot of yours.
    Telegram(TelegramArgs),
    /// To a phone, as an SMS.
    Twilio(TwilioArgs),
    /// To a channel of a Slack workspace, by an incoming webhook.
    Slack(SlackArgs),
    /// To who is on call, by an Events API v2 integration.
    Pagerduty(PagerdutyArgs),
    /// To a channel of a Discord server, by a webhook.
    Discord(DiscordArgs),
    /// To a channel of a Mattermost server, by an incoming webhook.
    Mattermost(MattermostArgs),
    /// To a channel or chat of Microsoft Teams, by a workflow.
    Teams(TeamsArgs),
    /// To who listens to a topic of ntfy.
    Ntfy(NtfyArgs),
    /// To the phones of a Gotify server.
    Gotify(GotifyArgs),
    /// To the phones of a user or group of Pushover.
    Pushover(PushoverArgs),
    /// To a room of Matrix, by a user of yours.
    Matrix(MatrixArgs),
    /// To who is on call, by an API integration of Opsgenie.
    Opsgenie(KeyArgs),
    /// To an Alertmanager (API v2), which routes it on.
    Alertmanager(AlertmanagerArgs),
}

/// What every kind takes.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Common {
    /// What to call the channel; what it reaches unless given.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Send no more than what sort of thing happened, since when, and where to look.
    #[arg(long)]
    pub(super) minimal: bool,
    /// Take your word that the destination is yours and wants to be told: nothing is sent to prove it, and the audit log
    /// says that you vouched for it.
    #[arg(long)]
    pub(super) trust: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `email`.
#[derive(Debug, clap::Args)]
pub struct EmailArgs {
    /// The address.
    address: String,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `webhook`.
#[derive(Debug, clap::Args)]
pub struct WebhookArgs {
    /// The URL.
    url: String,
    /// A file with the signing secret (whsec_...); made and shown once unless given.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    secret_file: Option<FileText>,
    /// A file with the body as the receiver wants it: JSON with placeholders such as {{text}}; Picket's own event unless given.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    template_file: Option<FileText>,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `telegram`.
#[derive(Debug, clap::Args)]
pub struct TelegramArgs {
    /// The chat: its number (negative for a group), or @name of a public channel.
    #[arg(allow_hyphen_values = true)]
    chat: String,
    /// A file with the bot's token, as @BotFather gave it.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    token_file: FileText,
    /// The topic's number, in a group that has topics.
    #[arg(long)]
    topic: Option<String>,
    /// Messages make no sound there.
    #[arg(long)]
    silent: bool,
    /// A Bot API server of your own in the place of api.telegram.org.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Messages have a button that acknowledges; the bot then tells Picket alone who presses one.
    #[arg(long)]
    buttons: bool,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `twilio`.
#[derive(Debug, clap::Args)]
pub struct TwilioArgs {
    /// The phone, with + and the country's code.
    to: String,
    /// A number of yours, a sender's name, or the SID of a messaging service (MG...).
    #[arg(long)]
    from: String,
    /// The account's SID (AC...).
    #[arg(long)]
    account: String,
    /// The SID of an API key (SK...); without it the secret is the account's auth token.
    #[arg(long)]
    key: Option<String>,
    /// A file with the API key's secret, or the account's auth token.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    secret_file: FileText,
    /// Where Twilio handles it: us1 (unless given), or ie1 in Ireland with credentials of that region.
    #[arg(long)]
    region: Option<String>,
    /// Call the phone and read the message aloud, in the place of an SMS.
    #[arg(long)]
    call: bool,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `slack`.
#[derive(Debug, clap::Args)]
pub struct SlackArgs {
    /// A file with the webhook's URL, which is a secret (hooks.slack.com/services/...), or with a bot's token (xoxb-...).
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    url_file: FileText,
    /// With a bot's token: the channel's id (C...).
    #[arg(long)]
    channel: Option<String>,
    /// With a bot's token: a file with the app's signing secret; messages then have a button that acknowledges.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    signing_secret_file: Option<FileText>,
    #[command(flatten)]
    common: Common,
}

impl SettingsCommand {
    /// The kind, its form, and the rest.
    pub(super) fn taken_apart(self) -> (Kind, Form, Common) {
        let form = Form::default();
        match self {
            Self::Email(args) => (Kind::Email, form.with("address", args.address), args.common),
            Self::Webhook(args) => {
                let form = form.with("url", args.url).with_some("secret", args.secret_file.as_ref().map(text));
                let form = form.with_some("template", args.template_file.as_ref().map(text));
                (Kind::Webhook, form, args.common)
            }
            Self::Telegram(args) => {
                let form = form.with("chat", args.chat).with("token", text(&args.token_file));
                let form = form.with_some("topic", args.topic).with_some("server", args.server);
                let yes = |wanted: bool| wanted.then(|| "yes".to_owned());
                let form = form.with_some("silent", yes(args.silent)).with_some("buttons", yes(args.buttons));
                (Kind::Telegram, form, args.common)
            }
            Self::Twilio(args) => {
                let form = form
                    .with("to", args.to)
                    .with("from", args.from)
                    .with("account", args.account)
                    .with("secret", text(&args.secret_file))
                    .with_some("key", args.key)
                    .with_some("region", args.region)
                    .with_some("by", args.call.then(|| "call".to_owned()));
                (Kind::Twilio, form, args.common)
            }
            Self::Slack(args) => {
                let form = form.with("url", text(&args.url_file)).with_some("channel", args.channel);
                let form = form.with_some("signing_secret", args.signing_secret_file.as_ref().map(text));
                (Kind::Slack, form, args.common)
            }
            Self::Pagerduty(args) => of(Kind::Pagerduty, args.form()),
            Self::Discord(args) => of(Kind::Discord, args.form()),
            Self::Mattermost(args) => of(Kind::Mattermost, args.form()),
            Self::Teams(args) => of(Kind::Teams, args.form()),
            Self::Ntfy(args) => of(Kind::Ntfy, args.form()),
            Self::Gotify(args) => of(Kind::Gotify, args.form()),
            Self::Pushover(args) => of(Kind::Pushover, args.form()),
            Self::Matrix(args) => of(Kind::Matrix, args.form()),
            Self::Opsgenie(args) => of(Kind::Opsgenie, args.form()),
            Self::Alertmanager(args) => of(Kind::Alertmanager, args.form()),
        }
    }
}

fn of(kind: Kind, (form, common): (Form, Common)) -> (Kind, Form, Common) {
    (kind, form, common)
}

pub(super) fn text(file: &FileText) -> String {
    file.text().to_owned()
}
