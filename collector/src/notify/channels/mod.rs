//! The table of channels: one way to tell people a file, one row here for each.
//!
//! A channel has settings (sealed as JSON), fields from which they are read, a hint for people, a proof that its owner wants
//! messages, and a way to send that says whether trying again helps.

pub mod alertmanager;
pub mod discord;
pub mod email;
pub mod gotify;
pub mod matrix;
pub mod mattermost;
pub mod ntfy;
pub mod opsgenie;
pub mod pagerduty;
pub mod pushover;
pub mod slack;
pub mod teams;
pub mod telegram;
pub mod twilio;
pub mod webhook;

mod form;
mod markdown;
mod server;
mod template;
mod tone;

use std::time::Duration;

use picket_shared::secret::SecretString;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::message::Message;

pub use form::{Field, Form, InvalidSettings};

/// What proves that the owner of a destination wants its messages; `docs/decisions/0020-what-proves-a-channel.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A code is sent there, and comes back by whoever set the channel up.
    Code,
    /// The provider takes an event under a key that only its owner can make.
    Acceptance,
}

/// Keys by which a channel signs since that of its settings was rotated.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The one that stays.
    pub current: SecretString,
    /// The one before it; none where that is the key of the settings.
    pub former: Option<SecretString>,
    /// Whether the former one signs too.
    pub signs_too: bool,
}

/// What each channel is.
trait Channel: Sized {
    /// Its name in tables and commands.
    const KIND: &'static str;
    /// What is asked of whoever sets one up, in this order.
    const FIELDS: &'static [Field];
    /// What proves that it is wanted.
    const PROOF: Proof = Proof::Code;

    /// So often an alarm that stands has to be told again, where the receiver forgets it otherwise.
    const AGAIN: Option<Duration> = None;
    /// Whether each message is an SMS, of which the operator may limit how many a day.
    const IS_SMS: bool = false;
    /// Whether it knows that somebody looks after an alarm.
    const ACKNOWLEDGES: bool = false;
    /// Whether several notices may come as one message: people read them, programs want each.
    const FOLDS: bool = true;
    /// Whether it holds an alarm until it is told that it is over, which nobody may keep from it then.
    const HOLDS: bool = false;
    /// Whether it signs by a key of ours, which can be rotated.
    const SIGNS: bool = false;

    /// Takes the fields as they are.
    fn read(form: &Form) -> Result<Self, InvalidSettings>;

    /// Every field that cannot be, with what would be right.
    fn check(&self) -> Vec<InvalidSettings>;

    /// Whom it reaches, shortened so that it may be shown.
    fn hint(&self) -> String;

    /// What to call it unless told otherwise.
    fn name(&self) -> String {
        self.hint()
    }

    /// The provider, where it does not lie in the EU or is not known to. Servers that the organization or the operator chose are of
    /// neither kind: where those lie is theirs to know.
    fn abroad(&self) -> Option<&'static str> {
        None
    }

    /// A secret that was made rather than given: the only one that is ever shown, once.
    fn made(&self, _form: &Form) -> Option<&SecretString> {
        None
    }

    /// What its provider signs by, of what it says of messages and of who pressed a button; none where it says nothing to us.
    fn hook_secret(&self) -> Option<&SecretString> {
        None
    }

    /// Signs by other keys than that of the settings, where it signs.
    fn rotate(&mut self, _keys: Keys) {}

    /// Sends one message.
    fn send(&self, message: &Message, client: &Client) -> impl Future<Output = Result<Answer, SendError>> + Send;
}

