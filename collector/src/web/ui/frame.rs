//! What surrounds every page: title, navigation, who is signed in, and what was just done.

use std::collections::HashMap;

use crate::domain::access::Right;
use crate::login::session::{Member, Resumed};
use crate::web::extract::user::{Person, User};
use crate::web::texts::{filled, text};

/// The frame of a page.
#[derive(Debug)]
pub struct Frame {
    /// The page's title.
    pub title: String,
    /// Who is signed in.
    pub member: Option<Member>,
    /// What forms of this session carry.
    pub proof: String,
    /// What was just done.
    pub note: Option<Note>,
    current: &'static str,
}

/// What was just done, and how to undo it.
#[derive(Debug)]
pub struct Note {
    /// A sentence.
    pub text: String,
    /// Where a button undoes it.
    pub undo: Option<String>,
}

/// A place in the navigation.
#[derive(Debug)]
pub struct NavItem {
    /// Where it leads.
    pub href: &'static str,
    /// What it is called.
    pub text: &'static str,
    /// Whether this page is in it.
    pub current: bool,
}

/// Address, key of the text, and the right without which it is not shown; in order.
const NAV: &[(&str, &str, Right)] = &[
    ("/", "nav.monitors", Right::MonitorsRead),
    ("/incidents", "nav.incidents", Right::IncidentsRead),
    ("/maintenance", "nav.maintenance", Right::MaintenanceRead),
    ("/probes", "nav.probes", Right::ProbesRead),
    ("/policies", "nav.policies", Right::PoliciesRead),
    ("/schedules", "nav.schedules", Right::PoliciesRead),
    ("/channels", "nav.channels", Right::ChannelsRead),
    ("/import", "nav.import", Right::MonitorsWrite),
    ("/portfolio", "nav.portfolio", Right::PortfolioRead),
    ("/members", "nav.members", Right::MembersRead),
    ("/audit", "nav.audit", Right::AuditRead),
];

/// What can have been done, as in `?done=`: name of the text, and whether `?name=` goes into it.
const DONE: &[(&str, &str, bool)] = &[
    ("password", "done.password", false),
    ("export_asked", "done.export_asked", false),
    ("account_closed", "done.account_closed", false),
    ("back", "done.back", false),
    ("session_ended", "done.session_ended", false),
    ("others_ended", "done.others_ended", false),
    ("confirm_sent", "done.confirm_sent", false),
    ("confirmed", "done.confirmed", false),
    ("address_asked", "done.address_asked", false),
    ("half_agreed", "done.half_agreed", false),
    ("address", "done.address", false),
    ("second_factor_added", "done.second_factor_added", false),
    ("second_factor_removed", "done.second_factor_removed", false),
    ("passkey_removed", "done.passkey_removed", false),
    ("added", "done.added", false),
    ("changed", "done.changed", false),
    ("paused", "done.paused", false),
    ("resumed", "done.resumed", false),
    ("deleted", "done.deleted", true),
    ("restored", "done.restored", false),
    ("acknowledged", "done.acknowledged", false),
    ("assigned", "done.assigned", false),
    ("commented", "done.commented", false),
    ("resolved", "done.resolved", false),
    ("reopened", "done.reopened", false),
    ("post_mortem", "done.post_mortem", false),
    ("opened", "done.opened", false),
    ("opened_told", "done.opened_told", false),
    ("maintenance_planned", "done.maintenance_planned", false),
    ("maintenance_changed", "done.maintenance_changed", false),
    ("maintenance_ended", "done.maintenance_ended", false),
    ("maintenance_skipped", "done.maintenance_skipped", false),
    ("maintenance_deleted", "done.maintenance_deleted", true),
    ("maintenance_restored", "done.maintenance_restored", false),
    ("schedule_added", "done.schedule_added", false),
    ("schedule_changed", "done.schedule_changed", false),
    ("schedule_removed", "done.schedule_removed", true),
    ("override_added", "done.override_added", false),
    ("override_removed", "done.override_removed", false),
    ("policy_added", "done.policy_added", false),
    ("policy_changed", "done.policy_changed", false),
    ("policy_removed", "done.policy_removed", true),
    ("telling_changed", "done.telling_changed", false),
    ("regional_alert", "done.regional_alert", false),
    ("verified", "done.verified", false),
    ("renamed", "done.renamed", false),
    ("asked_again", "done.asked_again", false),
    ("drilled", "done.drilled", false),
    ("dependencies", "done.dependencies", false),
    ("removed", "done.removed", true),
    ("revoked", "done.revoked", false),
    ("released", "done.released", true),
    ("key_revoked", "done.key_revoked", false),
    ("role_changed", "done.role_changed", false),
    ("service_added", "done.service_added", false),
    ("end_changed", "done.end_changed", false),
    ("member_removed", "done.member_removed", false),
    ("policy", "done.policy", false),
    ("residency", "done.residency", false),
    ("invited", "done.invited", false),
    ("invitation_revoked", "done.invitation_revoked", false),
    ("transferred", "done.transferred", false),
    ("consented", "done.consented", false),
    ("accepted", "done.accepted", false),
    ("consent_ended", "done.consent_ended", false),
    ("unlocked", "done.unlocked", false),
    ("sessions_ended", "done.sessions_ended", true),
    ("granted", "done.granted", false),
    ("granted_without", "done.granted_without", false),
    ("grant_revoked", "done.grant_revoked", false),
    ("dpa_accepted", "done.dpa_accepted", false),
    ("breach_opened", "done.breach_opened", false),
    ("breach_changed", "done.breach_changed", false),
    ("breach_told", "done.breach_told", false),
    ("breach_closed", "done.breach_closed", false),
];

