//! The settings of a channel that is about to be told, with the keys by which it signs now.

use picket_shared::secret::{Sealed, SecretString};
use picket_shared::time::Timestamp;

use super::retry;
use crate::notify::{Keys, SendError, Settings};
use crate::store::deliveries::LeasedChannel;
use crate::vault::{Class, Opener};

/// Opens the channel's settings, and its keys where they were rotated.
///
/// # Errors
/// What does not open may open later, with the key ring that sealed it; what cannot be read never will.
pub(super) fn settings(opener: &Opener, channel: &LeasedChannel, now: Timestamp) -> Result<Settings, SendError> {
    let open = |class, sealed: &Sealed| {
        let opened = opener.open(class, channel.id.0.as_bytes(), sealed);
        opened.map_err(|error| retry(format!("the channel's settings cannot be opened: {error}")))
    };
    let plain = open(Class::ChannelSettings, &channel.settings)?;
    let mut settings: Settings = serde_json::from_slice(plain.expose())
        .map_err(|_| SendError::Permanent("the channel's settings cannot be read: make the channel anew".into()))?;
    if let Some(current) = &channel.signing_key {
        let key = |sealed: &Sealed| {
            let opened = open(Class::WebhookKey, sealed)?;
            Ok::<_, SendError>(SecretString::new(String::from_utf8_lossy(opened.expose()).into_owned()))
        };
        let former = channel.former_key.as_ref().map(key).transpose()?;
        let signs_too = channel.former_key_until.is_some_and(|until| now < until);
        settings.rotate(Keys { current: key(current)?, former, signs_too });
    }
    Ok(settings)
}
