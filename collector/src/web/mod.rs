//! What probes and people call over HTTP.
//!
//! [`serve`] accepts connections; [`router`] is the table of routes; [`guard`] holds the request-time controls, one a
//! file; [`probe`] is the probe protocol; [`health`] says whether this works.

pub mod error;
pub mod guard;
pub mod health;
pub mod probe;
pub mod router;
pub mod serve;

use std::sync::Arc;

use picket_shared::time::Clock;
use tokio_util::sync::CancellationToken;

use self::probe::Door;
use crate::store::Pools;
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
    /// Ends long polls and connections.
    pub stop: CancellationToken,
}
