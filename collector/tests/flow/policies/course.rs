//! How an incident goes its way through a policy until somebody acknowledges or it is over.

use picket_collector::flow::dispatch;
use picket_collector::store::deliveries;
use picket_collector::store::policies::reach::{By, Target};
use picket_collector::store::{MonitorKey, OrgKey, policies};

use super::duty::{Duty, at, minutes};

#[tokio::test]
async fn levels_are_told_after_their_waits_until_somebody_acknowledges() {
    let duty = Duty::begins().await;
    let (mail, chat, boss) =
        (duty.channel("mail", "email").await, duty.channel("chat", "slack").await, duty.channel("boss", "email").await);
    duty.channel("other", "email").await;
    let levels: &[(u32, &[Target])] =
        &[(0, &[Target::Channel(mail)]), (15, &[Target::Channel(chat)]), (30, &[Target::Channel(boss)])];
    duty.policy(levels, |_| {}).await;
    let first = duty.goes_down(None, 0).await;
    assert_eq!(duty.course(0..=60).await, ["0: mail down", "15: chat down", "45: boss down"]);
    assert_eq!(duty.world.count("escalations").await, 0, "nothing is due any more");
    duty.comes_up(first, 61).await;
    assert_eq!(duty.told(61).await, "mail up, chat up, boss up");

    let second = duty.goes_down(None, 100).await;
    assert_eq!(duty.course(100..=114).await, ["100: mail down"]);
    // In the very moment in which the next level is due.
    duty.is_acknowledged(second, 115).await;
    assert_eq!(duty.course(115..=300).await, [""; 0]);
    assert_eq!(duty.world.count("escalations").await, 0);
    duty.comes_up(second, 301).await;
    assert_eq!(duty.told(301).await, "mail up", "who was not told that it is down is not told that it is up");
    let route: serde_json::Value =
        sqlx::query_scalar("SELECT route FROM notices ORDER BY id LIMIT 1").fetch_one(&duty.world.owner).await.unwrap();
    assert_eq!((&route["because"], &route["policy"]["by"]), (&"policy".into(), &"default".into()));
    let names: Vec<_> = route["levels"].as_array().unwrap().iter().map(|level| &level["told"][0]["name"]).collect();
    assert_eq!(names, ["mail", "chat", "boss"]);
}

#[tokio::test]
async fn a_first_level_that_waits_is_never_told_of_what_was_over_before() {
    let duty = Duty::begins().await;
    let pager = duty.channel("pager", "pagerduty").await;
    duty.policy(&[(5, &[Target::Channel(pager)])], |_| {}).await;
    let short = duty.goes_down(None, 0).await;
    assert_eq!(duty.course(0..=4).await, [""; 0]);
    duty.comes_up(short, 4).await;
    assert_eq!(duty.course(4..=20).await, [""; 0], "nobody hears of the end of what nobody heard of");
    let long = duty.goes_down(None, 30).await;
    assert_eq!(duty.course(30..=40).await, ["35: pager down"]);
    duty.is_acknowledged(long, 41).await;
    duty.comes_up(long, 42).await;
    assert_eq!(duty.told(43).await, "pager acknowledged, pager up");
}

#[tokio::test]
async fn all_levels_are_gone_through_again_and_say_that_it_still_stands() {
    let duty = Duty::begins().await;
    let (mail, chat) = (duty.channel("mail", "email").await, duty.channel("chat", "slack").await);
    duty.policy(&[(0, &[Target::Channel(mail)]), (10, &[Target::Channel(chat)])], |new| {
        new.policy.repeats = 2;
        new.policy.repeat_after = minutes(20);
    })
    .await;
    let incident = duty.goes_down(None, 0).await;
    assert_eq!(
        duty.course(0..=65).await,
        ["0: mail down", "10: chat down", "30: mail reminder", "40: chat reminder", "60: mail reminder"]
    );
    duty.is_acknowledged(incident, 66).await;
    assert_eq!(duty.course(66..=200).await, ["66: chat acknowledged"]);
    duty.comes_up(incident, 201).await;
    assert_eq!(duty.told(201).await, "mail up, chat up");
}

#[tokio::test]
async fn reminders_go_to_whoever_was_told_after_growing_pauses() {
    let duty = Duty::begins().await;
    let (mail, chat) = (duty.channel("mail", "email").await, duty.channel("chat", "slack").await);
    duty.policy(&[(0, &[Target::Channel(mail)]), (15, &[Target::Channel(chat)])], |new| {
        new.policy.reminder = Some(minutes(10));
    })
    .await;
    let incident = duty.goes_down(None, 0).await;
    assert_eq!(
        duty.course(0..=160).await,
        [
            "0: mail down",
            "10: mail reminder",
            "15: chat down",
            "35: mail reminder, chat reminder",
            "75: mail reminder, chat reminder",
            "155: mail reminder, chat reminder"
        ]
    );
    duty.comes_up(incident, 161).await;
    assert_eq!(duty.course(161..=600).await, ["161: mail up, chat up"]);
    assert_eq!(duty.world.count("escalations").await, 0);
}

