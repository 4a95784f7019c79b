//! The write path, stage by stage; between each two there are rows.
//!
//! [`dispatch`] turns notices into deliveries, [`deliver`] sends them.

pub mod deliver;
pub mod dispatch;
