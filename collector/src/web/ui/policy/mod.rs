//! Policies: the list, one in words with the monitors that it is for, the form, and who would be told of a monitor.

pub mod form;
pub mod list;
pub mod show;
pub mod telling;

use axum::extract::{Path, State};
use axum::response::Response;
use picket_shared::ids::PolicyId;

use super::schedule::{called, people, shown};
use crate::domain::maintenance::in_words;
use crate::domain::telling::policy::Policy;
use crate::store::policies::reach::Target;
use crate::store::policies::{self, NewPolicy, PolicyRow};
use crate::store::{Scoped, StoreError};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::telling::policy::Known;
use crate::web::telling::preview::with_gaps;
use crate::web::texts::{filled, text};
use crate::web::ui::see;

/// The policy of an address; anything else is not found, whosever it is.
async fn find(scoped: &mut Scoped, id: &str) -> Result<Option<PolicyRow>, StoreError> {
    match id.parse::<PolicyId>() {
        Ok(id) => policies::get(scoped, id).await,
        Err(_) => Ok(None),
    }
}

/// `POST /policies/{id}/remove`.
pub async fn post_remove(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let removes = async {
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        policies::remove(&mut scoped, &row, site.clock.now()).await?;
        scoped.commit().await?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("done", "policy_removed").append_pair("name", &row.is.name).finish();
        Ok(Some(see(&format!("/policies?{query}"))))
    };
    shown(removes.await)
}

/// A level in words: when, and whom.
struct Level {
    when: String,
    whom: Vec<Whom>,
}

/// One of whom a level tells.
struct Whom {
    word: String,
    href: Option<String>,
}

fn levels(is: &NewPolicy, known: &Known) -> Vec<Level> {
    let each = is.policy.waits.iter().zip(&is.targets).enumerate();
    let level = |(index, (wait, targets)): (usize, (&std::time::Duration, &Vec<Target>))| Level {
        when: match index {
            0 if wait.is_zero() => text("policy.at_once").to_owned(),
            0 => filled("policy.after_first", in_words(*wait)),
            _ => filled("policy.after", in_words(*wait)),
        },
        whom: targets.iter().map(|target| whom(*target, known)).collect(),
    };
    each.map(level).collect()
}

fn whom(target: Target, known: &Known) -> Whom {
    let gone = || Whom { word: text("policy.gone").to_owned(), href: None };
    match target {
        Target::Channel(key) => known
            .channels
            .iter()
            .find(|row| row.key == key)
            .map_or_else(gone, |row| Whom { word: row.name.clone(), href: Some(format!("/channels/{}", row.id)) }),
        Target::Schedule(key) => known.schedules.iter().find(|row| row.key == key).map_or_else(gone, |row| Whom {
            word: filled("policy.on_call", &row.name),
            href: Some(format!("/schedules/{}", row.id)),
        }),
        Target::Member(key) => Whom { word: called(&known.people, key), href: None },
    }
}

/// What comes after the levels, in words.
fn course(policy: &Policy) -> Vec<String> {
    let mut says = Vec::new();
    if policy.repeats > 0 {
        let after = in_words(policy.repeat_after);
        says.push(filled("policy.again", policy.repeats).replacen("{}", &after, 1));
    }
    says.push(match policy.reminder {
        Some(pause) => filled("policy.reminded", in_words(pause)),
        None => text("policy.not_reminded").to_owned(),
    });
    says
}

/// A warning for each schedule of a policy with hours in which nobody is on call.
fn warnings(is: &NewPolicy, known: &Known, now: picket_shared::time::Timestamp) -> Vec<(String, String)> {
    let gaps = with_gaps(is.targets.iter().flatten().copied(), known, now);
    gaps.into_iter().map(|row| (row.id.to_string(), filled("policy.gaps", &row.name))).collect()
}
