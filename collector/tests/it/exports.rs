//! An export that a task makes holds what one at once holds, table by table in a ZIP archive that another program reads; and it goes with
//! whose it is.

use std::process::Command;

use picket_collector::ops::{erasure, rotation};
use picket_collector::privacy::erase::Receipts;
use picket_collector::privacy::export_job::Exports;
use picket_collector::privacy::ledger::Ledger;
use picket_collector::privacy::people;
use picket_collector::store::audit::Author;
use picket_collector::store::exports::Asked;
use picket_collector::store::{OrgKey, UserKey};
use picket_collector::vault::{KeyRing, Opener, Sealer};
use picket_shared::ids::CollectorId;
use picket_shared::time::{Clock, Timestamp};
use sqlx::{AssertSqlSafe, Executor, query_scalar};
use uuid::Uuid;

use crate::canaries::{DAY, seeded};
use crate::database::TestDatabase;

const NOW: Timestamp = Timestamp::from_micros(DAY);

/// Reads a ZIP archive: names, and what is in all of them.
const READ: &str = "import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for name in z.namelist(): print('FILE', name); print(z.read(name).decode())";

async fn count(database: &TestDatabase, query: &str) -> i64 {
    query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut database.login("postgres").await).await.unwrap()
}

async fn file(exports: &Exports, owned: Option<OrgKey>) -> Vec<u8> {
    let row = exports.list(UserKey(1), owned).await.unwrap().remove(0);
    assert_eq!((row.state.as_str(), &row.failure), ("ready", &None));
    let mut from = exports.file(&row, &Author::of_instance("test"), NOW).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = from.recv().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(i64::try_from(bytes.len()).unwrap(), row.bytes);
    bytes
}

#[tokio::test]
async fn an_archive_of_tables_holds_every_canary_of_the_organization_and_goes_with_it() {
    let (database, columns) = seeded().await;
    let mut ring = KeyRing::generate().unwrap();
    let (sealer, opener) = (Sealer::new(&ring), Opener::new(&ring));
    let exports = Exports::new(database.pools.clone(), sealer.clone(), opener.clone(), true);
    let (clock, by) = (Clock::manual(NOW), Author::of_instance("test"));
    let mut superuser = database.login("postgres").await;
    superuser.execute("DELETE FROM exports").await.unwrap();
    for (part, format) in [("organization", "csv"), ("account", "json")] {
        exports.ask(Asked { user: UserKey(1), org: OrgKey(1), part, format }, &by, NOW).await.unwrap();
        assert!(exports.run(&clock).await.unwrap());
    }
    assert!(!exports.run(&clock).await.unwrap(), "nothing waits");
    // Its pieces follow a rotation of keys.
    ring.rotate(NOW).unwrap();
    sealer.follow(&ring);
    opener.follow(&ring);
    rotation::run(&database.pools, &sealer, &opener).await.unwrap();

    let document = String::from_utf8(file(&exports, None).await).unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert!(document["account"]["users"].is_array() && document["organization"].is_null());
    let archive = tempfile::NamedTempFile::new().unwrap();
    let organizations = exports.list(UserKey(1), Some(OrgKey(1))).await.unwrap();
    assert_eq!(organizations.len(), 2);
    let newest = "DELETE FROM exports WHERE part = 'account'";
    superuser.execute(newest).await.unwrap();
    std::fs::write(archive.path(), file(&exports, Some(OrgKey(1))).await).unwrap();
    let read = Command::new("python3").args(["-c", READ]).arg(archive.path()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let text = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(text.contains("FILE organization/monitors.csv") && text.contains("FILE manifest.json"));
    assert!(!text.contains("FILE account/") && !text.contains("canary-2"));
    let of_tenant = |table: &str| columns.iter().any(|column| column.table == table && column.name == "org_id");
    let told =
        columns.iter().filter(|column| column.is_text() && column.class.as_ref().is_some_and(|class| class.export));
    let mut seen = 0;
    for column in told.filter(|column| of_tenant(&column.table) && column.table != "exports") {
        if column.value(1).contains("canary-1-") {
            seen += 1;
            let canary = format!("canary-1-{}-{} ", column.table, column.name);
            assert!(text.contains(&canary), "{canary} is not in it");
        }
    }
    assert!(seen > 40, "only {seen}");

    // It is erased with the organization.
    superuser
        .execute(
            "INSERT INTO closures (uuid, org_id, closed_at, erase_at) VALUES (gen_random_uuid(), 1, 1, 2);
             UPDATE organizations SET deleted_at = 1 WHERE id = 1",
        )
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(folder.path().join("l"), &ring, CollectorId(Uuid::from_u128(7))).unwrap();
    erasure::run(&database.pools, &ledger, &Receipts { sealer: None, copies_until: None }, NOW).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM exports WHERE org_id = 1) + (SELECT count(*) FROM export_pieces WHERE org_id = 1)";
    assert_eq!(count(&database, left).await, 0);
}

#[tokio::test]
async fn who_is_erased_by_an_address_is_in_no_export_of_before() {
    let (database, _) = seeded().await;
    let ring = KeyRing::generate().unwrap();
    let exports = Exports::new(database.pools.clone(), Sealer::new(&ring), Opener::new(&ring), false);
    let mut superuser = database.login("postgres").await;
    superuser
        .execute("SET session_replication_role = replica; DELETE FROM exports; DELETE FROM export_pieces")
        .await
        .unwrap();
    let asked = Asked { user: UserKey(2), org: OrgKey(1), part: "organization", format: "json" };
    superuser
        .execute("INSERT INTO memberships (org_id, user_id, role, created_at) VALUES (1, 2, 'owner', 0)")
        .await
        .unwrap();
    exports.ask(asked, &Author::of_instance("test"), NOW).await.unwrap();
    assert!(exports.run(&Clock::manual(NOW)).await.unwrap());
    assert!(count(&database, "SELECT count(*) FROM export_pieces").await > 0);
    superuser.execute("DELETE FROM users WHERE id = 1").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(folder.path().join("l"), &ring, CollectorId(Uuid::from_u128(7))).unwrap();
    let address = picket_collector::domain::address::Address::parse("canary-1@example.org").unwrap();
    let receipts = Receipts { sealer: None, copies_until: None };
    people::erase(&database.pools, &ledger, &receipts, &address, (&Author::of_instance("test"), NOW)).await.unwrap();
    assert_eq!(count(&database, "SELECT count(*) FROM export_pieces").await, 0);
}