impl Frame {
    /// A page for somebody who is signed in; `current` is its place in the navigation.
    pub fn of(user: &User, current: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            member: Some(user.member.clone()),
            proof: user.ticket.form_proof(),
            note: None,
            current,
        }
    }

    /// A page for somebody who is signed in, in an organization or in none.
    pub fn of_person(person: &Person, title: impl Into<String>) -> Self {
        let member = match &person.resumed {
            Resumed::Member(member) => Some(member.clone()),
            Resumed::Stray(_) => None,
        };
        Self { title: title.into(), member, proof: person.ticket.form_proof(), note: None, current: "" }
    }

    /// A page for anybody.
    pub fn open(title: impl Into<String>) -> Self {
        Self { title: title.into(), member: None, proof: String::new(), note: None, current: "" }
    }

    /// With what `?done=` says was just done.
    #[must_use]
    pub fn noting(mut self, query: &HashMap<String, String>) -> Self {
        let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
        let done = DONE.iter().find(|(done, ..)| *done == get("done"));
        let (of, right) = match get("done") {
            "maintenance_deleted" => ("maintenance", Right::MaintenanceWrite),
            _ => ("monitors", Right::MonitorsWrite),
        };
        let deleted = get("undo").parse::<uuid::Uuid>().ok().filter(|_| self.has(right));
        self.note = done.map(|(_, key, named)| Note {
            text: if *named { filled(key, get("name")) } else { text(key).to_owned() },
            undo: deleted.map(|id| format!("/{of}/{id}/restore")),
        });
        self
    }

    /// The navigation.
    pub fn nav(&self) -> Vec<NavItem> {
        // Where nothing is managed it says nothing.
        let manages = self.member.as_ref().is_some_and(|member| member.manages);
        let open = NAV.iter().filter(|(href, _, right)| self.has(*right) && (*href != "/portfolio" || manages));
        open.map(|(href, key, _)| NavItem { href, text: text(key), current: *href == self.current }).collect()
    }

    /// Whether who is signed in has the right of this name: what others cannot do is not offered to them.
    pub fn may(&self, right: &str) -> bool {
        right.parse().is_ok_and(|right| self.has(right))
    }

    fn has(&self, right: Right) -> bool {
        self.member.as_ref().is_some_and(|member| member.may(right))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every text between `frame.may("` and `"` in the templates.
    fn asked(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                asked(&entry.path(), found);
            } else {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let names = text.split("frame.may(\"").skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }

    #[test]
    fn templates_ask_for_rights_that_there_are() {
        let mut found = Vec::new();
        asked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), &mut found);
        assert!(found.len() > 5, "{found:?}");
        for name in found {
            assert!(name.parse::<Right>().is_ok(), "{name} is no right");
        }
    }
}
