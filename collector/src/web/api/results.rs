//! Outcomes of a monitor, one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::routing::get;
use picket_shared::outcome::Trigger;
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::problem::{Fault, Kind, Problem};
use super::query::{self, AFTER, LIMIT, Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::store::regions::{self, RegionRow};
use crate::store::results::{self, Place};
use crate::store::{RegionKey, monitors};

const FROM: Parameter = Parameter { name: "from", shape: Shape::Time, what: "From then on; the last hour if absent." };
const TO: Parameter = Parameter { name: "to", shape: Shape::Time, what: "Until then; until now if absent." };

/// `GET /api/v1/monitors/{id}/results`.
pub const LIST: Operation =
    Operation::get("/api/v1/monitors/{id}/results", Right::ResultsRead, "listResults", || get(list_results))
        .does("Lists the outcomes of a monitor in order of time, 31 days at most.")
        .query(&[LIMIT, AFTER, FROM, TO])
        .answers(&[(200, Some("ResultPage"))]);

const LONGEST: Duration = Duration::from_secs(31 * 86_400);
const USUAL: Duration = Duration::from_secs(3_600);

async fn list_results(call: Call) -> Outcome {
    let (query, limit, now) = (&call.query, call.query.limit(), call.site.clock.now());
    let to = query.value(TO.name).unwrap_or_else(|| now.shifted(1));
    let from: Timestamp = query.value(FROM.name).unwrap_or(to - USUAL);
    if from >= to || to.since(from) > LONGEST {
        let fault = Fault::new(FROM.name, "must be before `to`, by 31 days at most");
        return Err(Problem::faults(Kind::InvalidQuery, vec![fault]));
    }
    let mut scoped = call.caller.scoped(&call.site).await?;
    let row = monitors::by_id(&mut scoped, call.id()?).await?.ok_or_else(Problem::not_found)?;
    let regions = regions::list(&mut scoped).await?;
    let after = match query.get(AFTER.name) {
        Some(text) => Some(place(text, &regions).ok_or_else(|| {
            Problem::faults(Kind::InvalidQuery, vec![Fault::new("after", "is no place that `next` named")])
        })?),
        None => None,
    };
    let names: BTreeMap<RegionKey, &str> = regions.iter().map(|region| (region.key, region.code.as_str())).collect();
    let found = results::page(&mut scoped, row.key, (from, to), after, query::and_one(limit)).await?;
    let name = |key: RegionKey| names.get(&key).copied().unwrap_or_default();
    let (found, next) =
        query::page(found, limit, |row| format!("{}.{}.{}", row.at.micros(), name(row.region), word(row.trigger)));
    Ok(Answer::page(found.iter().map(|row| row.exported(names.get(&row.region).copied())).collect(), next))
}

/// A place as `next` names it: time, region, trigger.
fn place(text: &str, regions: &[RegionRow]) -> Option<Place> {
    let mut parts = text.split('.');
    let at = Timestamp::from_micros(parts.next()?.parse().ok()?);
    let code = parts.next()?;
    let region = regions.iter().find(|region| region.code.as_str() == code)?.key;
    let trigger = serde_json::from_value(Value::from(parts.next()?)).ok()?;
    parts.next().is_none().then_some(Place { at, region, trigger })
}

fn word(trigger: Trigger) -> String {
    serde_json::to_value(trigger).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
