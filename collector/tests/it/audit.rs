//! Who changed what: every change of a monitor or channel leaves one line, in its own transaction.

use picket_collector::store::{channels, monitors};
use picket_shared::ids::MonitorId;
use serde_json::Value;

use crate::telling::{START, Told, seconds, settings, webhook};

async fn lines(told: &Told) -> Vec<(String, String, Value)> {
    let mut conn = told.database.login("postgres").await;
    let select = "SELECT actor, action, detail FROM audit WHERE org_id = $1 ORDER BY id";
    sqlx::query_as(select).bind(told.org).fetch_all(&mut conn).await.unwrap()
}

#[tokio::test]
async fn every_change_of_a_monitor_or_channel_is_told_with_its_actor_and_without_secrets() {
    let told = Told::new().await;
    let hook = told.channel("hook", &webhook("https://hook.example/canary")).await;
    let mut scoped = told.database.pools.scoped(told.org).await.unwrap().by("command:ana");
    let mut wanted = settings("api", told.region);
    let now = START + seconds(9);
    let key = monitors::insert(&mut scoped, MonitorId::at(now), &wanted, now).await.unwrap();
    wanted.name = "api 2".to_owned();
    monitors::edit(&mut scoped, key, 1, &wanted, now).await.unwrap();
    // What changes nothing leaves no line.
    assert!(!monitors::resume(&mut scoped, key, now).await.unwrap());
    assert!(monitors::pause(&mut scoped, key, now).await.unwrap());
    assert!(!monitors::pause(&mut scoped, key, now).await.unwrap());
    assert!(monitors::resume(&mut scoped, key, now).await.unwrap());
    assert!(monitors::delete(&mut scoped, key, now).await.unwrap());
    assert!(channels::remove(&mut scoped, hook, now).await.unwrap());
    assert!(!channels::remove(&mut scoped, hook, now).await.unwrap());
    scoped.commit().await.unwrap();
    let lines = lines(&told).await;
    let said: Vec<_> = lines
        .iter()
        .map(|(actor, action, detail)| format!("{actor} {action} {}", detail["name"].as_str().unwrap()))
        .collect();
    let expected = [
        "collector monitor.add shop",
        "collector channel.add hook",
        "collector channel.verify hook",
        "command:ana monitor.add api",
        "command:ana monitor.edit api 2",
        "command:ana monitor.pause api 2",
        "command:ana monitor.resume api 2",
        "command:ana monitor.delete api 2",
        "command:ana channel.remove hook",
    ];
    assert_eq!(said, expected);
    assert!(!format!("{lines:?}").contains("canary"), "{lines:?}");
}

#[tokio::test]
async fn a_change_that_is_rolled_back_leaves_no_line() {
    let told = Told::new().await;
    let mut scoped = told.database.pools.scoped(told.org).await.unwrap();
    assert!(monitors::pause(&mut scoped, told.monitor, START).await.unwrap());
    drop(scoped);
    assert_eq!(lines(&told).await.len(), 1);
}
