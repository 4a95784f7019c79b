//! Who leads: whose tasks judge, tell and delete.

use std::time::Duration;

use picket_shared::time::Timestamp;

use super::{Finding, State};
use crate::store::leadership::Leadership;

/// Whoever did not show that it lives for so long does not, even where clocks differ a little.
const SILENT: Duration = Duration::from_secs(30);

/// Looks at the row.
pub(super) fn leader(row: &Leadership, now: Timestamp) -> Finding {
    const NAME: &str = "leader";
    let Some(since) = row.taken_at.filter(|_| row.holder.is_some()) else {
        let why =
            "no collector leads, so nothing is judged and nobody is told: start one with `picket-collector serve`";
        return Finding::new(NAME, State::Fail, why);
    };
    let (host, term) = (&row.host, row.fence.0);
    let silent = row.beat_at.map(|at| now.since(at)).filter(|silent| *silent > SILENT);
    if let Some(silent) = silent {
        let why = format!(
            "the collector at {host} has led since {since:.0} (term {term}) and has not shown that it lives for {} s: nothing is \
             judged and nobody is told. Look at its log, and start one that stands by",
            silent.as_secs()
        );
        return Finding::new(NAME, State::Fail, why);
    }
    Finding::new(NAME, State::Pass, format!("the collector at {host} leads since {since:.0} (term {term})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Fence;
    use picket_shared::ids::TermId;

    #[test]
    fn who_leads_is_told_and_that_nobody_does_is_a_failure() {
        let at = Timestamp::from_seconds(1_790_000_000);
        let row = Leadership {
            fence: Fence(7),
            holder: Some(TermId::at(at)),
            host: "one (127.0.0.1:8080)".to_owned(),
            key_ids: Vec::new(),
            beat: 3,
            taken_at: Some(at),
            beat_at: Some(at + Duration::from_secs(60)),
        };
        let found = leader(&row, at + Duration::from_secs(63));
        assert!(found.state == State::Pass && found.message.contains("one (127.0.0.1:8080)"), "{}", found.message);
        assert!(found.message.contains("(term 7)"), "{}", found.message);
        let found = leader(&row, at + Duration::from_secs(100));
        assert!(found.state == State::Fail && found.message.contains("for 40 s"), "{}", found.message);
        assert_eq!(leader(&Leadership { holder: None, ..row }, at).state, State::Fail);
    }
}
