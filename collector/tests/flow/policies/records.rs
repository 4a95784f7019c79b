//! Policies and schedules as they are stored: read back as they were written, changed by version, and nobody else's.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told fails")]

use std::time::Duration;

use picket_collector::domain::telling::policy::Policy;
use picket_collector::domain::telling::schedule::{Hours, Override, Rotation, Schedule, Unit};
use picket_collector::store::policies::reach::Target;
use picket_collector::store::policies::{self, NewPolicy};
use picket_collector::store::{OrgKey, ScheduleKey, UserKey, schedules};
use picket_shared::ids::{OverrideId, PolicyId, ScheduleId};

use super::duty::{Duty, at, minutes};

fn rotation(name: &str, starts: &str, every: u16, unit: Unit, members: &[UserKey]) -> Rotation<UserKey> {
    let (name, starts, members) = (name.to_owned(), starts.parse().unwrap(), members.to_vec());
    Rotation { name, starts, every, unit, members, hours: Vec::new() }
}

#[tokio::test]
async fn a_schedule_is_read_back_as_it_was_written_and_changed_by_version() {
    let duty = Duty::begins().await;
    let (ada, bob) = (duty.member("ada", "email").await, duty.member("bob", "email").await);
    let weeks = rotation("weeks", "2026-03-23T09:00", 1, Unit::Weeks, &[bob, ada]);
    let mut nights = rotation("nights", "2026-01-01T00:00", 3, Unit::Days, &[ada, bob, ada]);
    let hours = Hours { days: [5, 6].into(), from: "22:30".parse().unwrap(), to: "06:00".parse().unwrap() };
    nights.hours = vec![hours];
    let zone = "Europe/Berlin".parse().unwrap();
    let mut rota = Schedule { zone, rotations: vec![weeks, nights], overrides: Vec::new() };
    assert!(rota.check().is_empty());

    let (id, now) = (ScheduleId::at(at(0)), at(0));
    let mut scoped = duty.scoped().await;
    let key = schedules::insert(&mut scoped, id, "on call", &rota, now).await.unwrap();
    let stored = schedules::get(&mut scoped, id, now).await.unwrap().unwrap();
    assert_eq!((&stored.rota, stored.name.as_str(), stored.key), (&rota, "on call", key));
    let (first, second) = (OverrideId::at(at(0)), OverrideId::at(at(1)));
    for (id, user, from, to) in [(first, ada, 10, 30), (second, bob, 20, 25)] {
        schedules::stand_in(&mut scoped, &stored, id, &Override { user, from: at(from), to: at(to) }, now)
            .await
            .unwrap();
    }
    rota.rotations.pop();
    assert!(schedules::update(&mut scoped, &stored, "by weeks", &rota, now).await.unwrap());
    assert!(!schedules::update(&mut scoped, &stored, "again", &rota, now).await.unwrap(), "it was changed meanwhile");
    let stored = schedules::get(&mut scoped, id, now).await.unwrap().unwrap();
    assert_eq!(
        (stored.name.as_str(), stored.version, stored.overrides.as_slice()),
        ("by weeks", 2, &[first, second][..])
    );
    scoped.commit().await.unwrap();
    for minute in 0..40 {
        let on_call = schedules::on_call(&mut duty.scoped().await, key, at(minute)).await.unwrap();
        assert_eq!(on_call, stored.rota.on_call(at(minute)), "{minute}");
    }
    assert_eq!(schedules::on_call(&mut duty.scoped().await, key, at(22)).await.unwrap(), Some(bob));
    let later = schedules::get(&mut duty.scoped().await, id, at(26)).await.unwrap().unwrap();
    assert_eq!(later.overrides, [first], "what is over is not shown");

    let mut scoped = duty.scoped().await;
    assert!(schedules::take_back(&mut scoped, &stored, second, now).await.unwrap());
    assert!(!schedules::take_back(&mut scoped, &stored, second, now).await.unwrap());
    assert_eq!(schedules::on_call(&mut scoped, key, at(22)).await.unwrap(), Some(ada));
    scoped.commit().await.unwrap();
    let actions = duty.texts("SELECT action FROM audit WHERE action LIKE 'schedule%' ORDER BY id").await;
    let done = ["schedule.add", "schedule.override", "schedule.override", "schedule.edit", "schedule.override_end"];
    assert_eq!(actions, done);
}

