//! The operator is told once of what is not well with the instance itself, and once when it is over.

use std::time::Duration;

use picket_collector::domain::posture::Finding;
use picket_collector::ops::operator;
use picket_collector::store::posture::note;
use picket_collector::vault::Class;

use crate::common::World;
use crate::mailbox::MAILS;

const MINUTE: Duration = Duration::from_secs(60);

async fn find(world: &World, control: &str, finding: Finding) {
    let mut worker = world.pools().worker().await.unwrap();
    note(&mut worker, control, &finding, world.clock.now()).await.unwrap();
    worker.commit().await.unwrap();
}

async fn told(world: &World, to: &[&str]) -> usize {
    let to: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
    operator::run(&world.pools(), Some(&world.sealer), &to, world.clock.now()).await.unwrap()
}

/// What the newest mail says.
async fn newest(world: &World) -> serde_json::Value {
    let query =
        "SELECT sealed_parameters, uuid FROM account_mails WHERE template = 'operator' ORDER BY id DESC LIMIT 1";
    serde_json::from_str(&world.sealed(Class::AccountMail, query).await).unwrap()
}

#[tokio::test]
async fn what_begins_and_what_is_over_is_told_once_to_each() {
    let world = World::with(MAILS).await;
    let to = ["ops@example.org", "night@example.org"];
    find(&world, "passwords", Finding::pass("all are well")).await;
    find(&world, "restore-point", Finding::not_measured("there is no archive")).await;
    assert_eq!(told(&world, &to).await, 0, "what is not measured is no alarm");
    find(&world, "restore-drill", Finding::fail("the last drill failed")).await;
    assert_eq!(told(&world, &to).await, 2);
    let mail = newest(&world).await;
    assert_eq!(mail["to"], "night@example.org");
    assert_eq!(mail["about"]["operator"]["new"][0][0], "restore-drill", "{mail:#}");
    world.clock.advance(MINUTE);
    assert_eq!(told(&world, &to).await, 0, "once");
    find(&world, "restore-drill", Finding::pass("the last drill passed")).await;
    assert_eq!(told(&world, &to).await, 2);
    assert_eq!(newest(&world).await["about"]["operator"]["over"][0], "restore-drill");
    assert_eq!(told(&world, &to).await, 0);
    assert_eq!(world.one("SELECT count(*) FROM operator_alarms").await, "0");
    // Where no mail can be sent none is written.
    find(&world, "restore-drill", Finding::fail("the last drill failed")).await;
    let before = world.one("SELECT count(*) FROM account_mails").await;
    let to = to.map(str::to_owned);
    assert_eq!(operator::run(&world.pools(), None, &to, world.clock.now()).await.unwrap(), 0);
    assert_eq!(world.one("SELECT count(*) FROM account_mails").await, before);
    assert_eq!(world.one("SELECT count(*) FROM operator_alarms").await, "1");
}

#[tokio::test]
async fn a_silent_probe_and_messages_that_were_given_up_are_told_to_who_administers() {
    let world = World::with(MAILS).await;
    world.member("owner").await;
    let now = world.clock.now().micros();
    world
        .sql(&format!(
            "INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at) VALUES (gen_random_uuid(), 1, 'frankfurt', '', 0), (gen_random_uuid(), 1, 'never heard', '', 0);
             INSERT INTO probe_status (probe_id, boot, version, kinds, hello_at, seen_at, assignments)
                 VALUES (1, gen_random_uuid(), '1', '{{}}', {now}, {now}, 0)"
        ))
        .await;
    assert_eq!(told(&world, &[]).await, 0);
    world.clock.advance(MINUTE * 6);
    assert_eq!(told(&world, &[]).await, 0, "nobody administers, and the log alone says it");
    world.sql("DELETE FROM operator_alarms").await;
    let now = world.clock.now().micros();
    world
        .sql(&format!(
            "INSERT INTO admin_grants (uuid, user_id, granted_by, from_at, until_at)
                 SELECT gen_random_uuid(), id, 'command:root', {now}, {now} + 86400000000 FROM users;
             INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
                 VALUES (gen_random_uuid(), 1, 'm', 'tcp', 't', '{{}}', 60, 1000, 1, 0, 0);
             INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at) VALUES (gen_random_uuid(), 1, 'c', 'email', 'h', '', 0);
             INSERT INTO notices (org_id, monitor_id, kind, at, payload) VALUES (1, 1, 'down', 0, '{{}}');
             INSERT INTO deliveries (uuid, org_id, channel_id, notice_id, state, next_at, created_at, ended_at)
                 VALUES (gen_random_uuid(), 1, 1, 1, 'failed', 0, 0, {now})"
        ))
        .await;
    assert_eq!(told(&world, &[]).await, 1);
    let mail = newest(&world).await;
    assert_eq!(mail["to"], "owner@example.org");
    let new: Vec<&str> =
        mail["about"]["operator"]["new"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(new, ["deliveries", "probe frankfurt"]);
    world.clock.advance(MINUTE * 61);
    assert_eq!(told(&world, &[]).await, 1, "nothing was given up lately");
    assert_eq!(newest(&world).await["about"]["operator"]["over"], serde_json::json!(["deliveries"]));
}
