//! What people write of maintenance, read from the one form that the API takes; the page and the command line make the same of
//! theirs.

use std::collections::BTreeSet;
use std::time::Duration;

use picket_shared::ids::MonitorId;
use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rule::Rule;
use super::{MOST_EXCEPTIONS, Window, WindowError};
use crate::domain::zone::{Local, Zone};

/// The longest title, in characters.
pub const MOST_TITLE: usize = 200;
/// The longest note, in characters.
pub const MOST_NOTE: usize = 2000;
/// Most monitors or tags that are named.
pub const MOST_NAMED: usize = 500;
/// The earliest announcement.
pub const EARLIEST: Duration = Duration::from_secs(31 * 86_400);

/// Maintenance as people want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What it is called.
    pub title: String,
    /// What is to be known of it; may be empty.
    pub note: String,
    /// When.
    pub window: Window,
    /// Of what.
    pub scope: Scope,
    /// What follows from it.
    pub effects: Effects,
    /// How long before it is announced; nobody is told where there is none.
    pub announce_before: Option<Duration>,
}

/// Which monitors are in maintenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of the organization.
    All,
    /// Those named.
    Monitors(Vec<MonitorId>),
    /// Those that have one of these tags.
    Tags(Vec<String>),
}

impl Scope {
    /// Its name in tables and in the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Monitors(_) => "monitors",
            Self::Tags(_) => "tags",
        }
    }
}

/// What follows from maintenance; each is chosen apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Nobody is told of outages until it ends.
    pub holds_alerts: bool,
    /// Status pages show it.
    pub shows_on_page: bool,
    /// As what its time counts in availability.
    pub counts_as: CountsAs,
}

/// As what the time of maintenance counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountsAs {
    /// As maintenance: neither up nor down.
    Maintenance,
    /// As what checks find.
    Normal,
}

impl CountsAs {
    /// The one of that name, or the usual.
    pub fn named(name: &str) -> Self {
        if name == "normal" { Self::Normal } else { Self::Maintenance }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Normal => "normal",
        }
    }
}

/// What is wrong: the field, and what to write.
pub type Wrong = (&'static str, String);

/// Reads `body`; a field that is not there is as in `standing`, or its default: a window without a start begins `now`. Every
/// fault is given.
///
/// # Errors
/// Which fields are wrong, and what to write.
pub fn read(body: &Value, standing: Option<&Settings>, now: Timestamp) -> Result<Settings, Vec<Wrong>> {
    let mut reader = Reader { body, now, wrong: Vec::new() };
    let title = reader.title(standing.map(|old| old.title.as_str()));
    let note = reader.note(standing.map(|old| old.note.as_str()));
    let window = reader.window(standing.map(|old| &old.window));
    let scope = reader.scope(standing.map(|old| &old.scope));
    let effects = reader.effects(standing.map(|old| old.effects));
    let announce_before = reader.announce_before(standing.and_then(|old| old.announce_before));
    match (title, window, scope) {
        (Some(title), Some(window), Some(scope)) if reader.wrong.is_empty() => {
            Ok(Settings { title, note, window, scope, effects, announce_before })
        }
        _ => Err(reader.wrong),
    }
}

struct Reader<'a> {
    body: &'a Value,
    now: Timestamp,
    wrong: Vec<Wrong>,
}

