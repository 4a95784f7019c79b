//! What the settings say of places, as it comes into the database and the log of the instance.

use picket_collector::store::instance;
use picket_collector::store::residency::{self, Attested};
use picket_shared::time::Timestamp;

use crate::database::TestDatabase;

const NOON: Timestamp = Timestamp::from_seconds(1_790_000_000);
const SAID: &str = "Jane Doe, 2026-11-23, Falkenstein (DE)";

async fn starts(database: &TestDatabase, eu_only: bool, attested: &[Attested<'_>]) -> Vec<(String, String)> {
    let mut worker = database.pools.worker().await.unwrap();
    residency::take_over(&mut worker, eu_only, attested, NOON).await.unwrap();
    worker.commit().await.unwrap();
    sqlx::query_as(
        "SELECT action || ' ' || subject, detail::text FROM audit WHERE action LIKE 'residency.%' ORDER BY id",
    )
    .fetch_all(&mut database.login("postgres").await)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_a_person_vouches_for_is_in_the_audit_log_once() {
    let database = TestDatabase::new().await;
    let mail = Attested { what: "mail", host: "mail.example.org", text: SAID };
    assert!(starts(&database, false, &[mail]).await.is_empty(), "there is no instance yet");
    let mut auth = database.pools.auth().await.unwrap();
    instance::starting(&mut auth, NOON).await.unwrap();
    auth.commit().await.unwrap();

    assert!(starts(&database, false, &[]).await.is_empty());
    let said = starts(&database, false, &[mail]).await;
    let [(what, detail)] = &said[..] else { unreachable!("{said:?}") };
    assert_eq!(what, "residency.attest mail");
    assert!(detail.contains(SAID) && detail.contains("mail.example.org"), "{detail}");
    assert_eq!(starts(&database, false, &[mail]).await.len(), 1, "not at each start");

    let archive = Attested { what: "archive", host: "s3.example.org", text: SAID };
    assert_eq!(starts(&database, false, &[archive, mail]).await[1].0, "residency.attest archive");
    let other = Attested { text: "Joe Doe, 2026-11-27, Nuremberg (DE)", ..mail };
    assert_eq!(starts(&database, false, &[archive, other]).await.len(), 3, "who says it is another");
    let moved = Attested { host: "mail.example.net", ..other };
    assert_eq!(starts(&database, false, &[archive, moved]).await.len(), 4, "what it is said of is another");
    assert_eq!(starts(&database, false, &[archive]).await.len(), 4);
    assert_eq!(starts(&database, false, &[archive, moved]).await.len(), 5, "it was taken back meanwhile");
    let row: String = sqlx::query_scalar("SELECT attested::text FROM instance")
        .fetch_one(&mut database.login("postgres").await)
        .await
        .unwrap();
    assert!(!row.contains("Doe"), "{row}");

    assert_eq!(starts(&database, true, &[archive, moved]).await[5].0, "residency.eu_only instance");
    assert_eq!(starts(&database, true, &[archive, moved]).await.len(), 6);
    assert!(starts(&database, false, &[archive, moved]).await[6].1.contains("false"));
}
