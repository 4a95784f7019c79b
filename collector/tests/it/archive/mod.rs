//! The archive: objects that another program made, and what PostgreSQL runs.

mod commands;
mod objects;
