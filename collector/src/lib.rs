//! The collector: takes what probes found, decides what is an outage, tells people, keeps the data.
//!
//! Reading order: [`domain`] decides; [`wake`] rings the stages; [`store`] holds every statement of SQL.

pub mod domain;

pub mod store;
pub mod wake;
