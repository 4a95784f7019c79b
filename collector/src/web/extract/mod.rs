//! What a handler is given, parsed before it runs.

pub mod caller;
pub mod form;
pub mod user;
