//! The harness of every test that crosses a boundary: a [`world::World`] holds the real collector, real probes, and
//! real servers that are not ours, each on addresses of its own.
//!
//! Reading order: [`process`] starts and ends programs, [`trace`] shows what they ask of the kernel, [`net`] makes places
//! with a network of their own and [`machine_clock`] clocks, [`ca`] makes certificates; [`target`], [`resolver`],
//! [`mailbox`] and [`canary`] are what is watched and who is told; [`collector`] and [`probe`] run ours; [`world`] puts them
//! together; [`forger`] speaks the probe protocol by hand, [`desk`] is a collector in the hands of a test, and [`golden`] a
//! probe of long ago; [`curl`] asks over HTTP, [`browser`] drives a real browser.
//!
//! For faults: a [`mod@line`] is long and can be bad ([`relay`]), and what passes over it is written into the [`ledger`] by a
//! [`recorder`]; [`postgres`] reaches the collector's database past the collector, [`pgbackrest`] archives it beside
//! Picket, [`newer`] is a PostgreSQL of a later version, [`disk`] is one that fills up, and [`audit`] compares in the end. A [`pair`] of
//! collectors shares an [`external`] database behind a [`balancer`].
//!
//! Everything started here is ended by its process id when it is dropped, also when a test panics.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness fails as a test does: at once, and saying where"
)]

pub mod ca;
pub mod machine_clock;
pub mod net;
pub mod process;
pub mod trace;

pub mod browser;
pub mod bucket;
pub mod canary;
pub mod mailbox;
pub mod resolver;
pub mod target;

pub mod collector;
pub mod probe;
pub mod shown;
pub mod world;

pub mod archive;
pub mod audit;
pub mod balancer;
pub mod disk;
pub mod external;
pub mod ledger;
pub mod line;
pub mod newer;
pub mod pair;
pub mod pgbackrest;
pub mod postgres;
pub mod recorder;
pub mod relay;

pub mod curl;
pub mod desk;
pub mod forger;
pub mod golden;
pub mod wait;
