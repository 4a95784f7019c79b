//! The mail that tells the operator of the instance itself.

use super::sheet::Sheet;
use super::words::one_line;
use crate::domain::account_mail::About;

/// Most rows of a kind; the rest is counted.
const MOST: usize = 20;

/// Writes it. Links begin with `url`.
pub(super) fn sheet(about: &About, url: &str) -> Sheet {
    let About::Operator { at, new, over, still } = about else {
        return Sheet { subject: String::new(), lead: String::new(), rows: Vec::new(), link: None };
    };
    let (subject, lead) = match (new.as_slice(), over.as_slice()) {
        ([], []) => ("Still not well at Picket".to_owned(), "What was told before is as it was."),
        ([], over) => (format!("Well again at Picket: {}", names(over.iter())), "Nothing else changed."),
        (new, _) => (
            format!("Not well at Picket: {}", names(new.iter().map(|(name, _)| name))),
            "The instance looked at itself and found this. Nobody but its operator is told.",
        ),
    };
    let mut rows = vec![("When", format!("{at:.0}"))];
    rows.extend(listed("New", new));
    rows.extend(over.iter().take(MOST).map(|name| ("Over", one_line(name))));
    rows.extend(listed("Still", still));
    rows.push(("Why you", "[operator] mail names you, or you administer this instance".to_owned()));
    Sheet { subject, lead: lead.to_owned(), rows, link: Some(format!("{url}/posture")) }
}

fn names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(3);
    let mut text = names.take(3).map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn listed<'a>(
    title: &'static str,
    alarms: &'a [(String, String)],
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let row = move |(name, says): &(String, String)| (title, format!("{}: {}", one_line(name), one_line(says)));
    let more = alarms.len().saturating_sub(MOST);
    alarms.iter().take(MOST).map(row).chain((more > 0).then(|| (title, format!("{more} more"))))
}
