//! Who may make whom what in an organization, and that it never is without an owner.
//!
//! Nobody gives or takes a role above the own one, only an owner makes or unmakes an owner, and the last owner stays one.

use super::access::{Right, Role};

/// What is to become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another role.
    To(Role),
    /// None: out.
    Out,
}

/// Why it cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Who asks may not change members.
    #[error("your role does not include changing members: ask an owner or an administrator")]
    Right,
    /// The member, or the role, is above who asks.
    #[error("only an owner makes or unmakes an owner: ask one")]
    Above,
    /// An organization has an owner.
    #[error("this is the last owner: make another member owner first")]
    LastOwner,
}

/// Whether a member of role `by` may make this of one of role `of`, in an organization with so many owners. What somebody
/// does to the own membership is `own`.
///
/// # Errors
/// Why not.
pub fn judge(by: Role, of: Role, change: Change, own: bool, owners: i64) -> Result<(), Refused> {
    // Everybody may leave.
    let leaves = own && change == Change::Out;
    if !leaves && !by.may(Right::MembersWrite) {
        return Err(Refused::Right);
    }
    let given = match change {
        Change::To(role) => role,
        Change::Out => Role::Viewer,
    };
    if of > by || given > by {
        return Err(Refused::Above);
    }
    let unmade = of == Role::Owner && change != Change::To(Role::Owner);
    if unmade && owners < 2 { Err(Refused::LastOwner) } else { Ok(()) }
}

/// Whether who has the role `by` may invite somebody into this role.
///
/// # Errors
/// Why not.
pub fn may_invite(by: Role, role: Role) -> Result<(), Refused> {
    if !by.may(Right::MembersWrite) {
        return Err(Refused::Right);
    }
    if role > by { Err(Refused::Above) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case there is.
    fn cases() -> Vec<(Role, Role, Change, bool, i64)> {
        let mut cases = Vec::new();
        for by in Role::ALL {
            for of in Role::ALL {
                for change in Role::ALL.map(Change::To).into_iter().chain([Change::Out]) {
                    for own in [true, false] {
                        for owners in 1..4 {
                            cases.push((by, of, change, own, owners));
                        }
                    }
                }
            }
        }
        cases.retain(|(by, of, _, own, owners)| {
            let named = i64::from(*by == Role::Owner) + i64::from(*of == Role::Owner && !own);
            (!own || by == of) && *owners >= named
        });
        cases
    }

    #[test]
    fn in_every_case_an_owner_is_left_and_nobody_reaches_above() {
        for (by, of, change, own, owners) in cases() {
            let what = format!("{by} makes {of} {change:?}, own {own}, of {owners} owners");
            if judge(by, of, change, own, owners).is_err() {
                continue;
            }
            let lost = of == Role::Owner && change != Change::To(Role::Owner);
            assert!(owners - i64::from(lost) >= 1, "{what}");
            assert!(by >= of && change != Change::To(Role::Owner) || by == Role::Owner, "{what}");
            assert!(by >= Role::Admin || (own && change == Change::Out), "{what}");
        }
    }

    #[test]
    fn what_is_allowed_is_that() {
        let allowed = |by, of, change, own, owners| judge(by, of, change, own, owners);
        assert_eq!(allowed(Role::Admin, Role::Admin, Change::To(Role::Viewer), false, 1), Ok(()));
        assert_eq!(allowed(Role::Admin, Role::Viewer, Change::To(Role::Owner), false, 1), Err(Refused::Above));
        assert_eq!(allowed(Role::Admin, Role::Owner, Change::Out, false, 2), Err(Refused::Above));
        assert_eq!(allowed(Role::Owner, Role::Owner, Change::To(Role::Admin), false, 2), Ok(()));
        assert_eq!(allowed(Role::Owner, Role::Owner, Change::To(Role::Admin), true, 1), Err(Refused::LastOwner));
        assert_eq!(allowed(Role::Owner, Role::Owner, Change::Out, true, 1), Err(Refused::LastOwner));
        assert_eq!(allowed(Role::Viewer, Role::Viewer, Change::Out, true, 1), Ok(()));
        assert_eq!(allowed(Role::Editor, Role::Viewer, Change::Out, false, 1), Err(Refused::Right));
        assert_eq!(may_invite(Role::Admin, Role::Owner), Err(Refused::Above));
        assert_eq!(may_invite(Role::Editor, Role::Viewer), Err(Refused::Right));
        assert_eq!(may_invite(Role::Owner, Role::Owner), Ok(()));
    }
}
