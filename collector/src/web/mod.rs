//! What probes and people call over HTTP.
//!
//! [`serve`] accepts connections, by the certificate of [`tls`]; [`router`] puts the table of [`route`]s together; [`guard`] holds the
//! request-time controls, one a file; [`extract`] is what handlers are given; [`probe`] is the probe protocol; [`ui`] is
//! the pages, with [`texts`] and [`assets`]; [`file`](mod@file) sends what is kept as a file, [`csv`] writes tables as files,
//! [`export`] everything about who asks; [`api`] is what programs may ask; [`hook`] what providers of channels say back; [`health`] says whether this works,
//! [`metrics`] how well, [`well_known`] whom to tell of a weakness.

pub mod api;
pub mod assets;
pub mod csv;
pub mod error;
pub mod export;
pub mod extract;
pub mod file;
pub mod guard;
pub mod health;
pub mod hook;
pub mod metrics;
pub mod probe;
pub mod route;
pub mod router;
pub mod serve;
mod table;
pub mod telling;
pub mod texts;
pub mod tls;
pub mod ui;
pub mod well_known;

use std::sync::Arc;

use picket_shared::time::Clock;
use tokio_util::sync::CancellationToken;

use self::guard::cookie::Cookie;
use self::guard::csrf::Origins;
use self::probe::Door;
use crate::config::{Security, TrustPage};
use crate::domain::passkey::RelyingParty;
use crate::login::Porter;
use crate::meters::Meters;
use crate::privacy::export_job::Exports;
use crate::privacy::office::Office;
use crate::probes::Desk;
use crate::store::Pools;
use crate::vault::Sealer;
use crate::wake::{Bells, Standstill};

/// What handlers use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Site {
    /// The ways to the database.
    pub pools: Pools,
    /// The time of day.
    pub clock: Clock,
    /// Wakes long polls.
    pub bells: Bells,
    /// Keeps the clock from being set while something is stored.
    pub standstill: Standstill,
    /// What lets probes in.
    pub door: Door,
    /// The host names that requests may be for.
    pub hosts: Arc<guard::host::Hosts>,
    /// What lets people in.
    pub porter: Porter,
    /// Seals what people type in.
    pub sealer: Sealer,
    /// Adds probes.
    pub desk: Desk,
    /// Where people find us.
    pub front: Arc<Front>,
    /// Whom to tell of a weakness.
    pub security: Arc<Security>,
    /// Issues papers.
    pub office: Office,
    /// Keeps large exports.
    pub exports: Exports,
    /// Who may see whether promises are kept.
    pub trust: TrustPage,
    /// Counts requests by address, account and API key.
    pub quotas: Arc<guard::quota::Quotas>,
    /// Counts what comes in.
    pub meters: Meters,
    /// What `/metrics` shows, and to whom.
    pub instance: Arc<metrics::Instance>,
    /// Ends long polls and connections.
    pub stop: CancellationToken,
}

/// Where people find us, and what follows from that.
#[derive(Clone, Debug)]
pub struct Front {
    /// The address that people and probes use, without a slash at the end.
    pub public_url: String,
    /// How cookies are kept.
    pub cookie: Cookie,
    /// Where requests that change something may come from.
    pub origins: Arc<Origins>,
    /// For whom passkeys are; none where browsers know none.
    pub party: Option<RelyingParty>,
}

impl Front {
    /// What follows from the public URL; on loopback the collector is also found at `localhost` and `127.0.0.1`.
    pub fn new(public_url: &str, loopback_port: Option<u16>) -> Self {
        let cookie = if public_url.starts_with("https:") { Cookie::Secure } else { Cookie::Local };
        let local = loopback_port
            .into_iter()
            .flat_map(|port| ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}")));
        let origins = Arc::new(Origins::new(local.chain([public_url.to_owned()])));
        Self { public_url: public_url.to_owned(), cookie, origins, party: RelyingParty::of(public_url) }
    }
}
