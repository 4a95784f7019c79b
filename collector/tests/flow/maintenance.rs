//! Windows of maintenance over real batches and a real database, with moved time: across a night in which clocks are set back,
//! ended early, edited, deleted, announced.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told fails")]

use std::time::Duration;

use picket_collector::domain::maintenance::settings;
use picket_collector::domain::outage::{Span, Verdict};
use picket_collector::domain::uptime;
use picket_collector::flow::maintenance;
use picket_collector::store::maintenances::{Kept, deeds};
use picket_collector::store::{OrgKey, Scoped};
use picket_shared::ids::MaintenanceId;
use picket_shared::outcome::{Status, Trigger};
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::judge::{RETRY, SLOT, Story};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Story {
    async fn scoped(&self) -> Scoped {
        let org: OrgKey = sqlx::query_scalar("SELECT org_id FROM monitors").fetch_one(&self.world.owner).await.unwrap();
        self.world.pools.scoped(org).await.unwrap().by("user:ada@example.org")
    }

    async fn plans(&self, body: Value) -> MaintenanceId {
        let now = self.world.clock.now();
        let wanted = settings::read(&body, None, now).unwrap();
        let id = MaintenanceId::at(now);
        let mut scoped = self.scoped().await;
        assert!(deeds::add(&mut scoped, id, &wanted, now).await.unwrap());
        scoped.commit().await.unwrap();
        self.passes_edges().await;
        id
    }

    async fn held(&self, id: MaintenanceId) -> (Scoped, Kept) {
        let mut scoped = self.scoped().await;
        let kept = deeds::hold(&mut scoped, id).await.unwrap().unwrap();
        (scoped, kept)
    }

    /// Runs the task and the judge at the clock's time, twice: the second time does nothing.
    async fn passes_edges(&self) -> u64 {
        let now = self.world.clock.now();
        let report = maintenance::run(&self.world.pools, now).await.unwrap();
        assert_eq!(maintenance::run(&self.world.pools, now).await.unwrap(), maintenance::Report::default());
        self.is_judged().await;
        report.edges
    }

    async fn comes_to(&self, time: &str) -> u64 {
        self.world.clock.set(at(time));
        self.passes_edges().await
    }

    async fn is_up(&mut self) {
        for _ in 0..2 {
            self.finds(SLOT, Trigger::Scheduled, Status::Up).await;
            self.is_judged().await;
        }
        assert_eq!(self.state().await, "up");
    }

    async fn last_span(&self) -> Span {
        *self.spans().await.last().unwrap()
    }
}

fn span(start: &str, verdict: Verdict) -> Span {
    Span { start: at(start), verdict }
}

/// 02:30 comes twice in this night; the window is the hour from the first.
#[tokio::test]
async fn in_the_night_that_has_an_hour_twice_a_window_is_one_hour_and_what_still_fails_is_told_once_at_its_end() {
    let mut story = Story::begins_at(at("2026-10-25T00:28:50Z")).await;
    story.is_up().await;
    let nightly = json!({ "title": "Backups", "start": "2026-10-24T02:30", "duration_s": 3600, "zone": "Europe/Berlin", "rule": "FREQ=DAILY" });
    story.plans(nightly).await;
    assert_eq!(story.comes_to("2026-10-25T00:29:59Z").await, 0);
    assert_eq!(story.last_span().await.verdict, Verdict::Up);
    assert_eq!(story.comes_to("2026-10-25T00:30:00Z").await, 1);
    assert_eq!(story.last_span().await, span("2026-10-25T00:30:00Z", Verdict::Maintenance));
    story.goes_down().await;
    assert_eq!((story.state().await.as_str(), story.notices().await), ("down", vec![]));
    assert_eq!(story.world.count("incidents").await, 1);
    while story.world.clock.now() < at("2026-10-25T01:29:00Z") {
        story.finds(2 * SLOT, Trigger::Scheduled, Status::Down).await;
        story.is_judged().await;
    }
    assert_eq!(story.comes_to("2026-10-25T01:29:59Z").await, 0);
    assert_eq!(story.notices().await, Vec::<String>::new());
    // Nobody looked for five seconds: it ended when it did.
    assert_eq!(story.comes_to("2026-10-25T01:30:05Z").await, 1);
    assert_eq!(story.notices().await, ["down"]);
    assert_eq!(story.last_span().await, span("2026-10-25T01:30:00Z", Verdict::Down));
    // The second 02:30 of the night is past; the next window is in the next night, by the other offset.
    story.is_judged().await;
    assert_eq!(story.notices().await, ["down"]);
    let next: i64 = sqlx::query_scalar("SELECT due_at FROM maintenances").fetch_one(&story.world.owner).await.unwrap();
    assert_eq!(Timestamp::from_micros(next), at("2026-10-26T01:30:00Z"));
    let sums = uptime::of_monitor(&story.spans().await, at("2026-10-25T00:30:00Z"), at("2026-10-25T02:30:00Z"));
    let hour = 3_600_000_000;
    assert_eq!((sums.maintenance_us, sums.down_us, sums.total_us()), (hour, hour, 2 * hour));
}

