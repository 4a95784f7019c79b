//! What keeps the installation well, on a timer or by command. Never called by the web.

pub mod anchor;
pub mod archive;
pub mod arming;
pub mod audit;
pub mod drill;
pub mod ended;
pub mod erasure;
pub mod heartbeat;
pub mod operator;
pub mod posture;
pub mod retention;
pub mod rotation;
pub mod upgrade;
