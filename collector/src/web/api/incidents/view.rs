//! An incident, its post-mortem and a line of its timeline, as the API shows them.

use std::collections::HashMap;
use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::problem::Problem;
use super::super::{Call, micros};
use crate::domain::access::Right;
use crate::domain::incident::called;
use crate::store::UserKey;
use crate::store::read::incidents::IncidentOf;
use crate::store::read::timeline::FactRow;

/// A link to results asks for so much around a check.
const AROUND: Duration = Duration::from_secs(60);

/// What who asks may see of people and of where notices go.
pub(super) struct Viewer {
    /// What members are called, by their row; nothing for who may not see members.
    members: Option<HashMap<UserKey, (Uuid, String)>>,
    channels: bool,
}

impl Viewer {
    pub(super) async fn of(call: &Call) -> Result<Self, Problem> {
        let may = |right| call.caller.holder.may(right);
        let members = if may(Right::MembersRead) {
            let rows = call.site.porter.members(call.caller.org()).await?;
            Some(rows.into_iter().map(|row| (row.user, (row.id, row.called))).collect())
        } else {
            None
        };
        Ok(Self { members, channels: may(Right::ChannelsRead) })
    }

    /// Who did something, for who may see members.
    fn who(&self, actor: Option<&str>) -> Option<String> {
        actor.filter(|_| self.members.is_some()).map(|actor| called(actor).to_owned())
    }

    /// Who answered a message of a channel; takes out of the facts what is not for who asks.
    fn through(&self, detail: &mut Value) -> Option<String> {
        let text = |detail: &Value, name: &str| detail.pointer(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let channel = text(detail, "/channel/name").filter(|_| detail.get("who").is_some())?;
        let who = text(detail, "/who").filter(|_| self.members.is_some());
        detail["who"] = who.as_deref().into();
        if !self.channels {
            detail["channel"]["name"] = Value::Null;
            return Some(who.unwrap_or_default()).filter(|who| !who.is_empty());
        }
        Some(who.unwrap_or(channel))
    }

    pub(super) fn incident(&self, of: &IncidentOf) -> Value {
        let row = &of.incident;
        let by_judge = of.origin == "judge";
        let monitors: Vec<Value> =
            of.monitors.iter().map(|monitor| json!({ "id": monitor.id, "name": monitor.name })).collect();
        let assignee = of.assignee.map(|user| {
            let known = self.members.as_ref().and_then(|members| members.get(&user));
            json!({ "id": known.map(|(id, _)| id), "name": known.map(|(_, called)| called) })
        });
        let acknowledged =
            row.acknowledged_at.map(|at| json!({ "at": micros(at), "by": self.who(of.acknowledged_by.as_deref()) }));
        json!({
            "id": row.uuid,
            "origin": of.origin,
            "monitor": if by_judge { monitors.first() } else { None },
            "monitors": monitors,
            "title": of.title,
            "severity": of.severity,
            "told": of.tells,
            "state": if row.resolved_at.is_some() { "resolved" } else { "open" },
            "started_at": micros(row.started_at),
            "confirmed_at": micros(row.confirmed_at),
            "reopened_at": of.reopened_at.map(micros),
            "resolved_at": row.resolved_at.map(micros),
            "resolution": row.resolution,
            "acknowledged": acknowledged,
            "assignee": assignee,
            "failure": by_judge.then_some(&row.failure),
            "message": row.message,
        })
    }

    #[expect(clippy::unused_self, reason = "all that is shown is shown by who looks")]
    pub(super) fn post_mortem(&self, of: &IncidentOf) -> Value {
        of.post_mortem.as_ref().map_or(Value::Null, |text| {
            json!({
                "text": text,
                "written_at": of.post_mortem_at.map(micros),
                "published_at": of.published_at.map(micros),
            })
        })
    }

    /// A line of the timeline. The first failing check says where its outcome is found.
    pub(super) fn fact(&self, fact: &FactRow, of: &IncidentOf) -> Value {
        let mut detail = fact.detail.clone();
        if fact.event == "delivery" {
            detail["ended_at"] = detail["ended_at"].as_i64().map(micros).into();
            if !self.channels {
                for part in ["/channel/id", "/channel/name", "/answer"] {
                    if let Some(place) = detail.pointer_mut(part) {
                        *place = Value::Null;
                    }
                }
            }
        }
        if let (true, Some(monitor)) = (fact.event == "first_failure", of.monitors.first()) {
            let at = Timestamp::from_micros(fact.at);
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("from", &(at - AROUND).exact()).append_pair("to", &(at + AROUND).exact());
            detail["results"] = format!("/api/v1/monitors/{}/results?{}", monitor.id, query.finish()).into();
        }
        let by = self.through(&mut detail).or_else(|| self.who(fact.actor.as_deref()));
        json!({
            "at": micros(fact.at),
            "event": fact.event,
            "by": by,
            "to": self.who(fact.assignee.as_deref()),
            "text": fact.body,
            "detail": detail,
        })
    }
}
