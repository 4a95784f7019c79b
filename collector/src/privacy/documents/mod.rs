//! Papers: the record of processing ([`record`]) and the agreement with each organization ([`agreement`]), made from the classes of
//! columns and the settings. They are Markdown, which [`markdown`] also reads back for pages: a paper has one text.

pub mod agreement;
pub mod markdown;
pub mod record;

use serde::Serialize;

use self::markdown::Writer;
use crate::config::{Config, Privacy, Retention};
use crate::domain::column_class::Retention as Class;
use crate::domain::sub_processors::{Standing, SubProcessor};
use picket_shared::time::Timestamp;

/// What the settings say about data.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Who answers for it, and who else works on it.
    pub privacy: Privacy,
    /// How long what is kept.
    pub retention: Retention,
    /// How many days a backup is kept; none where there is no archive.
    pub backup_days: Option<u32>,
    /// Whether mail is sent.
    pub mail: bool,
    /// The measures of this version, each with its name: those that controls look at.
    pub measures: Vec<Measure>,
}

/// A measure that a control looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The control.
    pub control: String,
    /// What it promises.
    pub says: String,
}

impl Said {
    /// What a file says; `measures` are those of controls, in words.
    pub fn of(config: &Config, measures: Vec<Measure>) -> Self {
        Self {
            privacy: config.privacy.clone(),
            retention: config.retention.clone(),
            // One until it is swept.
            backup_days: config.archive.is_on().then(|| u32::from(config.archive.keep_days) + 1),
            mail: config.mail.host.is_some(),
            measures,
        }
    }

    /// Who runs this instance, or which setting says so.
    pub fn controller(&self) -> String {
        stated(self.privacy.controller.as_deref(), "controller")
    }

    /// How to reach them.
    pub fn contact(&self) -> String {
        stated(self.privacy.contact.as_deref(), "contact")
    }

    /// The data protection officer.
    pub fn dpo(&self) -> String {
        stated(self.privacy.dpo.as_deref(), "dpo")
    }

    /// How long something of a class is kept, in words.
    pub fn kept(&self, class: Class) -> String {
        let days = |days: u16| format!("{days} days");
        match class {
            Class::Instance => "as long as this instance".to_owned(),
            Class::Account => "until the account or organization is closed, and seven days more".to_owned(),
            Class::Expiry => "until it is over, then swept".to_owned(),
            Class::Results => days(self.retention.results_days),
            Class::Receipts => days(self.retention.receipts_days),
            Class::Changes => days(self.retention.changes_days),
            Class::Audit => days(self.retention.audit_days),
        }
    }

    /// How long backups are kept.
    pub fn backups(&self) -> String {
        match self.backup_days {
            Some(days) => {
                format!("Backups expire after {days} days; what was erased is erased again when one is restored.")
            }
            None => "This instance makes no backups of its own; its operator says what is copied otherwise.".to_owned(),
        }
    }

    fn limits(&self) -> Vec<String> {
        let results = format!("outcomes of checks: {}", self.kept(Class::Results));
        let changes = format!("changes of outcomes: {}", self.kept(Class::Changes));
        let audit = format!("the audit log: {}", self.kept(Class::Audit));
        let else_ = format!("everything else: {}", self.kept(Class::Account));
        vec![results, changes, audit, else_]
    }

    fn list_others(&self, to: &mut Writer, now: Option<Timestamp>) {
        let shown: Vec<&SubProcessor> = self
            .privacy
            .sub_processors
            .iter()
            .filter(|one| now.is_none_or(|now| one.standing(now) != Standing::Ended))
            .collect();
        if shown.is_empty() {
            to.text("None.");
            return;
        }
        let rows = shown.into_iter().map(|one| {
            let until = one.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            let days = format!("{}{until}", one.since);
            vec![one.name.clone(), one.country.clone(), one.purpose.clone(), one.data.clone(), days]
        });
        to.table(&["Name", "Country", "For", "Sees", "Since"], rows);
    }
}

fn stated(value: Option<&str>, key: &str) -> String {
    value.map_or_else(|| format!("not stated: set [privacy] {key}"), str::to_owned)
}
