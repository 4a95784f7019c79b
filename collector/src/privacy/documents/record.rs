//! The record of processing (GDPR, Article 30): for accounts as controller, for what organizations keep here as processor. What is
//! processed, what for, how long and of whom is what the classes of columns say; a table with personal data cannot be missing.

use std::collections::BTreeSet;

use picket_shared::time::Timestamp;
use serde::Serialize;

use super::markdown::Writer;
use super::{Measure, Said};
use crate::domain::column_class::{Erase, Subject};
use crate::domain::sub_processors::{Standing, SubProcessor};
use crate::store::catalogue::{Catalogue, Column, Table};

/// What the database says besides its classes.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Organizations and the addresses of their owners.
    pub organizations: Vec<(String, Vec<String>)>,
    /// The kinds of channels that are used.
    pub channels: Vec<String>,
    /// Regions outside the EU in which probes run.
    pub regions_abroad: Vec<String>,
}

/// The record.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// When it was made.
    pub made_at: String,
    /// Who runs the instance.
    pub controller: String,
    /// How to reach them.
    pub contact: String,
    /// The data protection officer.
    pub dpo: String,
    /// Of account data (Article 30(1)).
    pub as_controller: Processing,
    /// Of what organizations keep here (Article 30(2)).
    pub as_processor: Processing,
    /// On whose behalf: organizations and their owners.
    pub organizations: Vec<Behalf>,
    /// Who else works on the data.
    pub sub_processors: Vec<SubProcessor>,
    /// Where data goes outside the countries in which the GDPR holds.
    pub third_countries: Vec<String>,
    /// When copies are gone.
    pub backups: String,
    /// What protects it.
    pub measures: Vec<Measure>,
}

/// An organization on whose behalf data is processed.
#[derive(Clone, Debug, Serialize)]
pub struct Behalf {
    /// What it is called.
    pub name: String,
    /// Who owns it.
    pub owners: Vec<String>,
}

/// Processing in one role.
#[derive(Clone, Debug, Serialize)]
pub struct Processing {
    /// What for.
    pub purpose: &'static str,
    /// Of whom.
    pub subjects: &'static str,
    /// Who receives something.
    pub recipients: Vec<String>,
    /// Table by table.
    pub tables: Vec<Kept>,
}

/// What stands in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its name.
    pub table: String,
    /// Of whom, in words.
    pub of: Vec<&'static str>,
    /// Each column, and what it is for.
    pub columns: Vec<Datum>,
}

/// What stands in a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Datum {
    /// Its name.
    pub column: String,
    /// What it is for.
    pub purpose: String,
    /// How long it is kept.
    pub kept: String,
    /// What becomes of it when whose it is goes.
    pub at_the_end: &'static str,
}

const ACCOUNTS: &str = "to let people sign in, to know who did what, and to tell them about their account";
const RESULTS: &str = "to watch what organizations name, to keep and show what was found, and to tell whom they name";

fn whose(subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::None => None,
        Subject::User => Some("people who sign in"),
        Subject::Contact => Some("people who are written to"),
        Subject::Tenant => Some("organizations, and people named in what is theirs"),
    }
}

const fn at_the_end(erase: Erase) -> &'static str {
    match erase {
        Erase::Delete => "deleted",
        Erase::Keep => "stays",
        Erase::Null => "emptied",
        Erase::Mask => "masked",
    }
}

impl Record {
    /// Makes it.
    pub fn of(catalogue: &Catalogue, said: &Said, seen: &Seen, now: Timestamp) -> Self {
        let mail = said.mail.then(|| "the mail server of this instance".to_owned());
        let current = said.privacy.sub_processors.iter().filter(|one| one.standing(now) != Standing::Ended);
        let current: Vec<SubProcessor> = current.cloned().collect();
        let others = current.iter().map(|one| format!("{} ({}), for {}", one.name, one.country, one.purpose));
        let others: Vec<String> = mail.into_iter().chain(others).collect();
        let channels = seen.channels.iter().map(|kind| format!("by channels that organizations set up: {kind}"));
        let abroad = current.iter().filter(|one| one.is_abroad());
        let abroad = abroad.map(|one| format!("{} ({}): sees {}", one.name, one.country, one.data));
        let regions = seen.regions_abroad.iter().map(|region| {
            format!("probes of region {region}: see what they are to check of the organizations that chose it")
        });
        let tables = |of: fn(Subject) -> bool| tables(catalogue, said, of);
        Self {
            made_at: now.exact(),
            controller: said.controller(),
            contact: said.contact(),
            dpo: said.dpo(),
            as_controller: Processing {
                purpose: ACCOUNTS,
                subjects: "people who sign in",
                recipients: others.clone(),
                tables: tables(|subject| subject == Subject::User),
            },
            as_processor: Processing {
                purpose: RESULTS,
                subjects: "members of organizations, people whom they tell or invite, and people named in what they watch",
                recipients: others.into_iter().chain(channels).collect(),
                tables: tables(|subject| matches!(subject, Subject::Tenant | Subject::Contact)),
            },
            organizations: seen
                .organizations
                .iter()
                .map(|(name, owners)| Behalf { name: name.clone(), owners: owners.clone() })
                .collect(),
            sub_processors: current.clone(),
            third_countries: abroad.chain(regions).collect(),
            backups: said.backups(),
            measures: said.measures.clone(),
        }
    }

