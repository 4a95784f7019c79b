//! The schema, as PostgreSQL itself enforces it: one cluster for this binary, a fresh database for each test.

#![expect(clippy::unwrap_used, reason = "a helper that gets no answer fails its test there and then")]

mod classes;
mod database;
mod isolation;
mod migrations;
mod partitions;
