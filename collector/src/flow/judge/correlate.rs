//! Before judging: which regions' failures are withheld, because many unrelated targets failed there at once.

use std::collections::BTreeMap;

use picket_shared::ids::{MonitorId, Region};
use picket_shared::time::Timestamp;

use crate::domain::outage::correlation::{LEAST, WITHIN, Watched, holds};
use crate::store::{Pools, StoreError, facts};

/// Sets new holds where a region's failures look like its own.
pub(super) async fn run(pools: &Pools, now: Timestamp) -> Result<(), StoreError> {
    let mut worker = pools.worker().await?;
    let failing = facts::failing_since(&mut worker, now - WITHIN).await?;
    let mut by_region: BTreeMap<i64, BTreeMap<MonitorId, Timestamp>> = BTreeMap::new();
    for (region, monitor, _, _, since) in failing {
        by_region.entry(region).or_default().insert(MonitorId(monitor), Timestamp::from_micros(since));
    }
    // The full list of a region's monitors is read only where enough of them fail to matter.
    by_region.retain(|_, monitors| monitors.len() > LEAST);
    if by_region.is_empty() {
        return worker.commit().await;
    }
    let known = facts::holds(&mut worker).await?;
    let mut watched = Vec::new();
    let mut stand = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for (key, code, until) in known {
        let Some(failing) = by_region.get(&key) else { continue };
        let Ok(region) = code.parse::<Region>() else { continue };
        keys.insert(region.clone(), key);
        if let Some(until) = until {
            stand.insert(region.clone(), Timestamp::from_micros(until));
        }
        for (monitor, _, target) in facts::watched_in(&mut worker, key).await? {
            let host = host_of(&target);
            let failing_since = failing.get(&MonitorId(monitor)).copied();
            watched.push(Watched {
                monitor: MonitorId(monitor),
                region: region.clone(),
                network: host.clone(),
                host,
                failing_since,
            });
        }
    }
    for hold in holds(&watched, &stand, now) {
        let Some(&key) = keys.get(&hold.region) else { continue };
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        facts::hold(&mut worker, key, hold.until, count(hold.failing), count(hold.of)).await?;
        tracing::warn!(
            region = %hold.region,
            "Withholding the failures of region {} until {}: {} of {} unrelated targets turned to failing there at once",
            hold.region, hold.until, hold.failing, hold.of,
        );
    }
    worker.commit().await
}

/// What makes two targets related, as far as a target tells: its address, or the last two labels of its name.
fn host_of(target: &str) -> String {
    let host = match url::Url::parse(target) {
        Ok(url) if url.host_str().is_some() => url.host_str().unwrap_or_default().to_owned(),
        _ => {
            let first = target.split_whitespace().next().unwrap_or_default();
            first.rsplit_once(':').map_or(first, |(host, _)| host).trim_matches(['[', ']']).to_owned()
        }
    };
    if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') {
        return host;
    }
    let labels: Vec<_> = host.trim_end_matches('.').rsplit('.').take(2).collect();
    labels.into_iter().rev().collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_domain_are_related_and_addresses_stand_alone() {
        for (target, host) in [
            ("https://www.shop.example/cart", "shop.example"),
            ("http://192.0.2.7:8080/", "192.0.2.7"),
            ("mail.example.org MX", "example.org"),
            ("db.example.org:5432", "example.org"),
            ("[2001:db8::1]:443", "2001:db8::1"),
        ] {
            assert_eq!(host_of(target), host, "{target}");
        }
    }
}
