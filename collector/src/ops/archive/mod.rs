//! The archive: base backups and WAL, sealed, where the machine's own disks do not reach.
//!
//! [`object`] is the form of what is stored.

pub mod object;
