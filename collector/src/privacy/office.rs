//! What issues papers and tells of them: looked at every minute by a task, so that what broke off goes on, and by pages and commands.
//!
//! Everything that is told is told in the transaction that writes down that it was: nobody is told twice, whenever it breaks off.

use std::sync::Arc;

use picket_shared::time::Timestamp;
use serde_json::json;
use tokio::sync::OnceCell;

use super::documents::record::{Record, Seen};
use super::documents::{Said, agreement};
use super::mail::{self, GIVE_UP, MailError};
use crate::domain::account_mail::{About, AgreementStep};
use crate::domain::sub_processors::changes;
use crate::store::audit::{self, Author};
use crate::store::catalogue::Catalogue;
use crate::store::sub_processors::{self, ListRow};
use crate::store::{Auth, OrgKey, Pools, StoreError, agreements, managements, read};
use crate::vault::Sealer;

/// Why something could not be issued or told.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mail could not be put down.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// No mail can be sent.
    #[error("no mail can be sent: set [mail], so that owners can be told")]
    NoMail,
}

/// Issues papers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Office {
    pub(super) pools: Pools,
    /// What the settings say.
    pub said: Arc<Said>,
    sealer: Sealer,
    pub(super) mails: bool,
    /// Read once: it changes with a migration alone, before which this process ends.
    catalogue: Arc<OnceCell<Catalogue>>,
}

/// What a look did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Agreements that were issued.
    pub issued: usize,
    /// Organizations that were told of other sub-processors.
    pub told: usize,
    /// Organizations that were told of a breach.
    pub warned: usize,
}

impl Office {
    /// An office; `mails` says whether mail can be sent.
    pub fn new(pools: Pools, said: Said, sealer: Sealer, mails: bool) -> Self {
        Self { pools, said: Arc::new(said), sealer, mails, catalogue: Arc::default() }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When the database fails; what was committed before stays done.
    pub async fn look(&self, now: Timestamp) -> Result<Report, PaperError> {
        let issued = self.issue(now).await?;
        self.note_list(now).await?;
        let told = if self.mails { self.tell_of_lists(now).await? } else { 0 };
        let warned = if self.mails { self.go_on_telling(now).await? } else { 0 };
        Ok(Report { issued, told, warned })
    }

    /// The record of processing, as of now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(&self, now: Timestamp) -> Result<Record, StoreError> {
        let mut auth = self.pools.auth().await?;
        let catalogue = self.catalogue(&mut auth).await?;
        let (organizations, regions_abroad) = read::papers::parties(&mut auth, now).await?;
        drop(auth);
        let channels = read::papers::channels(&mut self.pools.worker().await?).await?;
        Ok(Record::of(catalogue, &self.said, &Seen { organizations, channels, regions_abroad }, now))
    }

    async fn catalogue(&self, auth: &mut Auth) -> Result<&Catalogue, StoreError> {
        self.catalogue.get_or_try_init(|| Catalogue::read(auth)).await
    }

    /// Makes another version of the agreement where something of it changed, and issues it to whoever does not have it.
    async fn issue(&self, now: Timestamp) -> Result<usize, PaperError> {
        let mut auth = self.pools.auth().await?;
        let catalogue = self.catalogue(&mut auth).await?;
        let newest = agreements::newest(&mut auth).await?;
        let by = Author::of_instance("collector");
        let current = match agreement::next(catalogue, &self.said, newest.as_ref()) {
            Some(next) => {
                agreements::insert(&mut auth, &next, now).await?;
                let detail = json!({ "version": next.number, "sha256": next.hash, "changed": next.changed });
                audit::append(&mut auth, &by.did("dpa.make", &next.number.to_string(), detail, now)).await?;
                Some(next)
            }
            None => newest,
        };
        let without = agreements::without_newest(&mut auth, now).await?;
        auth.commit().await?;
        let Some(current) = current else { return Ok(0) };
        let mut issued = 0;
        for (org, name) in without {
            let mut auth = self.pools.auth().await?;
            let Some((version, hash)) = agreements::issue(&mut auth, org, now).await? else { continue };
            let (step, changed) = (AgreementStep::Issued, current.changed.clone());
            let about = About::Agreement { step, at: now, organization: name, version, changed, by: None };
            self.tell_owners(&mut auth, org, &about, now).await?;
            let author = Author { org: Some(org), ..by.clone() };
            let detail = json!({ "version": version, "sha256": hash });
            audit::append(&mut auth, &author.did("dpa.issue", &version.to_string(), detail, now)).await?;
            auth.commit().await?;
            issued += 1;
        }
        Ok(issued)
    }

    /// Notes who else works on the data, where that is not what was noted last.
    async fn note_list(&self, now: Timestamp) -> Result<(), PaperError> {
        let mut auth = self.pools.auth().await?;
        let newest = sub_processors::newest(&mut auth).await?;
        let list = &self.said.privacy.sub_processors;
        let (number, changes) = match &newest {
            None => (1, Vec::new()),
            Some(row) => (row.number.saturating_add(1), changes(&row.list, list)),
        };
        if newest.is_some() && changes.is_empty() {
            return Ok(());
        }
        sub_processors::insert(&mut auth, &ListRow { number, list: list.clone(), changes, noted_at: now }).await?;
        auth.commit().await?;
        Ok(())
    }

    async fn tell_of_lists(&self, now: Timestamp) -> Result<usize, PaperError> {
        let untold = sub_processors::untold(&mut self.pools.auth().await?).await?;
        let mut told = 0;
        for one in untold {
            let lines: Vec<String> = one.changes.iter().map(|change| change.told()).collect();
            let contact = self.said.privacy.contact.clone();
            let about =
                About::SubProcessors { at: now, organization: one.name.clone(), changes: lines.clone(), contact };
            let mut auth = self.pools.auth().await?;
            let owners = self.tell_owners(&mut auth, one.org, &about, now).await?;
            if !sub_processors::told(&mut auth, (one.org, one.number), &lines.join("\n"), owners, now).await? {
                continue;
            }
            let author = Author { org: Some(one.org), ..Author::of_instance("collector") };
            let detail = json!({ "list": one.number, "changes": lines, "owners": owners });
            audit::append(&mut auth, &author.did("sub_processors.tell", &one.number.to_string(), detail, now)).await?;
            auth.commit().await?;
            told += 1;
        }
        Ok(told)
    }

    /// Puts a mail down to each owner of an organization; gives how many.
    pub(super) async fn tell_owners(
        &self,
        auth: &mut Auth,
        org: OrgKey,
        about: &About,
        now: Timestamp,
    ) -> Result<usize, PaperError> {
        let owners = managements::owners(auth, org, now).await?;
        if !self.mails {
            return Ok(0);
        }
        for (owner, email) in &owners {
            mail::put(auth, &self.sealer, (Some(*owner), email), about, (now, GIVE_UP)).await?;
        }
        Ok(owners.len())
    }
}
