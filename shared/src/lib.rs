//! What probe and collector must agree on: words, wire forms, keys, and which addresses may be contacted.
//!
//! Reading order: [`ids`] and [`time`] name things; [`secret`] keeps them from being printed, [`log_line`] from being forged; [`check`]
//! says what to ask, [`outcome`] what was found and [`failure`] why it is not good; [`assignment`] and [`batch`]
//! carry both over the [`wire`], [`manual`] what a person wants checked now; [`daykeys`] and [`signing`] prove who sent them; [`retry`] says when to try
//! again; [`egress`] decides which address a socket may reach; [`waterfall`] draws what a check found.
//!
//! This crate never does I/O (but in `egress::{resolve, connect}`), never reads the clock (but in [`time`]),
//! and never logs.

pub mod ids;
pub mod time;

pub mod log_line;
pub mod secret;

pub mod check;
pub mod failure;
pub mod outcome;

pub mod assignment;
pub mod batch;
pub mod manual;
pub mod wire;

pub mod daykeys;
pub mod enrolment;
pub mod retry;
pub mod signing;

pub mod egress;

pub mod waterfall;
