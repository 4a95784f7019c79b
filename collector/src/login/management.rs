//! An organization that another manages: an owner consents, an owner or administrator of the other accepts, either side ends it.
//!
//! What it lets others do here is `live_access`' to say, anew with each request: when a consent ends nothing has to be cleared away.
//! Each step is in the logs of both organizations, and told to the owners of both.

use std::time::Duration;

use picket_shared::ids::ManagementId;
use picket_shared::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::members::Acting;
use super::{LoginError, Porter};
use crate::domain::access::Role;
use crate::domain::account_mail::{About, Step};
use crate::domain::management::{Refused, may_answer, may_consent};
use crate::store::audit::{self, Author};
use crate::store::managements::{self, ManagementRow, NewManagement, Side};
use crate::store::{Auth, OrgKey, StoreError, members, organizations};

/// So long ahead an end is told.
pub const AHEAD: Duration = Duration::from_secs(7 * 86_400);
/// Most consents that an organization gives in a day: the owners of the other get a mail of each.
pub const MOST_A_DAY: i64 = 10;

const DAY: Duration = Duration::from_secs(86_400);

/// What an owner consents to.
#[derive(Clone, Copy, Debug)]
pub struct Consent {
    /// Which organization manages from then on.
    pub manager: Uuid,
    /// As what its members act here at most.
    pub most: Role,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
}

/// How consenting went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It waits to be accepted.
    Done(Uuid),
    /// There is no such organization.
    Nobody,
    /// It is the very organization.
    Itself,
    /// A consent to that organization is open.
    Already,
    /// It would be over already.
    Past,
    /// There were too many in a day.
    TooMany,
    /// It cannot be.
    Refused(Refused),
}

/// How accepting or ending went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is so now.
    Done,
    /// There is no such consent here, or it is over.
    Gone,
    /// It cannot be.
    Refused(Refused),
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Ends that were told in advance.
    pub told: u64,
    /// Consents that were over, and are noted as that.
    pub ended: u64,
}

