//! The collector: takes what probes found, decides what is an outage, tells people, keeps the data.
//!
//! Reading order: [`config`] says how; [`domain`] decides; [`vault`] keeps every key; [`wake`] rings the stages;
//! [`store`] holds every statement of SQL; [`flow`] is the way of an outcome into the tables; [`web`] is what probes and
//! people call; [`cmd`] is what an operator types.

pub mod cmd;
pub mod config;
pub mod domain;
pub mod flow;
pub mod store;
pub mod vault;
pub mod wake;
pub mod web;
