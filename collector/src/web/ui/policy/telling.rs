//! Who would be told of an incident of a monitor, for the monitor's page.

use picket_shared::time::Timestamp;

use super::{Whom, people, whom};
use crate::domain::access::Right;
use crate::domain::maintenance::in_words;
use crate::store::StoreError;
use crate::store::monitors::MonitorRow;
use crate::store::policies::reach::{By, Hop, Miss, Target, Why};
use crate::store::policies::{self, Preview};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::telling::policy::Known;
use crate::web::telling::preview::{held_until, reaches_somebody, with_gaps};
use crate::web::texts::{filled, text};

/// What the card says.
pub(in crate::web::ui) struct Telling {
    /// The policy: address, name, and why it is that one.
    pub(in crate::web::ui) policy: Option<(String, String, &'static str)>,
    pub(in crate::web::ui) levels: Vec<Level>,
    pub(in crate::web::ui) nobody: bool,
    pub(in crate::web::ui) warnings: Vec<(String, String)>,
}

/// A level, with whom it reaches and whom it does not.
pub(in crate::web::ui) struct Level {
    pub(in crate::web::ui) when: String,
    pub(in crate::web::ui) told: Vec<(String, String, Vec<String>)>,
    pub(in crate::web::ui) missed: Vec<String>,
}

/// Who would be told if the monitor were found down at `now`; nothing for who may not see that.
pub(in crate::web::ui) async fn of_monitor(
    site: &Site,
    user: &User,
    row: &MonitorRow,
    now: Timestamp,
) -> Result<Option<Telling>, StoreError> {
    if !user.member.may(Right::PoliciesRead) {
        return Ok(None);
    }
    let people = people(site, user).await?;
    let mut scoped = user.scoped(site).await?;
    let known = Known::of(&mut scoped, people, now).await?;
    let preview = policies::preview(&mut scoped, user.member.org, &[row.key], now).await?;
    let mut targets = Vec::new();
    if let Some(chosen) = &preview.chosen {
        targets = policies::reach::targets(&mut scoped, &[chosen.key]).await?;
    }
    let gaps = with_gaps(targets.into_iter().map(|(.., target)| target), &known, now);
    Ok(Some(Telling {
        policy: preview
            .chosen
            .as_ref()
            .map(|chosen| (format!("/policies/{}", chosen.id), chosen.name.clone(), because(chosen.by))),
        levels: levels(&preview, row, &known, now),
        nobody: !reaches_somebody(&preview),
        warnings: gaps.iter().map(|row| (row.id.to_string(), filled("policy.gaps", &row.name))).collect(),
    }))
}

/// By what a policy is chosen, in words.
pub(super) fn because(by: By) -> &'static str {
    text(match by {
        By::Monitor => "policy.by_monitor",
        By::Tag => "policy.by_tag",
        By::Default => "policy.by_default",
    })
}

fn levels(preview: &Preview, row: &MonitorRow, known: &Known, now: Timestamp) -> Vec<Level> {
    let severity = row.settings.briefing.severity;
    let told = |hop: &Hop, at: Timestamp| {
        let mut notes = Vec::new();
        if let Some(schedule) = hop.schedule {
            notes.push(whom(Target::Schedule(schedule), known).word);
        }
        if let Some(member) = hop.member {
            notes.push(whom(Target::Member(member), known).word);
        }
        if let Some(until) = held_until(hop, severity, at) {
            notes.push(filled("policy.held", format!("{until:.0}")));
        }
        (format!("/channels/{}", hop.id), hop.name.clone(), notes)
    };
    let level = |one: &policies::Told| Level {
        when: match one.at.since(now) {
            after if after.is_zero() => text("policy.at_once").to_owned(),
            after => filled("policy.after_found", in_words(after)),
        },
        told: one.reach.hops.iter().map(|hop| told(hop, one.at)).collect(),
        missed: one.reach.misses.iter().map(|miss| missed(miss, known)).collect(),
    };
    preview.levels.iter().map(level).collect()
}

/// Who is not told, and why.
fn missed(miss: &Miss, known: &Known) -> String {
    let Whom { word, .. } = whom(miss.target, known);
    let why = text(match miss.why {
        Why::NobodyOnCall => "policy.nobody_on_call",
        Why::NoChannel => "policy.no_channel",
        _ => "policy.not_verified",
    });
    format!("{word}: {why}")
}
