//! The archive: base backups and WAL, sealed, where the machine's own disks do not reach.
//!
//! [`object`] is the form of what is stored; [`store`] is where it lies; [`shelf`] is what one cluster has there.

pub mod object;
pub mod shelf;
pub mod store;

pub use shelf::ArchiveError;