    /// As a paper.
    pub fn markdown(&self, said: &Said) -> String {
        let mut to = Writer::default();
        to.heading(1, "Record of processing");
        to.text(&format!("Under Article 30 GDPR, as of {}.", self.made_at));
        to.heading(2, "Who answers for it");
        to.list([
            format!("Controller: {}", self.controller),
            format!("Contact: {}", self.contact),
            format!("Data protection officer: {}", self.dpo),
        ]);
        to.heading(2, "As controller: accounts");
        part(&mut to, &self.as_controller);
        to.heading(2, "As processor: what organizations keep here");
        to.text("On behalf of, each with its owners:");
        let named = self.organizations.iter().map(|one| match one.owners.is_empty() {
            true => format!("{}: no owner", one.name),
            false => format!("{}: {}", one.name, one.owners.join(", ")),
        });
        to.list(or_none(named.collect()));
        part(&mut to, &self.as_processor);
        to.heading(2, "Sub-processors");
        said.list_others(&mut to, Some(self.made_at.parse().unwrap_or_default()));
        to.heading(2, "Third countries");
        to.list(or_none(self.third_countries.clone()));
        to.heading(2, "Erasure of copies");
        to.text(&self.backups);
        to.heading(2, "Measures (Article 32)");
        to.text("Each is looked at every hour by a control; the page Posture shows how each stands.");
        to.list(or_none(self.measures.iter().map(|one| one.says.clone()).collect()));
        to.finish()
    }
}

fn or_none(list: Vec<String>) -> Vec<String> {
    if list.is_empty() { vec!["none".to_owned()] } else { list }
}

fn part(to: &mut Writer, processing: &Processing) {
    to.list([format!("Purpose: {}", processing.purpose), format!("Data subjects: {}", processing.subjects)]);
    to.text("Recipients:");
    to.list(or_none(processing.recipients.clone()));
    let rows = processing.tables.iter().map(|kept| {
        let columns = kept.columns.iter().map(|datum| format!("{} ({})", datum.column, datum.purpose));
        let each = |of: fn(&Datum) -> &str| kept.columns.iter().map(of).collect::<BTreeSet<_>>();
        let kept_for = each(|datum| &datum.kept).into_iter().collect::<Vec<_>>().join("; ");
        let ends = each(|datum| datum.at_the_end).into_iter().collect::<Vec<_>>().join(", ");
        vec![kept.table.clone(), kept.of.join(", "), columns.collect::<Vec<_>>().join("; "), kept_for, ends]
    });
    to.table(&["Table", "Of whom", "What, and what for", "Kept", "At the end"], rows);
}

fn tables(catalogue: &Catalogue, said: &Said, of: fn(Subject) -> bool) -> Vec<Kept> {
    let kept = |table: &Table| {
        let columns: Vec<&Column> = table.columns.iter().filter(|column| of(column.class.subject)).collect();
        let mut words: Vec<&'static str> = columns.iter().filter_map(|column| whose(column.class.subject)).collect();
        words.sort_unstable();
        words.dedup();
        let columns = columns.into_iter().map(|column| Datum {
            column: column.name.clone(),
            purpose: column.class.purpose.clone(),
            kept: said.kept(column.class.retention),
            at_the_end: at_the_end(column.class.erase),
        });
        let kept = Kept { table: table.name.clone(), of: words, columns: columns.collect() };
        (!kept.columns.is_empty()).then_some(kept)
    };
    catalogue.tables().iter().filter_map(kept).collect()
}
