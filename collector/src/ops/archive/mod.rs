//! The archive: base backups and WAL, sealed, where the machine's own disks do not reach.
//!
//! [`object`] is the form of what is stored; [`store`] is where it lies; [`shelf`] is what one cluster has there, and [`owner`]
//! says whose it is. [`wal`] names the files, [`timeline`] tells which leads to which. PostgreSQL hands them over by [`mod@line`] to
//! [`server`], which lets [`push`] put them, [`keeper`] watch that it does, and [`fetch`] give them back to a copy that is being restored.
//! From a server that somebody else runs [`receiver`] brings them.
//!
//! [`base`] takes base backups, read by [`tar`] and held against [`contents`]; [`chain`] writes down what there is,
//! [`memory`] remembers it here, and [`inventory`] lists it; [`catalogue`] decides what a restore begins with and what has expired; [`engine`] is all of that behind
//! one trait, [`lineage`] follows a database through clusters of several major versions, [`verify`] holds it against what was written down, and [`restore`] is the way back.

pub mod base;
pub mod catalogue;
pub mod chain;
pub mod contents;
pub mod engine;
pub mod fetch;
pub mod inventory;
pub mod keeper;
pub mod line;
pub mod lineage;
pub mod memory;
pub mod object;
pub mod owner;
pub mod push;
pub mod receiver;
pub mod restore;
pub mod server;
pub mod shelf;
pub mod store;
pub mod tar;
pub mod timeline;
pub mod verify;
pub mod wal;

pub use engine::BackupEngine;
pub use shelf::ArchiveError;
