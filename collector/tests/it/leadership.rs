//! Who leads: the number of a term, and what becomes of the transactions of an old one.

use std::time::Duration;

use picket_collector::store::leadership::{self, Candidate, Leadership, Taken};
use picket_collector::store::{Conn, Fence, StoreError, gaps};
use picket_shared::ids::TermId;
use picket_shared::time::{Stopwatch, Timestamp};
use sqlx::{AssertSqlSafe, Executor};

use crate::database::TestDatabase;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn candidate(host: &str) -> Candidate {
    Candidate { id: TermId::at(NOW), host: host.to_owned(), key_ids: vec!["0000000a".to_owned()] }
}

async fn seen(database: &TestDatabase) -> Leadership {
    leadership::read(&mut database.pools.worker().await.unwrap()).await.unwrap()
}

async fn try_to_take(database: &TestDatabase, seen: &Leadership, who: &Candidate) -> Taken {
    let mut worker = database.pools.worker().await.unwrap();
    let taken = leadership::take(&mut worker, seen, who, NOW).await.unwrap();
    if taken != Taken::Blocked {
        worker.commit().await.unwrap();
    }
    taken
}

async fn beats(database: &TestDatabase, fence: Fence, who: &Candidate) -> bool {
    let mut worker = database.pools.worker().await.unwrap();
    let held = leadership::beat(&mut worker, fence, who, NOW).await.unwrap();
    worker.commit().await.unwrap();
    held
}

async fn with_an_instance() -> TestDatabase {
    let database = TestDatabase::new().await;
    let made = "INSERT INTO instance (collector_id, created_at, last_alive_at, last_started_at)
        VALUES (gen_random_uuid(), 0, 0, 0)";
    database.login("postgres").await.execute(made).await.unwrap();
    database
}

#[tokio::test]
async fn a_term_has_a_higher_number_than_any_before_and_is_taken_once() {
    let database = TestDatabase::new().await;
    let (one, two) = (candidate("one"), candidate("two"));
    let free = seen(&database).await;
    assert_eq!((free.fence, free.holder), (Fence(0), None));
    assert_eq!(try_to_take(&database, &free, &one).await, Taken::Yes(Fence(1)));
    assert_eq!(try_to_take(&database, &free, &two).await, Taken::Changed, "somebody was quicker");
    let held = seen(&database).await;
    assert_eq!((held.holder, held.host.as_str(), &held.key_ids), (Some(one.id), "one", &one.key_ids));
    // It lives.
    assert!(beats(&database, Fence(1), &one).await);
    assert_eq!(try_to_take(&database, &held, &two).await, Taken::Changed);
    let held = seen(&database).await;
    assert_eq!(try_to_take(&database, &held, &two).await, Taken::Yes(Fence(2)));
    assert!(!beats(&database, Fence(1), &one).await && beats(&database, Fence(2), &two).await);
    let mut worker = database.pools.worker().await.unwrap();
    assert!(!leadership::release(&mut worker, Fence(1), one.id, NOW).await.unwrap());
    assert!(leadership::release(&mut worker, Fence(2), two.id, NOW).await.unwrap());
    worker.commit().await.unwrap();
    assert_eq!((seen(&database).await.fence, seen(&database).await.holder), (Fence(2), None));
}

