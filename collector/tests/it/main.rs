//! The schema as PostgreSQL itself enforces it, and telling people: one cluster for this binary, a fresh database for each
//! test.

#![expect(clippy::unwrap_used, reason = "a helper that gets no answer fails its test there and then")]

mod alertmanager;
mod anchors;
mod archive;
mod audit;
mod audit_chain;
mod canaries;
mod classes;
mod clock;
mod database;
mod deliver;
mod discord;
mod dispatch;
mod email;
mod evidence;
mod exports;
mod gotify;
mod heartbeats;
mod import;
mod isolation;
mod log;
mod matrix;
mod mattermost;
mod migrations;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod partitions;
mod people;
mod posture;
mod probes;
mod proofs;
mod providers;
mod pushover;
mod random_sql;
mod receiver;
mod rotation;
mod secrets;
mod slack;
mod teams;
mod telegram;
mod telling;
mod twilio;
mod webhook;
