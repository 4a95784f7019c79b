//! What a handler is given, parsed before it runs.

pub mod administrator;
pub mod agent;
pub mod form;
pub mod key;
pub mod user;
