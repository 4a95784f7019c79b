//! Read models: one page's queries, shared by commands, pages and API.

pub mod audit;
pub mod dashboard;
pub mod deliveries;
pub mod drill;
pub mod explain;
pub mod gauges;
pub mod incidents;
pub mod live;
pub mod maintenance;
pub mod monitor;
pub mod organizations;
pub mod papers;
pub mod portfolio;
pub mod posture;
pub mod probes;
pub mod review;
pub mod telling;
pub mod timeline;
pub mod users;
