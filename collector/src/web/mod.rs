//! What probes and people call over HTTP.
//!
//! [`serve`] accepts connections, by the certificate of [`tls`]; [`router`] is the table of routes; [`guard`] holds the request-time controls, one a
//! file; [`probe`] is the probe protocol; [`health`] says whether this works, [`metrics`] how well.

pub mod error;
pub mod guard;
pub mod health;
pub mod metrics;
pub mod probe;
pub mod router;
pub mod serve;
pub mod tls;

use std::sync::Arc;

use picket_shared::time::Clock;
use tokio_util::sync::CancellationToken;

use self::probe::Door;
use crate::meters::Meters;
use crate::store::Pools;
use crate::wake::Bells;

/// What handlers use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Site {
    /// The ways to the database.
    pub pools: Pools,
    /// The time of day.
    pub clock: Clock,
    /// Wakes long polls.
    pub bells: Bells,
    /// What lets probes in.
    pub door: Door,
    /// The host names that requests may be for.
    pub hosts: Arc<guard::host::Hosts>,
    /// Counts what comes in.
    pub meters: Meters,
    /// What `/metrics` shows, and to whom.
    pub instance: Arc<metrics::Instance>,
    /// Ends long polls and connections.
    pub stop: CancellationToken,
}
