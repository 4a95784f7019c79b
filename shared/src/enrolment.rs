//! The enrolment token: all that a new probe needs to know, printed once by the collector.
//!
//! `pkt_probe_` and the base64url form of a JSON object; unknown fields are ignored.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::ids::{CollectorId, ProbeId};
use crate::secret::{Secret, SecretBytes, SecretString};

const PREFIX: &str = "pkt_probe_";

/// What the token holds.
#[derive(Clone, Debug)]
pub struct EnrolmentToken {
    /// Who the probe is.
    pub probe: ProbeId,
    /// Whom it talks to.
    pub collector: CollectorId,
    /// Its 256-bit secret.
    pub secret: SecretBytes,
    /// Where the collector is, unless configured.
    pub url: Option<String>,
    /// SHA-256 of the collector's own CA certificate in hexadecimal, unless configured.
    pub pin: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    probe: ProbeId,
    collector: CollectorId,
    secret: Secret<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
}

/// Not an enrolment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not an enrolment token: copy the whole line that `picket-collector probe add` printed, from pkt_probe_ to its end"
)]
pub struct InvalidToken;

impl EnrolmentToken {
    /// The token as text, to be shown once.
    pub fn to_text(&self) -> SecretString {
        let form = Form {
            probe: self.probe,
            collector: self.collector,
            secret: Secret::new(BASE64_URL_SAFE_NO_PAD.encode(self.secret.expose())),
            url: self.url.clone(),
            pin: self.pin.clone(),
        };
        let json = Secret::new(serde_json::to_vec(&form).unwrap_or_default());
        Secret::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(json.expose())))
    }
}

impl FromStr for EnrolmentToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(InvalidToken)?;
        let json = Secret::new(BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidToken)?);
        let form: Form = serde_json::from_slice(json.expose()).map_err(|_| InvalidToken)?;
        let secret = BASE64_URL_SAFE_NO_PAD.decode(form.secret.expose()).map_err(|_| InvalidToken)?;
        if secret.len() != 32 {
            return Err(InvalidToken);
        }
        Ok(Self {
            probe: form.probe,
            collector: form.collector,
            secret: Secret::new(secret),
            url: form.url,
            pin: form.pin,
        })
    }
}

impl fmt::Display for EnrolmentToken {
    /// Names the probe, never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enrolment token of probe {}", self.probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_token_survives_its_text_form_and_hides_its_secret() {
        let token = EnrolmentToken {
            probe: ProbeId(Uuid::from_u128(1)),
            collector: CollectorId(Uuid::from_u128(2)),
            secret: Secret::new(vec![9; 32]),
            url: Some("https://picket.example".to_owned()),
            pin: None,
        };
        let text = token.to_text();
        let read: EnrolmentToken = format!(" {}\n", text.expose()).parse().unwrap();
        assert_eq!((read.probe, read.url, read.secret), (token.probe, token.url.clone(), token.secret.clone()));
        assert!(!format!("{token:?}{token}").contains("9, 9"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "pkt_probe_", "pkt_probe_e30", "secret", "pkt_probe_%%%"] {
            assert_eq!(bad.parse::<EnrolmentToken>().map(drop), Err(InvalidToken), "{bad:?}");
        }
    }
}