/// 02:30 does not come in this night; the window is at 03:30, and is told as announced.
#[tokio::test]
async fn in_the_night_that_leaves_an_hour_out_a_window_begins_an_hour_later_and_is_announced_for_then() {
    let story = Story::begins_at(at("2027-03-27T20:00:00Z")).await;
    let body = json!({ "title": "Backups", "start": "2027-03-28T02:30", "duration_s": 7200, "zone": "Europe/Berlin", "announce_before_s": 3600 });
    story.plans(body).await;
    assert_eq!(story.comes_to("2027-03-28T00:29:59Z").await, 0);
    assert_eq!(story.comes_to("2027-03-28T00:30:00Z").await, 1);
    assert_eq!(story.comes_to("2027-03-28T01:29:59Z").await, 0);
    assert_eq!(story.comes_to("2027-03-28T01:30:00Z").await, 1);
    assert_eq!(story.comes_to("2027-03-28T03:29:59Z").await, 0);
    assert_eq!(story.comes_to("2027-03-28T03:30:00Z").await, 1);
    assert_eq!(story.comes_to("2027-03-29T03:30:00Z").await, 0);
    assert_eq!(story.told().await, ["scheduled 03-28T01:30", "began 03-28T01:30", "ended 03-28T01:30"]);
    let due: Option<i64> =
        sqlx::query_scalar("SELECT due_at FROM maintenances").fetch_one(&story.world.owner).await.unwrap();
    assert_eq!(due, None);
}

#[tokio::test]
async fn what_is_ended_early_ends_then_and_what_fails_is_told() {
    let mut story = Story::begins_at(at("2026-12-01T10:00:00Z")).await;
    story.is_up().await;
    let id = story.plans(json!({ "title": "Now", "duration_s": 7200 })).await;
    assert_eq!(story.last_span().await.verdict, Verdict::Maintenance);
    story.goes_down().await;
    assert_eq!(story.notices().await, Vec::<String>::new());
    let (mut scoped, kept) = story.held(id).await;
    let now = story.world.clock.now();
    assert!(deeds::end_now(&mut scoped, &kept, now).await.unwrap());
    scoped.commit().await.unwrap();
    assert_eq!(story.passes_edges().await, 1);
    assert_eq!(
        (story.notices().await, story.last_span().await),
        (vec!["down".to_owned()], Span { start: now, verdict: Verdict::Down })
    );
    let (mut scoped, kept) = story.held(id).await;
    assert!(!deeds::end_now(&mut scoped, &kept, now).await.unwrap());
}

#[tokio::test]
async fn an_edit_that_keeps_the_start_goes_on_one_that_moves_it_ends_it_and_so_does_a_deletion() {
    let mut story = Story::begins_at(at("2026-12-01T10:00:00Z")).await;
    story.is_up().await;
    let id = story.plans(json!({ "title": "Now", "duration_s": 7200 })).await;
    let edit = async |body: Value| {
        let (mut scoped, kept) = story.held(id).await;
        let now = story.world.clock.now();
        let wanted = settings::read(&body, Some(&kept.settings), now).unwrap();
        assert!(deeds::edit(&mut scoped, &kept, &wanted, now).await.unwrap());
        scoped.commit().await.unwrap();
        story.passes_edges().await;
        story.last_span().await.verdict
    };
    assert_eq!(edit(json!({ "title": "Longer", "duration_s": 10_800 })).await, Verdict::Maintenance);
    let ends = "SELECT max(ends_at - starts_at) FROM maintenance_occurrences";
    let length: i64 = sqlx::query_scalar(ends).fetch_one(&story.world.owner).await.unwrap();
    assert_eq!(length, 10_800_000_000);
    assert_eq!(edit(json!({ "start": "2026-12-02T10:00" })).await, Verdict::Up);
    assert_eq!(story.comes_to("2026-12-02T10:00:00Z").await, 1);
    assert_eq!(story.last_span().await.verdict, Verdict::Maintenance);
    story.world.clock.advance(Duration::from_secs(60));
    let (mut scoped, kept) = story.held(id).await;
    deeds::delete(&mut scoped, &kept, story.world.clock.now()).await.unwrap();
    scoped.commit().await.unwrap();
    story.passes_edges().await;
    assert_ne!(story.last_span().await.verdict, Verdict::Maintenance);
    // Undone, it is there again, and what was ended stays over.
    let mut scoped = story.scoped().await;
    assert!(deeds::restore(&mut scoped, id, story.world.clock.now()).await.unwrap());
    scoped.commit().await.unwrap();
    story.passes_edges().await;
    assert_ne!(story.last_span().await.verdict, Verdict::Maintenance);
}

