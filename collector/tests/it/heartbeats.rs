//! How much a lost disk would cost, as it is measured: never less than it is.

use std::time::Duration;

use picket_collector::ops::heartbeat;
use picket_collector::store::heartbeats::{self, Beat};
use picket_shared::time::Timestamp;

use crate::database::TestDatabase;

const BEGIN: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn second(number: u32) -> Timestamp {
    BEGIN + Duration::from_secs(1) * number
}

async fn beat(database: &TestDatabase, archived: Option<u64>, now: Timestamp) -> Beat {
    let mut worker = database.pools.worker().await.unwrap();
    let beat = heartbeats::beat(&mut worker, archived, now).await.unwrap();
    worker.commit().await.unwrap();
    beat
}

/// Where the log stood just before each beat.
async fn positions(database: &TestDatabase) -> Vec<u64> {
    let found: Vec<i64> = sqlx::query_scalar("SELECT lsn FROM heartbeats ORDER BY counter")
        .fetch_all(&mut database.login("picket_worker").await)
        .await
        .unwrap();
    found.into_iter().map(|lsn| u64::try_from(lsn).unwrap()).collect()
}

#[tokio::test]
async fn a_beat_is_safe_only_when_the_next_one_was_begun_in_front_of_what_is_archived() {
    let database = TestDatabase::new().await;
    assert_eq!(beat(&database, None, second(10)).await, Beat { counter: 1, at: second(10), safe_at: None });
    assert_eq!(beat(&database, None, second(20)).await.safe_at, None);
    let lsn = positions(&database).await;
    // Up to the first beat, which itself may lie behind that.
    assert_eq!(beat(&database, Some(lsn[0]), second(30)).await.safe_at, None);
    assert_eq!(beat(&database, Some(lsn[1] - 1), second(40)).await.safe_at, None);
    assert_eq!(beat(&database, Some(lsn[1]), second(50)).await.safe_at, Some(second(10)));
    // What was safe stays so, also when the statistics begin anew or say less.
    assert_eq!(beat(&database, None, second(60)).await.safe_at, Some(second(10)));
    assert_eq!(beat(&database, Some(1), second(70)).await.safe_at, Some(second(10)));
    let lsn = positions(&database).await;
    assert_eq!(beat(&database, Some(lsn[6]), second(80)).await.safe_at, Some(second(60)));
    let mut worker = database.pools.worker().await.unwrap();
    let point = heartbeats::point(&mut worker, second(90)).await.unwrap().unwrap();
    assert_eq!((point.at, point.is_archived), (second(60), true));
    assert_eq!(point.worst, Duration::from_secs(60), "the beat of second 70 was 60 s ahead of what was archived");
}

#[tokio::test]
async fn without_an_archived_file_everything_since_the_first_beat_would_be_lost() {
    let database = TestDatabase::new().await;
    let mut worker = database.pools.worker().await.unwrap();
    assert_eq!(heartbeats::point(&mut worker, second(1)).await.unwrap(), None);
    drop(worker);
    // This cluster archives nothing.
    let folder = tempfile::tempdir().unwrap();
    for at in [second(10), second(20), second(30)] {
        assert_eq!(heartbeat::run(&database.pools, folder.path(), None, at).await.unwrap().safe_at, None);
    }
    let mut worker = database.pools.worker().await.unwrap();
    let point = heartbeats::point(&mut worker, second(40)).await.unwrap().unwrap();
    assert_eq!((point.at, point.is_archived), (second(10), false));
}

#[tokio::test]
async fn old_beats_are_thinned_and_the_last_one_stays() {
    let database = TestDatabase::new().await;
    for number in 1..=12 {
        beat(&database, None, second(number)).await;
    }
    let mut worker = database.pools.worker().await.unwrap();
    heartbeats::thin(&mut worker, second(9), 3, second(4)).await.unwrap();
    worker.commit().await.unwrap();
    let left: Vec<i64> = sqlx::query_scalar("SELECT counter FROM heartbeats ORDER BY counter")
        .fetch_all(&mut database.login("picket_worker").await)
        .await
        .unwrap();
    assert_eq!(left, [6, 9, 10, 11, 12]);
    let mut worker = database.pools.worker().await.unwrap();
    heartbeats::thin(&mut worker, second(99), 100, second(99)).await.unwrap();
    worker.commit().await.unwrap();
    assert_eq!(beat(&database, None, second(13)).await.counter, 13);
}
