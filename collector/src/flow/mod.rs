//! The write path. Stages meet in tables, never in calls:
//!
//! bytes -> [`verify`] -> [`ingest`] (with [`runs`], pure) -> [results, changes, region_states, gaps] -> [`judge`] -> [states, spans, incidents,
//! notices] -> [`dispatch`] -> [deliveries] -> [`deliver`] -> the world.
//!
//! Beside them [`gaps`] writes down who is silent.

pub mod deliver;
pub mod dispatch;
pub mod gaps;
pub mod ingest;
pub mod judge;
pub mod verify;
