//! By which policy whom: what quiet hours, budgets and having been told before make of it.

use picket_collector::domain::incident::Severity;
use picket_collector::domain::outage::NoticeKind;
use picket_collector::domain::telling::quiet::Quiet;
use picket_collector::flow::dispatch;
use picket_collector::store::deliveries;
use picket_collector::store::policies::reach::Target;
use picket_collector::store::{MonitorKey, channels, incidents, policies};

use super::duty::{Duty, MINUTE, at, minutes};

#[tokio::test]
async fn quiet_hours_hold_what_is_not_bad_enough_and_what_is_over_by_then_is_not_told() {
    let duty = Duty::begins().await;
    let (mail, chat) = (duty.channel("mail", "email").await, duty.channel("chat", "slack").await);
    duty.quiet(mail, 10, 100, Some(Severity::Critical)).await;
    duty.policy(&[(0, &[Target::Channel(mail), Target::Channel(chat)])], |new| {
        new.policy.reminder = Some(minutes(20));
    })
    .await;
    duty.sql("UPDATE monitors SET severity = 'warning'").await;
    let night = duty.goes_down(None, 20).await;
    assert_eq!(duty.course(20..=45).await, ["20: mail down~, chat down", "40: chat reminder"]);
    duty.comes_up(night, 50).await;
    assert_eq!(duty.told(50).await, "chat up");
    assert_eq!(duty.heard("mail").await, ["down superseded"]);
    assert_eq!(duty.misses().await, ["up quiet_throughout"]);

    duty.sql("UPDATE monitors SET severity = 'critical'").await;
    let bad = duty.goes_down(None, 55).await;
    assert_eq!(duty.told(55).await, "mail down, chat down");
    duty.comes_up(bad, 56).await;
    assert_eq!(duty.told(56).await, "mail up, chat up");

    duty.sql("UPDATE monitors SET severity = 'warning'").await;
    let long = duty.goes_down(None, 70).await;
    assert_eq!(duty.told(70).await, "mail down~, chat down");
    duty.sends(100).await;
    assert_eq!(duty.heard("mail").await.last().unwrap(), "down sent", "the morning comes");
    duty.comes_up(long, 101).await;
    assert_eq!(duty.told(101).await, "mail up, chat up");
}

#[tokio::test]
async fn a_message_that_quiet_hours_held_is_tried_for_a_day_from_their_end() {
    let duty = Duty::begins().await;
    let mail = duty.channel("mail", "email").await;
    duty.quiet(mail, 0, 300, None).await;
    duty.policy(&[(0, &[Target::Channel(mail)])], |_| {}).await;
    duty.goes_down(None, 1).await;
    assert_eq!(duty.told(1).await, "mail down~");
    let mut worker = duty.world.pools.worker().await.unwrap();
    assert!(deliveries::lease(&mut worker, &[], 9, MINUTE, at(200)).await.unwrap().is_empty());
    let leased = deliveries::lease(&mut worker, &[], 9, MINUTE, at(301)).await.unwrap();
    assert!(leased[0].asked_at > at(298) && leased[0].asked_at <= at(300), "{:?}", leased[0].asked_at);
}

#[tokio::test]
async fn sms_beyond_the_budget_of_the_policy_are_not_sent_and_the_next_level_is_told() {
    let duty = Duty::begins().await;
    let (phone, mail, boss) = (
        duty.channel("phone", "twilio").await,
        duty.channel("mail", "email").await,
        duty.channel("boss", "email").await,
    );
    let levels: &[(u32, &[Target])] = &[(0, &[Target::Channel(phone)]), (15, &[Target::Channel(boss)])];
    duty.policy(levels, |new| {
        new.sms_per_day = Some(3);
        new.tells_recovery = false;
    })
    .await;
    for minute in [0, 10, 20] {
        let incident = duty.goes_down(None, minute).await;
        assert_eq!(duty.told(minute).await, "phone down");
        duty.comes_up(incident, minute + 1).await;
        assert_eq!(duty.told(minute + 1).await, "");
    }
    let fourth = duty.goes_down(None, 30).await;
    assert_eq!(duty.told(30).await, "boss down");
    assert_eq!(duty.misses().await.last().unwrap(), "down sms_budget");
    duty.comes_up(fourth, 31).await;
    duty.told(31).await;
    // Another policy has a budget of its own, and a day later there is room again.
    let levels: &[(u32, &[Target])] = &[(0, &[Target::Channel(phone), Target::Channel(mail)])];
    let other = duty.policy(levels, |new| (new.is_default, new.sms_per_day) = (false, Some(1))).await;
    let other = duty.monitor("api", "{}", Some(other)).await;
    duty.goes_down(Some(other), 32).await;
    assert_eq!(duty.told(32).await, "phone down, mail down");
    duty.goes_down(None, 1451).await;
    assert_eq!(duty.told(1451).await, "phone down");
}

