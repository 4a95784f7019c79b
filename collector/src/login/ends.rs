//! Memberships that end: told a week ahead to whose membership it is and to the owners; what is over is removed with sessions and
//! keys, and told again.
//!
//! Nobody acts by a membership that is over, whether it was removed yet or not: `store` asks for live ones alone.

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde_json::json;

use super::members::written;
use super::{LoginError, Porter, note};
use crate::domain::access::Role;
use crate::domain::account_mail::About;
use crate::store::audit::Author;
use crate::store::ends::{self, Ending};
use crate::store::{Auth, members, services, sessions};

/// So long ahead an end is told.
pub const AHEAD: Duration = Duration::from_secs(7 * 86_400);

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Ends that were told in advance.
    pub told: u64,
    /// Memberships that were over, and are gone.
    pub ended: u64,
}

impl Porter {
    /// Tells of ends that are near, and removes memberships that are over.
    ///
    /// # Errors
    /// When the machine gives no random bytes or the database fails.
    pub async fn end_memberships(&self, now: Timestamp) -> Result<Report, LoginError> {
        let mut report = Report::default();
        loop {
            let mut auth = self.pools.auth().await?;
            let near = ends::take_untold(&mut auth, now, now + AHEAD).await?;
            for ending in &near {
                self.tell_end(&mut auth, ending, false, now).await?;
            }
            auth.commit().await?;
            report.told += near.len() as u64;
            if near.is_empty() {
                break;
            }
        }
        loop {
            let over = ends::ended(&mut self.pools.auth().await?, now).await?;
            if over.is_empty() {
                return Ok(report);
            }
            for ending in over {
                report.ended += u64::from(self.end_membership(&ending, now).await?);
            }
        }
    }

    async fn end_membership(&self, found: &Ending, now: Timestamp) -> Result<bool, LoginError> {
        let mut auth = self.pools.auth().await?;
        members::lock(&mut auth, found.org_id).await?;
        // Somebody may have given it another end meanwhile.
        let Some(ending) = ends::still_ended(&mut auth, found.org_id, found.user_id, now).await? else {
            return Ok(false);
        };
        members::remove(&mut auth, ending.org_id, ending.user_id).await?;
        sessions::end_in(&mut auth, ending.org_id, ending.user_id, None).await?;
        if ending.service {
            services::end(&mut auth, ending.user_id, now).await?;
        }
        self.tell_end(&mut auth, &ending, true, now).await?;
        let by = Author { org: Some(ending.org_id), ..Author::of_instance("collector") };
        let kind = if ending.service { "service" } else { "email" };
        let until = written(Some(Timestamp::from_micros(ending.until_at)));
        let detail = json!({ (kind): ending.called, "role": ending.role, "until": until });
        note(&mut auth, &by, "member.end", ending.uuid, detail, now).await?;
        auth.commit().await?;
        Ok(true)
    }

    /// To whose membership it is, and to the owners.
    async fn tell_end(&self, auth: &mut Auth, ending: &Ending, over: bool, now: Timestamp) -> Result<(), LoginError> {
        let all = members::list(auth, ending.org_id).await?;
        let owners = all.into_iter().filter(|row| row.role == Role::Owner && row.user != ending.user_id);
        let person = (!ending.service).then(|| (ending.user_id, ending.called.clone()));
        let owners = owners.map(|row| (row.user, row.called));
        for (user, to) in person.into_iter().chain(owners) {
            let about = About::MembershipEnd {
                organization: ending.organization.clone(),
                member: (user != ending.user_id).then(|| ending.called.clone()),
                until: Timestamp::from_micros(ending.until_at),
                over,
            };
            self.tell(auth, Some(user), &to, about, now).await?;
        }
        Ok(())
    }
}
