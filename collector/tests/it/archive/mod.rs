//! The archive: objects that another program made.

mod objects;