macro_rules! channels {
    ($($(#[$doc:meta])* $name:ident: $settings:ty),+ $(,)?) => {
        /// The settings of a channel, as they are sealed.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum Settings {
            $($(#[$doc])* $name($settings)),+
        }

        /// The kinds of channel.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name),+
        }

        impl Kind {
            /// Every kind, in the order in which they are offered.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in tables and commands.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => <$settings as Channel>::KIND),+ }
            }

            /// What is asked of whoever sets one up, in this order.
            pub const fn fields(self) -> &'static [Field] {
                match self { $(Self::$name => <$settings as Channel>::FIELDS),+ }
            }

            /// So often an alarm that stands has to be told again, where the receiver forgets it otherwise.
            pub const fn again(self) -> Option<Duration> {
                match self { $(Self::$name => <$settings as Channel>::AGAIN),+ }
            }

            /// Whether each message is an SMS, of which the operator may limit how many a day.
            pub const fn is_sms(self) -> bool {
                match self { $(Self::$name => <$settings as Channel>::IS_SMS),+ }
            }

            /// Whether it knows that somebody looks after an alarm.
            pub const fn acknowledges(self) -> bool {
                match self { $(Self::$name => <$settings as Channel>::ACKNOWLEDGES),+ }
            }

            /// Whether several notices may come as one message.
            pub const fn folds(self) -> bool {
                match self { $(Self::$name => <$settings as Channel>::FOLDS),+ }
            }

            /// Whether it holds an alarm until it is told that it is over, which nobody may keep from it then.
            pub const fn holds(self) -> bool {
                match self { $(Self::$name => <$settings as Channel>::HOLDS),+ }
            }

            /// Whether it signs by a key of ours, which can be rotated.
            pub const fn signs(self) -> bool {
                match self { $(Self::$name => <$settings as Channel>::SIGNS),+ }
            }

            /// Whether it knows alarms that begin and end, and nothing else.
            pub const fn is_paged(self) -> bool {
                self.again().is_some() || (self.acknowledges() && !self.folds())
            }

            /// What proves that it is wanted.
            pub const fn proof(self) -> Proof {
                match self { $(Self::$name => <$settings as Channel>::PROOF),+ }
            }
        }

        impl Settings {
            /// Reads settings from fields: the one place for commands and pages.
            ///
            /// # Errors
            /// Every field that cannot be, with what would be right.
            pub fn parse(kind: Kind, form: &Form) -> Result<Self, Vec<InvalidSettings>> {
                let read = match kind {
                    $(Kind::$name => <$settings as Channel>::read(form).map(Self::$name)),+
                };
                let settings = read.map_err(|wrong| vec![wrong])?;
                let wrong = settings.check();
                if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
            }

            /// Which kind these are of.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name),+ }
            }

            /// Every field that cannot be, with what would be right.
            pub fn check(&self) -> Vec<InvalidSettings> {
                match self { $(Self::$name(settings) => settings.check()),+ }
            }

            /// Whom they reach, shortened so that it may be shown.
            pub fn hint(&self) -> String {
                match self { $(Self::$name(settings) => settings.hint()),+ }
            }

            /// What to call the channel unless told otherwise.
            pub fn name(&self) -> String {
                match self { $(Self::$name(settings) => settings.name()),+ }
            }

            /// The provider, where it does not lie in the EU or is not known to.
            pub fn abroad(&self) -> Option<&'static str> {
                match self { $(Self::$name(settings) => settings.abroad()),+ }
            }

            /// A secret that was made because the form has none; show it once.
            pub fn made(&self, form: &Form) -> Option<&SecretString> {
                match self { $(Self::$name(settings) => settings.made(form)),+ }
            }

            /// What its provider signs by, of what it says of messages and of who pressed a button.
            pub fn hook_secret(&self) -> Option<&SecretString> {
                match self { $(Self::$name(settings) => settings.hook_secret()),+ }
            }

            /// Signs by these keys instead of that of the settings, where it signs.
            pub fn rotate(&mut self, keys: Keys) {
                match self { $(Self::$name(settings) => settings.rotate(keys)),+ }
            }

            /// Sends one message.
            ///
            /// # Errors
            /// Why it was not taken, and whether trying again helps.
            pub async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
                match self { $(Self::$name(settings) => settings.send(message, client).await),+ }
            }
        }
    };
}

channels! {
    /// By mail.
    Email: email::Email,
    /// By a signed request.
    Webhook: webhook::Webhook,
    /// By a bot, to a chat.
    Telegram: telegram::Telegram,
    /// By SMS.
    Twilio: twilio::Twilio,
    /// To a channel of a workspace.
    Slack: slack::Slack,
    /// To who is on call.
    Pagerduty: pagerduty::Pagerduty,
    /// To a channel of a server.
    Discord: discord::Discord,
    /// To a channel of a server of the tenant's.
    Mattermost: mattermost::Mattermost,
    /// To a channel or chat of Microsoft Teams, by a workflow.
    Teams: teams::Teams,
    /// To who listens to a topic of ntfy.
    Ntfy: ntfy::Ntfy,
    /// To the phones of a Gotify server of the tenant's.
    Gotify: gotify::Gotify,
    /// To the phones of a user or group of Pushover.
    Pushover: pushover::Pushover,
    /// To a room of Matrix.
    Matrix: matrix::Matrix,
    /// To who is on call at Opsgenie.
    Opsgenie: opsgenie::Opsgenie,
    /// To an Alertmanager, which routes it on.
    Alertmanager: alertmanager::Alertmanager,
}

