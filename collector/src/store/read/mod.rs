//! Read models: one page's queries, shared by commands, pages and API.

pub mod live;
pub mod monitor;
pub mod telling;
