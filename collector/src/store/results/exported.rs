//! An outcome as programs are given it, by the API and by commands.

use picket_shared::outcome::Fold;
use serde_json::{Value, json};

use super::OutcomeRow;

impl OutcomeRow {
    /// One JSON object; `region` is the name of its region.
    pub fn exported(&self, region: Option<&str>) -> Value {
        let detail = &self.detail;
        let failure = self
            .failure
            .as_ref()
            .map(|kind| json!({ "kind": kind, "message": detail.message, "evidence": detail.evidence }));
        let fold = |fold: Fold| {
            json!({
                "last": fold.last.exact(), "count": fold.count, "min_us": fold.min_us, "avg_us": fold.avg_us,
                "max_us": fold.max_us,
            })
        };
        json!({
            "region": region,
            "at": self.at.exact(),
            "received_at": self.received_at.exact(),
            "version": self.version,
            "trigger": self.trigger,
            "status": self.status,
            "self_check": self.self_check,
            "failure": failure,
            "code": self.code,
            "late_us": self.late_us,
            "total_us": self.total_us,
            "phases": self.phases,
            "address": detail.address,
            "hops": detail.hops,
            "certificate": detail.certificate,
            "answers": detail.answers,
            "fold": self.fold.map(fold),
        })
    }
}