impl Kind {
    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// The names of the kinds for which something is so.
    pub fn names(is_so: impl Fn(Self) -> bool) -> Vec<&'static str> {
        Self::ALL.iter().filter(|kind| is_so(**kind)).map(|kind| kind.as_str()).collect()
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

    /// The same refusal, with what helps against it.
    fn but(self, advice: &str) -> Self {
        match self {
            Self::Permanent(reason) => Self::Permanent(format!("{reason}: {advice}")),
            later @ Self::Retry { .. } => later,
        }
    }
}

/// At most 200 characters on one line, without the texts in `hidden`.
pub fn shorten(text: &str, hidden: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_names_which_settings_carry_too() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
            assert!(!kind.fields().is_empty());
        }
        assert_eq!(Kind::parse("pigeon"), None);
        let mail = Settings::parse(Kind::Email, &Form::default().with("address", "a@example.org")).unwrap();
        assert_eq!(serde_json::to_string(&mail).unwrap(), r#"{"kind":"email","to":"a@example.org"}"#);
    }

    #[test]
    fn an_empty_form_names_every_field_that_must_be_given() {
        for kind in Kind::ALL {
            let wrong = Settings::parse(*kind, &Form::default()).unwrap_err();
            let named: Vec<_> = wrong.iter().map(|wrong| wrong.field).collect();
            let required: Vec<_> = kind.fields().iter().filter(|f| f.required).map(|f| f.name).collect();
            assert_eq!(named, required, "{kind:?}");
            assert!(wrong.iter().all(|wrong| wrong.message.len() > 20), "{wrong:?}");
        }
    }

    #[test]
    fn the_examples_are_good_and_no_hint_or_debug_shows_a_secret() {
        for kind in Kind::ALL {
            let form: Form = kind.fields().iter().map(|f| (f.name.to_owned(), f.example.to_owned())).collect();
            let settings = Settings::parse(*kind, &form).unwrap();
            assert_eq!(settings.kind(), *kind);
            let seen = format!("{settings:?} {form:?} {} {}", settings.hint(), settings.name());
            for secret in kind.fields().iter().filter(|field| field.secret) {
                assert!(!seen.contains(secret.example), "{} in {seen}", secret.name);
            }
            let sealed = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<Settings>(&sealed).unwrap(), settings);
        }
    }

    #[test]
    fn providers_outside_the_eu_are_named_and_servers_of_ones_own_are_not() {
        let example = |kind: Kind, changed: &[(&str, &str)]| {
            let fields = kind.fields().iter().map(|f| (f.name.to_owned(), f.example.to_owned()));
            let form: Form = fields.filter(|(name, _)| !changed.iter().any(|(field, _)| field == name)).collect();
            let form = changed.iter().fold(form, |form, (name, value)| form.with(*name, *value));
            Settings::parse(kind, &form).unwrap().abroad()
        };
        // The examples are those of the EU, where there is a choice.
        let abroad: Vec<_> = Kind::ALL.iter().filter_map(|kind| example(*kind, &[])).collect();
        assert_eq!(abroad, ["Telegram", "Slack", "Discord", "Microsoft Teams", "Pushover"]);
        for (kind, region, provider) in
            [(Kind::Twilio, "us1", "Twilio"), (Kind::Pagerduty, "us", "PagerDuty"), (Kind::Opsgenie, "us", "Opsgenie")]
        {
            assert_eq!(example(kind, &[("region", region)]), Some(provider));
            assert_eq!(example(kind, &[("region", "")]), Some(provider), "what is not said is the usual place");
        }
        for server in ["", "https://ntfy.sh", "https://NTFY.sh:443/", "https://ntfy.sh./"] {
            assert_eq!(example(Kind::Ntfy, &[("server", server)]), Some("ntfy.sh"), "{server}");
        }
    }
}
