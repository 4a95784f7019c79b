//! One monitor of another program, first as its source says it, then held to what a monitor may be.

use std::time::Duration;

use picket_shared::assignment::{MAX_INTERVAL, MIN_INTERVAL};
use picket_shared::check::{CheckSpec, HttpAuth};
use picket_shared::ids::Region;
use serde::Serialize;

use crate::domain::briefing::Briefing;
use crate::domain::outage::QuorumRule;

const LONGEST_NAME: usize = 200;
const LONGEST_TAG: usize = 64;
const LONGEST_KEY: usize = 500;
const MOST_TAGS: usize = 50;
const DEFAULT_INTERVAL_S: f64 = 60.0;
const DEFAULT_TIMEOUT_S: f64 = 10.0;
/// Of the interval, where no timeout is named that fits.
const SHARE: f64 = 0.8;

/// Something that can become a monitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What names it in every import: `kuma:12`.
    pub key: String,
    /// Where it stands in its file: `monitor 12`, `line 7`.
    pub place: String,
    /// What it is called.
    pub name: String,
    /// What to ask, valid, without credentials.
    pub spec: CheckSpec,
    /// Its credentials.
    pub auth: Option<HttpAuth>,
    /// It has credentials that are not in the file: those that the monitor has already stay.
    pub auth_elsewhere: bool,
    /// From check to check.
    pub interval_s: i32,
    /// After which a check is given up; below the interval.
    pub timeout_ms: i32,
    /// How many regions must agree, if the file says.
    pub quorum: Option<QuorumRule>,
    /// Whether only regions in the EU may run it, if the file says.
    pub eu_only: Option<bool>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What messages say of it, if the file says.
    pub briefing: Option<Briefing>,
    /// Where it runs, if the file says.
    pub regions: Vec<Region>,
    /// Whether it is paused.
    pub paused: bool,
    /// What could not be taken over of it.
    pub lost: Vec<Lost>,
}

/// Something of a monitor that has no counterpart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The field, in the words of its program.
    pub field: String,
    /// What became of it.
    pub why: String,
}

/// Something that cannot become a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where it stands in its file.
    pub place: String,
    /// What it is called there.
    pub name: String,
    /// What kind it is there.
    pub kind: String,
    /// Why, and what would be nearest.
    pub why: String,
}

/// A monitor as its source says it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) key: String,
    pub(super) place: String,
    pub(super) name: String,
    /// Its kind in its program's words, for a refusal.
    pub(super) kind: String,
    pub(super) interval_s: Option<f64>,
    pub(super) timeout_s: Option<f64>,
    pub(super) quorum: Option<QuorumRule>,
    pub(super) eu_only: Option<bool>,
    pub(super) tags: Vec<String>,
    pub(super) briefing: Option<Briefing>,
    pub(super) regions: Vec<Region>,
    pub(super) paused: bool,
    pub(super) auth_elsewhere: bool,
    pub(super) lost: Vec<Lost>,
}

impl Draft {
    pub(super) fn new(key: String, place: String, name: &str, kind: &str) -> Self {
        Self {
            key,
            place,
            name: name.to_owned(),
            kind: kind.to_owned(),
            interval_s: None,
            timeout_s: None,
            quorum: None,
            eu_only: None,
            tags: Vec::new(),
            briefing: None,
            regions: Vec::new(),
            paused: false,
            auth_elsewhere: false,
            lost: Vec::new(),
        }
    }

    /// Notes that something of it is not taken over.
    pub(super) fn lose(&mut self, field: &str, why: impl Into<String>) {
        self.lost.push(Lost { field: one_line(field), why: one_line(&why.into()) });
    }

    /// Why it cannot be taken.
    pub(super) fn refuse(&self, why: impl Into<String>) -> Refused {
        Refused {
            place: self.place.clone(),
            name: one_line(&self.name),
            kind: one_line(&self.kind),
            why: one_line(&why.into()),
        }
    }

