//! Requests are limited, by address, account and key.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "rates", promises: &["S88"], check };

fn check(facts: &Facts) -> Finding {
    judged(&facts.config, |config| {
        let limits = &config.limits;
        let rates = [
            limits.requests_per_minute_per_address,
            limits.requests_per_minute_per_account,
            limits.requests_per_minute_per_key,
        ];
        let [address, account, key] = rates;
        let evidence = format!("{address} requests a minute by address, {account} by account, {key} by API key");
        Finding::kept(rates.iter().all(|rate| (1..=100_000).contains(rate)), evidence)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::domain::posture::State;

    #[test]
    fn a_limit_that_limits_nothing_fails() {
        let mut config = Config::default();
        let with = |config: &Config| check(&Facts { config: Ok(Arc::new(config.clone())), ..Facts::blind() }).state;
        assert_eq!(with(&config), State::Pass);
        config.limits.requests_per_minute_per_key = 1_000_000_000;
        assert_eq!(with(&config), State::Fail);
    }
}
