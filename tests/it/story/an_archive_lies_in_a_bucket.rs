//! The archive lies in a bucket of a service that speaks S3: nothing in it can be read without the key ring, nothing is ever
//! replaced, and the database is restored from it.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use picket_collector::config::{Config, S3Settings};
use picket_collector::notify::client::Client;
use picket_collector::ops::archive::store::{Put, S3, Store};
use picket_shared::egress::EgressGuard;
use picket_shared::secret::SecretString;
use picket_shared::time::Clock;
use picket_tests::bucket::{self, Bucket};
use picket_tests::net::Place;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

#[test]
fn an_archive_in_a_bucket_is_restored_and_read_by_nobody_else() {
    let mut world = World::local();
    let folder = world.collector.keys().parent().unwrap().to_owned();
    let address = SocketAddr::from((world.target_address(), 8333));
    let bucket = Bucket::start(world.collector.place(), address, &folder);
    let canary = "a canary that is nowhere in the open";
    world.collector.restarts_with("[log]\n", &format!("{}[log]\n", bucket.section()));
    let postgres = world.collector.postgres();
    let backup = wait::until("the first base backup", Duration::from_secs(120), || {
        let listed: Value = serde_json::from_str(&world.collector.command(&["backup", "list", "--json"])?).unwrap();
        listed["backups"].get(0).cloned().ok_or_else(|| world.collector.log())
    });
    postgres.run("CREATE TABLE ledger (row bigint, note text)").unwrap();
    postgres.run(&format!("INSERT INTO ledger VALUES (1, '{canary}')")).unwrap();
    thread::sleep(Duration::from_secs(1));
    let segment = postgres.run("SELECT pg_walfile_name(pg_switch_wal())").unwrap();
    wait::until("the archiver", Duration::from_secs(150), || {
        let rows = postgres.rows("SELECT last_archived_wal FROM pg_stat_archiver").unwrap();
        let last = rows[0]["last_archived_wal"].as_str().unwrap_or_default().to_owned();
        if last.get(..24) >= Some(segment.as_str()) { Ok(()) } else { Err((last, world.collector.log())) }
    });
    let (code, verdict) = world.collector.judged(&["backup", "verify", "--deep"]);
    assert_eq!(code, Some(0), "{verdict:#}");

    let names = bucket.names();
    assert!(names.iter().any(|name| name.ends_with(&segment)), "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("test/")), "{names:?}");
    for name in names.iter().filter(|name| name.ends_with(&segment) || name.ends_with("/owner")) {
        let content = bucket.content(name);
        assert!(content.starts_with(b"PKTO"), "{name}: {:?}", &content[..content.len().min(200)]);
        assert!(!content.windows(8).any(|window| window == &canary.as_bytes()[..8]), "{name}");
    }
    assert!(!world.collector.log().contains("a secret of the test"));

    world.collector.crashes_under_systemd();
    fs::remove_dir_all(folder.join("data")).unwrap();
    let data = folder.join("restored");
    let restored = world.collector.json(&["restore", "--to-time", "latest", "--into", data.to_str().unwrap()]);
    assert_eq!(restored["restored"]["backup"], backup["id"]);
    world.collector.run(&["restore", "--arm", "--into", data.to_str().unwrap()]);
    world.collector.lives_in(&data);
    world.collector.starts();
    assert_eq!(world.collector.postgres().run("SELECT note FROM ledger").unwrap(), canary);
}

#[test]
fn a_bucket_that_is_away_holds_up_neither_the_start_nor_the_stop() {
    let mut world = World::local();
    let folder = world.collector.keys().parent().unwrap().to_owned();
    let address = SocketAddr::from((world.target_address(), 8335));
    let section = Bucket::start(world.collector.place(), address, &folder).section();
    world.collector.restarts_with("[log]\n", &format!("{section}[log]\n"));
    let log = world.collector.log();
    assert!(log.contains("WAL is kept until it can"), "{log}");
    let bucket = Bucket::start(world.collector.place(), address, &folder);
    wait::until("the first base backup", Duration::from_secs(120), || {
        let listed: Value = serde_json::from_str(&world.collector.command(&["backup", "list", "--json"])?).unwrap();
        listed["backups"].get(0).map(|_| ()).ok_or_else(|| world.collector.log())
    });
    // It hangs: nothing is refused, and nothing answered. What is to be archived last waits for it, and not for long.
    bucket.freezes();
    world.collector.postgres().run("CREATE TABLE ledger (row bigint)").unwrap();
    let ended = world.collector.ends();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {}", world.collector.log());
    assert!(world.collector.log().contains("Stopped PostgreSQL"), "{}", world.collector.log());
}

#[test]
fn a_bucket_keeps_what_is_there_and_tells_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let address = SocketAddr::from(([127, 78, 1, 1], 8334));
    let bucket = Bucket::start(&Place::here(), address, folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&bucket, bucket::NAME).await.unwrap();
        assert_eq!(store.get("a/b").await.unwrap(), None);
        assert_eq!(store.put("a/b", Bytes::from_static(b"one")).await.unwrap(), Put::Stored);
        assert_eq!(store.put("a/b", Bytes::from_static(b"two")).await.unwrap(), Put::Exists);
        assert_eq!(store.get("a/b").await.unwrap().unwrap(), &b"one"[..]);

        // Many at once for one name: one wins.
        let store = Arc::new(store);
        let tasks: Vec<_> = (0..8_u8)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.put("x/y", Bytes::from(vec![number; 100_000])).await.unwrap() })
            })
            .collect();
        let mut stored = 0;
        for task in tasks {
            stored += usize::from(task.await.unwrap() == Put::Stored);
        }
        assert_eq!(stored, 1);

        // More than a page of a list.
        for number in 0..1005 {
            store.put(&format!("many/{number:04}"), Bytes::from_static(b"x")).await.unwrap();
        }
        let listed = store.list("many/").await.unwrap();
        let names: BTreeSet<_> = listed.iter().map(|listed| listed.name.clone()).collect();
        assert_eq!((listed.len(), names.len(), listed[0].size), (1005, 1005, 1));
        assert_eq!(listed[1004].name, "many/1004");

        store.remove("a/b").await.unwrap();
        store.remove("a/b").await.unwrap();
        assert_eq!(store.get("a/b").await.unwrap(), None);

        // A bucket that is not there is no empty archive.
        let error = open(&bucket, "another-bucket").await.unwrap_err();
        assert!(error.to_string().contains("NoSuchBucket") && !error.is_transient(), "{error}");
        drop(bucket);
        let error = store.get("x/y").await.unwrap_err();
        assert!(error.is_transient() && !error.to_string().contains("a secret"), "{error}");
    });
}

async fn open(bucket: &Bucket, name: &str) -> Result<S3, picket_collector::ops::archive::store::StoreError> {
    let config = Config::default();
    let client = Client::new(config.mail, config.outbound, EgressGuard::default()).unwrap();
    let settings = S3Settings {
        url: format!("http://{}", bucket.address).parse().unwrap(),
        bucket: name.to_owned(),
        region: "eu-central-1".to_owned(),
        prefix: "test/".to_owned(),
        access_key: SecretString::new("AKIATEST".to_owned()),
        secret_key: SecretString::new("a secret of the test".to_owned()),
    };
    let store = S3::new(client, settings, Clock::system());
    store.ready().await.map(|()| store)
}