    /// Holds it to what a monitor may be.
    pub(super) fn finish(mut self, spec: CheckSpec, auth: Option<HttpAuth>) -> Result<Candidate, Refused> {
        if let Err(error) = valid(&spec, auth.as_ref()) {
            return Err(self.refuse(error));
        }
        if self.key.len() > LONGEST_KEY || self.key.chars().any(char::is_control) {
            return Err(self.refuse(format!("its external key must be one line of at most {LONGEST_KEY} bytes")));
        }
        let name = self.settle_name(&spec);
        let (interval_s, timeout_ms) = self.settle_times()?;
        let tags = self.settle_tags();
        Ok(Candidate {
            key: self.key,
            place: self.place,
            name,
            spec,
            auth_elsewhere: auth.is_none() && self.auth_elsewhere,
            auth,
            interval_s,
            timeout_ms,
            quorum: self.quorum,
            eu_only: self.eu_only,
            tags,
            briefing: self.briefing,
            regions: self.regions,
            paused: self.paused,
            lost: self.lost,
        })
    }

    fn settle_name(&mut self, spec: &CheckSpec) -> String {
        let name = one_line(&self.name);
        let name = if name.is_empty() { spec.target() } else { name };
        if name.chars().count() > LONGEST_NAME {
            self.lose("name", format!("cut to {LONGEST_NAME} characters"));
        }
        name.chars().take(LONGEST_NAME).collect::<String>().trim_end().to_owned()
    }

    fn settle_times(&mut self) -> Result<(i32, i32), Refused> {
        let named = |time: Option<f64>| time.filter(|time| time.is_finite() && *time > 0.0);
        let wanted = named(self.interval_s).unwrap_or(DEFAULT_INTERVAL_S);
        let (least, most) = (MIN_INTERVAL.as_secs_f64(), MAX_INTERVAL.as_secs_f64());
        let interval = wanted.round().clamp(least, most);
        if (interval - wanted).abs() > f64::EPSILON {
            self.lose("interval", format!("{wanted} s became {interval} s: Picket checks every 5 s to 24 h"));
        }
        let fits = |timeout: f64| timeout < interval && (0.1..=120.0).contains(&timeout);
        let timeout = match named(self.timeout_s) {
            Some(timeout) if fits(timeout) => timeout,
            Some(timeout) => {
                let nearest = timeout.clamp(0.1, (interval * SHARE).min(120.0));
                self.lose(
                    "timeout",
                    format!("{timeout} s became {nearest} s: Picket waits at most 120 s, and less than the interval"),
                );
                nearest
            }
            None => DEFAULT_TIMEOUT_S.min(interval * SHARE),
        };
        // Both are within bounds that a float holds exactly.
        let milliseconds = Duration::from_secs_f64(timeout).as_millis();
        let seconds = Duration::from_secs_f64(interval).as_secs();
        match (i32::try_from(seconds), i32::try_from(milliseconds)) {
            (Ok(seconds), Ok(milliseconds)) => Ok((seconds, milliseconds)),
            _ => Err(self.refuse("its interval or timeout is out of all bounds")),
        }
    }

    fn settle_tags(&mut self) -> Vec<String> {
        let mut tags = Vec::new();
        for tag in std::mem::take(&mut self.tags) {
            let whole = one_line(&tag);
            let tag = cut(&whole, LONGEST_TAG);
            if tag.len() < whole.len() {
                self.lose("tags", format!("{whole:?} was cut to {LONGEST_TAG} bytes"));
            }
            if !tag.is_empty() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        if tags.len() > MOST_TAGS {
            self.lose("tags", format!("only the first {MOST_TAGS} were taken"));
            tags.truncate(MOST_TAGS);
        }
        tags
    }
}

/// What no source may bring in: a specification that is not valid, and characters that no text of the database can hold.
fn valid(spec: &CheckSpec, auth: Option<&HttpAuth>) -> Result<(), String> {
    let mut whole = spec.clone();
    if let CheckSpec::Http(http) = &mut whole {
        http.auth = auth.cloned();
    }
    whole.validate().map_err(|error| error.to_string())?;
    if spec.target().chars().any(is_unprintable) {
        return Err("its target holds a character that cannot be printed".to_owned());
    }
    let text = serde_json::to_string(spec).map_err(|error| error.to_string())?;
    if text.contains("\\u0000") {
        return Err("it holds a NUL character, which no answer and no request of Picket can".to_owned());
    }
    Ok(())
}

/// Without anything that moves a terminal's cursor or breaks a line.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    plain.trim().to_owned()
}

