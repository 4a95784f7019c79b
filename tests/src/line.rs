//! The way from one region to the collector: a long cable with a witness at its end.
//!
//! ```text
//! probe --eth1-- [line: relay -> recorder] -- switch -- collector
//! ```
//! The probe asks for the collector's own address and finds the line under it, so that URL, certificate and name are those
//! of every other story.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::ca::Certificate;
use crate::ledger::Ledger;
use crate::net::Place;
use crate::recorder::{Onward, Recorder};
use crate::relay::{Mode, Relay};

const RECORDER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// The line of one region.
#[derive(Debug)]
pub struct Line {
    relay: Relay,
    _recorder: Recorder,
    place: Place,
}

impl Line {
    /// Lays it: whoever in `region` asks for the collector's address comes to `place`.
    pub fn lay(
        region: &str,
        place: Place,
        onward: Onward,
        round_trip: Duration,
        (certificate, authority): (&Certificate, &Path),
        ledger: Ledger,
    ) -> Self {
        let shown = onward.address;
        let recorder = Recorder::start(place.listen(RECORDER), onward, (certificate, authority), region, ledger);
        let seed = region.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte));
        let relay = Relay::start(place.listen(shown), (place.clone(), RECORDER), round_trip, seed);
        Self { relay, _recorder: recorder, place }
    }

    /// Changes what it does with what it carries.
    pub fn set(&self, mode: Mode) {
        self.relay.set(mode);
    }

    /// How many connections it broke because a piece was lost.
    pub fn lost(&self) -> u32 {
        self.relay.lost()
    }

    /// Cuts the cable: nothing comes through, and nobody is told.
    pub fn cut(&self) {
        self.place.cut_off();
    }

    /// Joins it again.
    pub fn mend(&self) {
        self.place.reconnect();
    }
}