impl Porter {
    /// The consents on a side of an organization, from the one after `after` on, in the order of their ids.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn managements(
        &self,
        at: (Side, OrgKey),
        after: Option<Uuid>,
        most: i64,
    ) -> Result<Vec<ManagementRow>, StoreError> {
        managements::list(&mut self.pools.auth().await?, at, after, most).await
    }

    /// Those that are not over, by the name of the other organization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_managements(&self, side: Side, org: OrgKey) -> Result<Vec<ManagementRow>, StoreError> {
        managements::open(&mut self.pools.auth().await?, side, org).await
    }

    /// One of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn management(&self, side: Side, org: OrgKey, id: Uuid) -> Result<Option<ManagementRow>, StoreError> {
        managements::find(&mut self.pools.auth().await?, side, org, id).await
    }

    /// Lets another organization manage this one, once that accepts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consent(&self, acting: Acting<'_>, consent: Consent, now: Timestamp) -> Result<Given, LoginError> {
        let mut auth = self.pools.auth().await?;
        members::lock(&mut auth, acting.org).await?;
        let by = members::role_of(&mut auth, acting.org, acting.user, now).await?;
        if let Err(refused) = by.map_or(Err(Refused::NotOwner), |by| may_consent(by, consent.most)) {
            return Ok(Given::Refused(refused));
        }
        if consent.until.is_some_and(|until| until <= now) {
            return Ok(Given::Past);
        }
        let Some(manager) = organizations::by_id(&mut auth, consent.manager).await? else { return Ok(Given::Nobody) };
        if manager == acting.org {
            return Ok(Given::Itself);
        }
        if managements::count_since(&mut auth, acting.org, now - DAY).await? >= MOST_A_DAY {
            return Ok(Given::TooMany);
        }
        let new = NewManagement {
            id: ManagementId::at(now).0,
            org: acting.org,
            manager,
            most: consent.most,
            by: &acting.author.actor,
            until: consent.until,
        };
        if !managements::insert(&mut auth, &new, now).await? {
            return Ok(Given::Already);
        }
        let found = managements::find(&mut auth, Side::Managed, acting.org, new.id).await?;
        let Some(row) = found else { return Ok(Given::Nobody) };
        self.record(&mut auth, acting.author, &row, Step::Given, now).await?;
        auth.commit().await?;
        Ok(Given::Done(row.uuid))
    }

    /// Accepts to manage another organization. Again it changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accept_management(
        &self,
        acting: Acting<'_>,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Answered, LoginError> {
        let mut auth = self.pools.auth().await?;
        let row = match open_row(&mut auth, Side::Managing, acting, id, now).await? {
            Ok(row) => row,
            Err(answered) => return Ok(answered),
        };
        if row.accepted_at.is_some() {
            return Ok(Answered::Done);
        }
        if !managements::accept(&mut auth, row.id, &acting.author.actor, now).await? {
            return Ok(Answered::Gone);
        }
        self.record(&mut auth, acting.author, &row, Step::Accepted, now).await?;
        auth.commit().await?;
        Ok(Answered::Done)
    }

    /// Ends a consent at once, from either side.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_management(
        &self,
        side: Side,
        acting: Acting<'_>,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Answered, LoginError> {
        let mut auth = self.pools.auth().await?;
        let row = match open_row(&mut auth, side, acting, id, now).await? {
            Ok(row) => row,
            Err(answered) => return Ok(answered),
        };
        let (why, step) = match side {
            Side::Managed => ("revoked", Step::Revoked),
            Side::Managing => ("left", Step::Left),
        };
        if !managements::end(&mut auth, row.id, (&acting.author.actor, why), now).await? {
            return Ok(Answered::Gone);
        }
        self.record(&mut auth, acting.author, &row, step, now).await?;
        auth.commit().await?;
        Ok(Answered::Done)
    }

    /// Tells of ends that are near, and notes those that are past.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_managements(&self, now: Timestamp) -> Result<Report, LoginError> {
        let mut report = Report::default();
        loop {
            let mut auth = self.pools.auth().await?;
            let near = managements::take_untold(&mut auth, now, now + AHEAD).await?;
            for row in &near {
                self.tell_both(&mut auth, row, Step::Ends, None, now).await?;
            }
            auth.commit().await?;
            report.told += near.len() as u64;
            if near.is_empty() {
                break;
            }
        }
        loop {
            let mut auth = self.pools.auth().await?;
            let Some(row) = managements::past(&mut auth, now).await? else { return Ok(report) };
            let author = Author::of_instance("collector");
            if managements::end(&mut auth, row.id, (&author.actor, "over"), now).await? {
                self.record(&mut auth, &author, &row, Step::Over, now).await?;
                report.ended += 1;
            }
            auth.commit().await?;
        }
    }

    /// Tells the owners of both organizations, then writes it into the logs of both.
    async fn record(
        &self,
        auth: &mut Auth,
        by: &Author,
        row: &ManagementRow,
        step: Step,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        self.tell_both(auth, row, step, Some(&by.actor), now).await?;
        let detail = json!({
            "managed": row.org_name, "managed_id": row.org_uuid,
            "managing": row.manager_name, "managing_id": row.manager_uuid,
            "most": row.most, "until": row.until_at.map(|at| format!("{:.0}", Timestamp::from_micros(at))),
        });
        // Always in this order: of two that write into the same logs none waits for the other.
        let mut logs = [row.org_id, row.manager_id];
        logs.sort_unstable();
        for org in logs {
            // From where somebody acts is no other organization's business.
            let origin = by.origin.clone().filter(|_| by.org == Some(org));
            let author = Author { org: Some(org), actor: by.actor.clone(), origin };
            audit::append(auth, &author.did(step.action(), &row.uuid.to_string(), detail.clone(), now)).await?;
        }
        Ok(())
    }

    async fn tell_both(
        &self,
        auth: &mut Auth,
        row: &ManagementRow,
        step: Step,
        by: Option<&str>,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        for (org, managing_side) in [(row.org_id, false), (row.manager_id, true)] {
            for (user, to) in managements::owners(auth, org, now).await? {
                let about = About::Management {
                    step,
                    at: now,
                    managed: row.org_name.clone(),
                    managing: row.manager_name.clone(),
                    most: row.most.clone(),
                    until: row.until_at.map(Timestamp::from_micros),
                    by: by.map(str::to_owned),
                    managing_side,
                };
                self.tell(auth, Some(user), &to, about, now).await?;
            }
        }
        Ok(())
    }
}

/// The consent of that id, while it is not over, if who asks may answer it.
async fn open_row(
    auth: &mut Auth,
    side: Side,
    acting: Acting<'_>,
    id: Uuid,
    now: Timestamp,
) -> Result<Result<ManagementRow, Answered>, StoreError> {
    members::lock(auth, acting.org).await?;
    let open = |row: &ManagementRow| row.ended_at.is_none() && row.until_at.is_none_or(|at| at > now.micros());
    let Some(row) = managements::find(auth, side, acting.org, id).await?.filter(open) else {
        return Ok(Err(Answered::Gone));
    };
    let by = members::role_of(auth, acting.org, acting.user, now).await?;
    Ok(match by.map_or(Err(Refused::Right), may_answer) {
        Ok(()) => Ok(row),
        Err(refused) => Err(Answered::Refused(refused)),
    })
}
