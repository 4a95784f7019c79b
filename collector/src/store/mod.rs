//! All SQL: plain async functions, one file a table family.
//!
//! [`scope`] hands out the five connection types; a function takes the one that may do what it does. A function that
//! leaves work behind also rings. Every write checks how many rows it touched. Times are bigint microseconds.

pub mod error;
pub mod scope;

pub mod account_links;
pub mod account_mails;
pub mod address_changes;
pub mod admin_grants;
pub mod agreements;
pub mod api_keys;
pub mod assignments;
pub mod audit;
pub mod batches;
pub mod breaches;
pub mod catalogue;
pub mod changes;
pub mod channel_health;
pub mod channel_keys;
pub mod channel_proofs;
pub mod channels;
pub mod clock;
pub mod closures;
pub mod deliveries;
pub mod dependencies;
pub mod devices;
pub mod drills;
pub mod ended;
pub mod ends;
pub mod erasure_receipts;
pub mod erasures;
pub mod escalations;
pub mod exports;
pub mod facts;
pub mod gaps;
pub mod health;
pub mod heartbeats;
pub mod holdings;
pub mod hooks;
pub mod imports;
pub mod incidents;
pub mod instance;
pub mod invitations;
pub mod leadership;
pub mod limits;
pub mod maintenances;
pub mod managements;
pub mod manual_checks;
pub mod members;
pub mod monitors;
pub mod notices;
pub mod operator;
pub mod organizations;
pub mod partitions;
pub mod passkeys;
pub mod people;
pub mod policies;
pub mod posture;
pub mod probe_keys;
pub mod probes;
pub mod read;
pub mod receipts;
pub mod rechecks;
pub mod region_states;
pub mod regions;
pub mod replays;
pub mod requests;
pub mod residency;
pub mod results;
pub mod schedules;
pub mod sealed;
pub mod second_factors;
pub mod services;
pub mod sessions;
pub mod sign_in_failures;
pub mod spans;
pub mod standing_alarms;
pub mod states;
pub mod sub_processors;
pub mod summaries;
pub mod users;

pub use error::StoreError;
pub use scope::{Auth, Conn, Eraser, Fence, Intake, Pools, Scoped, Worker};

/// A statement to which values are bound.
type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

macro_rules! row_keys {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub i64);
    )+};
}

row_keys! {
    /// An organization's row; never leaves the collector.
    OrgKey,
    /// A user's row.
    UserKey,
    /// A region's row.
    RegionKey,
    /// A probe's row.
    ProbeKey,
    /// A monitor's row.
    MonitorKey,
    /// An incident's row.
    IncidentKey,
    /// A window of maintenance's row.
    MaintenanceKey,
    /// A channel's row.
    ChannelKey,
    /// A policy's row.
    PolicyKey,
    /// A schedule's row.
    ScheduleKey,
    /// A notice's row.
    NoticeKey,
    /// A delivery's row.
    DeliveryKey,
}
