//! What Picket decides: values in, values out.
//!
//! Nothing here does I/O, waits, reads a clock, draws a random number or logs; the time is part of each input. So the
//! same input always gives the same answer, and a simulation can run years of it.
//!
//! Reading order: [`outage`] decides whether a monitor is down and what must be told; [`telling`] who is told, and when; [`gap`] finds the slots without
//! an outcome; [`assignment`] says which probe runs what; [`manual`] whether it can run what a person asks now;
//! [`uptime`] adds verdicts up; [`retention`] says what has expired; [`clock`] says when the machine's clock is followed;
//! [`audit_chain`] finds where the audit log was tampered with; [`import`] reads what other programs watch; [`written`] how
//! people write hosts, headers and times; [`defaults`] what holds where nobody says otherwise; [`access`] who may do what;
//! [`passkey`] whether a passkey is what it says; [`administration`] for how long somebody administers the instance;
//! [`management`] who lets an organization be managed by another; [`posture`] what a control finds, and [`controls`] what all promises are;
//! [`address`] whether a text names somebody; [`ended`] what stays ended in a restored copy;
//! [`sub_processors`] who else works on the data, and what changed of that; [`breach`] what is said of a breach, and how much of 72 hours
//! is left; [`leadership`] when one collector takes over from another; [`briefing`] what a message says of a monitor beside what was found;
//! [`zone`] what clocks show somewhere, and [`maintenance`] when windows of maintenance are, by them.

pub mod outage;

pub mod access;
pub mod account_mail;
pub mod address;
pub mod administration;
pub mod assignment;
pub mod audit_chain;
pub mod breach;
pub mod briefing;
pub mod clock;
pub mod column_class;
pub mod controls;
pub mod csv;
pub mod defaults;
pub mod drill;
pub mod ended;
pub mod gap;
pub mod import;
pub mod incident;
pub mod leadership;
pub mod maintenance;
pub mod management;
pub mod manual;
pub mod members;
pub mod operator;
pub mod passkey;
pub mod posture;
pub mod recovery;
pub mod retention;
pub mod sub_processors;
pub mod telling;
pub mod uptime;
pub mod written;
pub mod zone;
