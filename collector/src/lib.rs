//! Picket.

pub mod domain;
