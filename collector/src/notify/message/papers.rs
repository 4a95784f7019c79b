//! Mails to owners about papers: the agreement, who else works on the data, and a breach.

use super::sheet::Sheet;
use super::words::one_line;
use crate::domain::account_mail::{About, AgreementStep, BreachTold};

/// Why somebody gets it.
const WHY: &str = "you own this organization";

/// Writes one of them. Links begin with `url`.
pub(super) fn sheet(about: &About, url: &str) -> Sheet {
    match about {
        About::Agreement { step, at, organization, version, changed, by } => {
            let organization = one_line(organization);
            let (subject, lead) = match step {
                AgreementStep::Issued => (
                    format!("Data processing agreement for {organization} at Picket"),
                    format!(
                        "Version {version} of the data processing agreement was issued. Read it, and accept it on its page; versions \
                         that you accepted before stay there."
                    ),
                ),
                AgreementStep::Accepted => (
                    format!("Data processing agreement of {organization} at Picket was accepted"),
                    format!("Version {version} of the data processing agreement was accepted for the organization."),
                ),
            };
            let rows = [
                Some(("When", format!("{at:.0}"))),
                Some(("Where", organization)),
                (!changed.is_empty()).then(|| ("Changed", changed.join(", "))),
                by.as_ref().map(|by| ("By", one_line(by))),
                Some(("Why you", WHY.to_owned())),
            ];
            let link = Some(format!("{url}/organization/dpa"));
            Sheet { subject, lead, rows: rows.into_iter().flatten().collect(), link }
        }
        About::SubProcessors { at, organization, changes, contact } => {
            let objections = contact.as_ref().map_or_else(
                || "answer whoever runs this Picket, before the first day".to_owned(),
                |contact| format!("write to {}, before the first day", one_line(contact)),
            );
            let rows = vec![
                ("Noted", format!("{at:.0}")),
                ("Where", one_line(organization)),
                ("Changes", changes.iter().map(|change| one_line(change)).collect::<Vec<_>>().join("\n")),
                ("To object", objections),
                ("Why you", WHY.to_owned()),
            ];
            Sheet {
                subject: "Change of sub-processors at Picket".to_owned(),
                lead: "Others work on the data of this Picket from the days below, or do not any more.".to_owned(),
                rows,
                link: Some(format!("{url}/sub-processors")),
            }
        }
        About::Breach(told) => breach(told),
        _ => Sheet { subject: String::new(), lead: String::new(), rows: Vec::new(), link: None },
    }
}

fn breach(told: &BreachTold) -> Sheet {
    let mut rows = vec![("Where", one_line(&told.organization))];
    rows.extend(told.facts.lines());
    if let Some(contact) = &told.contact {
        rows.push(("Ask", one_line(contact)));
    }
    rows.push(("Why you", WHY.to_owned()));
    Sheet {
        subject: format!("Breach of personal data at Picket: {}", one_line(&told.facts.title)),
        lead: "Personal data of your organization is affected. This says what happened, which data it is, what we do, and what you \
               should do."
            .to_owned(),
        rows,
        link: None,
    }
}

#[cfg(test)]
mod tests {
    use picket_shared::time::Timestamp;

    use super::*;
    use crate::domain::breach::Facts;

    #[test]
    fn a_notice_of_a_breach_says_everything_and_lets_no_markup_through() {
        let at = Timestamp::from_seconds(1_790_000_000);
        let text = |text: &str| text.to_owned();
        let told = BreachTold {
            at,
            organization: text("<b>acme"),
            facts: Facts {
                title: text("A disk\nwas lost"),
                known_at: at,
                happened: text("A disk was lost.\nIt was found again."),
                affected: text("addresses"),
                measures: text("keys are changed"),
                advice: text("change <i>yours</i>"),
                everyone: true,
                reported_at: None,
                unreported_why: None,
            },
            contact: Some(text("privacy@example.org")),
        };
        let sheet = sheet(&About::Breach(told), "https://picket.example");
        assert!(!sheet.subject.contains('\n'), "{}", sheet.subject);
        let (plain, html) = (sheet.text(), sheet.html());
        for part in ["A disk was lost.", "It was found again.", "addresses", "keys are changed", "privacy@example.org"]
        {
            assert!(plain.contains(part) && html.contains(part), "{part}: {plain}");
        }
        assert!(!html.contains("<b>acme") && !html.contains("<i>yours"), "{html}");
    }

    #[test]
    fn mails_to_owners_say_why_they_get_them_and_keep_to_one_line_where_that_is_meant() {
        let at = Timestamp::from_seconds(1_790_000_000);
        let name = || "<b>acme\nBcc: eve".to_owned();
        let (changed, by) = (vec!["measures".to_owned()], Some("user:ada@example.org".to_owned()));
        for (about, page) in [
            (
                About::Agreement {
                    step: AgreementStep::Issued,
                    at,
                    organization: name(),
                    version: 2,
                    changed,
                    by: None,
                },
                "/organization/dpa",
            ),
            (
                About::Agreement {
                    step: AgreementStep::Accepted,
                    at,
                    organization: name(),
                    version: 2,
                    changed: Vec::new(),
                    by,
                },
                "/organization/dpa",
            ),
            (
                About::SubProcessors { at, organization: name(), changes: vec![name()], contact: None },
                "/sub-processors",
            ),
        ] {
            let sheet = sheet(&about, "https://picket.example");
            assert!(sheet.subject.contains("Picket") && !sheet.subject.contains('\n'), "{}", sheet.subject);
            assert!(sheet.text().contains("Why you") && sheet.text().contains(&format!("picket.example{page}")));
            assert!(!sheet.html().contains("<b>acme"), "{}", sheet.html());
        }
    }
}
