//! The rules as data.

/// Which modules a module may name besides itself; the longest row that fits a file stands. `*` is everything.
pub(super) const IMPORTS: &[(&str, &[&str])] = &[
    ("shared", &[]),
    // The collector's floors.
    ("collector::domain", &["shared"]),
    ("collector::config", &["shared", "collector::domain"]),
    ("collector::wake", &["shared", "collector::domain"]),
    ("collector::vault", &["shared", "collector::config"]),
    ("collector::objects", &["shared", "collector::config", "collector::vault"]),
    // A store function that leaves work behind also rings, by the bell's name.
    ("collector::store", &["shared", "collector::domain", "collector::config", "collector::wake"]),
    ("collector::meters", &["shared", "collector::store"]),
    ("collector::postgres", &["shared", "collector::config", "collector::store"]),
    // It seals credentials, and opens none.
    (
        "collector::import",
        &[
            "shared",
            "collector::domain",
            "collector::notify::channels::Kind",
            "collector::store",
            "collector::vault::Sealer",
            "collector::vault::Class",
            "collector::vault::VaultError",
        ],
    ),
    ("collector::notify", &["shared", "collector::domain", "collector::config"]),
    ("collector::login", &["shared", "collector::domain", "collector::config", "collector::vault", "collector::store"]),
    (
        "collector::privacy",
        &[
            "shared",
            "collector::domain",
            "collector::config",
            "collector::vault",
            "collector::store",
            "collector::objects",
        ],
    ),
    (
        "collector::ops",
        &[
            "shared",
            "collector::domain",
            "collector::config",
            "collector::vault",
            "collector::objects",
            "collector::store",
            "collector::postgres",
            "collector::privacy::erase",
            "collector::privacy::ledger",
            "collector::privacy::mail",
            "collector::privacy::people",
        ],
    ),
    // The archive's bucket is reached as providers are.
    (
        "collector::ops::archive",
        &[
            "shared",
            "collector::config",
            "collector::vault",
            "collector::postgres",
            "collector::notify::client",
            "collector::ops",
        ],
    ),
    // The own front door is reached as providers are.
    (
        "collector::ops::posture",
        &[
            "shared",
            "collector::domain",
            "collector::config",
            "collector::vault",
            "collector::store",
            "collector::postgres",
            "collector::notify::client",
            "collector::ops",
        ],
    ),
    (
        "collector::flow",
        &[
            "shared",
            "collector::domain",
            "collector::config",
            "collector::vault",
            "collector::store",
            "collector::meters",
            "collector::notify",
            "collector::wake",
        ],
    ),
    (
        "collector::app",
        &[
            "shared",
            "collector::config",
            "collector::vault",
            "collector::store",
            "collector::meters",
            "collector::notify",
            "collector::wake",
        ],
    ),
    // What pages and commands do to channels: read, sealed, stored, proven.
    ("collector::channels", &["shared", "collector::vault", "collector::store", "collector::notify"]),
    ("collector::probes", &["shared", "collector::config", "collector::vault", "collector::store"]),
    (
        "collector::web",
        &[
            "shared",
            "collector::app",
            "collector::channels",
            "collector::config",
            "collector::vault::Sealer",
            "collector::store",
            "collector::meters",
            "collector::notify",
            "collector::wake",
            "collector::domain",
            "collector::import",
            "collector::login",
            "collector::privacy",
            "collector::probes",
        ],
    ),
    // Where providers answer: what they sign with is opened here.
    (
        "collector::web::hook",
        &["shared", "collector::notify", "collector::store", "collector::vault", "collector::web"],
    ),
    (
        "collector::web::probe",
        &[
            "shared",
            "collector::app",
            "collector::config",
            "collector::vault",
            "collector::store",
            "collector::meters",
            "collector::wake",
            "collector::domain",
            "collector::flow::verify",
            "collector::flow::ingest",
            "collector::web",
        ],
    ),
    (
        "collector::tasks",
        &[
            "shared",
            "collector::app",
            "collector::config",
            "collector::vault",
            "collector::store",
            "collector::meters",
            "collector::notify",
            "collector::wake",
            "collector::flow",
            "collector::login",
            "collector::privacy",
            "collector::ops",
        ],
    ),
    ("collector::cmd", &["*"]),
    // The command line names the arguments of each command.
    ("collector::cli", &["shared", "collector::domain", "collector::config", "collector::cmd"]),
    ("collector::telemetry", &["shared", "collector::config"]),
    ("collector::lifecycle", &["shared"]),
    ("collector::main", &["collector::cli", "collector::cmd"]),
    ("collector::lib", &[]),
    // The probe. What everything stands on, and the line to the collector.
    ("probe::config", &["shared"]),
    ("probe::telemetry", &["shared", "probe::config"]),
    ("probe::confine", &["shared", "probe::config"]),
    ("probe::clock", &["shared", "probe::config"]),
    ("probe::sign", &["shared", "probe::config"]),
    ("probe::link", &["shared", "probe::config", "probe::clock", "probe::sign"]),
    // Its stages: joined by the pipeline; one may name the type that it is handed by the one before, and the line.
    ("probe::enrol", &["shared", "probe::config", "probe::link"]),
    ("probe::assignments", &["shared", "probe::config", "probe::link"]),
    ("probe::schedule", &["shared", "probe::config"]),
    ("probe::checks", &["shared", "probe::config"]),
    ("probe::selfcheck", &["shared", "probe::config", "probe::checks"]),
    ("probe::runner", &["shared", "probe::config", "probe::schedule", "probe::checks"]),
    ("probe::manual", &["shared", "probe::config", "probe::link", "probe::checks"]),
    ("probe::seen", &["shared", "probe::config"]),
    ("probe::buffer", &["shared", "probe::config"]),
    ("probe::batch", &["shared", "probe::config", "probe::link::Frozen"]),
    ("probe::ship", &["shared", "probe::config", "probe::link", "probe::batch::Frozen"]),
    ("probe::pipeline", &["*"]),
    // Its commands.
    ("probe::cli", &["shared", "probe::config", "probe::check_once"]),
    ("probe::doctor", &["*"]),
    ("probe::check_once", &["*"]),
    ("probe::main", &["*"]),
    ("probe::lib", &[]),
];

