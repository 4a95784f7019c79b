//! Escalation policies: who is told when. [`reach`] says whom they reach, [`told`] who was told; here they are made and changed. Every
//! change is audited.

pub mod reach;
pub mod told;

mod change;
mod channels;
mod preview;
mod uses;

pub use change::{NewPolicy, PolicyRow, count, get, insert, list, remove, update};
pub use channels::{Manner, assign, forget_who_left, manners, set_member, set_quiet, without_a_way};
pub use preview::{Preview, Told, preview};
pub use uses::{Use, uses};
