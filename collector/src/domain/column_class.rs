//! What the comment of a column says of what stands in it: whose it is, what for, how long, and what becomes of it.
//!
//! The comments are the register: what is exported, what is erased and what a page says of it are made from them. Their form is
//! `subject=; purpose=; retention=; export=; erase=`, in this order.

use std::str::FromStr;

/// The class of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnClass {
    /// Whose.
    pub subject: Subject,
    /// What it is there for, in words that go on from the column's name.
    pub purpose: String,
    /// How long it is kept.
    pub retention: Retention,
    /// Whether whose it is gets it in an export.
    pub export: bool,
    /// What becomes of it with the account.
    pub erase: Erase,
}

/// Why a comment is no class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclassified {
    /// It has other parts.
    #[error("is not of the form subject=; purpose=; retention=; export=; erase=: {0:?}")]
    Form(String),
    /// It does not say what the column is for.
    #[error("has no purpose")]
    NoPurpose,
    /// A part has a word that means nothing.
    #[error("has {0}={1}, which is no word for it")]
    Word(&'static str, String),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $part:literal: $($(#[$what:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$what])* $variant),+
        }

        impl $name {
            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = Unclassified;

            fn from_str(word: &str) -> Result<Self, Unclassified> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    other => Err(Unclassified::Word($part, other.to_owned())),
                }
            }
        }
    };
}

words! {
    /// Whose a value is.
    Subject, "subject":
    /// Nobody's.
    None = "none",
    /// Of somebody who signs in.
    User = "user",
    /// Of somebody who is written to and need not have an account.
    Contact = "contact",
    /// Of an organization.
    Tenant = "tenant",
}

words! {
    /// How long a value is kept.
    Retention, "retention":
    /// As long as the instance.
    Instance = "instance",
    /// As long as the account or the organization.
    Account = "account",
    /// Until it is over.
    Expiry = "expiry",
    /// As `[retention] results` says.
    Results = "results",
    /// As receipts of batches.
    Receipts = "receipts",
    /// As changes of outcomes.
    Changes = "changes",
    /// As `[retention] audit` says.
    Audit = "audit",
}

words! {
    /// What becomes of a value when whose it is goes.
    Erase, "erase":
    /// Its row goes.
    Delete = "delete",
    /// It stays.
    Keep = "keep",
    /// It is emptied, and the row stays.
    Null = "null",
    /// The word "erased" takes its place, and the row stays.
    Mask = "mask",
}

impl FromStr for ColumnClass {
    type Err = Unclassified;

    fn from_str(comment: &str) -> Result<Self, Unclassified> {
        let form = || Unclassified::Form(comment.to_owned());
        let mut parts = comment.split("; ").map(|part| part.split_once('='));
        let mut part = |key: &str| match parts.next().flatten() {
            Some((found, value)) if found == key => Ok(value),
            _ => Err(form()),
        };
        let [subject, purpose, retention] = [part("subject")?, part("purpose")?, part("retention")?];
        let [export, erase] = [part("export")?, part("erase")?];
        if parts.next().is_some() {
            return Err(form());
        }
        if purpose.is_empty() {
            return Err(Unclassified::NoPurpose);
        }
        let export = match export {
            "yes" => true,
            "no" => false,
            other => return Err(Unclassified::Word("export", other.to_owned())),
        };
        let (subject, retention, erase) = (subject.parse()?, retention.parse()?, erase.parse()?);
        Ok(Self { subject, purpose: purpose.to_owned(), retention, export, erase })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(subject: &str, erase: &str) -> Result<ColumnClass, Unclassified> {
        format!("subject={subject}; purpose=names it; retention=account; export=yes; erase={erase}").parse()
    }

    #[test]
    fn a_comment_is_read() {
        let read = class("user", "null").unwrap();
        assert_eq!((read.subject, read.retention, read.erase), (Subject::User, Retention::Account, Erase::Null));
        assert!(read.export && read.purpose == "names it");
    }

    #[test]
    fn what_is_no_class_is_told_apart() {
        assert_eq!(class("someone", "delete"), Err(Unclassified::Word("subject", "someone".to_owned())));
        assert_eq!(class("user", "perhaps"), Err(Unclassified::Word("erase", "perhaps".to_owned())));
        for bad in [
            "",
            "subject=user",
            "purpose=a; subject=user; retention=account; export=yes; erase=keep",
            "subject=user; purpose=a; retention=account; export=yes; erase=keep; more=1",
        ] {
            assert!(matches!(bad.parse::<ColumnClass>(), Err(Unclassified::Form(_))), "{bad:?}");
        }
        let empty = "subject=user; purpose=; retention=account; export=yes; erase=keep";
        assert_eq!(empty.parse::<ColumnClass>(), Err(Unclassified::NoPurpose));
        let export = "subject=user; purpose=a; retention=account; export=maybe; erase=keep";
        assert_eq!(export.parse::<ColumnClass>(), Err(Unclassified::Word("export", "maybe".to_owned())));
    }
}
