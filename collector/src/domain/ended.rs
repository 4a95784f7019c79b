//! Pure: what ends for good, and stays ended where a database is restored to before it.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// For so long what was closed can come back; then it is erased.
pub const GRACE: Duration = Duration::from_secs(7 * 86_400);

/// What can end. The words are in a ledger that outlives every database: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An account was erased.
    ErasedAccount,
    /// An organization was erased.
    ErasedOrganization,
    /// Somebody without an account was erased; the subject is the erasure's id, and the address, sealed.
    ErasedContact,
    /// An account was closed.
    ClosedAccount,
    /// One that was closed came back.
    RestoredAccount,
    /// An organization was closed.
    ClosedOrganization,
    /// One that was closed came back.
    RestoredOrganization,
    /// An API key was revoked.
    Key,
    /// Somebody does not belong to an organization any more.
    Membership,
    /// Somebody has another password.
    Password,
    /// Somebody does not administer the instance any more.
    Grant,
    /// An invitation was accepted or taken back.
    Invitation,
    /// An organization is not managed by another any more.
    Management,
    /// A probe was revoked.
    Probe,
}

/// What the audit log calls that, but for erasures, which are in the ledger before they begin.
const ACTIONS: &[(&str, Kind)] = &[
    ("user.close", Kind::ClosedAccount),
    ("user.restore", Kind::RestoredAccount),
    ("organization.close", Kind::ClosedOrganization),
    ("organization.restore", Kind::RestoredOrganization),
    ("key.revoke", Kind::Key),
    ("member.remove", Kind::Membership),
    ("member.leave", Kind::Membership),
    ("member.end", Kind::Membership),
    ("user.change_password", Kind::Password),
    ("user.reset_password", Kind::Password),
    ("admin.revoke", Kind::Grant),
    ("invitation.revoke", Kind::Invitation),
    ("invitation.accept", Kind::Invitation),
    ("management.revoke", Kind::Management),
    ("management.leave", Kind::Management),
    ("management.end", Kind::Management),
    ("probe.revoke", Kind::Probe),
];

impl Kind {
    /// What an entry of the audit log with this action tells of, if of an end.
    pub fn of(action: &str) -> Option<Self> {
        ACTIONS.iter().find(|(known, _)| *known == action).map(|(_, kind)| *kind)
    }

    /// Every action that tells of an end.
    pub fn actions() -> Vec<&'static str> {
        ACTIONS.iter().map(|(action, _)| *action).collect()
    }
}

/// Something that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ended {
    /// What it was.
    pub kind: Kind,
    /// Which: its name outside, as the audit log has it.
    pub subject: String,
    /// In which organization, where it was in one.
    pub org: Option<Uuid>,
    /// When.
    pub at: Timestamp,
}

impl Ended {
    /// Whether the other tells of the same end. What is erased is erased once, whenever that was.
    pub fn is(&self, other: &Self) -> bool {
        match self.kind {
            Kind::ErasedAccount | Kind::ErasedOrganization | Kind::ErasedContact => {
                (self.kind, &self.subject) == (other.kind, &other.subject)
            }
            _ => self == other,
        }
    }
}

/// What is left to be ended in a copy, in the order in which it ended: what was closed and came back is not closed again.
pub fn still_ended(mut ended: Vec<Ended>) -> Vec<Ended> {
    ended.sort_by_key(|ended| ended.at);
    let comes_back = |closed: &Ended, kind: Kind| {
        ended.iter().any(|other| other.kind == kind && other.subject == closed.subject && other.at >= closed.at)
    };
    let stays = |ended: &&Ended| match ended.kind {
        Kind::ClosedAccount => !comes_back(ended, Kind::RestoredAccount),
        Kind::ClosedOrganization => !comes_back(ended, Kind::RestoredOrganization),
        Kind::RestoredAccount | Kind::RestoredOrganization => false,
        _ => true,
    };
    ended.iter().filter(stays).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(kind: Kind, subject: u128, at: i64) -> Ended {
        Ended { kind, subject: subject.to_string(), org: None, at: Timestamp::from_seconds(at) }
    }

    #[test]
    fn what_came_back_is_not_closed_again_and_what_was_closed_after_that_is() {
        let all = vec![
            ended(Kind::Key, 9, 5),
            ended(Kind::ClosedAccount, 1, 1),
            ended(Kind::RestoredAccount, 1, 2),
            ended(Kind::ClosedAccount, 1, 3),
            ended(Kind::ClosedOrganization, 2, 1),
            ended(Kind::RestoredOrganization, 2, 4),
            ended(Kind::RestoredAccount, 3, 9),
            ended(Kind::ClosedAccount, 4, 9),
        ];
        let left = [ended(Kind::ClosedAccount, 1, 3), ended(Kind::Key, 9, 5), ended(Kind::ClosedAccount, 4, 9)];
        assert_eq!(still_ended(all), left);
    }

    #[test]
    fn words_of_the_ledger_stay() {
        let words =
            serde_json::to_string(&[Kind::ErasedAccount, Kind::ClosedOrganization, Kind::Key, Kind::Management]);
        assert_eq!(words.unwrap(), r#"["erased_account","closed_organization","key","management"]"#);
        assert_eq!(Kind::of("key.revoke"), Some(Kind::Key));
        assert_eq!(Kind::of("key.add"), None);
    }
}