#[tokio::test]
async fn a_reminder_that_waits_for_another_try_when_it_is_over_or_acknowledged_is_not_sent_any_more() {
    let duty = Duty::begins().await;
    let mail = duty.channel("mail", "email").await;
    duty.policy(&[(0, &[Target::Channel(mail)])], |new| new.policy.reminder = Some(minutes(10))).await;
    let incident = duty.goes_down(None, 0).await;
    duty.told(0).await;
    dispatch::escalate(&duty.world.pools, at(10)).await.unwrap();
    // The mail server is away: while that waits, no other is added.
    duty.sql("UPDATE deliveries SET attempts = 1, next_at = next_at + 3600000000 WHERE state = 'pending'").await;
    assert_eq!(dispatch::escalate(&duty.world.pools, at(30)).await.unwrap().deliveries, 0);
    duty.is_acknowledged(incident, 31).await;
    dispatch::run(&duty.world.pools, at(31)).await.unwrap();
    assert_eq!(duty.heard("mail").await, ["down sent", "reminder superseded"]);
}

#[tokio::test]
async fn who_is_on_call_is_told_as_of_the_moment_of_each_level() {
    let duty = Duty::begins().await;
    let (ada, bob, eve) =
        (duty.member("ada", "email").await, duty.member("bob", "email").await, duty.member("eve", "email").await);
    let schedule = duty.schedule(1, &[ada, bob]).await;
    let on_call: &[Target] = &[Target::Schedule(schedule)];
    duty.policy(&[(0, on_call), (15, on_call), (15, on_call)], |_| {}).await;
    // Turns last an hour; the second begins at minute 60.
    let preview = policies::preview(&mut duty.scoped().await, OrgKey(1), &[MonitorKey(1)], at(50)).await.unwrap();
    assert_eq!(preview.chosen.unwrap().by, By::Default);
    let foreseen = preview.levels.iter().map(|told| (told.at, told.reach.hops[0].name.as_str()));
    assert_eq!(foreseen.collect::<Vec<_>>(), [(at(50), "ada"), (at(65), "bob"), (at(80), "bob")]);
    let incident = duty.goes_down(None, 50).await;
    assert_eq!(duty.course(50..=90).await, ["50: ada down", "65: bob down", "80: bob reminder"]);
    duty.comes_up(incident, 91).await;
    assert_eq!(duty.told(91).await, "ada up, bob up");
    duty.stands_in(eve, 120, 130).await;
    duty.goes_down(None, 125).await;
    assert_eq!(duty.course(125..=150).await, ["125: eve down", "140: ada down"]);
}

#[tokio::test]
async fn a_level_that_reaches_nobody_gives_way_to_the_next_at_once() {
    let duty = Duty::begins().await;
    let (mail, ada) = (duty.channel("mail", "email").await, duty.member("ada", "email").await);
    let empty = duty.schedule(1, &[ada]).await;
    duty.sql("DELETE FROM rotations").await;
    let unproven = duty.channel("unproven", "email").await;
    duty.sql("UPDATE channels SET verified_at = NULL, verified_by = NULL WHERE name = 'unproven'").await;
    duty.sql("DELETE FROM member_channels").await;
    let levels: &[(u32, &[Target])] = &[
        (0, &[Target::Schedule(empty), Target::Channel(unproven)]),
        (10, &[Target::Member(ada)]),
        (20, &[Target::Channel(mail)]),
    ];
    duty.policy(levels, |_| {}).await;
    let first = duty.goes_down(None, 0).await;
    assert_eq!(duty.course(0..=60).await, ["0: mail down"]);
    assert_eq!(duty.misses().await, ["down nobody_on_call", "down not_verified", "down no_channel"]);
    duty.sql("DELETE FROM policy_targets").await;
    duty.comes_up(first, 61).await;
    duty.told(61).await;
    duty.goes_down(None, 70).await;
    assert_eq!(duty.course(70..=200).await, [""; 0]);
    assert_eq!(duty.world.count("escalations").await, 0, "it ends though nobody could be told");
}

