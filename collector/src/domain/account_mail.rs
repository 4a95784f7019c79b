//! What a mail about an account tells, and to whom: sealed by `login`, put into words by `notify`.

use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::breach::Facts;
pub use super::management::Step;

/// A mail about an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountMail {
    /// The address.
    pub to: String,
    /// What is told.
    pub about: About,
}

/// A link that works once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkFacts {
    /// The text that completes it.
    pub token: SecretString,
    /// Until when it works.
    pub until: Timestamp,
}

/// What is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A link that lets in whoever asked for it.
    SignInLink(LinkFacts),
    /// A link by which to choose another password.
    ResetLink(LinkFacts),
    /// A link by which to make an account.
    SignUpLink(LinkFacts),
    /// Somebody wanted to make an account for an address that has one.
    HasAccount,
    /// A link that shows that the mail arrived.
    ConfirmLink(LinkFacts),
    /// To the present address: somebody wants another.
    ChangeFrom {
        /// The link that agrees.
        link: LinkFacts,
        /// The address that is wanted.
        new: String,
    },
    /// To the other address.
    ChangeTo(LinkFacts),
    /// Somebody was let in from a browser that was not known.
    NewSignIn {
        /// When.
        at: Timestamp,
        /// From which browser and system.
        from: String,
    },
    /// Somebody gave a wrong password or code.
    FailedSignIn {
        /// When.
        at: Timestamp,
    },
    /// A passkey's count did not go up: another authenticator holds a copy.
    PasskeyCopied {
        /// When.
        at: Timestamp,
    },
    /// The account waits before it takes further answers from browsers that it does not know.
    Locked {
        /// Until when.
        until: Timestamp,
    },
    /// The password was changed.
    PasswordChanged {
        /// When.
        at: Timestamp,
    },
    /// The address was changed.
    AddressChanged {
        /// When.
        at: Timestamp,
        /// To which.
        new: String,
    },
    /// A second factor is asked for from now on.
    SecondFactorAdded {
        /// When.
        at: Timestamp,
    },
    /// No second factor is asked for any more.
    SecondFactorRemoved {
        /// When.
        at: Timestamp,
    },
    /// A recovery code was used in place of a second factor.
    RecoveryCodeUsed {
        /// When.
        at: Timestamp,
        /// How many are left.
        left: i64,
    },
    /// There are new recovery codes, and the old ones work no more.
    RecoveryCodesReplaced {
        /// When.
        at: Timestamp,
    },
    /// The user made an API key.
    KeyAdded {
        /// When.
        at: Timestamp,
        /// What it is called.
        name: String,
    },
    /// Somebody made an API key of a service member.
    ServiceKeyAdded {
        /// When.
        at: Timestamp,
        /// What it is called.
        name: String,
        /// For which service member it stands.
        service: String,
        /// In which organization.
        organization: String,
    },
    /// What the user is in an organization was changed.
    Membership {
        /// When.
        at: Timestamp,
        /// What the organization is called.
        organization: String,
        /// The role there from now on; none when the membership is over.
        role: Option<String>,
    },
    /// A membership ends, or is over.
    MembershipEnd {
        /// What the organization is called.
        organization: String,
        /// Whose it is, to an owner; none to whose it is.
        member: Option<String>,
        /// When it ends.
        until: Timestamp,
        /// Whether it has ended.
        over: bool,
    },
    /// An organization is managed by another, or no more.
    Management {
        /// What happened to the consent.
        step: Step,
        /// When.
        at: Timestamp,
        /// What the managed organization is called.
        managed: String,
        /// What the managing one is called.
        managing: String,
        /// As what its members act there at most.
        most: String,
        /// When it ends by itself.
        until: Option<Timestamp>,
        /// Who did it, as in the audit log; none where time does.
        by: Option<String>,
        /// Whether whoever reads this owns the managing organization.
        managing_side: bool,
    },
    /// The user may administer the instance for a time.
    Administrator {
        /// When it was given.
        at: Timestamp,
        /// When it ends.
        until: Timestamp,
        /// Who gave it.
        by: String,
    },
    /// Somebody invites into an organization.
    Invitation {
        /// The link that accepts.
        link: LinkFacts,
        /// What the organization is called.
        organization: String,
        /// In which role.
        role: String,
        /// Who invites.
        by: String,
        /// When the membership ends that it leads to.
        member_until: Option<Timestamp>,
    },
    /// An account or an organization is closed, and will be erased.
    Closed {
        /// The link that brings it back.
        link: LinkFacts,
        /// When it was closed.
        at: Timestamp,
        /// Whose account.
        account: String,
        /// What the organization is called; none where it is an account.
        organization: Option<String>,
        /// The organizations that were closed with an account.
        organizations: Vec<String>,
    },
    /// It was brought back.
    Restored {
        /// When.
        at: Timestamp,
        /// What the organization is called; none where it is an account.
        organization: Option<String>,
    },
    /// Everything of it is erased.
    Erased {
        /// When.
        at: Timestamp,
        /// Whether it was an organization.
        organization: bool,
        /// How many rows, by table.
        counts: Vec<(String, u64)>,
        /// When the last backup is gone in which it is still; none where nothing is archived.
        copies_until: Option<Timestamp>,
    },
    /// Something of the instance itself is not well, or is again.
    Operator {
        /// When.
        at: Timestamp,
        /// What is not well and was not told yet: a name, and what was seen.
        new: Vec<(String, String)>,
        /// What is well again.
        over: Vec<String>,
        /// What was told before, and is as it was.
        still: Vec<(String, String)>,
    },
    /// To an owner: a version of the data processing agreement was issued or accepted.
    Agreement {
        /// Which of the two.
        step: AgreementStep,
        /// When.
        at: Timestamp,
        /// What the organization is called.
        organization: String,
        /// Which version.
        version: i32,
        /// Which of its parts differ from the version before.
        changed: Vec<String>,
        /// Who accepted it, as in the audit log.
        by: Option<String>,
    },
    /// To an owner: others work on the data, or will.
    SubProcessors {
        /// When that was noted.
        at: Timestamp,
        /// What the organization is called.
        organization: String,
        /// What changed, a line each.
        changes: Vec<String>,
        /// Whom to object to.
        contact: Option<String>,
    },
    /// An export that was asked for is ready, or could not be made.
    Export {
        /// When.
        at: Timestamp,
        /// What the organization is called; none where it is about the user.
        organization: Option<String>,
        /// Until when it can be taken.
        until: Timestamp,
        /// Why it was not made.
        failure: Option<String>,
    },
    /// To an owner: whom channels reached is erased, and they are switched off.
    ChannelsErased {
        /// When.
        at: Timestamp,
        /// What the organization is called.
        organization: String,
        /// What the channels are called.
        channels: Vec<String>,
    },
    /// To an owner: personal data was breached.
    Breach(BreachTold),
    /// The operator made a link that gives an account another password.
    Recovery {
        /// When.
        at: Timestamp,
        /// For whom.
        account: String,
        /// Who ran the command.
        by: String,
    },
}

