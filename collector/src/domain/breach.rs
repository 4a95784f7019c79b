//! A breach of personal data: what is said of it to those affected, and the clock of 72 hours (GDPR, Article 33).

use std::time::Duration;

use picket_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Within this the authority is told, and so are those whose data it is.
pub const TERM: Duration = Duration::from_secs(72 * 3600);

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What it is called.
    pub title: String,
    /// When it became known: the clock begins.
    pub known_at: Timestamp,
    /// What happened.
    pub happened: String,
    /// Which data is affected, of whom.
    pub affected: String,
    /// What we do.
    pub measures: String,
    /// What those affected should do.
    pub advice: String,
    /// Whether every organization is affected.
    pub everyone: bool,
    /// When the authority was told.
    pub reported_at: Option<Timestamp>,
    /// Why the authority need not be told.
    pub unreported_why: Option<String>,
}

impl Facts {
    /// What is missing before somebody can be told: what happened, which data, what we do, what you do.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [
            ("happened", &self.happened),
            ("affected", &self.affected),
            ("measures", &self.measures),
            ("advice", &self.advice),
        ];
        parts.into_iter().filter(|(_, text)| text.trim().is_empty()).map(|(name, _)| name).collect()
    }

    /// The labelled lines of a notice.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Known", format!("since {:.0}", self.known_at)),
            ("What", self.happened.trim().to_owned()),
            ("Data", self.affected.trim().to_owned()),
            ("We", self.measures.trim().to_owned()),
            ("You", self.advice.trim().to_owned()),
        ]
    }

    /// Where the clock stands; `all_told` says whether everybody affected was told.
    pub fn clock(&self, all_told: bool, now: Timestamp) -> Clock {
        let due = self.known_at + TERM;
        let reported = self.reported_at.is_some() || self.unreported_why.is_some();
        match (reported && all_told, now > due) {
            (true, _) => Clock::Stopped,
            (false, false) => Clock::Left(due.since(now)),
            (false, true) => Clock::Overdue(now.since(due)),
        }
    }
}

/// Where the 72 hours stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The authority and everybody affected were told.
    Stopped,
    /// So much is left.
    Left(Duration),
    /// It is over since then.
    Overdue(Duration),
}

impl Clock {
    /// Its name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Left(_) => "running",
            Self::Overdue(_) => "overdue",
        }
    }

    /// In words: `61 h 30 min left`.
    pub fn told(self) -> String {
        let hours = |time: Duration| format!("{} h {:02} min", time.as_secs() / 3600, time.as_secs() % 3600 / 60);
        match self {
            Self::Stopped => "authority and organizations were told".to_owned(),
            Self::Left(time) => format!("{} left of 72 h", hours(time)),
            Self::Overdue(time) => format!("72 h are over since {}", hours(time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let text = |text: &str| text.to_owned();
        Facts {
            title: text("a disk was lost"),
            known_at: Timestamp::from_seconds(1_000_000),
            happened: text("a disk was lost"),
            affected: text("addresses"),
            measures: text("keys are changed"),
            advice: text("nothing"),
            everyone: true,
            reported_at: None,
            unreported_why: None,
        }
    }

    #[test]
    fn the_clock_stops_only_when_the_authority_and_all_organizations_were_told() {
        let (open, at) = (facts(), |hours: u64| facts().known_at + Duration::from_secs(hours * 3600));
        assert_eq!(open.clock(false, at(10)), Clock::Left(Duration::from_secs(62 * 3600)));
        assert_eq!(open.clock(true, at(72)), Clock::Left(Duration::ZERO));
        assert_eq!(open.clock(true, at(73)), Clock::Overdue(Duration::from_secs(3600)));
        let reported = Facts { reported_at: Some(at(80)), ..facts() };
        assert_eq!(reported.clock(false, at(90)).as_str(), "overdue");
        assert_eq!(reported.clock(true, at(90)), Clock::Stopped);
        let harmless = Facts { unreported_why: Some("it was sealed".to_owned()), ..facts() };
        assert_eq!(harmless.clock(true, at(1)), Clock::Stopped);
        assert_eq!(open.clock(false, at(10)).told(), "62 h 00 min left of 72 h");
    }

    #[test]
    fn a_notice_says_what_which_data_what_we_do_and_what_you_do() {
        assert_eq!(facts().missing(), Vec::<&str>::new());
        assert_eq!(
            Facts { advice: " ".to_owned(), happened: String::new(), ..facts() }.missing(),
            ["happened", "advice"]
        );
        let labels: Vec<_> = facts().lines().into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["Known", "What", "Data", "We", "You"]);
    }
}
