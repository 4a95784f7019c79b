//! Policies: what a body says of one, and how it is shown.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{People, Wrong, name, unfit};
use crate::domain::telling::policy::{MOST_SMS, MOST_TAGS, Policy};
use crate::store::channels::{self, ChannelRow};
use crate::store::policies::reach::Target;
use crate::store::policies::{NewPolicy, PolicyRow};
use crate::store::schedules::{self, ScheduleRow};
use crate::store::{Scoped, StoreError};

/// Whom a policy can name.
#[derive(Clone, Debug)]
pub struct Known {
    /// Members.
    pub people: People,
    /// Channels.
    pub channels: Vec<ChannelRow>,
    /// Schedules, with the overrides that are not over.
    pub schedules: Vec<ScheduleRow>,
}

impl Known {
    /// All that there is at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(scoped: &mut Scoped, people: People, now: Timestamp) -> Result<Self, StoreError> {
        let channels = channels::list(scoped).await?;
        Ok(Self { people, channels, schedules: schedules::list(scoped, now).await? })
    }

    /// The target of this kind (`channels`, `members` or `schedules`) and id.
    pub fn target(&self, kind: &str, id: &str) -> Option<Target> {
        match kind {
            "members" => self.people.key(id).map(Target::Member),
            "channels" => {
                let found = self.channels.iter().find(|row| row.id.to_string() == id.to_ascii_lowercase());
                found.map(|row| Target::Channel(row.key))
            }
            _ => {
                let found = self.schedules.iter().find(|row| row.id.to_string() == id.to_ascii_lowercase());
                found.map(|row| Target::Schedule(row.key))
            }
        }
    }

    /// Kind and id of a target; nothing of what is gone.
    pub fn named(&self, target: Target) -> Option<(&'static str, String)> {
        match target {
            Target::Member(key) => Some(("members", self.people.id(key)?.to_string())),
            Target::Channel(key) => Some(("channels", self.channels.iter().find(|row| row.key == key)?.id.to_string())),
            Target::Schedule(key) => {
                Some(("schedules", self.schedules.iter().find(|row| row.key == key)?.id.to_string()))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: String,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    tags: Vec<String>,
    levels: Vec<Level>,
    #[serde(default)]
    repeats: u8,
    repeat_after_s: Option<u32>,
    reminder_s: Option<u32>,
    #[serde(default = "yes")]
    tells_recovery: bool,
    sms_per_day: Option<u32>,
    version: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    wait_s: u32,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    schedules: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// After how long all levels are gone through again, where nobody says it.
const REPEAT_AFTER: u32 = 1800;

/// Reads a body: the policy, and the version that is to be the one that is changed.
///
/// # Errors
/// Every field that cannot be.
pub fn read(body: &Value, known: &Known) -> Result<(NewPolicy, Option<i32>), Vec<Wrong>> {
    let body = Body::deserialize(body).map_err(|error| vec![(String::new(), error.to_string())])?;
    let mut wrong: Vec<Wrong> = Vec::new();
    let called = name(&body.name, 200).unwrap_or_else(|message| {
        wrong.push(("name".to_owned(), message));
        String::new()
    });
    let tags = tags(body.tags, &mut wrong);
    let (mut waits, mut targets) = (Vec::new(), Vec::new());
    for (index, level) in body.levels.into_iter().enumerate() {
        waits.push(seconds(level.wait_s));
        targets.push(level.targets(index, known, &mut wrong));
    }
    let repeat_after = body.repeat_after_s.filter(|_| body.repeats > 0).unwrap_or(REPEAT_AFTER);
    let policy = Policy {
        waits,
        repeats: body.repeats,
        repeat_after: seconds(repeat_after),
        reminder: body.reminder_s.map(seconds),
    };
    if body.sms_per_day.is_some_and(|most| most > MOST_SMS) {
        wrong.push(("sms_per_day".to_owned(), format!("at most {MOST_SMS}, or none for no limit")));
    }
    if wrong.is_empty() {
        let counts: Vec<usize> = targets.iter().map(Vec::len).collect();
        wrong.extend(unfit(policy.check(&counts)).map(|(field, message)| match field.as_str() {
            "repeat_after" | "reminder" => (format!("{field}_s"), message),
            _ => (field, message),
        }));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let new = NewPolicy {
        name: called,
        is_default: body.default,
        tags,
        policy,
        targets,
        tells_recovery: body.tells_recovery,
        sms_per_day: body.sms_per_day,
    };
    Ok((new, body.version))
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Each once.
fn tags(given: Vec<String>, wrong: &mut Vec<Wrong>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for (index, tag) in given.into_iter().enumerate() {
        let tag = tag.trim().to_owned();
        if tag.is_empty() || tag.len() > 64 || tag.chars().any(char::is_control) {
            wrong.push((format!("tags[{index}]"), "must be 1 to 64 bytes on one line".to_owned()));
        } else if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > MOST_TAGS {
        wrong.push(("tags".to_owned(), format!("at most {MOST_TAGS}")));
    }
    tags
}

impl Level {
    /// Each target once.
    fn targets(self, level: usize, known: &Known, wrong: &mut Vec<Wrong>) -> Vec<Target> {
        let mut targets = Vec::new();
        for (kind, ids) in [("channels", self.channels), ("members", self.members), ("schedules", self.schedules)] {
            for (index, id) in ids.iter().enumerate() {
                match known.target(kind, id) {
                    Some(target) if !targets.contains(&target) => targets.push(target),
                    Some(_) => {}
                    None => wrong.push((format!("levels[{level}].{kind}[{index}]"), "is not there".to_owned())),
                }
            }
        }
        targets
    }
}

/// A policy as programs are shown it.
pub fn view(row: &PolicyRow, known: &Known) -> Value {
    let policy = &row.is.policy;
    let levels = policy.waits.iter().zip(&row.is.targets).map(|(wait, targets)| {
        let named: Vec<(&str, String)> = targets.iter().filter_map(|target| known.named(*target)).collect();
        let of = |kind: &str| -> Vec<&str> {
            named.iter().filter(|(found, _)| *found == kind).map(|(_, id)| id.as_str()).collect()
        };
        json!({
            "wait_s": wait.as_secs(), "channels": of("channels"), "members": of("members"), "schedules": of("schedules"),
        })
    });
    json!({
        "id": row.id,
        "name": row.is.name,
        "default": row.is.is_default,
        "tags": row.is.tags,
        "levels": levels.collect::<Vec<_>>(),
        "repeats": policy.repeats,
        "repeat_after_s": policy.repeat_after.as_secs(),
        "reminder_s": policy.reminder.map(|pause| pause.as_secs()),
        "tells_recovery": row.is.tells_recovery,
        "sms_per_day": row.is.sms_per_day,
        "monitors": row.monitors,
        "version": row.version,
        "created_at": row.created_at.exact(),
        "updated_at": row.updated_at.exact(),
    })
}
