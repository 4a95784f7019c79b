//! A probe: fetches what to watch, runs the checks in their slots, and ships what they found. It keeps nothing.
//!
//! Reading order is the way of one outcome. [`config`] and [`telemetry`] come first, then [`confine`] takes away
//! what the process does not need; [`clock`], [`sign`] and [`link`] are the line to the collector; [`enrol`] opens
//! it and [`assignments`] says what to run; [`schedule`], [`runner`], [`checks`] and [`selfcheck`] find out;
//! [`seen`], [`buffer`] and [`batch`] pack, [`ship`] delivers. [`pipeline`] wires them. [`doctor`] and
//! [`check_once`] are for people.
//!
//! No file is ever written, and no stage knows another (but `runner`, which names `schedule` and `checks`).

pub mod cli;
pub mod config;
pub mod telemetry;

pub mod confine;

pub mod clock;
pub mod link;
pub mod sign;

pub mod assignments;
pub mod enrol;

pub mod checks;
pub mod manual;
pub mod runner;
pub mod schedule;
pub mod selfcheck;

pub mod batch;
pub mod buffer;
pub mod seen;
pub mod ship;

pub mod pipeline;

pub mod check_once;
pub mod doctor;
