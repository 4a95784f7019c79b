//! An organization with members, channels and policies, an incident, and who is told of it minute by minute.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told fails")]

use std::time::Duration;

use picket_collector::domain::incident::Severity;
use picket_collector::domain::outage::{Notice, NoticeKind, Over, Resolution};
use picket_collector::domain::telling::policy::Policy;
use picket_collector::domain::telling::quiet::Quiet;
use picket_collector::domain::telling::schedule::{Hours, Override, Rotation, Schedule, Unit};
use picket_collector::domain::zone::Zone;
use picket_collector::flow::dispatch;
use picket_collector::store::incidents::{self, Declared, Deed, NewIncident};
use picket_collector::store::policies::reach::Target;
use picket_collector::store::policies::{self, NewPolicy};
use picket_collector::store::{
    ChannelKey, MonitorKey, OrgKey, PolicyKey, ScheduleKey, Scoped, UserKey, channels, facts, notices, schedules,
};
use picket_shared::ids::{IncidentId, OverrideId, PolicyId, ScheduleId};
use picket_shared::time::Timestamp;
use sqlx::AssertSqlSafe;

use crate::common::{START, World};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) const fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60 * minutes as u64)
}

/// A minute after the beginning.
pub(super) fn at(minute: u32) -> Timestamp {
    START + minutes(minute)
}

/// The organization `acme` with the monitor `shop`.
pub(super) struct Duty {
    pub(super) world: World,
}

impl Duty {
    pub(super) async fn begins() -> Self {
        Self { world: World::new().await }
    }

