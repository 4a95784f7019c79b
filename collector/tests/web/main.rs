//! Pages as a browser gets them: the real router on a real database.

#![expect(clippy::unwrap_used, reason = "a helper that gets no answer fails its test there and then")]

mod access;
mod account_links;
mod account_mails;
mod admin;
mod alarm_drills;
mod api;
mod arming;
mod audit;
mod authenticator;
mod canaries;
mod common;
mod consents;
mod deliveries;
mod dependencies;
mod ends;
mod erasure;
mod foreign;
mod forms;
mod front_door;
mod guessing;
mod headers;
mod holdings;
mod hooks;
mod incidents;
mod invitations;
mod journey;
mod keys;
#[path = "../it/log.rs"]
mod log;
mod mailbox;
mod maintenance;
mod managed_matrix;
mod managements;
mod members;
mod operator;
mod operators_probes;
mod organizations;
mod origins;
mod papers;
mod passkeys;
mod policies;
mod portfolio;
mod posture;
mod quotas;
mod refusals;
mod residency;
mod review;
mod schedules;
mod second_factor;
mod services;
mod sessions;
mod statements;
mod well_known;