#[tokio::test]
async fn that_it_is_over_is_told_where_the_policy_says_so_and_to_pagers_always() {
    let duty = Duty::begins().await;
    let (mail, pager) = (duty.channel("mail", "email").await, duty.channel("pager", "pagerduty").await);
    let later = duty.channel("later", "opsgenie").await;
    let levels: &[(u32, &[Target])] =
        &[(0, &[Target::Channel(mail), Target::Channel(pager)]), (15, &[Target::Channel(later)])];
    duty.policy(levels, |new| new.tells_recovery = false).await;
    let incident = duty.goes_down(None, 0).await;
    assert_eq!(duty.told(0).await, "mail down, pager down");
    duty.is_acknowledged(incident, 1).await;
    assert_eq!(duty.told(1).await, "pager acknowledged");
    duty.comes_up(incident, 2).await;
    assert_eq!(duty.told(2).await, "pager up");
    assert_eq!(duty.misses().await, ["up no_recovery"]);
    // What failed there may have arrived: an alarm is not left open.
    let incident = duty.goes_down(None, 10).await;
    dispatch::run(&duty.world.pools, at(10)).await.unwrap();
    duty.sql("UPDATE deliveries SET state = 'failed', ended_at = 1, attempts = 1 WHERE state = 'pending'").await;
    duty.comes_up(incident, 11).await;
    assert_eq!(duty.told(11).await, "pager up");
}

#[tokio::test]
async fn a_monitor_has_its_own_policy_or_that_of_a_tag_or_the_default() {
    let duty = Duty::begins().await;
    let (a, b, c) =
        (duty.channel("a", "email").await, duty.channel("b", "email").await, duty.channel("c", "email").await);
    let named = duty.policy(&[(0, &[Target::Channel(a)])], |new| new.is_default = false).await;
    for (name, channel) in [("first", b), ("second", a)] {
        duty.policy(&[(0, &[Target::Channel(channel)])], |new| {
            (new.name, new.is_default, new.tags) = (name.to_owned(), false, vec!["pay".to_owned()]);
        })
        .await;
    }
    duty.policy(&[(0, &[Target::Channel(c)])], |_| {}).await;
    let mut minute = 0;
    for (tags, policy, wanted) in [
        ("{pay,eu}", Some(named), "a down"),
        ("{eu,pay}", None, "b down"),
        ("{eu}", None, "c down"),
        ("{}", None, "c down"),
    ] {
        minute += 1;
        let monitor = duty.monitor(&format!("m{minute}"), tags, policy).await;
        duty.goes_down(Some(monitor), minute).await;
        assert_eq!(duty.told(minute).await, wanted, "{tags}");
    }
    // A policy that is removed leaves its monitors to the next that fits.
    let mut scoped = duty.scoped().await;
    let row = policies::list(&mut scoped).await.unwrap().into_iter().find(|row| row.key == named).unwrap();
    assert!(policies::remove(&mut scoped, &row, at(0)).await.unwrap());
    scoped.commit().await.unwrap();
    let monitor = duty.monitor("orphan", "{pay}", Some(named)).await;
    duty.goes_down(Some(monitor), 20).await;
    assert_eq!(duty.told(20).await, "b down");
}

#[tokio::test]
async fn without_a_policy_every_channel_is_told_that_is_not_a_members_own_and_was_verified_by_then() {
    let duty = Duty::begins().await;
    duty.channel("mail", "email").await;
    duty.channel("pager", "pagerduty").await;
    duty.member("ada", "email").await;
    let incident = duty.goes_down(None, 1).await;
    duty.channel("late", "email").await;
    duty.sql(&format!("UPDATE channels SET verified_at = {} WHERE name = 'late'", at(2).micros())).await;
    assert_eq!(duty.told(3).await, "mail down, pager down");
    duty.is_acknowledged(incident, 4).await;
    assert_eq!(duty.told(4).await, "pager acknowledged");
    duty.comes_up(incident, 5).await;
    assert_eq!(duty.told(5).await, "mail up, pager up", "late was not told that it is down");
    assert_eq!(duty.world.count("escalations").await, 0);
    duty.says(NoticeKind::Flapping { openings: 4 }, 6).await;
    assert_eq!(duty.told(6).await, "mail flapping, pager flapping, late flapping");
    duty.says(NoticeKind::FlappingOver, 7).await;
    assert_eq!(duty.told(7).await, "mail flapping_over, pager flapping_over, late flapping_over");
    duty.says(NoticeKind::FlappingOver, 8).await;
    assert_eq!(duty.told(8).await, "", "it was told as over");
}

