//! Arguments of the channels that write to phones, and of those that raise alerts.

use super::args::{Common, text};
use crate::cmd::file_text::{self, FileText};
use crate::notify::channels::Form;

/// Arguments of `ntfy`.
#[derive(Debug, clap::Args)]
pub struct NtfyArgs {
    /// A file with the topic's name: who knows that of an open topic can read it.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    topic_file: FileText,
    /// A file with an access token that may write to it (tk_...).
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    token_file: Option<FileText>,
    /// The server; `https://ntfy.sh` unless given.
    #[arg(long)]
    server: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl NtfyArgs {
    pub(super) fn form(self) -> (Form, Common) {
        let form = Form::default()
            .with("topic", text(&self.topic_file))
            .with_some("token", self.token_file.as_ref().map(text))
            .with_some("server", self.server);
        (form, self.common)
    }
}

/// Arguments of `gotify`.
#[derive(Debug, clap::Args)]
pub struct GotifyArgs {
    /// The server, such as `https://gotify.example.org`.
    server: String,
    /// A file with an application's token.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    token_file: FileText,
    #[command(flatten)]
    common: Common,
}

impl GotifyArgs {
    pub(super) fn form(self) -> (Form, Common) {
        (Form::default().with("server", self.server).with("token", text(&self.token_file)), self.common)
    }
}

/// Arguments of `pushover`.
#[derive(Debug, clap::Args)]
pub struct PushoverArgs {
    /// A file with the application's API token.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    token_file: FileText,
    /// A file with the key of the user or group.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    user_file: FileText,
    /// How loud bad news are: normal, high (unless given), or emergency, which rings until somebody acknowledges it.
    #[arg(long)]
    priority: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl PushoverArgs {
    pub(super) fn form(self) -> (Form, Common) {
        let form = Form::default()
            .with("token", text(&self.token_file))
            .with("user", text(&self.user_file))
            .with_some("priority", self.priority);
        (form, self.common)
    }
}

/// Arguments of `pagerduty`.
#[derive(Debug, clap::Args)]
pub struct PagerdutyArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// A file with the secret of a Generic Webhook (v3) of PagerDuty: who acknowledges there then acknowledges here.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    webhook_secret_file: Option<FileText>,
}

impl PagerdutyArgs {
    pub(super) fn form(self) -> (Form, Common) {
        let (form, common) = self.key.form();
        (form.with_some("webhook_secret", self.webhook_secret_file.as_ref().map(text)), common)
    }
}

/// Arguments of `pagerduty` and `opsgenie`.
#[derive(Debug, clap::Args)]
pub struct KeyArgs {
    /// A file with the key of the integration.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    key_file: FileText,
    /// The service region: us (unless given) or eu.
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl KeyArgs {
    pub(super) fn form(self) -> (Form, Common) {
        (Form::default().with("key", text(&self.key_file)).with_some("region", self.region), self.common)
    }
}

/// Arguments of `alertmanager`.
#[derive(Debug, clap::Args)]
pub struct AlertmanagerArgs {
    /// The server, such as `https://alertmanager.example.org`.
    server: String,
    /// The user's name, where it asks for a user and a password.
    #[arg(long)]
    user: Option<String>,
    /// A file with the user's password, or with a bearer token.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    secret_file: Option<FileText>,
    #[command(flatten)]
    common: Common,
}

impl AlertmanagerArgs {
    pub(super) fn form(self) -> (Form, Common) {
        let form = Form::default()
            .with("server", self.server)
            .with_some("user", self.user)
            .with_some("secret", self.secret_file.as_ref().map(text));
        (form, self.common)
    }
}
