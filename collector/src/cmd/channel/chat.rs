//! Arguments of the channels that write to chats.

use super::args::{Common, text};
use crate::cmd::file_text::{self, FileText};
use crate::notify::channels::Form;

/// Arguments of `discord`.
#[derive(Debug, clap::Args)]
pub struct DiscordArgs {
    /// A file with the webhook's URL, which is a secret (discord.com/api/webhooks/...).
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    url_file: FileText,
    /// The thread's number, in a channel that has threads.
    #[arg(long)]
    thread: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl DiscordArgs {
    pub(super) fn form(self) -> (Form, Common) {
        let form = Form::default().with("url", text(&self.url_file)).with_some("thread", self.thread);
        (form, self.common)
    }
}

/// Arguments of `mattermost`.
#[derive(Debug, clap::Args)]
pub struct MattermostArgs {
    /// A file with the webhook's URL, which is a secret (https://HOST/hooks/...).
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    url_file: FileText,
    /// Another channel than the webhook's own: the name in its address, or @ and a user's name.
    #[arg(long)]
    channel: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl MattermostArgs {
    pub(super) fn form(self) -> (Form, Common) {
        let form = Form::default().with("url", text(&self.url_file)).with_some("channel", self.channel);
        (form, self.common)
    }
}

/// Arguments of `teams`.
#[derive(Debug, clap::Args)]
pub struct TeamsArgs {
    /// A file with the workflow's URL, which is a secret (all of it, with what follows the ?).
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    url_file: FileText,
    #[command(flatten)]
    common: Common,
}

impl TeamsArgs {
    pub(super) fn form(self) -> (Form, Common) {
        (Form::default().with("url", text(&self.url_file)), self.common)
    }
}

/// Arguments of `matrix`.
#[derive(Debug, clap::Args)]
pub struct MatrixArgs {
    /// The room's id (!...:example.org), which its settings show.
    room: String,
    /// The homeserver, such as `https://matrix.example.org`.
    #[arg(long)]
    server: String,
    /// A file with the access token of a user that is in the room.
    #[arg(long, value_name = "FILE", value_parser = file_text::read)]
    token_file: FileText,
    #[command(flatten)]
    common: Common,
}

impl MatrixArgs {
    pub(super) fn form(self) -> (Form, Common) {
        let form = Form::default().with("server", self.server).with("room", self.room);
        (form.with("token", text(&self.token_file)), self.common)
    }
}