#[tokio::test]
async fn a_channel_is_a_members_own_or_the_organizations_and_quiet_when_somebody_says_so() {
    let duty = Duty::begins().await;
    duty.channel("mail", "email").await;
    let (ada, own) = (duty.member("ada", "email").await, uuid::Uuid::from_u128(7));
    let policy = duty.policy(&[(0, &[Target::Member(ada)])], |new| new.is_default = false).await;
    let mut scoped = duty.scoped().await;
    let row = channels::list(&mut scoped).await.unwrap().into_iter().find(|row| row.name == "mail").unwrap();
    assert!(policies::set_member(&mut scoped, &row, Some((ada, own)), at(0)).await.unwrap());
    let quiet = serde_json::json!({ "zone": "UTC", "hours": [{ "days": [1], "from": "09:00", "to": "17:00" }], "passes": "error" });
    let quiet: Quiet = serde_json::from_value(quiet).unwrap();
    assert!(policies::set_quiet(&mut scoped, &row, Some(&quiet), at(0)).await.unwrap());
    assert!(policies::assign(&mut scoped, MonitorKey(1), Some((policy, "own")), at(0)).await.unwrap());
    let manners = policies::manners(&mut scoped).await.unwrap();
    let mail = manners.iter().find(|manner| manner.channel == row.key).unwrap();
    assert_eq!((mail.member, mail.is_personal, mail.quiet.as_ref()), (Some(ada), true, Some(&quiet)));
    scoped.commit().await.unwrap();
    duty.goes_down(None, 1).await;
    assert_eq!(duty.told(1).await, "mail down, ada down");
    let mut scoped = duty.scoped().await;
    assert!(policies::set_member(&mut scoped, &row, None, at(2)).await.unwrap());
    assert!(policies::set_quiet(&mut scoped, &row, None, at(2)).await.unwrap());
    assert!(policies::assign(&mut scoped, MonitorKey(1), None, at(2)).await.unwrap());
    scoped.commit().await.unwrap();
    let other = duty.monitor("api", "{}", None).await;
    duty.goes_down(Some(other), 3).await;
    assert_eq!(duty.told(3).await, "mail down");
    let audit = "SELECT action FROM audit WHERE action !~ '^(policy|schedule)' ORDER BY id";
    let both = ["channel.member", "channel.quiet", "monitor.policy"];
    assert_eq!(duty.texts(audit).await, both.repeat(2));
}

#[tokio::test]
async fn what_a_person_opens_goes_the_way_of_the_monitors_that_it_affects_and_begins_anew_when_opened_again() {
    let duty = Duty::begins().await;
    let (mail, chat) = (duty.channel("mail", "email").await, duty.channel("chat", "slack").await);
    duty.policy(&[(0, &[Target::Channel(mail)]), (10, &[Target::Channel(chat)])], |new| {
        (new.is_default, new.tags) = (false, vec!["pay".to_owned()]);
    })
    .await;
    duty.sql("UPDATE monitors SET tags = '{pay}'").await;
    let incident = duty.is_declared(Severity::Error, 0).await;
    assert_eq!(duty.course(0..=12).await, ["0: mail declared", "10: chat declared"]);
    duty.is_resolved(incident, 13).await;
    assert_eq!(duty.told(13).await, "mail declared_over, chat declared_over");
    let mut scoped = duty.scoped().await;
    let held = incidents::hold(&mut scoped, incident).await.unwrap().unwrap();
    incidents::reopen(&mut scoped, &held, at(20)).await.unwrap();
    scoped.commit().await.unwrap();
    assert_eq!(duty.course(20..=25).await, ["20: mail declared"]);
    duty.is_resolved(incident, 26).await;
    assert_eq!(duty.course(26..=60).await, ["26: mail declared_over"], "of this round chat was not told");
}

#[tokio::test]
async fn what_is_no_incident_goes_once_to_the_first_level_that_reaches_somebody() {
    let duty = Duty::begins().await;
    let (mail, chat) = (duty.channel("mail", "email").await, duty.channel("chat", "slack").await);
    let ada = duty.member("ada", "email").await;
    duty.sql("DELETE FROM member_channels").await;
    let levels: &[(u32, &[Target])] =
        &[(5, &[Target::Member(ada)]), (10, &[Target::Channel(mail)]), (10, &[Target::Channel(chat)])];
    duty.policy(levels, |new| new.policy.reminder = Some(minutes(10))).await;
    duty.quiet(mail, 0, 60, Some(Severity::Error)).await;
    duty.says(NoticeKind::NeverCameUp, 1).await;
    assert_eq!(duty.told(1).await, "mail never_came_up");
    let region = || "eu-1".parse().unwrap();
    duty.says(NoticeKind::RegionSilent { region: region(), heard: None }, 2).await;
    assert_eq!(duty.told(2).await, "mail region_silent~");
    duty.says(NoticeKind::RegionHeard { region: region() }, 3).await;
    assert_eq!(duty.told(3).await, "");
    duty.says(NoticeKind::RegionSilent { region: region(), heard: None }, 4).await;
    assert_eq!(duty.told(4).await, "mail region_silent~", "that it was heard again was nobody's news");
    assert_eq!(duty.course(5..=59).await, [""; 0]);
    duty.sends(60).await;
    duty.says(NoticeKind::RegionHeard { region: region() }, 61).await;
    assert_eq!(duty.told(61).await, "mail region_heard");
    assert_eq!(
        duty.heard("mail").await,
        ["never_came_up sent", "region_silent superseded", "region_silent sent", "region_heard sent"]
    );
}
