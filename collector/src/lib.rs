//! The collector: takes what probes found, decides what is an outage, tells people, keeps the data.
//!
//! Reading order: [`config`] says how; [`vault`] keeps every key; [`wake`] rings the stages; [`store`] holds every
//! statement of SQL.

pub mod config;
pub mod store;
pub mod vault;
pub mod wake;
