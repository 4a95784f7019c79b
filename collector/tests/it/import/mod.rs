//! Moving in: from files as other programs make them to rows, and again.

#![expect(clippy::panic, reason = "a helper that does not find what a test names says so there and then")]

mod apply;
mod blackbox;
mod damage;
mod kuma;
mod muted;

use std::fs;
use std::path::Path;
use std::process::Command;

use picket_collector::import::{self, Choice, Found, Outcome, Reading, Report, Source, Upload};
use picket_collector::store::{OrgKey, RegionKey, monitors};
use picket_collector::vault::{KeyRing, Opener, Sealer};
use picket_shared::time::Timestamp;
use sqlx::AssertSqlSafe;

use crate::database::TestDatabase;

/// When every test begins: 2026-09-21.
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// A database as an Uptime Kuma has it.
struct Kuma {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Kuma {
    fn new(version: u8, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kuma.db");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/import/kuma.py");
        let mut python = Command::new("python3");
        let made = python.arg(script).arg(version.to_string()).arg(&file).args(options).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = fs::read(folder.path().join("kuma.db-wal")).unwrap_or_default();
        Self { database: fs::read(&file).unwrap(), log }
    }

    fn read(&self) -> Found {
        let database = Upload { name: "kuma.db", bytes: &self.database };
        let log = Upload { name: "kuma.db-wal", bytes: &self.log };
        let files = if self.log.is_empty() { &[database][..] } else { &[database, log] };
        import::read(Source::Kuma, files, &Reading::default()).unwrap()
    }
}

fn csv(text: &str) -> Found {
    let file = Upload { name: "monitors.csv", bytes: text.as_bytes() };
    import::read(Source::Csv, &[file], &Reading::default()).unwrap()
}

/// An organization with the regions `eu-1` and `us-1`.
struct House {
    database: TestDatabase,
    org: OrgKey,
    regions: [RegionKey; 2],
    ring: KeyRing,
}

impl House {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let mut conn = database.login("postgres").await;
        let org = sqlx::query_scalar(
            "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', 1) RETURNING id",
        );
        let org: OrgKey = org.fetch_one(&mut conn).await.unwrap();
        let regions: Vec<RegionKey> = sqlx::query_scalar(
            "INSERT INTO regions (code, network, eu, created_at)
             VALUES ('eu-1', 'a', true, 1), ('us-1', 'b', false, 1) RETURNING id",
        )
        .fetch_all(&mut conn)
        .await
        .unwrap();
        Self { database, org, regions: [regions[0], regions[1]], ring: KeyRing::generate().unwrap() }
    }

    fn opener(&self) -> Opener {
        Opener::new(&self.ring)
    }

    async fn try_import(&self, source: Source, found: Found, choice: &Choice, apply: bool) -> Result<Report, String> {
        let mut scoped = self.database.pools.scoped(self.org).await.unwrap();
        let sealer = Sealer::new(&self.ring);
        let plan = import::plan(&mut scoped, &sealer, (source, found), choice, NOW).await;
        let plan = plan.map_err(|error| error.to_string())?;
        if !apply {
            return plan.rehearse(scoped, NOW).await.map_err(|error| error.to_string());
        }
        let report = plan.apply(&mut scoped, NOW).await.map_err(|error| error.to_string())?;
        scoped.commit().await.unwrap();
        Ok(report)
    }

    /// Imports a table.
    async fn import(&self, table: &str) -> Report {
        self.try_import(Source::Csv, csv(table), &Choice::default(), true).await.unwrap()
    }

    async fn monitor(&self, name: &str) -> monitors::MonitorRow {
        let mut scoped = self.database.pools.scoped(self.org).await.unwrap();
        let rows = monitors::list(&mut scoped).await.unwrap();
        rows.into_iter().find(|row| row.settings.name == name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// One number from the database.
    async fn number(&self, select: &str) -> i64 {
        let mut conn = self.database.login("postgres").await;
        sqlx::query_scalar(AssertSqlSafe(select.to_owned())).fetch_one(&mut conn).await.unwrap()
    }
}

/// What became of each, in order: `name: outcome`.
fn outcomes(report: &Report) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Taken => "taken".to_owned(),
        Outcome::Changed { fields } => format!("changed {}", fields.join(" ")),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Kept { .. } => "kept".to_owned(),
        Outcome::Refused { .. } => "refused".to_owned(),
    };
    report.monitors.iter().map(|entry| format!("{}: {}", entry.name, word(&entry.outcome))).collect()
}

fn why(report: &Report, name: &str) -> String {
    let entry = report.monitors.iter().find(|entry| entry.name == name).unwrap();
    match &entry.outcome {
        Outcome::Kept { why } | Outcome::Refused { why } => why.clone(),
        other => panic!("{name} was {other:?}"),
    }
}
