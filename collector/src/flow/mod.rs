//! The write path. Stages meet in tables, never in calls:
//!
//! bytes -> `verify` -> `ingest` -> [results, changes, region_states, gaps] -> [`judge`] -> [states, spans, incidents,
//! notices] -> [`dispatch`] -> [deliveries] -> [`deliver`] -> the world.

pub mod deliver;
pub mod dispatch;
pub mod judge;
