//! Picket.
