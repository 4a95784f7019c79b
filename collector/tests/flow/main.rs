//! The write path on real HTTP and a real database: batches in, states, incidents and notices out.

mod assignments;
mod batches;
mod common;
mod judge;
mod maintenance;
mod manual;
mod policies;