impl Reader<'_> {
    /// The text of a field; `None` where it is not there, the empty text where it is null.
    fn text(&self, field: &str) -> Option<&str> {
        match self.body.get(field)? {
            Value::Null => Some(""),
            value => value.as_str(),
        }
    }

    fn seconds(&mut self, field: &'static str) -> Option<Duration> {
        let value = self.body.get(field).filter(|value| !value.is_null())?;
        let seconds = value.as_u64();
        if seconds.is_none() {
            self.wrong.push((field, "must be a number of seconds".to_owned()));
        }
        seconds.map(Duration::from_secs)
    }

    fn flag(&self, field: &str, otherwise: bool) -> bool {
        self.body.get(field).and_then(Value::as_bool).unwrap_or(otherwise)
    }

    fn texts(&self, field: &str) -> Option<Vec<String>> {
        let items = self.body.get(field)?.as_array()?;
        Some(items.iter().map(|item| item.as_str().unwrap_or_default().trim().to_owned()).collect())
    }

    fn title(&mut self, standing: Option<&str>) -> Option<String> {
        let title = self.text("title").or(standing).unwrap_or_default().trim();
        if title.is_empty() || title.chars().count() > MOST_TITLE || title.chars().any(char::is_control) {
            self.wrong.push(("title", format!("must be 1 to {MOST_TITLE} characters on one line")));
            return None;
        }
        Some(title.to_owned())
    }

    fn note(&mut self, standing: Option<&str>) -> String {
        let note = self.text("note").or(standing).unwrap_or_default().replace("\r\n", "\n");
        if note.chars().count() > MOST_NOTE || note.contains('\0') {
            self.wrong.push(("note", format!("must be at most {MOST_NOTE} characters")));
        }
        note.trim().to_owned()
    }

    fn window(&mut self, standing: Option<&Window>) -> Option<Window> {
        let zone = match (self.text("zone"), standing) {
            (None, Some(old)) => Ok(old.zone.clone()),
            (text, _) => text.unwrap_or("UTC").parse::<Zone>(),
        };
        let mut zone = zone.map_err(|error| self.wrong.push(("zone", error.to_string()))).ok();
        let start = match (self.text("start"), standing) {
            (None, Some(old)) => Some(old.start),
            (None | Some(""), _) => zone.take().map(|there| {
                let (start, there) = at_once(there, self.now);
                zone = Some(there);
                start
            }),
            (text, _) => local(text.unwrap_or_default()),
        };
        if start.is_none() && self.text("start").is_some_and(|text| !text.is_empty()) {
            self.wrong.push(("start", format!("must be a local time like {EXAMPLE}, without an offset")));
        }
        let duration = match (self.seconds("duration_s"), standing) {
            (None, Some(old)) => Some(old.duration),
            (given, _) => given,
        };
        if duration.is_none() && !self.wrong.iter().any(|(field, _)| *field == "duration_s") {
            self.wrong.push(("duration_s", "must be there: for how long, in seconds".to_owned()));
        }
        let rule = match (self.text("rule"), standing) {
            (None, Some(old)) => Ok(old.rule.clone()),
            (None | Some(""), _) => Ok(None),
            (Some(text), _) => text.parse::<Rule>().map(Some),
        };
        let rule = rule.map_err(|error| self.wrong.push(("rule", error.to_string()))).ok();
        let exceptions = self.exceptions(standing);
        let window = Window { start: start?, duration: duration?, zone: zone?, rule: rule?, exceptions };
        let field = match window.check() {
            Ok(()) => return Some(window),
            Err(WindowError::Duration | WindowError::Overlaps { .. }) => "duration_s",
            Err(WindowError::Start | WindowError::NotOfTheRule { .. }) => "start",
            Err(WindowError::Never | WindowError::EndsFirst) => "rule",
            Err(WindowError::Exceptions) => "exceptions",
        };
        let why = window.check().err().map(|error| error.to_string()).unwrap_or_default();
        self.wrong.push((field, why));
        None
    }

    fn exceptions(&mut self, standing: Option<&Window>) -> BTreeSet<Local> {
        let Some(texts) = self.texts("exceptions") else {
            return standing.map(|old| old.exceptions.clone()).unwrap_or_default();
        };
        let read: Vec<_> = texts.iter().map(|text| local(text)).collect();
        if read.len() > MOST_EXCEPTIONS || read.iter().any(Option::is_none) {
            let message = format!("must be at most {MOST_EXCEPTIONS} local times like {EXAMPLE}");
            self.wrong.push(("exceptions", message));
        }
        read.into_iter().flatten().collect()
    }

    fn scope(&mut self, standing: Option<&Scope>) -> Option<Scope> {
        let named = self.texts("monitors").unwrap_or_default();
        let tags = self.texts("tags").unwrap_or_default();
        let says_nothing = !["scope", "monitors", "tags"].iter().any(|field| self.body.get(*field).is_some());
        if let (Some(old), true) = (standing, says_nothing) {
            return Some(old.clone());
        }
        match self.text("scope").unwrap_or("all") {
            "all" => Some(Scope::All),
            "monitors" => {
                let ids: BTreeSet<MonitorId> = named.iter().filter_map(|id| id.parse().ok()).collect();
                let wrong = ids.is_empty()
                    || named.len() > MOST_NAMED
                    || named.iter().any(|id| id.parse::<MonitorId>().is_err());
                if wrong {
                    self.wrong.push(("monitors", format!("must be 1 to {MOST_NAMED} ids of monitors")));
                }
                (!wrong).then(|| Scope::Monitors(ids.into_iter().collect()))
            }
            "tags" => {
                let wrong = tags.is_empty()
                    || tags.len() > MOST_NAMED
                    || tags.iter().any(|tag| tag.is_empty() || tag.contains('\0'));
                if wrong {
                    self.wrong.push(("tags", format!("must be 1 to {MOST_NAMED} tags of monitors")));
                }
                let tags: BTreeSet<_> = tags.into_iter().collect();
                (!wrong).then(|| Scope::Tags(tags.into_iter().collect()))
            }
            other => {
                self.wrong.push(("scope", format!("must be all, monitors or tags, not “{other}”")));
                None
            }
        }
    }

    fn effects(&mut self, standing: Option<Effects>) -> Effects {
        let usual = Effects { holds_alerts: true, shows_on_page: true, counts_as: CountsAs::Maintenance };
        let old = standing.unwrap_or(usual);
        let counts_as = match self.text("counts_as") {
            None => old.counts_as,
            Some("maintenance") => CountsAs::Maintenance,
            Some("normal") => CountsAs::Normal,
            Some(_) => {
                self.wrong.push(("counts_as", "must be maintenance or normal".to_owned()));
                old.counts_as
            }
        };
        let holds_alerts = self.flag("holds_alerts", old.holds_alerts);
        Effects { holds_alerts, shows_on_page: self.flag("shows_on_page", old.shows_on_page), counts_as }
    }

    fn announce_before(&mut self, standing: Option<Duration>) -> Option<Duration> {
        match self.body.get("announce_before_s") {
            None => return standing,
            Some(Value::Null) => return None,
            Some(_) => {}
        }
        let given = self.seconds("announce_before_s")?;
        if given > EARLIEST {
            self.wrong
                .push(("announce_before_s", "must be at most 31 days (2678400), or null to tell nobody".to_owned()));
        }
        Some(given)
    }
}

