//! The collector: takes what probes found, decides what is an outage, tells people, keeps the data.
//!
//! Reading order: [`config`] and [`vault`] are what it starts with, [`postgres`] the cluster that it owns; [`domain`] decides;
//! [`flow`] is the write path, whose stages [`wake`] rings and whose messages [`notify`] writes and sends; [`store`] holds
//! every statement of SQL, [`meters`] counts. [`app`] brings the parts together, [`channels`] and [`probes`] manage those for
//! pages and commands, [`import`] takes over what other programs watch, [`login`] says who is asking, [`web`] is what probes and people call,
//! [`tasks`] runs the tasks, [`cmd`] is the command line.

pub mod config;
pub mod vault;

pub mod postgres;
pub mod store;
pub mod tasks;

pub mod domain;
pub mod meters;

pub mod flow;
pub mod import;
pub mod login;
pub mod notify;
pub mod privacy;
pub mod probes;
pub mod wake;

pub mod app;
pub mod channels;
pub mod ops;
pub mod web;

pub mod cli;
pub mod cmd;
pub mod lifecycle;
pub mod telemetry;
