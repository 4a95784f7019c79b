//! Breaches: written down, told to the owners of the organizations that each affects, and closed.

use picket_shared::ids::BreachId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::office::{Office, PaperError};
use crate::domain::account_mail::{About, BreachTold};
use crate::domain::breach::Facts;
use crate::store::audit::{self, Author};
use crate::store::breaches::{self, Breach};
use crate::store::{Auth, OrgKey, StoreError};

/// What somebody says of a breach.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is known.
    pub facts: Facts,
    /// Which organizations it affects, where not all.
    pub organizations: Vec<OrgKey>,
}

/// Why a breach cannot be as somebody wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has no title.
    NoTitle,
    /// A text is too long.
    Long,
    /// It became known in the future, or the authority was told there, or before it was known.
    Future,
    /// It affects no organization.
    Nobody,
    /// The authority was told, and need not be told.
    Both,
}

impl Unfit {
    /// A sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoTitle => "give it a title of 1 to 200 characters",
            Self::Long => "a text has more than 8000 characters",
            Self::Future => "a time lies ahead, or the authority was told before it was known",
            Self::Nobody => "it affects no organization: choose some, or all",
            Self::Both => "either say when the authority was told, or why it need not be told",
        }
    }
}

/// How telling, changing or closing went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is done; so many organizations were told by it.
    Done(usize),
    /// These parts are missing before somebody can be told.
    Missing(Vec<&'static str>),
    /// It is closed.
    Closed,
}

/// Most characters of a title, and of a text.
const LONGEST: (usize, usize) = (200, 8_000);

fn unfit(wish: &Wish, now: Timestamp) -> Option<Unfit> {
    let facts = &wish.facts;
    let long = |text: &str| text.chars().count() > LONGEST.1;
    let texts = [&facts.happened, &facts.affected, &facts.measures, &facts.advice];
    let title = facts.title.trim();
    if title.is_empty() || title.chars().count() > LONGEST.0 || title.chars().any(char::is_control) {
        return Some(Unfit::NoTitle);
    }
    if texts.into_iter().chain(&facts.unreported_why).any(|text| long(text) || text.contains('\0')) {
        return Some(Unfit::Long);
    }
    if facts.known_at > now || facts.reported_at.is_some_and(|at| at > now || at < facts.known_at) {
        return Some(Unfit::Future);
    }
    if facts.reported_at.is_some() && facts.unreported_why.is_some() {
        return Some(Unfit::Both);
    }
    (!facts.everyone && wish.organizations.is_empty()).then_some(Unfit::Nobody)
}

fn detail(facts: &Facts, organizations: usize) -> Value {
    json!({
        "title": facts.title,
        "known_at": facts.known_at.exact(),
        "organizations": if facts.everyone { json!("all") } else { json!(organizations) },
        "reported_at": facts.reported_at.map(Timestamp::exact),
        "unreported_why": facts.unreported_why,
    })
}