#[tokio::test]
async fn effects_are_chosen_apart_and_scope_by_tag_reaches_only_what_has_it() {
    let mut story = Story::begins_at(at("2026-12-01T10:00:00Z")).await;
    story.is_up().await;
    story.plans(json!({ "title": "Others", "duration_s": 7200, "scope": "tags", "tags": ["nobody"] })).await;
    assert_eq!(story.last_span().await.verdict, Verdict::Up);
    story.plans(json!({ "title": "Quiet", "duration_s": 7200, "counts_as": "normal" })).await;
    story.goes_down().await;
    assert_eq!((story.last_span().await.verdict, story.notices().await), (Verdict::Down, vec![]));
    let now = story.world.clock.now();
    let sums = uptime::of_monitor(&story.spans().await, at("2026-12-01T10:00:00Z"), now);
    assert!(sums.down_us > 0 && sums.maintenance_us == 0, "{sums:?}");
    assert_eq!(story.comes_to("2026-12-01T12:01:00Z").await, 2);
    story.finds(RETRY, Trigger::Recheck, Status::Down).await;
    story.is_judged().await;
    // Two hours without a word are told too.
    assert_eq!(story.notices().await.iter().filter(|kind| *kind == "down").count(), 1);
}

#[tokio::test]
async fn the_next_time_can_be_left_out_and_those_after_it_come() {
    let story = Story::begins_at(at("2026-12-01T10:00:00Z")).await;
    let daily = json!({ "title": "Daily", "start": "2026-12-01T12:00", "duration_s": 3600, "rule": "FREQ=DAILY" });
    let id = story.plans(daily).await;
    let (mut scoped, kept) = story.held(id).await;
    let skipped = deeds::skip_next(&mut scoped, &kept, story.world.clock.now()).await.unwrap();
    assert_eq!(skipped, Some(at("2026-12-01T12:00:00Z")));
    scoped.commit().await.unwrap();
    assert_eq!(story.passes_edges().await, 0);
    assert_eq!(story.comes_to("2026-12-01T12:00:00Z").await, 0);
    assert_eq!(story.comes_to("2026-12-02T12:00:00Z").await, 1);
}

impl Story {
    async fn changes(&self, id: MaintenanceId, body: Value) {
        let (mut scoped, kept) = self.held(id).await;
        let now = self.world.clock.now();
        let wanted = settings::read(&body, Some(&kept.settings), now).unwrap();
        assert!(deeds::edit(&mut scoped, &kept, &wanted, now).await.unwrap());
        scoped.commit().await.unwrap();
        self.passes_edges().await;
    }

    async fn deletes(&self, id: MaintenanceId) {
        let (mut scoped, kept) = self.held(id).await;
        deeds::delete(&mut scoped, &kept, self.world.clock.now()).await.unwrap();
        scoped.commit().await.unwrap();
        self.passes_edges().await;
    }

    async fn restores(&self, id: MaintenanceId) {
        let mut scoped = self.scoped().await;
        assert!(deeds::restore(&mut scoped, id, self.world.clock.now()).await.unwrap());
        scoped.commit().await.unwrap();
        self.passes_edges().await;
    }

    async fn skips(&self, id: MaintenanceId) {
        let (mut scoped, kept) = self.held(id).await;
        assert!(deeds::skip_next(&mut scoped, &kept, self.world.clock.now()).await.unwrap().is_some());
        scoped.commit().await.unwrap();
        self.passes_edges().await;
    }

    /// What was told, in short, with when it would have begun.
    async fn told(&self) -> Vec<String> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT n.kind, o.starts_at FROM notices n JOIN maintenance_occurrences o ON o.id = n.occurrence_id ORDER BY n.id",
        )
        .fetch_all(&self.world.owner)
        .await
        .unwrap();
        let short = |(kind, start): (String, i64)| {
            let start = Timestamp::from_micros(start).to_string();
            format!("{} {}", kind.trim_start_matches("maintenance_"), &start[5..16])
        };
        rows.into_iter().map(short).collect()
    }
}

/// Every Tuesday at noon, told eight days before.
fn weekly() -> Value {
    json!({ "title": "Weekly", "start": "2026-12-08T12:00", "duration_s": 3600, "rule": "FREQ=WEEKLY", "announce_before_s": 691_200 })
}

