//! Mails about what is stored: an export that somebody asked for, and channels to whom is erased.

use super::sheet::Sheet;
use super::words::one_line;
use crate::domain::account_mail::About;

/// Writes one of them. Links begin with `url`.
pub(super) fn sheet(about: &About, url: &str) -> Sheet {
    match about {
        About::ChannelsErased { at, organization, channels } => Sheet {
            subject: "Channels at Picket were switched off".to_owned(),
            lead: "Whom these channels reached asked for the erasure of everything about them: alarms do not go there any more. Give \
                   each another destination, or remove it."
                .to_owned(),
            rows: vec![
                ("When", format!("{at:.0}")),
                ("Where", one_line(organization)),
                ("Channels", channels.iter().map(|name| one_line(name)).collect::<Vec<_>>().join("\n")),
                ("Why you", "you own this organization".to_owned()),
            ],
            link: Some(format!("{url}/channels")),
        },
        About::Export { at, organization, until, failure } => {
            let whose = organization.as_ref().map_or_else(|| "you".to_owned(), |name| one_line(name));
            let (subject, lead, last) = match failure {
                None => (
                    "Your export at Picket is ready",
                    "What is stored is ready to be taken, by who is signed in and proves who it is. Nobody else can open it.",
                    ("Until", format!("{until:.0}")),
                ),
                Some(why) => ("Your export at Picket was not made", "What is stored could not be put together.", ("Why", one_line(why))),
            };
            Sheet {
                subject: subject.to_owned(),
                lead: lead.to_owned(),
                rows: vec![
                    ("When", format!("{at:.0}")),
                    ("About", whose),
                    last,
                    ("Not you?", "If you did not ask for it, change your password, and end your sessions.".to_owned()),
                ],
                link: Some(format!("{url}/account/data")),
            }
        }
        _ => Sheet { subject: String::new(), lead: String::new(), rows: Vec::new(), link: None },
    }
}
