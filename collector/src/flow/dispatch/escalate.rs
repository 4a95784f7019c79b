//! Levels of policies that are due because nobody acknowledged the ones before, rounds, and reminders.
//!
//! A level is told the notice that began the incident; who had that already, whom a later round reaches, and whom a reminder is for,
//! is told that it still stands, by a notice of its own.

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::tell::{self, Line, Telling};
use crate::domain::outage::OF_INCIDENT;
use crate::domain::telling::escalation::{Progress, Step};
use crate::store::escalations::{self, Due};
use crate::store::notices::{self, NoticeRow};
use crate::store::policies::reach::{self, Chosen, Hop, Why};
use crate::store::policies::told::{self, Told};
use crate::store::{IncidentKey, Pools, StoreError, Worker, policies};

/// So many incidents a transaction.
const BATCH: i64 = 50;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Escalated {
    /// Of how many incidents something was due.
    pub incidents: u64,
    /// How many deliveries were made.
    pub deliveries: u64,
    /// How many channels went with their members.
    pub forgotten: u64,
}

/// Tells whoever is due to be told of incidents that nobody acknowledged. Channels of members who left are removed first.
///
/// # Errors
/// When the database fails; what was committed stays.
pub async fn escalate(pools: &Pools, now: Timestamp) -> Result<Escalated, StoreError> {
    // On its own: what it adds to the audit log must hold up nobody who holds an incident.
    let mut conn = pools.worker().await?;
    let forgotten = policies::forget_who_left(&mut conn, now).await?;
    conn.commit().await?;
    let mut report = Escalated { forgotten, ..Escalated::default() };
    loop {
        let mut conn = pools.worker().await?;
        told::one_at_a_time(&mut conn).await?;
        escalations::end_settled(&mut conn).await?;
        let due = escalations::due(&mut conn, now, BATCH).await?;
        for due in &due {
            report.incidents += 1;
            report.deliveries += Box::pin(one(&mut conn, due, now)).await?;
        }
        conn.commit().await?;
        if due.is_empty() {
            return Ok(report);
        }
    }
}

async fn one(conn: &mut Worker, due: &Due, now: Timestamp) -> Result<u64, StoreError> {
    let Some(first) = notices::read(conn, &[due.notice]).await?.pop() else {
        return escalations::end(conn, due.incident).await.map(|()| 0);
    };
    let (chosen, progress) = match reach::by_key(conn, due.policy).await? {
        Some(chosen) => (chosen, due.progress),
        // It was removed: another goes on from its beginning, if one is for it.
        None => match reach::chosen(conn, first.org, &first.monitors).await? {
            Some(chosen) => {
                let progress = Progress::begin(&chosen.policy, now);
                (chosen, progress)
            }
            None => return escalations::end(conn, due.incident).await.map(|()| 0),
        },
    };
    let course = Course { first: &first, incident: due.incident, chosen: &chosen, now };
    let (progress, lines, made) = course.go_on(conn, progress).await?;
    if !lines.is_empty() {
        notices::add_to_route(conn, first.key, &tell::by(Some(&chosen)), &told_by(&lines, now)).await?;
    }
    escalations::keep(conn, &Due { policy: chosen.key, progress, ..due.clone() }, now).await?;
    Ok(made)
}

/// The lines of a route.
pub(super) fn told_by(lines: &[Line], now: Timestamp) -> Value {
    lines.iter().map(|line| line.json(now)).collect()
}

/// An incident on its way through a policy.
pub(super) struct Course<'a> {
    /// The notice that began it.
    pub(super) first: &'a NoticeRow,
    /// The incident.
    pub(super) incident: IncidentKey,
    /// The policy.
    pub(super) chosen: &'a Chosen,
    /// Now.
    pub(super) now: Timestamp,
}