/// What somebody is told of a breach.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BreachTold {
    /// When.
    pub at: Timestamp,
    /// What the organization is called.
    pub organization: String,
    /// What is known.
    pub facts: Facts,
    /// Whom to ask.
    pub contact: Option<String>,
}

/// What happened to an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgreementStep {
    /// It was issued.
    Issued,
    /// An owner accepted it.
    Accepted,
}

impl About {
    /// Its name in the table of mails: never change one.
    pub const fn template(&self) -> &'static str {
        match self {
            Self::SignInLink(_) => "sign_in_link",
            Self::ResetLink(_) => "reset_link",
            Self::SignUpLink(_) => "sign_up_link",
            Self::HasAccount => "has_account",
            Self::ConfirmLink(_) => "confirm_link",
            Self::ChangeFrom { .. } => "change_from",
            Self::ChangeTo(_) => "change_to",
            Self::NewSignIn { .. } => "new_sign_in",
            Self::FailedSignIn { .. } => "failed_sign_in",
            Self::PasskeyCopied { .. } => "passkey_copied",
            Self::Locked { .. } => "locked",
            Self::PasswordChanged { .. } => "password_changed",
            Self::AddressChanged { .. } => "address_changed",
            Self::SecondFactorAdded { .. } => "second_factor_added",
            Self::SecondFactorRemoved { .. } => "second_factor_removed",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::RecoveryCodesReplaced { .. } => "recovery_codes_replaced",
            Self::KeyAdded { .. } => "key_added",
            Self::ServiceKeyAdded { .. } => "service_key_added",
            Self::Membership { .. } => "membership",
            Self::MembershipEnd { over: false, .. } => "membership_ends",
            Self::MembershipEnd { over: true, .. } => "membership_over",
            Self::Management { step, .. } => step.template(),
            Self::Administrator { .. } => "administrator",
            Self::Invitation { .. } => "invitation",
            Self::Closed { .. } => "closed",
            Self::Restored { .. } => "restored",
            Self::Erased { .. } => "erased",
            Self::Operator { .. } => "operator",
            Self::Agreement { step: AgreementStep::Issued, .. } => "dpa_issued",
            Self::Agreement { step: AgreementStep::Accepted, .. } => "dpa_accepted",
            Self::SubProcessors { .. } => "sub_processors",
            Self::Export { failure: None, .. } => "export_ready",
            Self::Export { failure: Some(_), .. } => "export_failed",
            Self::ChannelsErased { .. } => "channels_erased",
            Self::Breach(_) => "breach",
            Self::Recovery { .. } => "recovery",
        }
    }

    /// The link in it.
    pub const fn link(&self) -> Option<&LinkFacts> {
        match self {
            Self::SignInLink(link)
            | Self::ResetLink(link)
            | Self::SignUpLink(link)
            | Self::ConfirmLink(link)
            | Self::ChangeFrom { link, .. }
            | Self::Invitation { link, .. }
            | Self::Closed { link, .. }
            | Self::ChangeTo(link) => Some(link),
            _ => None,
        }
    }

    /// Who may be told: a link that lets somebody in goes to nobody's address in vain, one that takes an address only
    /// where nobody has it.
    pub const fn goes_to(&self) -> Recipient {
        match self {
            Self::SignInLink(_) | Self::ResetLink(_) | Self::ConfirmLink(_) => Recipient::Users,
            Self::ChangeTo(_) => Recipient::Strangers,
            _ => Recipient::Anybody,
        }
    }
}

/// To whose address a mail goes; to others it is not sent, and who asked for it is not told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// To anybody's.
    Anybody,
    /// Only to one that somebody signs in with.
    Users,
    /// Only to one that nobody signs in with.
    Strangers,
}
