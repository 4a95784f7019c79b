//! What people may ask about data on them.
//!
//! [`export`] gives somebody everything about them, and an owner everything of the organization, from the classes of columns alone;
//! [`erase`] erases by them what was closed, and [`ledger`] keeps outside the database what that was.

pub mod erase;
pub mod export;
pub mod ledger;
