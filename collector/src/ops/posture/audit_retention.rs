//! The audit log is kept for twelve months at least.

use super::{Control, Facts, judged};
use crate::domain::posture::Finding;

pub(super) const CONTROL: Control = Control { id: "audit-retention", promises: &["S59"], check };

const LEAST_DAYS: u16 = 366;

fn check(facts: &Facts) -> Finding {
    judged(&facts.config, |config| {
        let days = config.retention.audit_days;
        Finding::kept(
            days >= LEAST_DAYS,
            format!("entries are kept for {days} days; the database refuses to remove younger ones than {LEAST_DAYS}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::domain::posture::State;

    #[test]
    fn less_than_a_year_fails() {
        let mut config = Config::default();
        let with = |config: &Config| check(&Facts { config: Ok(Arc::new(config.clone())), ..Facts::blind() }).state;
        assert_eq!(with(&config), State::Pass);
        config.retention.audit_days = 365;
        assert_eq!(with(&config), State::Fail);
    }
}
