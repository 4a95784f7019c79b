//! `GET /monitors/{id}/series?from=&to=`: response times for the chart, in steps that fit its width.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use picket_shared::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::find;
use crate::store::results::{self, Bucket};
use crate::store::{StoreError, regions};
use crate::web::Site;
use crate::web::error::Problem;
use crate::web::extract::user::User;

/// The range, in seconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Range {
    from: i64,
    to: i64,
}

/// So many steps fit the width of a chart.
const STEPS: i64 = 240;
/// The longest range, in seconds.
const LONGEST: i64 = 31 * 86_400;
/// The steps that there are, in seconds: no finer than checks are made, and each a part of the next.
const STEP_SECONDS: [i64; 11] = [5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400];

/// Answers with one list of times and one of values for each region and phase.
pub async fn get_series(
    State(site): State<Site>,
    user: User,
    Path(id): Path<String>,
    Query(range): Query<Range>,
) -> Response {
    if range.from >= range.to || range.to - range.from > LONGEST {
        return Problem::new(StatusCode::BAD_REQUEST, "give a range of 31 days at most, from before to")
            .into_response();
    }
    match gather(&site, &user, &id, range).await {
        Ok(Some(value)) => {
            let mut response = value.to_string().into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Ok(None) => Problem::new(StatusCode::NOT_FOUND, "there is no such monitor").into_response(),
        Err(error) => {
            tracing::error!("A chart could not be drawn: {error}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the data cannot be reached: try again").into_response()
        }
    }
}

async fn gather(site: &Site, user: &User, id: &str, range: Range) -> Result<Option<Value>, StoreError> {
    let mut scoped = user.scoped(site).await?;
    let Some(row) = find(&mut scoped, id).await? else { return Ok(None) };
    let names: BTreeMap<i64, String> =
        regions::list(&mut scoped).await?.into_iter().map(|region| (region.key.0, region.code.to_string())).collect();
    let step = step((range.to - range.from) / STEPS, i64::from(row.settings.interval_s));
    let from = range.from - range.from.rem_euclid(step);
    let (start, end) = (Timestamp::from_seconds(from), Timestamp::from_seconds(range.to));
    let every = Duration::from_secs(u64::try_from(step).unwrap_or(60));
    let buckets = results::series(&mut scoped, row.key, (start, end), every).await?;
    Ok(Some(columns(&buckets, &names, (from, range.to, step))))
}

fn step(wanted: i64, interval: i64) -> i64 {
    let least = wanted.max(interval);
    STEP_SECONDS.into_iter().find(|step| *step >= least).unwrap_or(14_400)
}

/// What the chart draws: times, and for each region the mean, and the worst status of each step.
fn columns(buckets: &[Bucket], names: &BTreeMap<i64, String>, (from, to, step): (i64, i64, i64)) -> Value {
    let times: Vec<i64> = (0..=(to - from) / step).map(|n| from + n * step).collect();
    let index = |bucket: &Bucket| usize::try_from((bucket.at.seconds() - from) / step).unwrap_or(usize::MAX);
    let mut by_region: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut phases: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    let mut worst = vec![0_u8; times.len()];
    for bucket in buckets {
        let at = index(bucket);
        let Some(worst) = worst.get_mut(at) else { continue };
        let [_, degraded, down, unmeasured] = bucket.counts;
        let here = [(down, 3), (degraded, 2), (unmeasured, 1)];
        *worst = here.iter().filter(|(count, _)| *count > 0).map(|(_, rank)| *rank).chain([*worst]).max().unwrap_or(0);
        let name = names.get(&bucket.region.0).map_or("?", String::as_str);
        let values = by_region.entry(name).or_insert_with(|| vec![Value::Null; times.len()]);
        if let (Some(value), Some(us)) = (values.get_mut(at), bucket.avg_us) {
            *value = json!([bucket.min_us, us, bucket.max_us]);
        }
        for (phase, us) in bucket.phases.in_order() {
            let sums = phases.entry(phase).or_insert_with(|| vec![(0, 0); times.len()]);
            if let (Some(sum), Some(us)) = (sums.get_mut(at), us) {
                *sum = (sum.0 + u64::from(us), sum.1 + 1);
            }
        }
    }
    let means = |sums: &Vec<(u64, u64)>| sums.iter().map(|(sum, n)| sum.checked_div(*n)).collect::<Vec<_>>();
    let phases: BTreeMap<_, _> = phases.iter().map(|(phase, sums)| (*phase, means(sums))).collect();
    json!({ "from": from, "step": step, "at": times, "regions": by_region, "phases": phases, "worst": worst })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RegionKey;
    use picket_shared::outcome::Phases;

    #[test]
    fn a_step_is_no_finer_than_the_checks_and_fits_the_width() {
        assert_eq!([step(3_600 / STEPS, 60), step(86_400 / STEPS, 60), step(LONGEST / STEPS, 5)], [60, 600, 14_400]);
        assert_eq!(step(1, 5), 5);
    }

    #[test]
    fn what_was_not_measured_is_nothing_and_the_worst_of_all_regions_is_told() {
        let bucket = |region, second, counts, avg_us| Bucket {
            region: RegionKey(region),
            at: Timestamp::from_seconds(second),
            counts,
            min_us: avg_us,
            avg_us,
            max_us: avg_us,
            phases: Phases { connect: avg_us, ..Phases::default() },
        };
        let buckets = [
            bucket(1, 60, [1, 0, 0, 0], Some(5)),
            bucket(2, 60, [0, 0, 1, 0], None),
            bucket(1, 120, [2, 0, 0, 0], Some(7)),
        ];
        let names = BTreeMap::from([(1, "eu".to_owned()), (2, "us".to_owned())]);
        let drawn = columns(&buckets, &names, (60, 200, 60));
        assert_eq!(drawn["at"], json!([60, 120, 180]));
        assert_eq!(drawn["regions"], json!({ "eu": [[5, 5, 5], [7, 7, 7], null], "us": [null, null, null] }));
        assert_eq!(drawn["worst"], json!([3, 0, 0]));
        assert_eq!(drawn["phases"]["connect"], json!([5, 7, null]));
    }
}
