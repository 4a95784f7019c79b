//! Whose a channel is and when it is quiet: shown, typed and stored.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::show::show;
use super::{find, shown};
use crate::channels::ChannelError;
use crate::domain::incident::Severity;
use crate::domain::telling::quiet::Quiet;
use crate::store::StoreError;
use crate::store::channels::ChannelRow;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::telling::quiet::{self, Change, Manners};
use crate::web::texts::{filled, text};
use crate::web::ui::hours::{self, Range};
use crate::web::ui::schedule::{called, people};
use crate::web::ui::see;

/// What the page says of it.
pub(super) struct Telling {
    pub(super) whose: Option<String>,
    pub(super) quiet: Vec<String>,
    pub(super) members: Vec<(String, String, bool)>,
    pub(super) typed: Typed,
}

/// What stands in the fields.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) member: String,
    pub(super) zone: String,
    pub(super) passes: String,
    pub(super) hours: Vec<Range>,
}

impl Typed {
    fn of(manners: &Manners, row: &ChannelRow) -> Self {
        let quiet = manners.quiet(row.key);
        let member = manners.member(row.key).and_then(|member| manners.people().id(member));
        Self {
            member: member.map(|id| id.to_string()).unwrap_or_default(),
            zone: quiet.map_or_else(|| "UTC".to_owned(), |quiet| quiet.zone.to_string()),
            passes: quiet.and_then(|quiet| quiet.passes).map(|least| least.as_str().to_owned()).unwrap_or_default(),
            hours: quiet.map(|quiet| quiet.hours.iter().map(Range::of).collect()).unwrap_or_default(),
        }
    }

    fn from(form: &Form) -> Self {
        let or_utc = |zone: &str| if zone.is_empty() { "UTC".to_owned() } else { zone.to_owned() };
        Self {
            member: form.text("member").to_owned(),
            zone: or_utc(form.text("zone")),
            passes: form.text("passes").to_owned(),
            hours: hours::from(form, "q"),
        }
    }

    /// What it asks for.
    fn change(&self, manners: &Manners) -> Result<Change, String> {
        let hours = hours::body(&self.hours);
        let passes = Some(self.passes.as_str()).filter(|passes| !passes.is_empty());
        let said = json!({ "zone": self.zone, "hours": hours, "passes": passes });
        let quiet = if hours.is_empty() { None } else { Some(quiet::read(&said).map_err(|wrong| told(&wrong))?) };
        let member = match self.member.as_str() {
            "" => None,
            id => {
                let key = manners.people().key(id).zip(id.parse().ok());
                Some(key.ok_or_else(|| text("channel.no_member").to_owned())?)
            }
        };
        Ok(Change { quiet: Some(quiet), member: Some(member) })
    }
}

fn told(wrong: &[(String, String)]) -> String {
    let messages: Vec<&str> = wrong.iter().map(|(_, message)| message.as_str()).collect();
    format!("{}: {}", text("channel.quiet"), messages.join("; "))
}

/// What the page says, with what was typed or what is stored.
pub(super) async fn of(
    site: &Site,
    user: &User,
    row: &ChannelRow,
    typed: Option<Typed>,
) -> Result<Telling, StoreError> {
    let people = people(site, user).await?;
    let manners = Manners::of(&mut user.scoped(site).await?, people).await?;
    let typed = typed.unwrap_or_else(|| Typed::of(&manners, row));
    let members = manners.people().all().map(|(id, name)| {
        let id = id.to_string();
        let chosen = id == typed.member;
        (id, name.unwrap_or(text("schedule.a_member")).to_owned(), chosen)
    });
    Ok(Telling {
        whose: match manners.member(row.key) {
            Some(member) => Some(called(manners.people(), member)),
            None => manners.is_personal(row.key).then(|| text("channel.left").to_owned()),
        },
        quiet: manners.quiet(row.key).map(words).unwrap_or_default(),
        members: members.collect(),
        typed,
    })
}

/// Quiet hours in words.
fn words(quiet: &Quiet) -> Vec<String> {
    let mut says: Vec<String> = quiet.hours.iter().map(crate::web::ui::schedule::show::hours).collect();
    says.push(filled("channel.quiet_zone", &quiet.zone));
    says.extend(quiet.passes.map(|least| {
        let word = text(match least {
            Severity::Critical => "incident.critical",
            Severity::Error => "incident.error",
            Severity::Warning => "incident.warning",
        });
        filled("channel.quiet_but", word)
    }));
    says
}

/// `POST /channels/{id}/telling`.
pub async fn post_telling(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let stores = async {
        let people = people(&site, &user).await?;
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let mut typed = Typed::from(&form);
        let manners = Manners::of(&mut scoped, people).await?;
        let mut error = None;
        if form.ticked("redraw") {
            hours::redraw(&mut typed.hours, form.text("redraw").trim_start_matches("q."));
        } else {
            match typed.change(&manners) {
                Ok(change) if quiet::apply(&mut scoped, &row, &manners, &change, site.clock.now()).await? => {
                    scoped.commit().await?;
                    return Ok(Some(see(&format!("/channels/{}?done=telling_changed", row.id))));
                }
                Ok(_) => return Err(ChannelError::Gone),
                Err(wrong) => error = Some(wrong),
            }
        }
        drop(scoped);
        show(&site, &user, &row, &HashMap::new(), (error, Some(typed))).await.map(Some)
    };
    shown(stores.await)
}
