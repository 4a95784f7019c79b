//! Picket.
pub mod check_once;
pub mod checks;
pub mod waterfall;
