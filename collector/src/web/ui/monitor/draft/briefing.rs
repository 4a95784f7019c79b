//! What messages say of a monitor, as typed.

use super::{Draft, Faults};
use crate::domain::briefing::{self, Briefing};
use crate::domain::incident::Severity;
use crate::web::texts::text;

impl Draft {
    pub(super) fn briefing(&self, faults: &mut Faults) -> Briefing {
        let severity = if self.severity.is_empty() { Ok(Severity::Critical) } else { self.severity.parse() };
        let severity = severity.unwrap_or_else(|_| {
            faults.push(("severity", text("incident.bad_severity").to_owned()));
            Severity::Critical
        });
        let owner = briefing::owner(&self.owner).unwrap_or_else(|_| {
            faults.push(("owner", text("form.bad_owner").to_owned()));
            None
        });
        let runbook_url = briefing::runbook_url(&self.runbook_url).unwrap_or_else(|_| {
            faults.push(("runbook_url", text("form.bad_runbook").to_owned()));
            None
        });
        Briefing { severity, owner, runbook_url }
    }
}
