//! How whoever is told can answer: by a link in a mail, a button, or the provider on their behalf.

use picket_shared::secret::SecretString;

use super::{Facts, Occasion};
use crate::domain::outage::NoticeKind;

/// How a message can be answered.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// How the incident is acknowledged.
    pub acknowledge: Option<Acknowledge>,
    /// Where the provider says what becomes of messages, or who pressed a button; none where nobody finds the collector by https.
    pub hook: Option<SecretString>,
}

/// How an incident is acknowledged.
#[derive(Clone, Debug)]
pub struct Acknowledge {
    /// What a button carries: 54 characters of base64url.
    pub token: SecretString,
    /// The page that asks whether to.
    pub page: SecretString,
}

impl Back {
    /// The page on which the incident is acknowledged.
    pub fn page(&self) -> Option<&str> {
        self.acknowledge.as_ref().map(|acknowledge| acknowledge.page.expose().as_str())
    }

    /// What a button carries that acknowledges it.
    pub fn token(&self) -> Option<&str> {
        self.acknowledge.as_ref().map(|acknowledge| acknowledge.token.expose().as_str())
    }
}

/// How this message can be answered: there is something to acknowledge while an incident stands.
pub(super) fn of(facts: &Facts) -> Back {
    let stands = stands(&facts.occasion);
    Back { acknowledge: facts.back.acknowledge.clone().filter(|_| stands), hook: facts.back.hook.clone() }
}

/// Whether it tells of an incident that stands; of several, whether one of them does.
fn stands(occasion: &Occasion) -> bool {
    match occasion {
        Occasion::Test { .. } | Occasion::Code { .. } | Occasion::Channel { .. } | Occasion::Maintenance { .. } => {
            false
        }
        Occasion::Many { items } => items.iter().any(stands),
        Occasion::Notice { notice, incident, .. } => {
            begins(&notice.kind) && incident.as_ref().is_some_and(|incident| incident.resolved_at.is_none())
        }
        Occasion::Declared { kind, incident, .. } => begins(kind) && incident.resolved_at.is_none(),
    }
}

const fn begins(kind: &NoticeKind) -> bool {
    matches!(kind, NoticeKind::Down | NoticeKind::Reopened | NoticeKind::Reminder | NoticeKind::Declared)
}
