//! Telling people: [`message`] writes the texts, [`channels`] is the table of ways to send them, [`client`] the one way out, [`dkim`] what
//! signs mails, [`inbound`] what providers say back.
//!
//! Nothing here knows of deliveries, leases or retries: `flow::deliver` hands in a message and obeys the answer.

pub mod channels;
pub mod client;
pub mod dkim;
pub mod inbound;
pub mod message;

mod escape;

pub use channels::{Answer, Keys, Kind, SendError, Settings};
pub use client::{Client, Seen, Watcher};
pub use message::{Facts, Message};
