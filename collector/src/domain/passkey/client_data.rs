//! What the browser says of the ceremony: of which kind, for which challenge, on whose page. It is JSON, and further
//! fields may come one day.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Challenge, Fault, RelyingParty};

/// Longest that is read, in bytes.
const LONGEST: usize = 4096;

/// What a ceremony is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(rename = "topOrigin")]
    top_origin: Option<IgnoredAny>,
}

impl ClientData {
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > LONGEST {
            return Err(Fault::Malformed);
        }
        serde_json::from_slice(bytes).map_err(|_| Fault::Malformed)
    }

    fn challenge(&self) -> Result<Challenge, Fault> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.challenge).map_err(|_| Fault::Challenge)?;
        bytes.try_into().map_err(|_| Fault::Challenge)
    }
}

/// The challenge that it is said to answer, by which ours is found.
///
/// # Errors
/// When it cannot be read, or is none of ours.
pub fn challenge(client_data: &[u8]) -> Result<Challenge, Fault> {
    ClientData::parse(client_data)?.challenge()
}

/// Whether it is for this ceremony, challenge and page.
pub(super) fn check(
    client_data: &[u8],
    ceremony: Ceremony,
    challenge: &Challenge,
    party: &RelyingParty,
) -> Result<(), Fault> {
    let found = ClientData::parse(client_data)?;
    if found.kind != ceremony.as_str() {
        return Err(Fault::Kind);
    }
    if found.challenge()? != *challenge {
        return Err(Fault::Challenge);
    }
    // Ours is never in a frame.
    if found.origin != party.origin() || found.cross_origin || found.top_origin.is_some() {
        return Err(Fault::Origin);
    }
    Ok(())
}
