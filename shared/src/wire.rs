//! Paths, headers, limits and errors of the probe protocol; `docs/wire.md` specifies it.

use serde::{Deserialize, Serialize};

use crate::check::Kind;
use crate::daykeys::DayKeyGrant;
use crate::ids::{BootId, CollectorId, Region};
use crate::time::Timestamp;

/// The protocol's version, in every request and answer.
pub const PROTOCOL: &str = "1";
/// The header that carries [`PROTOCOL`].
pub const PROTOCOL_HEADER: &str = "picket-protocol";
/// The header of every answer that carries the collector's time, in microseconds since 1970.
pub const TIME_HEADER: &str = "picket-time";
/// The header of every answer that says for how long the collector had the request, in microseconds: what is left of the
/// round trip was spent on the way.
pub const HELD_HEADER: &str = "picket-held";
/// Tells the time, by the headers of its empty answer. The one path that asks for no token.
pub const TIME_PATH: &str = "/probe/v1/time";
/// Says hello and gets the day keys; body [`Hello`], answer [`Welcome`].
pub const HELLO_PATH: &str = "/probe/v1/hello";
/// Gets fresh day keys; answer [`Keys`].
pub const KEYS_PATH: &str = "/probe/v1/keys";
/// Long poll for assignments, `?since=V`; answer [`crate::assignment::Assignments`].
pub const ASSIGNMENTS_PATH: &str = "/probe/v1/assignments";
/// Takes batches; body [`crate::batch::Batch`], answer [`crate::batch::Receipt`].
pub const BATCHES_PATH: &str = "/probe/v1/batches";
/// Takes what a manual check found; body [`crate::manual::ManualAnswer`], answer [`crate::manual::ManualReceipt`].
pub const MANUAL_PATH: &str = "/probe/v1/manual";
/// What a probe that runs manual checks adds to its query for assignments, as `takes=manual`.
pub const TAKES_MANUAL: &str = "manual";
/// How long the collector holds a long poll without news, in seconds.
pub const LONG_POLL_SECONDS: u64 = 25;
/// Most clock difference that a token may show, in seconds.
pub const MAX_SKEW_SECONDS: i64 = 60;
/// Longest life of a request token, in seconds.
pub const REQUEST_TOKEN_SECONDS: i64 = 60;
/// How long a probe's assignments stay its own without a word from it, in seconds.
pub const LEASE_SECONDS: u64 = 30;

/// What a probe says when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// This start of the probe.
    pub boot: BootId,
    /// The probe's version.
    pub version: String,
    /// The kinds of check that it can run.
    pub kinds: Vec<Kind>,
}

/// What the collector answers to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The audience of every token.
    pub collector: CollectorId,
    /// Where the probe is.
    pub region: Region,
    /// The collector's version.
    pub version: String,
    /// The day keys in force.
    pub keys: Keys,
}

/// The day keys in force and the next one where it is known; newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// What each key is derived from.
    pub keys: Vec<DayKeyGrant>,
}

/// The body of every answer of the probe protocol that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What the probe should act on.
    pub error: RefusalCode,
    /// What happened, for a person.
    pub message: String,
    /// The collector's time.
    pub time: Timestamp,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal);+ $(;)?) => {
        /// Why a request was refused, and with which HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum RefusalCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
            /// A code that this version does not know; the status tells what to do.
            #[serde(other, rename = "other")]
            Other,
        }

        impl RefusalCode {
            /// Every code this version knows.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ Self::Other => "other" }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ Self::Other => 500 }
            }
        }
    };
}

refusals! {
    /// The token is missing, malformed, of another type, or its signature is wrong.
    BadToken = "bad_token", 401;
    /// No key of that id is accepted from this probe: fetch keys, sign anew.
    UnknownKey = "unknown_key", 401;
    /// The token's life is over: sign anew.
    Expired = "expired", 401;
    /// The token's `iat` is too far from the collector's time: correct the clock, sign anew once.
    ClockSkew = "clock_skew", 401;
    /// The probe does not exist or was revoked: stop.
    Revoked = "revoked", 403;
    /// A newer boot of the same probe has taken over: stop.
    Superseded = "superseded", 409;
    /// The same batch id with another body.
    BatchConflict = "batch_conflict", 409;
    /// The body's hash is not the token's `bh`.
    BodyMismatch = "body_mismatch", 400;
    /// The body cannot be read.
    Malformed = "malformed", 400;
    /// The batch is older than 72 hours: give it up, report a gap.
    TooOld = "too_old", 422;
    /// The body is too large, as sent or decompressed: halve it.
    TooLarge = "too_large", 413;
    /// The content type or encoding is not JSON in zstd.
    UnsupportedEncoding = "unsupported_encoding", 415;
    /// Too many requests: obey Retry-After.
    RateLimited = "rate_limited", 429;
    /// The collector is busy or its database is away: obey Retry-After.
    Unavailable = "unavailable", 503;
    /// A defect in the collector: try again later.
    Internal = "internal", 500;
}