/// Control characters, and those that turn the direction of what follows.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The longest beginning of at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::check::HttpSpec;

    fn draft() -> Draft {
        Draft::new("kuma:1".to_owned(), "monitor 1".to_owned(), "shop", "http")
    }

    fn spec() -> CheckSpec {
        CheckSpec::Http(HttpSpec::get("https://example.org/"))
    }

    #[track_caller]
    fn times(interval: f64, timeout: Option<f64>, expected: (i32, i32), lost: usize) {
        let found = Draft { interval_s: Some(interval), timeout_s: timeout, ..draft() }.finish(spec(), None).unwrap();
        assert_eq!((found.interval_s, found.timeout_ms), expected);
        assert_eq!(found.lost.len(), lost, "{:?}", found.lost);
    }

    #[test]
    fn times_that_picket_has_not_become_the_nearest_and_are_named() {
        times(60.0, Some(48.0), (60, 48_000), 0);
        times(60.0, None, (60, 10_000), 0);
        times(1.0, None, (5, 4000), 1);
        times(60.0, Some(60.0), (60, 48_000), 1);
        times(2_073_600.0, Some(300.0), (86_400, 120_000), 2);
        times(f64::NAN, Some(f64::INFINITY), (60, 10_000), 0);
        times(-5.0, Some(0.0), (60, 10_000), 0);
    }

    #[test]
    fn hostile_names_and_tags_lose_what_moves_a_cursor_and_what_is_too_long() {
        let name = format!("a\u{1b}[31mb\n\u{202e}{}", "x".repeat(300));
        let tags = vec!["a\tb".to_owned(), "a b".to_owned(), String::new(), "ü".repeat(40)];
        let found = Draft { name, tags, ..draft() }.finish(spec(), None).unwrap();
        assert_eq!((found.name.chars().count(), found.name.starts_with("a [31mb  x")), (200, true));
        assert_eq!(found.tags, ["a b".to_owned(), "ü".repeat(32)]);
        assert_eq!(found.lost.iter().map(|lost| lost.field.as_str()).collect::<Vec<_>>(), ["name", "tags"]);
    }

    #[test]
    fn without_a_name_it_is_called_as_its_target_is() {
        assert_eq!(
            Draft { name: " \n".to_owned(), ..draft() }.finish(spec(), None).unwrap().name,
            "https://example.org/"
        );
    }

    #[test]
    fn what_cannot_be_checked_or_stored_is_refused() {
        let mut http = HttpSpec::get("https://example.org/");
        http.body = Some("a\0b".to_owned());
        assert!(draft().finish(CheckSpec::Http(http), None).unwrap_err().why.contains("NUL"));
        let escape = CheckSpec::Http(HttpSpec::get("https://example.org/\u{1b}[2J"));
        assert!(draft().finish(escape, None).unwrap_err().why.contains("cannot be printed"));
        let ftp = CheckSpec::Http(HttpSpec::get("ftp://example.org/"));
        assert!(draft().finish(ftp, None).unwrap_err().why.contains("use http or https"));
        let auth = HttpAuth::Basic { user: "a:b".to_owned(), password: "x".to_owned().into_secret() };
        assert!(draft().finish(spec(), Some(auth)).is_err());
    }

    trait IntoSecret {
        fn into_secret(self) -> picket_shared::secret::SecretString;
    }

    impl IntoSecret for String {
        fn into_secret(self) -> picket_shared::secret::SecretString {
            picket_shared::secret::SecretString::new(self)
        }
    }
}
