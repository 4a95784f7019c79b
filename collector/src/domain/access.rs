//! Who may do what: one table of rights, from which routes, pages, keys and `docs/access.md` are made.
//!
//! A right is what a route needs. The roles of members stand in an order, and each has what the one below it has: of a
//! right it is enough to know the least role. A scope of an API key is a right by its name; what a key may do is what its
//! scopes and its user's present role both allow.

use std::fmt;
use std::str::FromStr;

/// What a member is in an organization, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks on.
    Viewer,
    /// Answers incidents.
    Responder,
    /// Says what is watched and who is told.
    Editor,
    /// Says who belongs to the organization.
    Admin,
    /// Answers for the organization.
    Owner,
}

impl Role {
    /// Every role, the greatest first.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Admin, Self::Editor, Self::Responder, Self::Viewer];

    /// Its name in tables, pages and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Responder => "responder",
            Self::Viewer => "viewer",
        }
    }

    /// Whether a member of this role has the right.
    pub fn may(self, right: Right) -> bool {
        self >= right.least()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role or no right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no {1}")]
pub struct Unknown(String, &'static str);

impl FromStr for Role {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| Unknown(text.to_owned(), "role"))
    }
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident: $scope:literal from $least:ident),+ $(,)?) => {
        /// What a route needs, and a scope of an API key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Right {
            $($(#[$doc])* $name),+
        }

        impl Right {
            /// Every right, in the order of documents and pages.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name as a scope: `monitors:read`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $scope),+ }
            }

            /// The least role that has it.
            pub const fn least(self) -> Role {
                match self { $(Self::$name => Role::$least),+ }
            }
        }
    };
}

rights! {
    /// See monitors and their state.
    MonitorsRead: "monitors:read" from Viewer,
    /// Make, change, pause, delete, test and import monitors.
    MonitorsWrite: "monitors:write" from Editor,
    /// See incidents and their timelines.
    IncidentsRead: "incidents:read" from Viewer,
    /// Acknowledge incidents and write into their timelines.
    IncidentsWrite: "incidents:write" from Responder,
    /// See outcomes and response times.
    ResultsRead: "results:read" from Viewer,
    /// Hear when something changed.
    EventsRead: "events:read" from Viewer,
    /// See who is told, shortened: addresses of people.
    ChannelsRead: "channels:read" from Responder,
    /// Add, verify, test, rename and remove channels.
    ChannelsWrite: "channels:write" from Editor,
    /// See status pages and their settings.
    PagesRead: "pages:read" from Viewer,
    /// Make, change and remove status pages.
    PagesWrite: "pages:write" from Editor,
    /// See who is told when.
    PoliciesRead: "policies:read" from Responder,
    /// Say who is told when.
    PoliciesWrite: "policies:write" from Editor,
    /// See windows of maintenance.
    MaintenanceRead: "maintenance:read" from Viewer,
    /// Begin, plan and end maintenance.
    MaintenanceWrite: "maintenance:write" from Responder,
    /// Read the audit log.
    AuditRead: "audit:read" from Admin,
    /// See who belongs to the organization.
    MembersRead: "members:read" from Responder,
    /// Invite and remove members, change roles, and end the keys of others.
    MembersWrite: "members:write" from Admin,
    /// Review who has access, and by what.
    MembersReview: "members:review" from Admin,
    /// See one's own API keys.
    KeysRead: "keys:read" from Responder,
    /// Make and end one's own API keys.
    KeysWrite: "keys:write" from Responder,
    /// See what belongs to one's own account.
    AccountRead: "account:read" from Viewer,
    /// Change one's own password, address and second factor, end one's sessions, close one's account.
    AccountWrite: "account:write" from Viewer,
    /// See how the managed organizations are, and which they are.
    PortfolioRead: "portfolio:read" from Viewer,
    /// Let another organization manage this one, accept to manage one, and end either.
    ManagementWrite: "management:write" from Admin,
    /// See probes and regions.
    ProbesRead: "probes:read" from Viewer,
    /// Add and revoke probes.
    ProbesWrite: "probes:write" from Admin,
}

impl Right {
    /// Whether nobody has it who acts here through a managing organization, in whatever role: what could be given away by it
    /// outlasts the consent (members, keys, probes), or leads on from here to a third organization.
    pub const fn is_withheld(self) -> bool {
        matches!(
            self,
            Self::MembersWrite
                | Self::KeysRead
                | Self::KeysWrite
                | Self::ProbesWrite
                | Self::PortfolioRead
                | Self::ManagementWrite
        )
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let found = Self::ALL.iter().copied().find(|right| right.as_str() == text);
        found.ok_or_else(|| Unknown(text.to_owned(), "scope"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(role: Role) -> Vec<&'static str> {
        Right::ALL.iter().filter(|right| role.may(**right)).map(|right| right.as_str()).collect()
    }

    #[test]
    fn a_viewer_changes_nothing_but_the_own_account() {
        let writes: Vec<_> = rights(Role::Viewer).into_iter().filter(|right| right.ends_with(":write")).collect();
        assert_eq!(writes, ["account:write"]);
    }

    #[test]
    fn a_responder_changes_what_an_incident_asks_for_and_nothing_that_is_watched() {
        let writes: Vec<_> = rights(Role::Responder).into_iter().filter(|right| right.ends_with(":write")).collect();
        assert_eq!(writes, ["incidents:write", "maintenance:write", "keys:write", "account:write"]);
    }

    #[test]
    fn only_who_may_say_who_belongs_here_sees_the_audit_log_and_adds_probes() {
        for right in [Right::AuditRead, Right::MembersWrite, Right::ManagementWrite, Right::ProbesWrite] {
            assert_eq!(Role::ALL.map(|role| role.may(right)), [true, true, false, false, false], "{right}");
        }
    }

    #[test]
    fn each_role_has_what_the_one_below_it_has_and_the_owner_everything() {
        for pair in Role::ALL.windows(2) {
            assert!(rights(pair[1]).iter().all(|right| rights(pair[0]).contains(right)), "{pair:?}");
        }
        assert_eq!(rights(Role::Owner).len(), Right::ALL.len());
    }

    #[test]
    fn nobody_gives_away_what_outlasts_the_consent_to_manage() {
        let withheld: Vec<_> =
            Right::ALL.iter().filter(|right| right.is_withheld()).map(|right| right.as_str()).collect();
        let wanted = ["members:write", "keys:read", "keys:write", "portfolio:read", "management:write", "probes:write"];
        assert_eq!(withheld, wanted);
    }

    #[test]
    fn names_come_back_as_what_they_name() {
        for right in Right::ALL {
            assert_eq!(right.as_str().parse(), Ok(*right));
        }
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!(
            "monitors:*".parse::<Right>().is_err() && "root".parse::<Role>().is_err() && "".parse::<Role>().is_err()
        );
    }
}
