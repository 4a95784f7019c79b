//! The archive: objects that another program made, what PostgreSQL runs, and a store that fails.

use picket_collector::ops::archive::store::{Answer, Directory, Listed, Put, Store, StoreError};

mod commands;
#[path = "../../../src/ops/archive/store/faulty.rs"]
#[expect(dead_code, unreachable_pub, reason = "it belongs to the library, whose tests use the rest of it")]
mod faulty;
mod objects;
mod torture;
