//! One command a file: its arguments, and what it does and prints.

pub mod probe;