#[tokio::test]
async fn what_was_announced_and_is_called_off_is_told_as_that_at_once_and_once() {
    let story = Story::begins_at(at("2026-12-01T13:00:00Z")).await;
    let id = story.plans(weekly()).await;
    let mut told = vec!["scheduled 12-08T12:00"];
    assert_eq!(story.told().await, told);
    // Another name changes no time.
    story.changes(id, json!({ "title": "Every week", "announce_before_s": 172_800 })).await;
    assert_eq!(story.told().await, told);
    story.skips(id).await;
    told.push("called_off 12-08T12:00");
    assert_eq!(story.told().await, told);
    // What nobody was told of is called off silently.
    story.skips(id).await;
    assert_eq!(story.told().await, told);
    assert_eq!(story.comes_to("2026-12-08T12:30:00Z").await, 0);
    assert_eq!(story.comes_to("2026-12-15T12:30:00Z").await, 0);
    assert_eq!(story.told().await, told);
    assert_eq!(story.comes_to("2026-12-20T12:00:00Z").await, 1);
    told.push("scheduled 12-22T12:00");
    assert_eq!(story.told().await, told);
    // Deleted and restored: it will not be, and will.
    story.deletes(id).await;
    told.push("called_off 12-22T12:00");
    assert_eq!(story.told().await, told);
    story.restores(id).await;
    told.push("scheduled 12-22T12:00");
    assert_eq!(story.told().await, told);
    assert_eq!(story.comes_to("2026-12-22T12:00:00Z").await, 1);
    told.push("began 12-22T12:00");
    assert_eq!(story.told().await, told);
    story.deletes(id).await;
    told.push("ended 12-22T12:00");
    assert_eq!(story.told().await, told);
}

#[tokio::test]
async fn a_time_that_is_moved_is_called_off_and_announced_anew_and_nothing_else_is() {
    let story = Story::begins_at(at("2026-12-01T13:00:00Z")).await;
    let id = story.plans(weekly()).await;
    story.changes(id, json!({ "start": "2026-12-08T14:00" })).await;
    let mut told = vec!["scheduled 12-08T12:00", "called_off 12-08T12:00", "scheduled 12-08T14:00"];
    assert_eq!(story.told().await, told);
    // It takes longer: who was told another end is told this one.
    story.changes(id, json!({ "duration_s": 7200 })).await;
    told.extend(["called_off 12-08T14:00", "scheduled 12-08T14:00"]);
    assert_eq!(story.told().await, told);
    // The times to come stay what they are: nothing is to be said.
    story.changes(id, json!({ "rule": "FREQ=WEEKLY;COUNT=5" })).await;
    assert_eq!(story.told().await, told);
    // Nobody is to be told any more; who was told is.
    story.changes(id, json!({ "announce_before_s": null })).await;
    story.changes(id, json!({ "start": "2026-12-09T14:00" })).await;
    told.push("called_off 12-08T14:00");
    assert_eq!(story.told().await, told);
    assert_eq!(story.comes_to("2026-12-09T14:00:00Z").await, 1);
    assert_eq!(story.told().await, told);
}

#[tokio::test]
async fn of_a_window_that_comes_often_only_the_next_time_is_announced() {
    let story = Story::begins_at(at("2026-12-01T13:00:00Z")).await;
    story.plans(json!({ "title": "Daily", "start": "2026-12-01T14:00", "duration_s": 3600, "rule": "FREQ=DAILY", "announce_before_s": 604_800 })).await;
    assert_eq!(story.told().await, ["scheduled 12-01T14:00"]);
    assert_eq!(story.comes_to("2026-12-01T14:00:00Z").await, 2);
    assert_eq!(story.told().await, ["scheduled 12-01T14:00", "began 12-01T14:00", "scheduled 12-02T14:00"]);
}

#[tokio::test]
async fn a_window_that_cannot_be_read_is_put_off_and_holds_no_other_up() {
    let story = Story::begins_at(at("2026-12-01T13:00:00Z")).await;
    story.plans(json!({ "title": "Lost", "start": "2026-12-01T14:00", "duration_s": 3600 })).await;
    sqlx::query("UPDATE maintenances SET zone = 'Europe/Nowhere', due_at = 1")
        .execute(&story.world.owner)
        .await
        .unwrap();
    let now = story.world.clock.now();
    let id = MaintenanceId::at(now);
    let wanted = settings::read(&json!({ "title": "Whole", "duration_s": 7200 }), None, now).unwrap();
    let mut scoped = story.scoped().await;
    assert!(deeds::add(&mut scoped, id, &wanted, now).await.unwrap());
    scoped.commit().await.unwrap();
    let report = maintenance::run(&story.world.pools, now).await.unwrap();
    assert_eq!(report, maintenance::Report { looked_at: 2, edges: 1, failed: 1 });
    assert_eq!(maintenance::run(&story.world.pools, now).await.unwrap(), maintenance::Report::default());
}
