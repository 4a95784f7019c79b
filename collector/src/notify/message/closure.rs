//! Mails about the end of an account or an organization.

use super::sheet::Sheet;
use super::words::one_line;
use crate::domain::account_mail::About;

/// What to do about it.
const NOT_YOU: &str = "follow the link, then choose another password at once";

/// Writes one of them. Links begin with `url`.
pub(super) fn sheet(about: &About, url: &str) -> Sheet {
    match about {
        About::Closed { link, at, account, organization, organizations } => {
            let (subject, lead) = match organization {
                Some(name) => (
                    format!("{} is closed at Picket", one_line(name)),
                    "The organization is closed: its monitors stand still, nobody is told anything, and its members have no access. The \
                     link brings it back as it was; after that everything of it is erased for good."
                        .to_owned(),
                ),
                None => (
                    "Your account at Picket is closed".to_owned(),
                    format!(
                        "The account of {} is closed: nobody signs in with it, and its sessions and API keys are over. The link brings \
                         it back with what it belonged to; after that everything of it is erased for good.",
                        one_line(account)
                    ),
                ),
            };
            let along = organizations.iter().map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
            let rows = [
                Some(("When", format!("{at:.0}"))),
                Some(("Erased", format!("{:.0}", link.until))),
                (!along.is_empty()).then_some(("Closed with it", along)),
                Some(("Not you?", NOT_YOU.to_owned())),
            ];
            let link = Some(format!("{url}/link/{}", link.token.expose()));
            Sheet { subject, lead, rows: rows.into_iter().flatten().collect(), link }
        }
        About::Restored { at, organization } => Sheet {
            subject: match organization {
                Some(name) => format!("{} is back at Picket", one_line(name)),
                None => "Your account at Picket is back".to_owned(),
            },
            lead: "It is as it was. Sessions, API keys, invitations and consents to manage stay ended: make new ones."
                .to_owned(),
            rows: vec![("When", format!("{at:.0}")), ("Not you?", "choose another password at once".to_owned())],
            link: Some(format!("{url}/sign-in")),
        },
        About::Erased { at, organization, counts, copies_until } => {
            let what = if *organization { "The organization" } else { "Your account" };
            let counts = counts.iter().map(|(table, rows)| format!("{} {rows}", one_line(table))).collect::<Vec<_>>();
            let copies = match copies_until {
                Some(until) => format!(
                    "the last one that still has it expires by {until:.0}; whoever restores one erases it there again first"
                ),
                None => "this Picket makes none; ask its operator about copies made otherwise".to_owned(),
            };
            Sheet {
                subject: format!("{what} at Picket is erased"),
                lead: format!("{what} is erased from the database. This is the receipt; there is nothing to do."),
                rows: vec![
                    ("When", format!("{at:.0}")),
                    ("Rows", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }),
                    ("Backups", copies),
                    (
                        "Why you",
                        format!(
                            "{} a week ago",
                            if *organization { "you owned it when it was closed" } else { "you closed it" }
                        ),
                    ),
                ],
                link: None,
            }
        }
        _ => Sheet { subject: String::new(), lead: String::new(), rows: Vec::new(), link: None },
    }
}
