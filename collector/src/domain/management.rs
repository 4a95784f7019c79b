//! Who may let an organization be managed by another, and as what its members act there.
//!
//! Consent is an owner's alone, and never gives ownership. Either side ends it at any time; that takes less than giving it.

use super::access::{Right, Role};
use serde::{Deserialize, Serialize};

/// Why it cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Who asks may neither accept nor end it.
    #[error("your role does not include this: ask an owner or an administrator")]
    Right,
    /// Who consents does not own the organization.
    #[error("only an owner lets another organization manage this one: ask one")]
    NotOwner,
    /// Nobody is made an owner so.
    #[error("an owner is made by invitation or transfer alone: choose admin at most")]
    Owner,
}

/// Whether who has the role `by` may let another organization manage this one, with so much at most.
///
/// # Errors
/// Why not.
pub fn may_consent(by: Role, most: Role) -> Result<(), Refused> {
    if by != Role::Owner {
        return Err(Refused::NotOwner);
    }
    if most == Role::Owner { Err(Refused::Owner) } else { Ok(()) }
}

/// Whether who has the role `by`, on either side, may accept or end it.
///
/// # Errors
/// Why not.
pub fn may_answer(by: Role) -> Result<(), Refused> {
    if by.may(Right::ManagementWrite) { Ok(()) } else { Err(Refused::Right) }
}

/// What happens to a consent by which an organization is managed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// An owner gave it.
    Given,
    /// The other organization accepted it.
    Accepted,
    /// The managed organization ended it.
    Revoked,
    /// The managing organization ended it.
    Left,
    /// It ends soon by itself.
    Ends,
    /// It ended by itself.
    Over,
}

impl Step {
    /// The name of the mail in the table of mails: never change one.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::Given => "management_given",
            Self::Accepted => "management_accepted",
            Self::Revoked => "management_revoked",
            Self::Left => "management_left",
            Self::Ends => "management_ends",
            Self::Over => "management_over",
        }
    }

    /// What the audit log calls it; that an end is near is not in it.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Given => "management.give",
            Self::Accepted => "management.accept",
            Self::Revoked => "management.revoke",
            Self::Left => "management.leave",
            Self::Ends | Self::Over => "management.end",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_owner_consents_and_never_to_an_owner() {
        for by in Role::ALL {
            for most in Role::ALL {
                let wanted = by == Role::Owner && most != Role::Owner;
                assert_eq!(may_consent(by, most).is_ok(), wanted, "{by} gives {most}");
            }
        }
    }

    #[test]
    fn owners_and_administrators_accept_and_end_it() {
        assert_eq!(Role::ALL.map(|role| may_answer(role).is_ok()), [true, true, false, false, false]);
    }
}