#[tokio::test]
async fn a_schedule_that_is_removed_is_in_no_policy_any_more_and_whoever_left_has_no_turn() {
    let duty = Duty::begins().await;
    let (ada, bob) = (duty.member("ada", "email").await, duty.member("bob", "email").await);
    let key = duty.schedule(1, &[ada, bob]).await;
    let mail = duty.channel("mail", "email").await;
    duty.policy(&[(0, &[Target::Schedule(key)]), (10, &[Target::Channel(mail)])], |_| {}).await;
    duty.stands_in(ada, 100, 200).await;
    duty.sql(&format!("DELETE FROM memberships WHERE user_id = {}", ada.0)).await;
    for minute in [0, 70, 150] {
        assert_eq!(schedules::on_call(&mut duty.scoped().await, key, at(minute)).await.unwrap(), Some(bob), "{minute}");
    }
    let mut scoped = duty.scoped().await;
    let row = schedules::list(&mut scoped, at(0)).await.unwrap().pop().unwrap();
    assert_eq!(row.policies, ["policy 0"]);
    assert!(schedules::remove(&mut scoped, &row, at(1)).await.unwrap());
    assert!(!schedules::remove(&mut scoped, &row, at(1)).await.unwrap());
    assert!(schedules::list(&mut scoped, at(0)).await.unwrap().is_empty());
    scoped.commit().await.unwrap();
    duty.goes_down(None, 2).await;
    assert_eq!(duty.told(2).await, "mail down", "a level without anybody gives way");
}

#[tokio::test]
async fn a_policy_is_read_back_as_it_was_written_and_there_is_one_default() {
    let duty = Duty::begins().await;
    let (mail, ada) = (duty.channel("mail", "email").await, duty.member("ada", "email").await);
    let schedule = duty.schedule(1, &[ada]).await;
    let new = NewPolicy {
        name: "nights".to_owned(),
        is_default: true,
        tags: vec!["pay".to_owned(), "eu".to_owned()],
        policy: Policy {
            waits: vec![Duration::ZERO, minutes(15)],
            repeats: 3,
            repeat_after: minutes(30),
            reminder: Some(minutes(60)),
        },
        targets: vec![vec![Target::Channel(mail), Target::Member(ada)], vec![Target::Schedule(schedule)]],
        tells_recovery: false,
        sms_per_day: Some(20),
    };
    let id = PolicyId::at(at(0));
    let mut scoped = duty.scoped().await;
    policies::insert(&mut scoped, id, &new, at(0)).await.unwrap();
    let stored = policies::get(&mut scoped, id).await.unwrap().unwrap();
    assert_eq!((&stored.is, stored.version, stored.monitors), (&new, 1, 0));
    let other = NewPolicy { name: "days".to_owned(), ..new.clone() };
    policies::insert(&mut scoped, PolicyId::at(at(1)), &other, at(1)).await.unwrap();
    let defaults = policies::list(&mut scoped).await.unwrap().into_iter().filter(|row| row.is.is_default);
    assert_eq!(defaults.map(|row| row.is.name).collect::<Vec<_>>(), ["days"]);
    scoped.commit().await.unwrap();
    let mut scoped = duty.scoped().await;
    let taken = policies::insert(&mut scoped, PolicyId::at(at(2)), &other, at(2)).await.unwrap_err();
    assert_eq!(taken.constraint(), Some("policies_org_name"));
}

#[tokio::test]
async fn what_another_organization_has_can_be_neither_seen_nor_named() {
    let duty = Duty::begins().await;
    let (mail, ada) = (duty.channel("mail", "email").await, duty.member("ada", "email").await);
    let schedule = duty.schedule(1, &[ada]).await;
    let key = duty.policy(&[(0, &[Target::Channel(mail)])], |_| {}).await;
    duty.sql("INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'other', 0)").await;
    let other = || duty.world.pools.scoped(OrgKey(2));
    let mut scoped = other().await.unwrap();
    assert!(policies::list(&mut scoped).await.unwrap().is_empty());
    assert!(schedules::list(&mut scoped, at(0)).await.unwrap().is_empty());
    assert_eq!(schedules::on_call(&mut scoped, schedule, at(0)).await.unwrap(), None);
    assert!(policies::reach::by_key(&mut scoped, key).await.unwrap().is_none());
    assert!(policies::reach::chosen(&mut scoped, OrgKey(1), &[]).await.unwrap().is_none());
    for target in
        [Target::Channel(mail), Target::Member(ada), Target::Schedule(schedule), Target::Schedule(ScheduleKey(99))]
    {
        let mut scoped = other().await.unwrap();
        let mut new = duty.scoped().await;
        let mut stored = policies::list(&mut new).await.unwrap().pop().unwrap().is;
        stored.targets = vec![vec![target]];
        assert!(policies::insert(&mut scoped, PolicyId::at(at(3)), &stored, at(3)).await.is_err(), "{target:?}");
    }
}
