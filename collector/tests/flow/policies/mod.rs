//! Who is told when: policies on a real database, minute by minute.

mod course;
mod duty;
mod explain;
mod receivers;
mod records;