#[tokio::test]
async fn a_member_who_left_is_told_no_more() {
    let duty = Duty::begins().await;
    let (ada, bob) = (duty.member("ada", "email").await, duty.member("bob", "email").await);
    let schedule = duty.schedule(1, &[ada, bob]).await;
    let levels: &[(u32, &[Target])] =
        &[(0, &[Target::Member(ada), Target::Member(bob)]), (10, &[Target::Schedule(schedule)])];
    duty.policy(levels, |new| new.policy.reminder = Some(minutes(30))).await;
    let incident = duty.goes_down(None, 0).await;
    dispatch::run(&duty.world.pools, at(0)).await.unwrap();
    assert_eq!(
        (duty.heard("ada").await, duty.heard("bob").await),
        (vec!["down pending".into()], vec!["down pending".to_owned()])
    );
    duty.sql(&format!("DELETE FROM memberships WHERE user_id = {}", ada.0)).await;
    let mut worker = duty.world.pools.worker().await.unwrap();
    assert_eq!(deliveries::supersede_unwanted(&mut worker, at(1)).await.unwrap(), 1);
    worker.commit().await.unwrap();
    assert_eq!(duty.heard("ada").await, ["down superseded"]);
    assert_eq!(dispatch::escalate(&duty.world.pools, at(1)).await.unwrap().forgotten, 1);
    assert_eq!(duty.texts("SELECT name FROM channels WHERE length(sealed_settings) > 0").await, ["bob"]);
    assert_eq!(
        duty.texts("SELECT detail ->> 'why' FROM audit WHERE action = 'channel.remove'").await,
        ["its member left"]
    );
    duty.sends(1).await;
    assert_eq!(duty.course(1..=45).await, ["10: bob reminder", "40: bob reminder"]);
    duty.comes_up(incident, 46).await;
    assert_eq!(duty.told(46).await, "bob up");
}

#[tokio::test]
async fn two_at_once_tell_nobody_twice() {
    let duty = Duty::begins().await;
    let (mail, chat) = (duty.channel("mail", "email").await, duty.channel("chat", "slack").await);
    duty.policy(&[(0, &[Target::Channel(mail)]), (5, &[Target::Channel(chat)])], |new| {
        new.policy.reminder = Some(minutes(10));
    })
    .await;
    for n in 0..5 {
        let monitor = duty.monitor(&format!("m{n}"), "{}", None).await;
        duty.goes_down(Some(monitor), n).await;
    }
    let (pools, mut told) = (&duty.world.pools, 0);
    for minute in 5..40 {
        let now = at(minute);
        let (a, b, c, d) = tokio::join!(
            dispatch::run(pools, now),
            dispatch::escalate(pools, now),
            dispatch::run(pools, now),
            dispatch::escalate(pools, now)
        );
        told += a.unwrap().deliveries + b.unwrap().deliveries + c.unwrap().deliveries + d.unwrap().deliveries;
        duty.sends(minute).await;
    }
    assert_eq!(duty.world.count("deliveries").await, i64::try_from(told).unwrap());
    assert_eq!(duty.world.count("deliveries d JOIN notices n ON n.id = d.notice_id WHERE n.kind = 'down'").await, 10);
    let twice = "SELECT n.incident_id || ' ' || n.at FROM deliveries d JOIN notices n ON n.id = d.notice_id
                 WHERE n.kind = 'reminder' GROUP BY n.incident_id, n.at, d.channel_id HAVING count(*) > 1";
    assert_eq!(duty.texts(twice).await, [""; 0]);
}

#[tokio::test]
async fn a_policy_that_is_changed_meanwhile_goes_on_from_where_it_is() {
    let duty = Duty::begins().await;
    let (mail, chat) = (duty.channel("mail", "email").await, duty.channel("chat", "slack").await);
    let key = duty.policy(&[(0, &[Target::Channel(mail)]), (15, &[Target::Channel(chat)])], |_| {}).await;
    duty.goes_down(None, 0).await;
    assert_eq!(duty.told(0).await, "mail down");
    let mut scoped = duty.scoped().await;
    let row = policies::list(&mut scoped).await.unwrap().into_iter().find(|row| row.key == key).unwrap();
    let mut shorter = row.is.clone();
    shorter.policy.waits.pop();
    shorter.targets.pop();
    assert!(policies::update(&mut scoped, &row, &shorter, at(1)).await.unwrap());
    assert!(!policies::update(&mut scoped, &row, &shorter, at(1)).await.unwrap(), "it was changed meanwhile");
    scoped.commit().await.unwrap();
    assert_eq!(duty.course(1..=30).await, [""; 0]);
    assert_eq!(duty.world.count("escalations").await, 0);
}

#[tokio::test]
async fn a_policy_that_is_removed_meanwhile_leaves_the_incident_to_the_next_that_fits() {
    let duty = Duty::begins().await;
    let (mail, chat, boss) =
        (duty.channel("mail", "email").await, duty.channel("chat", "slack").await, duty.channel("boss", "email").await);
    let levels: &[(u32, &[Target])] = &[(0, &[Target::Channel(mail)]), (15, &[Target::Channel(chat)])];
    let own = duty.policy(levels, |new| new.is_default = false).await;
    let monitor = duty.monitor("api", "{}", Some(own)).await;
    duty.policy(&[(0, &[Target::Channel(boss)])], |_| {}).await;
    duty.goes_down(Some(monitor), 0).await;
    assert_eq!(duty.told(0).await, "mail down");
    duty.sql("UPDATE policies SET deleted_at = 1 WHERE NOT is_default").await;
    assert_eq!(duty.course(1..=40).await, ["15: boss down"]);
    duty.removes(boss).await;
    assert_eq!(duty.world.count("policy_targets WHERE channel_id IS NOT NULL").await, 2);
}
