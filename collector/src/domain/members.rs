//! Who may make whom what in an organization, for how long, and that it never is without an owner.
//!
//! Nobody gives or takes a role above the own one, only an owner makes or unmakes an owner, and the last owner stays one. A
//! membership may end by itself: nobody moves the own end, nobody who has one gives more time than that, and an owner who has
//! one does not count as the last.

use picket_shared::time::Timestamp;

use super::access::{Right, Role};

/// What a member is, and until when: for good without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What.
    pub role: Role,
    /// Until when.
    pub until: Option<Timestamp>,
}

impl Standing {
    /// Without an end.
    pub const fn for_good(role: Role) -> Self {
        Self { role, until: None }
    }

    /// Whether it is an owner for good: an organization has one.
    const fn lasts_as_owner(self) -> bool {
        matches!(self.role, Role::Owner) && self.until.is_none()
    }

    /// Whether a membership of this end is longer than the own one.
    fn is_outlasted_by(self, until: Option<Timestamp>) -> bool {
        self.until.is_some_and(|own| until.is_none_or(|until| until > own))
    }
}

/// What is to become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another role.
    To(Role),
    /// Another end, or none.
    Until(Option<Timestamp>),
    /// None: out.
    Out,
}

impl Change {
    /// What a member who is `of` is then; nothing who is out.
    pub const fn of(self, of: Standing) -> Option<Standing> {
        match self {
            Self::To(role) => Some(Standing { role, ..of }),
            Self::Until(until) => Some(Standing { until, ..of }),
            Self::Out => None,
        }
    }
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
    #[error(
        "this is the last owner for good: make another member owner first, or take the end off another owner's membership"
    )]
    LastOwner,
    /// The end of a membership is moved by others.
    #[error("nobody changes the end of the own membership: ask another owner or administrator")]
    OwnEnd,
    /// Who asks is there for a shorter time.
    #[error("your own membership ends before that: choose an end that is not later than yours")]
    BeyondOwnEnd,
    /// A service member owns nothing.
    #[error("a service member is an administrator at most: choose a lesser role")]
    Service,
    /// It lies behind.
    #[error("this time is over: choose a later one; who is to go at once is removed")]
    Past,
}

/// Whether a member who is `by` may make this of one who is `of`, in an organization with so many owners for good. What
/// somebody does to the own membership is `own`. That an end lies ahead is for who knows the time.
///
/// # Errors
/// Why not.
pub fn judge(by: Standing, of: Standing, change: Change, own: bool, owners: i64) -> Result<(), Refused> {
    // Everybody may leave.
    let leaves = own && change == Change::Out;
    if !leaves && !by.role.may(Right::MembersWrite) {
        return Err(Refused::Right);
    }
    let given = match change {
        Change::To(role) => role,
        Change::Until(_) => of.role,
        Change::Out => Role::Viewer,
    };
    if of.role > by.role || given > by.role {
        return Err(Refused::Above);
    }
    let unmade = of.lasts_as_owner() && !change.of(of).is_some_and(Standing::lasts_as_owner);
    if unmade && owners < 2 {
        return Err(Refused::LastOwner);
    }
    match change {
        Change::Until(until) if until == of.until => Ok(()),
        Change::Until(_) if own => Err(Refused::OwnEnd),
        Change::Until(until) if by.is_outlasted_by(until) => Err(Refused::BeyondOwnEnd),
        _ => Ok(()),
    }
}

