//! What people may ask about data on them.
//!
//! [`export`] gives somebody everything about them, and an owner everything of the organization, from the classes of columns alone.

pub mod export;
