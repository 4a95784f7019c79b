//! The write path, stage by stage; between two stages lie tables.
//!
//! bytes -> [`verify`] -> [`ingest`] (with [`runs`], pure) -> `results`, `region_states`, `changes`, `gaps`; beside them
//! [`gaps`] writes down who is silent.

pub mod gaps;
pub mod ingest;
pub mod runs;
pub mod verify;
