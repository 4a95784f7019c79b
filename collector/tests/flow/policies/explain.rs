//! Why somebody was told, or was not, as `monitor explain` says it.

use picket_collector::cmd::monitor::explain::words;
use picket_collector::domain::outage::NoticeKind;
use picket_collector::store::MonitorKey;
use picket_collector::store::policies::reach::Target;
use picket_collector::store::read::explain;

use super::duty::{Duty, at};

#[tokio::test]
async fn what_is_stored_says_who_was_told_and_who_was_not_and_why() {
    let duty = Duty::begins().await;
    let (ada, bob) = (duty.member("ada", "email").await, duty.member("bob", "email").await);
    let (mail, phone) = (duty.channel("mail", "email").await, duty.channel("phone", "webhook").await);
    let night = duty.schedule(1, &[]).await;
    duty.sql(&format!("UPDATE channels SET verified_at = NULL, verified_by = NULL WHERE id = {}", phone.0)).await;
    duty.sql(&format!("DELETE FROM member_channels WHERE user_id = {}", bob.0)).await;
    let levels: &[(u32, &[Target])] = &[
        (0, &[Target::Schedule(night), Target::Member(bob), Target::Channel(phone)]),
        (5, &[Target::Channel(mail)]),
        (10, &[Target::Member(ada)]),
    ];
    duty.policy(levels, |new| new.is_default = true).await;
    let monitor = duty.monitor("till", "{}", None).await;
    duty.goes_down(Some(monitor), 1).await;
    duty.told(1).await;
    let found = explain::of(&mut duty.scoped().await, monitor, None).await.unwrap();
    let said = words("till", &found).join("\n");
    for line in [
        "Nobody acknowledged it, and it is not over.",
        "by the policy \"policy 0\" (it is the default)",
        "level 1: not told schedule",
        ": nobody was on call then",
        "level 1: not told member that is gone: no verified channel of their own",
        "level 1: not told channel phone: the channel is not verified, or has no destination",
        "level 2: told mail (email)",
        "message to mail (email): sent at 2026-09-21T14:14:20Z",
        "Due next by \"policy 0\", if nobody acknowledges: level 3 at",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    assert_eq!(found.members(), [bob.0]);

    // Of another time nothing of it is said.
    let before = explain::of(&mut duty.scoped().await, monitor, Some(at(0))).await.unwrap();
    assert!(before.incidents.is_empty() && before.notices.is_empty());
    assert_eq!(words("till", &before), ["till has no incident there that anybody could have been told of."]);
    let then = explain::of(&mut duty.scoped().await, monitor, Some(at(2))).await.unwrap();
    assert_eq!(then.incidents.len(), 1);
    duty.sql(&format!("UPDATE monitors SET muted_at = {} WHERE id = {}", at(2).micros(), monitor.0)).await;
    let muted = explain::of(&mut duty.scoped().await, monitor, None).await.unwrap();
    assert!(words("till", &muted).last().unwrap().contains("till is muted since"), "{muted:?}");
}

#[tokio::test]
async fn what_came_of_each_message_and_the_maintenance_is_said() {
    let duty = Duty::begins().await;
    let mail = duty.channel("mail", "email").await;
    duty.quiet(mail, 0, 90, None).await;
    let monitor = duty.monitor("till", "{}", None).await;
    let incident = duty.goes_down(Some(monitor), 1).await;
    duty.told(1).await;
    let held = explain::of(&mut duty.scoped().await, monitor, None).await.unwrap();
    let said = words("till", &held).join("\n");
    assert!(said.contains("no policy is for it"), "{said}");
    assert!(said.contains("message to mail (email): held until"), "{said}");
    duty.sql(&format!(
        "INSERT INTO delivery_attempts (org_id, delivery_id, at, took_us, result, answer) SELECT org_id, id, {0}, 1, 'retry', 'busy' FROM deliveries;
         UPDATE deliveries SET state = 'failed', ended_at = {0};
         INSERT INTO maintenances (uuid, org_id, title, zone, start, duration_s, scope, holds_alerts, shows_on_page, counts_as, created_by,
                 created_at, updated_at)
             VALUES (gen_random_uuid(), 1, 'Disks', 'UTC', '2026-01-01T00:00:00', 3600, 'all', true, true, 'normal', 'user:a', 0, 0);
         INSERT INTO maintenance_occurrences (org_id, maintenance_id, starts_at, ends_at, began) SELECT 1, id, {0}, {0} + 1, true FROM maintenances",
        at(3).micros()
    ))
    .await;
    let said = words("till", &explain::of(&mut duty.scoped().await, monitor, None).await.unwrap()).join("\n");
    assert!(said.contains("message to mail (email): failed at"), "{said}");
    assert!(said.contains("retry: busy]"), "{said}");
    assert!(said.contains("In maintenance \"Disks\" from"), "{said}");
    duty.comes_up(incident, 5).await;
    let over = words("till", &explain::of(&mut duty.scoped().await, monitor, None).await.unwrap()).join("\n");
    assert!(over.contains("Over at") && over.contains("nobody acknowledged it"), "{over}");
}

#[tokio::test]
async fn what_was_told_of_no_incident_is_explained_too() {
    let duty = Duty::begins().await;
    let mail = duty.channel("mail", "email").await;
    duty.policy(&[(0, &[Target::Channel(mail)])], |new| new.is_default = true).await;
    // The world's own monitor.
    let monitor = MonitorKey(1);
    duty.says(NoticeKind::NeverCameUp, 1).await;
    duty.told(1).await;
    let found = explain::of(&mut duty.scoped().await, monitor, Some(at(5))).await.unwrap();
    let said = words("till", &found).join("\n");
    for line in [
        "till has no incident there",
        "till, without an incident:",
        " never came up:",
        "by the policy \"policy 0\" (it is the default)",
        "level 1: told mail (email)",
        "message to mail (email): sent at",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    // Before it, and more than a day after, nothing of it is said.
    for minute in [0, 24 * 60 + 2] {
        let found = explain::of(&mut duty.scoped().await, monitor, Some(at(minute))).await.unwrap();
        assert!(found.notices.is_empty(), "{found:?}");
    }
    let newest = explain::of(&mut duty.scoped().await, monitor, None).await.unwrap();
    assert_eq!(newest.notices.len(), 1);
    let value = serde_json::to_value(&newest).unwrap();
    assert_eq!(
        (&value["notices"][0]["kind"], &value["deliveries"][0]["channel"]),
        (&"never_came_up".into(), &"mail".into())
    );
    assert_eq!(value["notices"][0]["route"]["levels"][0]["told"][0]["name"], "mail", "{value}");
}
