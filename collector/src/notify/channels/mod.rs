//! The table of channels: one way to tell people a file, one row here for each.
//!
//! A channel has settings (sealed as JSON), a hint for people, and a way to send that says whether trying again helps.

pub mod email;
pub mod webhook;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::message::Message;

/// The settings of a channel, as they are sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Settings {
    /// By mail.
    Email(email::Email),
    /// By a signed request.
    Webhook(webhook::Webhook),
}

/// The kinds of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By mail.
    Email,
    /// By a signed request.
    Webhook,
}

impl Kind {
    /// Its name in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

/// What the provider said to a message that it took, shortened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(pub String);

/// Why a message was not taken, and whether trying again helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may be taken later.
    #[error("{reason}")]
    Retry {
        /// Why, without secrets.
        reason: String,
        /// How long the provider wants to be left alone.
        after: Option<Duration>,
    },
    /// It will not be taken.
    #[error("{0}")]
    Permanent(String),
}

impl SendError {
    pub(super) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None }
    }
}

/// A field of a channel's settings that cannot be, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidSettings {
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl InvalidSettings {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Settings {
    /// Which kind these are of.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Email(_) => Kind::Email,
            Self::Webhook(_) => Kind::Webhook,
        }
    }

    /// Whom they reach, shortened so that it may be shown.
    pub fn hint(&self) -> String {
        match self {
            Self::Email(email) => email.hint(),
            Self::Webhook(webhook) => webhook.hint(),
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first field that cannot be, with what would be right.
    pub fn validate(&self) -> Result<(), InvalidSettings> {
        match self {
            Self::Email(email) => email.validate(),
            Self::Webhook(webhook) => webhook.validate(),
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// Why it was not taken, and whether trying again helps.
    pub async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        match self {
            Self::Email(email) => email::send(email, message, client).await,
            Self::Webhook(webhook) => webhook::send(webhook, message, client).await,
        }
    }
}

/// At most 200 characters on one line, without the texts in `hidden`.
pub(super) fn shorten(text: &str, hidden: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
}
