//! The write path. Stages meet in tables, never in calls:
//!
//! bytes -> [`verify`] -> [`ingest`] -> `results, changes, region_states, gaps` -> [`judge`] -> `states, spans, incidents,
//! notices` -> [`dispatch`] -> `deliveries, escalations` -> [`deliver`] -> the world. What nobody acknowledges comes back to [`dispatch`]
//! when the next level of its policy is due ([`dispatch::escalate`]).
//!
//! Beside them [`maintenance`] passes the edges of windows, [`gaps`] writes down who is silent, [`replay`] finds outages in
//! outcomes that came late, and [`clock`] sees to it that all of this is written in a time that does not leap.
//! [`account_mails`] sends what `login` has to tell users; [`alarm_drills`] begins and ends alarms that tell of nothing.

pub mod account_mails;
pub mod alarm_drills;
pub mod clock;
pub mod deliver;
pub mod dispatch;
pub mod gaps;
pub mod ingest;
pub mod judge;
pub mod maintenance;
pub mod replay;
pub mod verify;
