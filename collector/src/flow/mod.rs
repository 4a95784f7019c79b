//! The write path. Stages meet in tables, never in calls:
//!
//! bytes -> [`verify`] -> [`ingest`] -> `results, changes, region_states, gaps` -> [`judge`] -> `states, spans, incidents,
//! notices` -> [`dispatch`] -> `deliveries` -> [`deliver`] -> the world.
//!
//! Beside them [`gaps`] writes down who is silent, and [`replay`] finds outages in outcomes that came late.

pub mod deliver;
pub mod dispatch;
pub mod gaps;
pub mod ingest;
pub mod judge;
pub mod replay;
pub mod verify;
