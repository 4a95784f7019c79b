//! The texts of messages. Pure: facts in; subject, plain text, HTML, a JSON event, a few short lines and alarms out.
//!
//! A message names what, where, since when, why, what was seen, what each region says, and where to look.

pub mod account;
mod alarm;
mod back;
mod channel;
mod closure;
mod data;
mod declared;
mod event;
mod maintenance;
mod many;
mod minimal;
mod operator;
mod papers;
mod sheet;
pub(super) mod short;
mod words;

use picket_shared::ids::{DeliveryId, IncidentId, MonitorId};
use picket_shared::outcome::{Evidence, FailureKind};
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::domain::briefing::Briefing;
use crate::domain::incident;
use crate::domain::outage::{ChannelFacts, Notice, NoticeKind};

pub use alarm::{Act, Alarm, Class, Severity};
pub use back::{Acknowledge, Back};
pub use declared::DeclaredFacts;
pub use maintenance::MaintenanceFacts;
pub use short::Brief;
pub use words::{duration, vote};

/// All that a message says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which delivery this is; the receiver knows a repeated one by it.
    pub delivery: DeliveryId,
    /// When it is written.
    pub now: Timestamp,
    /// Where people find the collector; no link without one.
    pub public_url: Option<String>,
    /// Whether it says no more than what sort of thing happened, since when, and where to look.
    pub minimal: bool,
    /// How it can be answered.
    pub back: Back,
    /// What has to be told.
    pub occasion: Occasion,
}

/// What has to be told.
#[derive(Clone, Debug)]
pub enum Occasion {
    /// Somebody wants to know whether the channel works.
    Test {
        /// The channel's name.
        channel: String,
    },
    /// Somebody says that this channel is theirs; the code that comes back proves it. Nothing here is of a tenant's
    /// wording, as nobody has agreed yet to be sent anything.
    Code {
        /// The code.
        code: SecretString,
        /// Until when it works.
        until: Timestamp,
    },
    /// The judge decided something.
    Notice {
        /// What.
        notice: Notice,
        /// About which monitor.
        monitor: MonitorFacts,
        /// Its incident, as it is now.
        incident: Option<IncidentFacts>,
    },
    /// A person opened an incident, acknowledged it, or said that it is over.
    Declared {
        /// Which of these.
        kind: NoticeKind,
        /// When.
        at: Timestamp,
        /// The incident, as it is now.
        incident: DeclaredFacts,
    },
    /// Several of these at once, in the order in which they were decided.
    Many {
        /// Notices of the judge, and what people did.
        items: Vec<Occasion>,
    },
    /// Messages to another channel do not arrive, or do again.
    Channel {
        /// Which of these.
        kind: NoticeKind,
        /// When that was found.
        at: Timestamp,
        /// The channel.
        channel: ChannelFacts,
    },
    /// Maintenance is coming, began, or is over.
    Maintenance {
        /// Which of these.
        kind: NoticeKind,
        /// When that was found.
        at: Timestamp,
        /// What it is, as it is now.
        maintenance: MaintenanceFacts,
    },
}

/// What is watched.
#[derive(Clone, Debug, Serialize)]
pub struct MonitorFacts {
    /// Its id.
    pub id: MonitorId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// A URL, a name with record type, host and port.
    pub target: String,
    /// What was said of it for those who are told.
    #[serde(flatten)]
    pub briefing: Briefing,
    /// The names of monitors that depend on it, which nobody is told of while it is down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<String>,
}

/// An incident.
#[derive(Clone, Debug)]
pub struct IncidentFacts {
    /// Its id, which ties its messages together.
    pub id: IncidentId,
    /// The start of the first failing check.
    pub started_at: Timestamp,
    /// When the judge was sure.
    pub confirmed_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// What failed.
    pub failure: FailureKind,
    /// The same for a person.
    pub message: String,
    /// How bad it is.
    pub severity: incident::Severity,
    /// What was seen.
    pub evidence: Evidence,
}

/// A message, ready for any channel.
#[derive(Clone, Debug)]
pub struct Message {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The incident that ties messages together.
    pub thread: Option<IncidentId>,
    /// When it was written.
    pub at: Timestamp,
    /// One line, without line breaks.
    pub subject: String,
    /// The whole as plain text.
    pub text: String,
    /// The whole as HTML.
    pub html: String,
    /// The whole for a program.
    pub event: serde_json::Value,
    /// The whole in a few short lines.
    pub brief: Brief,
    /// The same for a pager.
    pub alarms: Vec<Alarm>,
    /// What must not be read from an answer that repeats the message: the code in it.
    pub code: Option<SecretString>,
    /// How it can be answered; nothing is to be acknowledged where no incident just began.
    pub back: Back,
}

impl Message {
    /// Whether it tries the channel out, and tells of nothing.
    pub fn is_trial(&self) -> bool {
        self.alarms.iter().any(|alarm| alarm.class == Class::Test)
    }
}

/// Writes the message.
pub fn write(facts: &Facts) -> Message {
    // A code names nothing of a tenant's as it is.
    if facts.minimal && !matches!(facts.occasion, Occasion::Code { .. }) {
        return minimal::write(facts);
    }
    let (sheet, event, thread) = match &facts.occasion {
        Occasion::Test { channel } => (words::test(channel), json!({ "channel": channel }), None),
        Occasion::Code { code, until } => {
            let event = json!({ "code": code, "expires_at": until.to_string() });
            (words::code(code, *until), event, None)
        }
        Occasion::Notice { notice, monitor, incident } => {
            let sheet = words::tell(facts, notice, monitor, incident.as_ref());
            let event = event::event(notice, monitor, incident.as_ref());
            let thread = incident.as_ref().map(|incident| incident.id);
            (sheet, event, thread)
        }
        Occasion::Declared { kind, at, incident } => {
            let sheet = declared::sheet(facts, kind, incident);
            (sheet, declared::event(kind, *at, incident), Some(incident.id))
        }
        Occasion::Many { items } => (many::sheet(facts, items), many::event(items), None),
        Occasion::Channel { kind, at, channel } => {
            (channel::sheet(facts, kind, channel, *at), channel::event(kind, channel, *at), None)
        }
        Occasion::Maintenance { kind, at, maintenance } => {
            (maintenance::sheet(facts, kind, maintenance), maintenance::event(kind, *at, maintenance), None)
        }
    };
    let back = back::of(facts);
    Message {
        id: facts.delivery,
        thread,
        at: facts.now,
        subject: words::one_line(&sheet.subject),
        text: sheet.text_asking(back.page()),
        html: sheet.html_asking(back.page()),
        event: json!({ "type": kind(&facts.occasion), "timestamp": facts.now.to_string(), "data": event }),
        brief: short::brief(facts, &sheet),
        alarms: alarm::alarms(facts),
        code: match &facts.occasion {
            Occasion::Code { code, .. } => Some(code.clone()),
            _ => None,
        },
        back,
    }
}

/// The type of an event, for programs.
fn kind(occasion: &Occasion) -> String {
    match occasion {
        Occasion::Test { .. } => "test".to_owned(),
        Occasion::Code { .. } => "channel.code".to_owned(),
        Occasion::Notice { notice, .. } => format!("monitor.{}", notice.kind.as_str()),
        Occasion::Declared { kind, .. } => format!("incident.{}", kind.as_str()),
        Occasion::Many { .. } => "several".to_owned(),
        Occasion::Channel { kind, .. } | Occasion::Maintenance { kind, .. } => kind.as_str().replacen('_', ".", 1),
    }
}

#[cfg(test)]
mod tests;