impl Office {
    /// Every breach; one where `id` says which.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn breaches(&self, id: Option<Uuid>) -> Result<Vec<Breach>, StoreError> {
        breaches::list(&mut self.pools.auth().await?, id).await
    }

    /// The organizations that a breach affects: row, name, and when each was told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn affected(&self, breach: &Breach) -> Result<Vec<(OrgKey, String, Option<i64>)>, StoreError> {
        breaches::affected(&mut self.pools.auth().await?, breach.key).await
    }

    /// Writes a breach down; gives its name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_breach(
        &self,
        wish: &Wish,
        by: &Author,
        now: Timestamp,
    ) -> Result<Result<Uuid, Unfit>, StoreError> {
        if let Some(unfit) = unfit(wish, now) {
            return Ok(Err(unfit));
        }
        let mut auth = self.pools.auth().await?;
        let id = BreachId::at(now).0;
        let key = breaches::insert(&mut auth, id, &wish.facts, &by.actor, now).await?;
        if !wish.facts.everyone {
            breaches::choose(&mut auth, key, &wish.organizations).await?;
        }
        let detail = detail(&wish.facts, wish.organizations.len());
        audit::append(&mut auth, &by.did("breach.open", &id.to_string(), detail, now)).await?;
        auth.commit().await?;
        Ok(Ok(id))
    }

    /// Says something else of a breach. What organizations were told stays as it was told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_breach(
        &self,
        breach: &Breach,
        wish: &Wish,
        by: &Author,
        now: Timestamp,
    ) -> Result<Result<Deed, Unfit>, StoreError> {
        if let Some(unfit) = unfit(wish, now) {
            return Ok(Err(unfit));
        }
        let mut auth = self.pools.auth().await?;
        if !breaches::change(&mut auth, breach.key, &wish.facts).await? {
            return Ok(Ok(Deed::Closed));
        }
        let chosen: &[OrgKey] = if wish.facts.everyone { &[] } else { &wish.organizations };
        breaches::choose(&mut auth, breach.key, chosen).await?;
        let detail = detail(&wish.facts, wish.organizations.len());
        audit::append(&mut auth, &by.did("breach.change", &breach.id.to_string(), detail, now)).await?;
        auth.commit().await?;
        Ok(Ok(Deed::Done(0)))
    }

    /// Tells the owners of every organization that a breach affects and that was not told; each once, whenever it breaks off.
    ///
    /// # Errors
    /// When no mail can be sent or the database fails; what was told stays told, and the task goes on with the rest.
    pub async fn tell_breach(&self, breach: &Breach, by: &Author, now: Timestamp) -> Result<Deed, PaperError> {
        if !self.mails {
            return Err(PaperError::NoMail);
        }
        let missing = breach.facts.missing();
        if !missing.is_empty() {
            return Ok(Deed::Missing(missing));
        }
        let mut auth = self.pools.auth().await?;
        if !breaches::begin(&mut auth, breach.key, now).await? {
            return Ok(Deed::Closed);
        }
        let detail = json!({ "title": breach.facts.title });
        audit::append(&mut auth, &by.did("breach.tell", &breach.id.to_string(), detail, now)).await?;
        auth.commit().await?;
        Ok(Deed::Done(self.tell_rest(breach, by, now).await?))
    }

    /// Goes on with what was begun and broke off.
    pub(super) async fn go_on_telling(&self, now: Timestamp) -> Result<usize, PaperError> {
        let begun = self.breaches(None).await?.into_iter();
        let mut told = 0;
        for breach in begun.filter(|breach| breach.telling_at.is_some() && breach.closed_at.is_none()) {
            if breach.facts.missing().is_empty() {
                told += self.tell_rest(&breach, &Author::of_instance("collector"), now).await?;
            }
        }
        Ok(told)
    }

    async fn tell_rest(&self, breach: &Breach, by: &Author, now: Timestamp) -> Result<usize, PaperError> {
        let rest = self.affected(breach).await?.into_iter().filter(|(.., told_at)| told_at.is_none());
        let mut told = 0;
        for (org, name, _) in rest {
            let mut auth = self.pools.auth().await?;
            if self.tell_one(&mut auth, breach, (org, name), by, now).await? {
                auth.commit().await?;
                told += 1;
            }
        }
        Ok(told)
    }

    async fn tell_one(
        &self,
        auth: &mut Auth,
        breach: &Breach,
        (org, organization): (OrgKey, String),
        by: &Author,
        now: Timestamp,
    ) -> Result<bool, PaperError> {
        let about = self.breach_mail(breach, &organization, now);
        let owners = self.tell_owners(auth, org, &about, now).await?;
        let lines = breach.facts.lines().into_iter().map(|(label, text)| format!("{label}: {text}"));
        let message = std::iter::once(breach.facts.title.clone()).chain(lines).collect::<Vec<_>>().join("\n");
        if !breaches::told(auth, (breach.key, org), &message, owners, now).await? {
            return Ok(false);
        }
        let author = Author { org: Some(org), ..by.clone() };
        let detail = json!({ "title": breach.facts.title, "owners": owners });
        audit::append(auth, &author.did("breach.told", &breach.id.to_string(), detail, now)).await?;
        Ok(true)
    }

    /// What an owner of an organization is told.
    pub fn breach_mail(&self, breach: &Breach, organization: &str, now: Timestamp) -> About {
        About::Breach(BreachTold {
            at: now,
            organization: organization.to_owned(),
            facts: breach.facts.clone(),
            contact: self.said.privacy.contact.clone(),
        })
    }

    /// Closes a breach.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close_breach(&self, breach: &Breach, by: &Author, now: Timestamp) -> Result<Deed, StoreError> {
        let mut auth = self.pools.auth().await?;
        if !breaches::close(&mut auth, breach.key, now).await? {
            return Ok(Deed::Closed);
        }
        let clock = breach.facts.clock(breach.told == breach.organizations, now);
        let detail = json!({ "title": breach.facts.title, "clock": clock.as_str(), "told": breach.told });
        audit::append(&mut auth, &by.did("breach.close", &breach.id.to_string(), detail, now)).await?;
        auth.commit().await?;
        Ok(Deed::Done(0))
    }
}