impl Course<'_> {
    /// Takes every step that is due; gives how far it got, who was told and how many deliveries were made.
    pub(super) async fn go_on(
        &self,
        conn: &mut Worker,
        mut progress: Progress,
    ) -> Result<(Progress, Vec<Line>, u64), StoreError> {
        let (mut lines, mut made) = (Vec::new(), 0);
        while let Some((step, next)) = progress.step(&self.chosen.policy, self.now) {
            progress = next;
            match step {
                Step::Level { level, round } => {
                    let (line, more) = self.level(conn, level, round).await?;
                    if !line.reaches_somebody() {
                        progress = progress.nobody_there(self.now);
                    }
                    lines.push(line);
                    made += more;
                }
                Step::Reminder { .. } => made += self.remind(conn).await?,
            }
        }
        Ok((progress, lines, made))
    }

    async fn level(&self, conn: &mut Worker, level: usize, round: u8) -> Result<(Line, u64), StoreError> {
        let reach = reach::level(conn, self.first.org, self.chosen.key, level, self.now).await?;
        let (told, had) = (self.told(conn).await?, told::had(conn, self.first.key).await?);
        let mut line = Line { level: Some(level), round, misses: reach.misses, ..Line::default() };
        let (mut fresh, mut again) = (Vec::new(), Vec::new());
        for hop in reach.hops {
            if told.iter().any(|told| told.hop.key == hop.key && told.waits) {
                line.misses(&hop, Why::Waits);
            } else if round == 0 && !had.contains(&hop.key) {
                fresh.push(hop);
            } else {
                again.push(hop);
            }
        }
        let fresh = tell::within_budget(conn, Some(self.chosen), fresh, &mut line, self.now).await?;
        let telling = Telling { notice: self.first.key, of: self.first, policy: Some(self.chosen), now: self.now };
        let made = tell::make(conn, &telling, Some(level), fresh, &mut line).await?;
        let again = again.into_iter().map(|hop| (hop, Some(level))).collect();
        let more = self.say_that_it_stands(conn, again, &mut line).await?;
        Ok((line, made + more))
    }

    /// Reminds those who were told.
    async fn remind(&self, conn: &mut Worker) -> Result<u64, StoreError> {
        let told = self.told(conn).await?.into_iter().filter(|told| !told.waits);
        let hops = told.map(|told| (told.hop, told.level)).collect();
        self.say_that_it_stands(conn, hops, &mut Line::default()).await
    }

    /// Who heard of it and still may.
    async fn told(&self, conn: &mut Worker) -> Result<Vec<Told>, StoreError> {
        let notices = told::of_incident(conn, self.incident, self.first.round, OF_INCIDENT).await?;
        told::by(conn, &notices, &[]).await
    }

    /// Makes deliveries of a notice of its own, if there are any to be made.
    async fn say_that_it_stands(
        &self,
        conn: &mut Worker,
        hops: Vec<(Hop, Option<usize>)>,
        line: &mut Line,
    ) -> Result<u64, StoreError> {
        let mut own = Line { level: line.level, round: line.round, ..Line::default() };
        let (hops, levels): (Vec<_>, Vec<_>) =
            hops.into_iter().map(|(hop, level)| (hop.clone(), (hop.key, level))).unzip();
        let hops = tell::within_budget(conn, Some(self.chosen), hops, &mut own, self.now).await?;
        let mut made = 0;
        if !hops.is_empty() {
            let notice = notices::remind(conn, self.first, self.now).await?;
            let telling = Telling { notice, of: self.first, policy: Some(self.chosen), now: self.now };
            for hop in hops {
                let level = levels.iter().find(|(key, _)| *key == hop.key).and_then(|(_, level)| *level);
                made += tell::make(conn, &telling, level, vec![hop], &mut own).await?;
            }
            let levels = json!([own.json(self.now)]);
            notices::add_to_route(conn, notice, &tell::by(Some(self.chosen)), &levels).await?;
        }
        line.told.append(&mut own.told);
        line.misses.append(&mut own.misses);
        Ok(made)
    }
}