/// What only these may name.
pub(super) const ONLY: &[(&str, &[&str])] = &[
    ("collector::store::batches", &["collector::flow::ingest"]),
    // Who vouches for a channel is at the console; everybody else proves it.
    ("collector::store::channels::mark_verified", &["collector::channels"]),
    ("collector::channels::trust", &["collector::cmd"]),
];

/// Stages meet only in tables: none names another, but for these.
pub(super) const STAGES: (&str, &[(&str, &str)]) = (
    "collector::flow",
    &[
        ("collector::flow::ingest", "collector::flow::verify::VerifiedBatch"),
        ("collector::flow::ingest", "collector::flow::verify::VerifiedManual"),
    ],
);

/// What may not be named where, and why. A path covers all that begins with it; `*` stands for any ending of a name.
pub(super) struct Ban {
    /// Files that begin with one of these...
    pub(super) within: &'static [&'static str],
    /// ...but with none of these.
    pub(super) except: &'static [&'static str],
    pub(super) paths: &'static [&'static str],
    pub(super) why: &'static str,
}

pub(super) const BANS: &[Ban] = &[
    Ban {
        within: &["shared/src/", "collector/src/domain/"],
        except: &["shared/src/egress/resolve.rs", "shared/src/egress/connect.rs"],
        paths: &[
            "sqlx",
            "tokio",
            "reqwest",
            "axum",
            "hyper",
            "hyper_util",
            "lettre",
            "tracing",
            "std::fs",
            "std::process",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::net::UdpSocket",
            "std::os::unix::net",
            "std::io::stdout",
            "std::io::stderr",
        ],
        why: "this floor is pure: values in, values out",
    },
    Ban {
        within: &["shared/src/", "probe/src/", "collector/src/"],
        except: &["shared/src/time.rs"],
        paths: &[
            "std::time::Instant",
            "std::time::SystemTime::now",
            "jiff::Timestamp::now",
            "jiff::Zoned::now",
            "uuid::Uuid::now_v7",
        ],
        why: "only shared/src/time.rs reads a clock: take the time as an argument",
    },
    Ban {
        within: &["collector/src/"],
        except: &["collector/src/store/", "collector/src/postgres/"],
        paths: &["sqlx::query*", "sqlx::raw_sql", "sqlx::migrate*", "sqlx::QueryBuilder", "sqlx::Executor"],
        why: "all SQL is in store",
    },
    // Any other statement is a literal, by its type, and so takes what others wrote as parameters alone.
    Ban {
        within: &["collector/src/"],
        except: &[
            "collector/src/postgres/connect.rs",
            "collector/src/postgres/copy.rs",
            "collector/src/postgres/roles.rs",
            "collector/src/store/catalogue.rs",
            "collector/src/store/clock.rs",
            "collector/src/store/drills.rs",
            "collector/src/store/ends.rs",
            "collector/src/store/erasures.rs",
            "collector/src/store/managements.rs",
            "collector/src/store/members.rs",
            "collector/src/store/monitors/mod.rs",
            "collector/src/store/monitors/page.rs",
            "collector/src/store/passkeys.rs",
            "collector/src/store/people.rs",
            "collector/src/store/read/audit.rs",
            "collector/src/store/read/dashboard.rs",
            "collector/src/store/read/deliveries.rs",
            "collector/src/store/read/incidents.rs",
            "collector/src/store/read/portfolio.rs",
            "collector/src/store/results/mod.rs",
            "collector/src/store/results/page.rs",
            "collector/src/store/users.rs",
        ],
        paths: &["sqlx::AssertSqlSafe", "sqlx::QueryBuilder"],
        why: "a statement is a literal: bind what varies; where columns must be put together, the file is named here",
    },
    Ban {
        within: &["probe/src/"],
        except: &[],
        paths: &[
            "std::fs::write",
            "std::fs::copy",
            "std::fs::rename",
            "std::fs::create_dir*",
            "std::fs::remove_*",
            "std::fs::set_permissions",
            "std::fs::hard_link",
            "std::fs::OpenOptions",
            "std::fs::File::create*",
            "std::fs::File::options",
            "tokio::fs",
        ],
        why: "a probe writes nothing to disk",
    },
];

/// Most lines of a file that are not for tests only.
pub(super) const MAX_LINES: usize = 400;