/// Whether who is `by` may invite somebody to be this.
///
/// # Errors
/// Why not.
pub fn may_invite(by: Standing, invited: Standing) -> Result<(), Refused> {
    if !by.role.may(Right::MembersWrite) {
        return Err(Refused::Right);
    }
    if invited.role > by.role {
        return Err(Refused::Above);
    }
    if by.is_outlasted_by(invited.until) { Err(Refused::BeyondOwnEnd) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn until(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_seconds(seconds))
    }

    /// For good, and for a shorter and a longer time.
    fn standings() -> impl Iterator<Item = Standing> {
        Role::ALL.into_iter().flat_map(|role| [None, until(5), until(9)].map(|until| Standing { role, until }))
    }

    /// Every case there is.
    fn cases() -> Vec<(Standing, Standing, Change, bool, i64)> {
        let ends = [None, until(5), until(7), until(9)].map(Change::Until);
        let changes: Vec<Change> = Role::ALL.map(Change::To).into_iter().chain(ends).chain([Change::Out]).collect();
        let mut cases = Vec::new();
        for by in standings() {
            for of in standings() {
                for change in &changes {
                    for own in [true, false] {
                        cases.extend((0..4).map(|owners| (by, of, *change, own, owners)));
                    }
                }
            }
        }
        cases.retain(|(by, of, _, own, owners)| {
            let named = i64::from(by.lasts_as_owner()) + i64::from(of.lasts_as_owner() && !own);
            (!own || by == of) && *owners >= named.max(1)
        });
        cases
    }

    #[test]
    fn in_every_case_an_owner_is_left_for_good_and_nobody_reaches_above_or_beyond() {
        let mut allowed = 0;
        for (by, of, change, own, owners) in cases() {
            let what = format!("{by:?} makes {of:?} {change:?}, own {own}, of {owners} owners");
            if judge(by, of, change, own, owners).is_err() {
                continue;
            }
            allowed += 1;
            let lost = of.lasts_as_owner()
                && match change {
                    Change::To(role) => role != Role::Owner,
                    Change::Until(until) => until.is_some(),
                    Change::Out => true,
                };
            assert!(owners - i64::from(lost) >= 1, "{what}");
            assert!(by.role >= of.role && change != Change::To(Role::Owner) || by.role == Role::Owner, "{what}");
            assert!(by.role >= Role::Admin || (own && change == Change::Out), "{what}");
            if let Change::Until(until) = change {
                let longer = until.is_none_or(|until| by.until.is_some_and(|own| until > own));
                assert!(until == of.until || !own && (by.until.is_none() || !longer), "{what}");
            }
        }
        assert!(allowed > 500, "{allowed} cases are allowed");
    }

    #[test]
    fn what_is_allowed_is_that() {
        let good = Standing::for_good;
        let allowed = |by, of, change, own, owners| judge(good(by), good(of), change, own, owners);
        assert_eq!(allowed(Role::Admin, Role::Admin, Change::To(Role::Viewer), false, 1), Ok(()));
        assert_eq!(allowed(Role::Admin, Role::Viewer, Change::To(Role::Owner), false, 1), Err(Refused::Above));
        assert_eq!(allowed(Role::Admin, Role::Owner, Change::Out, false, 2), Err(Refused::Above));
        assert_eq!(allowed(Role::Owner, Role::Owner, Change::To(Role::Admin), false, 2), Ok(()));
        assert_eq!(allowed(Role::Owner, Role::Owner, Change::To(Role::Admin), true, 1), Err(Refused::LastOwner));
        assert_eq!(allowed(Role::Owner, Role::Owner, Change::Out, true, 1), Err(Refused::LastOwner));
        assert_eq!(allowed(Role::Viewer, Role::Viewer, Change::Out, true, 1), Ok(()));
        assert_eq!(allowed(Role::Editor, Role::Viewer, Change::Out, false, 1), Err(Refused::Right));
    }

    #[test]
    fn an_end_is_given_by_who_stays_at_least_as_long_and_never_to_the_last_owner() {
        let of = |role, until| Standing { role, until };
        let (owner, admin, brief) = (of(Role::Owner, None), of(Role::Admin, None), of(Role::Admin, until(5)));
        let end = |seconds| Change::Until(until(seconds));
        assert_eq!(judge(admin, of(Role::Viewer, None), end(7), false, 1), Ok(()));
        assert_eq!(judge(admin, owner, end(7), false, 2), Err(Refused::Above));
        assert_eq!(judge(owner, owner, end(7), true, 1), Err(Refused::LastOwner));
        assert_eq!(judge(owner, owner, end(7), true, 2), Err(Refused::OwnEnd));
        assert_eq!(judge(owner, owner, end(7), false, 2), Ok(()));
        // An owner for a time is not the last owner, whatever becomes of the membership.
        assert_eq!(judge(owner, of(Role::Owner, until(7)), Change::Out, false, 1), Ok(()));
        assert_eq!(judge(brief, brief, Change::Until(None), true, 1), Err(Refused::OwnEnd));
        assert_eq!(judge(brief, of(Role::Viewer, None), end(6), false, 1), Err(Refused::BeyondOwnEnd));
        assert_eq!(judge(brief, of(Role::Viewer, until(9)), Change::Until(None), false, 1), Err(Refused::BeyondOwnEnd));
        assert_eq!(judge(brief, of(Role::Viewer, None), end(5), false, 1), Ok(()));
        assert_eq!(judge(brief, of(Role::Viewer, None), Change::Until(None), false, 1), Ok(()), "it is so already");
        assert_eq!(may_invite(admin, owner), Err(Refused::Above));
        assert_eq!(may_invite(of(Role::Editor, None), of(Role::Viewer, None)), Err(Refused::Right));
        assert_eq!(may_invite(owner, owner), Ok(()));
        assert_eq!(may_invite(brief, of(Role::Viewer, None)), Err(Refused::BeyondOwnEnd));
        assert_eq!(may_invite(brief, of(Role::Viewer, until(5))), Ok(()));
    }
}
