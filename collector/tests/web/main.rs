//! Pages as a browser gets them: the real router on a real database.

#![expect(clippy::unwrap_used, reason = "a helper that gets no answer fails its test there and then")]

mod audit;
mod common;
mod forms;
mod front_door;
mod journey;