#[tokio::test]
async fn no_transaction_of_an_old_term_begins_whatever_its_role() {
    let database = with_an_instance().await;
    let (one, two) = (candidate("one"), candidate("two"));
    try_to_take(&database, &seen(&database).await, &one).await;
    let old = database.pools.fenced(Fence(1));
    let mut worker = old.worker().await.unwrap();
    gaps::alive(&mut worker, None, NOW).await.unwrap();
    worker.commit().await.unwrap();
    old.confirm().await.unwrap();
    try_to_take(&database, &seen(&database).await, &two).await;
    let org = picket_collector::store::OrgKey(1);
    let refused: [Option<StoreError>; 6] = [
        old.worker().await.err(),
        old.auth().await.err(),
        old.intake().await.err(),
        old.eraser().await.err(),
        old.scoped(org).await.err(),
        old.confirm().await.err(),
    ];
    for error in refused {
        let error = error.expect("it does not lead any more");
        assert!(matches!(error, StoreError::Deposed(_)) && !error.is_transient(), "{error:?}");
        let said = "this collector does not lead any more: its term has the number 1, and 2 is the newest";
        assert_eq!(error.to_string(), said);
    }
    // What is shared goes on, and so does the new term; connections of refused transactions are whole.
    database.pools.intake().await.unwrap();
    for _ in 0..8 {
        database.pools.fenced(Fence(2)).worker().await.unwrap().commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_an_old_term_had_open_ends_before_the_next_begins_and_leaves_nothing() {
    let database = with_an_instance().await;
    let (one, two) = (candidate("one"), candidate("two"));
    try_to_take(&database, &seen(&database).await, &one).await;
    let old = database.pools.fenced(Fence(1));
    let mut paused = old.worker().await.unwrap();
    gaps::alive(&mut paused, None, NOW).await.unwrap();
    let row = seen(&database).await;
    assert_eq!(try_to_take(&database, &row, &two).await, Taken::Blocked);
    let mut login = database.login("postgres").await;
    assert_eq!(leadership::end_transactions(&mut login).await.unwrap(), 1);
    assert_eq!(try_to_take(&database, &row, &two).await, Taken::Yes(Fence(2)));
    assert!(paused.commit().await.is_err(), "its session was ended");
    let alive: i64 = sqlx::query_scalar("SELECT last_alive_at FROM instance").fetch_one(&mut login).await.unwrap();
    assert_eq!(alive, 0);
    assert_eq!(leadership::end_transactions(&mut login).await.unwrap(), 0);
}

#[tokio::test]
async fn one_that_waits_for_the_takeover_to_commit_is_refused() {
    let database = with_an_instance().await;
    try_to_take(&database, &seen(&database).await, &candidate("one")).await;
    let old = database.pools.fenced(Fence(1));
    let mut taking = database.pools.worker().await.unwrap();
    let row = leadership::read(&mut taking).await.unwrap();
    let taken = leadership::take(&mut taking, &row, &candidate("two"), NOW).await.unwrap();
    assert_eq!(taken, Taken::Yes(Fence(2)));
    let waits = tokio::spawn(async move { old.worker().await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waits.is_finished());
    taking.commit().await.unwrap();
    assert!(matches!(waits.await.unwrap(), Err(StoreError::Deposed(_))));
}

#[tokio::test]
async fn what_an_old_term_had_leased_is_free_for_the_next() {
    let database = TestDatabase::new().await;
    let mut login = database.login("postgres").await;
    login
        .execute(
            "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'one', 0);
             INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
                 VALUES (gen_random_uuid(), 1, 'hook', 'webhook', 'h', 'sealed', 0);
             INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, leased_until, created_at, ended_at)
                 VALUES (gen_random_uuid(), 1, 1, '{\"kind\": \"test\"}', 'pending', 0, 9000, 0, NULL)",
        )
        .await
        .unwrap();
    try_to_take(&database, &seen(&database).await, &candidate("one")).await;
    let leased: Option<i64> =
        sqlx::query_scalar("SELECT leased_until FROM deliveries").fetch_one(&mut login).await.unwrap();
    assert_eq!(leased, None);
}

/// What the number costs each transaction of a task: a question more. Prints it; a machine under load proves nothing.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "it is a figure for people")]
async fn the_number_costs_a_transaction_little() {
    const TIMES: u32 = 1000;
    let database = with_an_instance().await;
    try_to_take(&database, &seen(&database).await, &candidate("one")).await;
    for (name, pools) in [("without", database.pools.clone()), ("with", database.pools.fenced(Fence(1)))] {
        let watch = Stopwatch::start();
        for _ in 0..TIMES {
            let mut worker = pools.worker().await.unwrap();
            worker.conn().execute(AssertSqlSafe("SELECT 1")).await.unwrap();
            worker.commit().await.unwrap();
        }
        println!("{name} a number: {:?} a transaction", watch.elapsed() / TIMES);
    }
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE locktype = 'advisory' AND d.datname = current_database()";
    let left: i64 = sqlx::query_scalar(locks).fetch_one(&mut database.login("postgres").await).await.unwrap();
    assert_eq!(left, 0, "a lock outlived its transaction");
}
