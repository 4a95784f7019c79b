//! Pages as a browser gets them: the real router on a real database.

mod common;
mod forms;
mod front_door;
mod journey;
