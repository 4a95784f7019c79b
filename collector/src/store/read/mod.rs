//! Read models: one page's queries, shared by commands, pages and API.

pub mod dashboard;
pub mod live;
pub mod monitor;