    pub(super) async fn sql(&self, sql: &str) -> u64 {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.world.owner).await.unwrap();
        done.rows_affected()
    }

    async fn key(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.world.owner).await.unwrap()
    }

    /// Texts in the order of their rows.
    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&self.world.owner).await.unwrap()
    }

    pub(super) async fn scoped(&self) -> Scoped {
        self.world.pools.scoped(OrgKey(1)).await.unwrap().by("user:ada@example.org")
    }

    /// A channel that was verified before anything began.
    pub(super) async fn channel(&self, name: &str, kind: &str) -> ChannelKey {
        let early = START.micros() - 1;
        ChannelKey(
            self.key(&format!(
                "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at, verified_by)
                 VALUES (gen_random_uuid(), 1, '{name}', '{kind}', 'h', 'x', {early}, {early}, 'code') RETURNING id"
            ))
            .await,
        )
    }

    /// A member with a channel of their own of that kind, which is called as they are.
    pub(super) async fn member(&self, name: &str, kind: &str) -> UserKey {
        let insert = format!(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
             VALUES (gen_random_uuid(), '{name}@example.org', 'x', 0, 0) RETURNING id"
        );
        let user = UserKey(self.key(&insert).await);
        let channel = self.channel(name, kind).await;
        self.sql(&format!(
            "INSERT INTO memberships (org_id, user_id, role, created_at) VALUES (1, {}, 'responder', 0);
             UPDATE channels SET is_personal = true WHERE id = {};
             INSERT INTO member_channels (org_id, user_id, channel_id, created_at) VALUES (1, {}, {}, 0)",
            user.0, channel.0, user.0, channel.0
        ))
        .await;
        user
    }

    /// Another monitor, with these tags and perhaps a policy of its own.
    pub(super) async fn monitor(&self, name: &str, tags: &str, policy: Option<PolicyKey>) -> MonitorKey {
        let (now, policy) = (START.micros(), policy.map_or("NULL".to_owned(), |policy| policy.0.to_string()));
        MonitorKey(
            self.key(&format!(
                "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at,
                     updated_at, tags, policy_id)
                 VALUES (gen_random_uuid(), 1, '{name}', 'tcp', 'x', '{{\"kind\":\"tcp\",\"host\":\"example.org\",\"port\":80}}', 30, 10000, 1,
                     {now}, {now}, '{tags}', {policy}) RETURNING id"
            ))
            .await,
        )
    }

    /// A policy: for each level after how many minutes whom.
    pub(super) async fn policy(&self, levels: &[(u32, &[Target])], more: impl FnOnce(&mut NewPolicy)) -> PolicyKey {
        let mut new = NewPolicy {
            name: format!("policy {}", self.world.count("policies").await),
            is_default: true,
            tags: Vec::new(),
            policy: Policy {
                waits: levels.iter().map(|(wait, _)| minutes(*wait)).collect(),
                repeats: 0,
                repeat_after: Duration::ZERO,
                reminder: None,
            },
            targets: levels.iter().map(|(_, targets)| targets.to_vec()).collect(),
            tells_recovery: true,
            sms_per_day: None,
        };
        more(&mut new);
        let mut scoped = self.scoped().await;
        let key = policies::insert(&mut scoped, PolicyId::at(START), &new, START).await.unwrap();
        scoped.commit().await.unwrap();
        key
    }

    /// Members who take turns of so many hours from the beginning on.
    pub(super) async fn schedule(&self, hours: u16, members: &[UserKey]) -> ScheduleKey {
        let zone: Zone = "UTC".parse().unwrap();
        // Turns are counted from a whole minute.
        let starts = zone.civil(Timestamp::from_seconds(START.seconds() / 60 * 60));
        let turns = Rotation {
            name: "turns".to_owned(),
            starts,
            every: hours,
            unit: Unit::Hours,
            members: members.to_vec(),
            hours: Vec::new(),
        };
        let rota = Schedule { zone, rotations: vec![turns], overrides: Vec::new() };
        let mut scoped = self.scoped().await;
        let key = schedules::insert(&mut scoped, ScheduleId::at(START), "on call", &rota, START).await.unwrap();
        scoped.commit().await.unwrap();
        key
    }

    /// Lets a member stand in on the only schedule.
    pub(super) async fn stands_in(&self, user: UserKey, from: u32, to: u32) {
        let mut scoped = self.scoped().await;
        let row = schedules::list(&mut scoped, START).await.unwrap().pop().unwrap();
        let one = Override { user, from: at(from), to: at(to) };
        schedules::stand_in(&mut scoped, &row, OverrideId::at(START), &one, START).await.unwrap();
        scoped.commit().await.unwrap();
    }

    /// Makes a channel quiet from now on until so many minutes after the beginning, for what is less bad than `passes`.
    pub(super) async fn quiet(&self, channel: ChannelKey, from: u32, to: u32, passes: Option<Severity>) {
        let zone: Zone = "UTC".parse().unwrap();
        let time = |minute| zone.civil(at(minute)).time().with().second(0).subsec_nanosecond(0).build().unwrap();
        let hours = Hours { days: (1..=7).collect(), from: time(from), to: time(to) };
        let quiet = serde_json::to_value(Quiet { zone, hours: vec![hours], passes }).unwrap();
        sqlx::query("UPDATE channels SET quiet = $2 WHERE id = $1")
            .bind(channel)
            .bind(quiet)
            .execute(&self.world.owner)
            .await
            .unwrap();
    }

    /// The judge opens an incident of `shop`, or of another monitor.
    pub(super) async fn goes_down(&self, monitor: Option<MonitorKey>, minute: u32) -> IncidentId {
        let (now, monitor) = (at(minute), monitor.unwrap_or(MonitorKey(1)));
        let uuid = IncidentId::at(now);
        let mut worker = self.world.pools.worker().await.unwrap();
        let row = facts::monitors(&mut worker, &[monitor.0]).await.unwrap().pop().unwrap();
        let new = NewIncident {
            org: OrgKey(1),
            monitor,
            uuid,
            started_at: now,
            confirmed_at: now,
            failure: "timeout",
            message: "No answer in time.",
            detail: serde_json::json!({}),
        };
        let key = incidents::open(&mut worker, &new).await.unwrap();
        let down = Notice { kind: NoticeKind::Down, at: now, incident_started_at: Some(now), regions: vec![] };
        notices::write(&mut worker, &row, Some((key, uuid.0)), &down).await.unwrap();
        worker.commit().await.unwrap();
        uuid
    }

    /// The judge finds that it is over; what it tells is about `round`.
    pub(super) async fn comes_up(&self, incident: IncidentId, minute: u32) {
        let now = at(minute);
        let mut worker = self.world.pools.worker().await.unwrap();
        let (key, monitor, started_at): (i64, i64, i64) =
            sqlx::query_as("SELECT id, monitor_id, started_at FROM incidents WHERE uuid = $1")
                .bind(incident.0)
                .fetch_one(&self.world.owner)
                .await
                .unwrap();
        let key = picket_collector::store::IncidentKey(key);
        let row = facts::monitors(&mut worker, &[monitor]).await.unwrap().pop().unwrap();
        incidents::resolve(&mut worker, key, now, "recovered").await.unwrap();
        let over = Over { at: now, resolution: Resolution::Recovered };
        let started = Some(Timestamp::from_micros(started_at));
        let up = Notice { kind: NoticeKind::Up { over }, at: now, incident_started_at: started, regions: vec![] };
        notices::write(&mut worker, &row, Some((key, incident.0)), &up).await.unwrap();
        worker.commit().await.unwrap();
    }

    /// The judge tells of something else about `shop`.
    pub(super) async fn says(&self, kind: NoticeKind, minute: u32) {
        let notice = Notice { kind, at: at(minute), incident_started_at: None, regions: vec![] };
        let mut worker = self.world.pools.worker().await.unwrap();
        let row = facts::monitors(&mut worker, &[1]).await.unwrap().pop().unwrap();
        notices::write(&mut worker, &row, None, &notice).await.unwrap();
        worker.commit().await.unwrap();
    }

    /// A person acknowledges it.
    pub(super) async fn is_acknowledged(&self, incident: IncidentId, minute: u32) {
        let mut scoped = self.scoped().await;
        let held = incidents::hold(&mut scoped, incident).await.unwrap().unwrap();
        assert_eq!(incidents::acknowledge(&mut scoped, &held, at(minute)).await.unwrap(), Deed::Done);
        scoped.commit().await.unwrap();
    }

    /// A person opens one of these monitors.
    pub(super) async fn is_declared(&self, severity: Severity, minute: u32) -> IncidentId {
        let id = IncidentId::at(at(minute));
        let monitors = [self.world.monitor];
        let new = Declared { id, title: "Slow", severity, monitors: &monitors, text: None, tells: true };
        let mut scoped = self.scoped().await;
        assert_eq!(incidents::declare(&mut scoped, &new, at(minute)).await.unwrap(), Vec::<usize>::new());
        scoped.commit().await.unwrap();
        id
    }

    /// A person ends what a person opened.
    pub(super) async fn is_resolved(&self, incident: IncidentId, minute: u32) {
        let mut scoped = self.scoped().await;
        let held = incidents::hold(&mut scoped, incident).await.unwrap().unwrap();
        assert_eq!(incidents::resolve_by_hand(&mut scoped, &held, at(minute)).await.unwrap(), Deed::Done);
        scoped.commit().await.unwrap();
    }

    /// Somebody removes a channel.
    pub(super) async fn removes(&self, channel: ChannelKey) {
        let mut scoped = self.scoped().await;
        assert!(channels::remove(&mut scoped, channel, START).await.unwrap());
        scoped.commit().await.unwrap();
    }

    /// Chooses whom to tell at that minute; gives what was made by it as `channel notice`, with a `~` where quiet hours hold it.
    pub(super) async fn told(&self, minute: u32) -> String {
        let last = self.key("SELECT coalesce(max(id), 0) FROM deliveries").await;
        dispatch::run(&self.world.pools, at(minute)).await.unwrap();
        dispatch::escalate(&self.world.pools, at(minute)).await.unwrap();
        let now = at(minute).micros();
        let made = self
            .texts(&format!(
                "SELECT c.name || ' ' || n.kind || CASE WHEN d.held_until > {now} THEN '~' ELSE '' END
                 FROM deliveries d JOIN channels c ON c.id = d.channel_id JOIN notices n ON n.id = d.notice_id
                 WHERE d.id > {last} ORDER BY d.id"
            ))
            .await;
        self.sends(minute).await;
        made.join(", ")
    }

    /// Everything that is due is sent.
    pub(super) async fn sends(&self, minute: u32) {
        let now = at(minute).micros();
        self.sql(&format!(
            "UPDATE deliveries SET state = 'sent', ended_at = {now}, attempts = 1 WHERE state = 'pending' AND next_at <= {now}"
        ))
        .await;
    }

    /// What is told minute by minute up to the last, as `minute: what`.
    pub(super) async fn course(&self, minutes: std::ops::RangeInclusive<u32>) -> Vec<String> {
        let mut seen = Vec::new();
        for minute in minutes {
            let told = self.told(minute).await;
            if !told.is_empty() {
                seen.push(format!("{minute}: {told}"));
            }
        }
        seen
    }

    /// What became of what was made for a channel, in order: `notice state`.
    pub(super) async fn heard(&self, channel: &str) -> Vec<String> {
        self.texts(&format!(
            "SELECT n.kind || ' ' || d.state FROM deliveries d JOIN channels c ON c.id = d.channel_id
             JOIN notices n ON n.id = d.notice_id WHERE c.name = '{channel}' ORDER BY d.id"
        ))
        .await
    }

    /// Why somebody was not told, over all notices.
    pub(super) async fn misses(&self) -> Vec<String> {
        self.texts(
            "SELECT n.kind || ' ' || (m ->> 'why') FROM notices n, jsonb_path_query(n.route, '$.levels[*].misses[*]') m
             ORDER BY n.id",
        )
        .await
    }
}
