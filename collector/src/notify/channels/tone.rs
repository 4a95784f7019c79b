//! How a message sounds: what colours, priorities and levels of providers are chosen by.

use crate::notify::message::{Act, Class, Message, Severity};

/// How it sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// A monitor is down.
    Bad,
    /// Nobody knows whether it is.
    Unknown,
    /// Part of it, or of the watching, is in trouble; or it is over already.
    Warning,
    /// It is over.
    Good,
    /// Nothing happened: a test or a code; or somebody looks after it.
    Plain,
}

impl Tone {
    /// That of a message.
    pub(super) fn of(message: &Message) -> Self {
        match message.alarms.first().map(|alarm| (alarm.act, alarm.severity)) {
            // How pressing it is was said by a person; that it is down is known.
            Some((Act::Raise, Severity::Error)) if is_outage(message) => Self::Bad,
            Some((Act::Clear, _)) => Self::Good,
            Some((Act::Raise, Severity::Critical)) => Self::Bad,
            Some((Act::Raise, Severity::Error)) => Self::Unknown,
            Some((Act::Raise, Severity::Warning)) => Self::Warning,
            Some((Act::Acknowledge, _) | (Act::Raise, Severity::Info)) | None => Self::Plain,
        }
    }

    /// Red, green and blue, a byte each.
    pub(super) const fn rgb(self) -> u32 {
        match self {
            Self::Bad => 0x00C6_2828,
            Self::Unknown => 0x006A_3FA0,
            Self::Warning => 0x00C7_7C02,
            Self::Good => 0x002E_7D32,
            Self::Plain => 0x0054_6E7A,
        }
    }
}

fn is_outage(message: &Message) -> bool {
    message.alarms.first().is_some_and(|alarm| matches!(alarm.class, Class::Outage(_)))
}
