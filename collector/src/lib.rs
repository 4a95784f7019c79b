//! The collector: takes what probes found, decides what is an outage, tells people, keeps the data.
//!
//! Reading order: [`config`] says how; [`vault`] keeps every key; [`wake`] rings the stages; [`domain`] decides;
//! [`store`] holds every statement of SQL; [`notify`] speaks to people; [`flow`] is the way from a batch to a message.

pub mod config;
pub mod domain;
pub mod flow;
pub mod notify;
pub mod store;
pub mod vault;
pub mod wake;