/// `now` by the clocks of `zone`; by UTC in the hour that they show twice, where what they show is read as the first.
fn at_once(zone: Zone, now: Timestamp) -> (Local, Zone) {
    let now = Timestamp::from_seconds(now.seconds());
    let there = zone.civil(now);
    if zone.instant(there) == now { (there, zone) } else { (Zone::utc().civil(now), Zone::utc()) }
}

const EXAMPLE: &str = "2026-03-29T02:00";

/// A local time as forms and the API write it; seconds may be left out.
pub fn local(text: &str) -> Option<Local> {
    let text = text.trim();
    let is_plain =
        (16..=19).contains(&text.len()) && text.as_bytes().get(10).is_some_and(|byte| matches!(byte, b'T' | b' '));
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_774_746_000);

    #[test]
    fn what_is_left_out_is_the_usual_and_in_an_edit_as_it_was() {
        let body =
            json!({ "title": " Database ", "start": "2026-03-29T02:00", "duration_s": 7200, "zone": "europe/berlin" });
        let made = read(&body, None, NOW).unwrap();
        assert_eq!(
            (made.title.as_str(), made.window.zone.name(), &made.scope),
            ("Database", "Europe/Berlin", &Scope::All)
        );
        assert_eq!(made.effects, Effects { holds_alerts: true, shows_on_page: true, counts_as: CountsAs::Maintenance });
        assert_eq!((made.announce_before, made.window.rule.clone()), (None, None));
        let edit = json!({ "rule": "FREQ=WEEKLY", "announce_before_s": 3600, "counts_as": "normal", "scope": "tags", "tags": ["b", "a", "b"] });
        let edited = read(&edit, Some(&made), NOW).unwrap();
        assert_eq!((edited.title.as_str(), edited.window.start), ("Database", made.window.start));
        assert_eq!(edited.scope, Scope::Tags(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(edited.announce_before, Some(Duration::from_secs(3600)));
        let back = read(
            &json!({ "rule": null, "announce_before_s": null, "scope": "all", "counts_as": "maintenance" }),
            Some(&edited),
            NOW,
        );
        assert_eq!(back, Ok(made.clone()));
        let at_once = read(&json!({ "start": null }), Some(&made), NOW).unwrap();
        assert_eq!(at_once.window.zone.instant(at_once.window.start), NOW);
    }

    #[test]
    fn every_fault_is_told_with_its_field() {
        let body = json!({ "title": "a\nb", "start": "2026-03-29T02:00+01:00", "duration_s": "long", "zone": "Berlin", "rule": "FREQ=HOURLY",
            "scope": "monitors", "monitors": ["x"], "counts_as": "both", "announce_before_s": 99_999_999, "exceptions": ["soon"] });
        let fields: Vec<_> = read(&body, None, NOW).unwrap_err().into_iter().map(|(field, _)| field).collect();
        assert_eq!(
            fields,
            [
                "title",
                "zone",
                "start",
                "duration_s",
                "rule",
                "exceptions",
                "monitors",
                "counts_as",
                "announce_before_s"
            ]
        );
        let overlaps = json!({ "title": "a", "start": "2026-03-29T02:00", "duration_s": 90_000, "rule": "FREQ=DAILY" });
        assert_eq!(read(&overlaps, None, NOW).unwrap_err()[0].0, "duration_s");
    }

    #[test]
    fn what_has_no_start_begins_at_once_and_in_a_doubled_hour_too() {
        let begins = |now: &str| {
            let now: Timestamp = now.parse().unwrap();
            let body = json!({ "title": "a", "duration_s": 3600, "zone": "Europe/Berlin" });
            let window = read(&body, None, now).unwrap().window;
            (window.after(now).next().unwrap().start.to_string(), window.zone.to_string())
        };
        let shown = |start: &str, zone: &str| (start.to_owned(), zone.to_owned());
        assert_eq!(begins("2026-07-01T10:00:07.5Z"), shown("2026-07-01T10:00:07.000Z", "Europe/Berlin"));
        assert_eq!(begins("2026-10-25T00:30:00Z"), shown("2026-10-25T00:30:00.000Z", "Europe/Berlin"));
        assert_eq!(begins("2026-10-25T01:30:00Z"), shown("2026-10-25T01:30:00.000Z", "UTC"));
    }
}
