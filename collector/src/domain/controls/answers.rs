//! The answers to a questionnaire: of each id what is said, how that is known, since when, and what remains.
//!
//! Nothing is better than what was seen. What a control looks at is kept if the control says so now; where it could not look, this
//! installation is not known to keep it, whatever tests show of the program. What no control can look at is known by its tests, where there
//! is something here to keep it for.

use std::collections::BTreeSet;

use picket_shared::time::Timestamp;

use super::{Catalogue, Entry, Framework, Status};
use crate::domain::posture::{Finding, State};

/// What a control found, and when it looked.
#[derive(Clone, Debug)]
pub struct Look {
    /// The control's name.
    pub control: String,
    /// What it found.
    pub finding: Finding,
    /// When.
    pub at: Timestamp,
}

/// How something is known; a better way comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// A control of this installation looked.
    Measured,
    /// A person vouches for it, in the settings.
    Attested,
    /// A test of this version shows that the program does it.
    Tested,
    /// The operator says it.
    Operator,
    /// Nothing is there to be known.
    Planned,
}

/// How a promise stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It is kept.
    Kept,
    /// A control found that it is not kept.
    NotKept,
    /// A control looks at it, and could not.
    Unmeasured,
    /// It is the operator's.
    Operator,
    /// It is not built.
    Planned,
}

/// The answer to an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that is said of it is kept.
    Yes,
    /// Some of it is.
    Partly,
    /// None of it is.
    No,
    /// It is the operator's alone.
    Operator,
    /// Nobody could look here.
    Unmeasured,
}

/// What is said to an id by one promise.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// The promise.
    pub entry: &'a Entry,
    /// How it stands.
    pub stand: Stand,
    /// How that is known.
    pub known: Known,
    /// When somebody looked, where somebody did.
    pub at: Option<Timestamp>,
    /// What the controls found that look at it, or that keep it from being known.
    pub looks: Vec<&'a Look>,
}

/// An id with its answer.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The id.
    pub id: String,
    /// The answer.
    pub verdict: Verdict,
    /// What it is made of.
    pub said: Vec<Said<'a>>,
}

impl Answer<'_> {
    /// How it is known, the best way first.
    pub fn known(&self) -> BTreeSet<Known> {
        self.said.iter().map(|said| said.known).collect()
    }

    /// As of when it holds, where something was looked at: the oldest look of them.
    pub fn at(&self) -> Option<Timestamp> {
        self.said.iter().filter_map(|said| said.at).min()
    }
}

/// All answers to a catalogue.
#[derive(Clone, Debug)]
pub struct Export<'a> {
    /// To which.
    pub framework: Framework,
    /// When they were given.
    pub at: Timestamp,
    /// Each id of which something is said.
    pub answers: Vec<Answer<'a>>,
    /// Each id of which nothing is said.
    pub silent: Vec<String>,
}

impl Export<'_> {
    /// Ids of which something is said that nobody could look at here.
    pub fn unmeasured(&self) -> impl Iterator<Item = &str> {
        let unmeasured = self.answers.iter().filter(|answer| answer.verdict == Verdict::Unmeasured);
        unmeasured.map(|answer| answer.id.as_str())
    }
}

/// Answers a catalogue from what is promised and from what was found.
pub fn answers<'a>(catalogue: &'a Catalogue, framework: Framework, looks: &'a [Look], at: Timestamp) -> Export<'a> {
    let mut export = Export { framework, at, answers: Vec::new(), silent: Vec::new() };
    for id in framework.ids() {
        let entries = catalogue.entries.iter().filter(|entry| entry.ids(framework).contains(&id));
        let said: Vec<Said<'a>> = entries.map(|entry| said(entry, looks)).collect();
        match verdict(&said) {
            None => export.silent.push(id),
            Some(verdict) => export.answers.push(Answer { id, verdict, said }),
        }
    }
    export
}

/// What all of it comes to; nothing where nothing is said.
fn verdict(said: &[Said]) -> Option<Verdict> {
    let are = |stand: Stand| said.iter().filter(|said| said.stand == stand).count();
    let (kept, operators) = (are(Stand::Kept), are(Stand::Operator));
    match said.len() {
        0 => None,
        all if all == kept => Some(Verdict::Yes),
        all if all == operators => Some(Verdict::Operator),
        _ if kept > 0 => Some(Verdict::Partly),
        _ if are(Stand::NotKept) == 0 && are(Stand::Unmeasured) > 0 => Some(Verdict::Unmeasured),
        _ => Some(Verdict::No),
    }
}

fn said<'a>(entry: &'a Entry, looks: &'a [Look]) -> Said<'a> {
    let of = |controls: &[String]| looks.iter().filter(|look| controls.contains(&look.control)).collect::<Vec<_>>();
    let (looks, ground) = (of(&entry.controls), of(&entry.rests_on));
    let (stand, known, looks) = match entry.status {
        Status::Operator => (Stand::Operator, Known::Operator, Vec::new()),
        Status::Planned => (Stand::Planned, Known::Planned, Vec::new()),
        Status::Built if !entry.controls.is_empty() => {
            let (stand, known) = found(&looks);
            (stand, known, looks)
        }
        Status::Built if entry.rests_on.is_empty() || ground.iter().any(|look| was_seen(look)) => {
            (Stand::Kept, Known::Tested, Vec::new())
        }
        // There may be nothing here to keep it for.
        Status::Built => (Stand::Unmeasured, Known::Tested, ground),
    };
    let counts = |look: &&&Look| match known {
        Known::Measured => was_seen(look),
        Known::Attested => look.finding.is_attested(),
        _ => false,
    };
    let at = looks.iter().filter(counts).map(|look| look.at).min();
    Said { entry, stand, known, at, looks }
}

fn was_seen(look: &Look) -> bool {
    look.finding.state != State::NotMeasured
}

/// What controls found: the worst counts, and only what was seen counts as measured.
fn found(looks: &[&Look]) -> (Stand, Known) {
    let any = |state| looks.iter().any(|look| look.finding.state == state);
    if any(State::Fail) {
        (Stand::NotKept, Known::Measured)
    } else if any(State::Pass) {
        (Stand::Kept, Known::Measured)
    } else if looks.iter().any(|look| look.finding.is_attested()) {
        (Stand::Kept, Known::Attested)
    } else {
        (Stand::Unmeasured, Known::Tested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn look(control: &str, finding: Finding, seconds_ago: u64) -> Look {
        Look { control: control.to_owned(), finding, at: NOW - std::time::Duration::from_secs(seconds_ago) }
    }

    /// `built`, `planned`, `operator`, a control, or a control that it rests on after a `/`, each of them said to `OPS-06`.
    fn catalogue(parts: &[&str]) -> Catalogue {
        let entry = |part: &&str| {
            let (status, more) = match *part {
                "planned" | "operator" => (*part, "note_en = \"n\"\nnote_de = \"n\"\n".to_owned()),
                "built" => ("built", String::new()),
                ground if ground.starts_with('/') => ("built", format!("rests_on = [\"{}\"]\n", &ground[1..])),
                control => ("built", format!("controls = [\"{control}\"]\n")),
            };
            format!("[[entry]]\nstatus = \"{status}\"\nen = \"e\"\nde = \"d\"\nc5 = [\"OPS-06\"]\n{more}")
        };
        Catalogue::parse(&parts.iter().map(entry).collect::<String>()).unwrap()
    }

    #[track_caller]
    fn check(parts: &[&str], looks: &[Look], verdict: Verdict, known: &[Known], at: Option<u64>) {
        let catalogue = catalogue(parts);
        let export = answers(&catalogue, Framework::C5, looks, NOW);
        assert_eq!((export.answers.len(), export.silent.len()), (1, 120));
        let answer = &export.answers[0];
        assert_eq!((answer.id.as_str(), answer.verdict), ("OPS-06", verdict), "{parts:?} {looks:?}");
        assert_eq!(answer.known().into_iter().collect::<Vec<_>>(), known, "{parts:?}");
        assert_eq!(answer.at(), at.map(|ago| NOW - std::time::Duration::from_secs(ago)), "{parts:?}");
    }

    #[test]
    fn an_id_is_answered_by_the_weakest_of_what_is_said_of_it() {
        use Known::{Measured, Operator, Planned, Tested};
        let good = [look("a", Finding::pass("well"), 60), look("b", Finding::pass("well"), 90)];
        let bad = [look("a", Finding::pass("well"), 60), look("b", Finding::fail("not well"), 30)];
        check(&["built"], &[], Verdict::Yes, &[Tested], None);
        check(&["a", "b"], &good, Verdict::Yes, &[Measured], Some(90));
        check(&["a", "built"], &good, Verdict::Yes, &[Measured, Tested], Some(60));
        check(&["a", "b"], &bad, Verdict::Partly, &[Measured], Some(60));
        check(&["b"], &bad, Verdict::No, &[Measured], Some(30));
        check(&["b", "planned", "operator"], &bad, Verdict::No, &[Measured, Operator, Planned], Some(30));
        check(&["planned"], &[], Verdict::No, &[Planned], None);
        check(&["operator"], &[], Verdict::Operator, &[Operator], None);
        check(&["operator", "planned"], &[], Verdict::No, &[Operator, Planned], None);
        check(&["built", "operator"], &[], Verdict::Partly, &[Tested, Operator], None);
        check(&["built", "planned"], &[], Verdict::Partly, &[Tested, Planned], None);
    }

    #[test]
    fn what_could_not_be_looked_at_here_is_no_yes_whatever_tests_show() {
        let blind = [look("a", Finding::not_measured("there is no archive"), 60)];
        check(&["a"], &blind, Verdict::Unmeasured, &[Known::Tested], None);
        check(&["a"], &[], Verdict::Unmeasured, &[Known::Tested], None);
        check(&["a", "operator"], &blind, Verdict::Unmeasured, &[Known::Tested, Known::Operator], None);
        check(
            &["a", "b"],
            &[look("b", Finding::fail("not well"), 30)],
            Verdict::No,
            &[Known::Measured, Known::Tested],
            Some(30),
        );
        check(&["a", "built"], &blind, Verdict::Partly, &[Known::Tested], None);
        let catalogue = catalogue(&["a"]);
        let export = answers(&catalogue, Framework::C5, &blind, NOW);
        assert_eq!(export.unmeasured().collect::<Vec<_>>(), ["OPS-06"]);
    }

    #[test]
    fn what_tests_show_counts_where_there_is_something_to_keep_it_for() {
        let with = |finding| [look("a", finding, 60)];
        check(&["/a"], &with(Finding::pass("there is an archive")), Verdict::Yes, &[Known::Tested], None);
        check(&["/a"], &with(Finding::fail("the archive is late")), Verdict::Yes, &[Known::Tested], None);
        check(&["/a"], &with(Finding::not_measured("there is none")), Verdict::Unmeasured, &[Known::Tested], None);
        check(&["/a"], &[], Verdict::Unmeasured, &[Known::Tested], None);
    }

    #[test]
    fn a_persons_word_is_told_from_a_measurement() {
        let word = [look("a", Finding::attested("somebody said that it lies in the EU"), 60)];
        check(&["a"], &word, Verdict::Yes, &[Known::Attested], Some(60));
        let both = [look("a", Finding::attested("somebody said so"), 60), look("a", Finding::pass("seen"), 30)];
        check(&["a"], &both, Verdict::Yes, &[Known::Measured], Some(30));
    }

    #[test]
    fn our_own_catalogue_answers_each_framework_and_says_what_it_does_not() {
        for framework in Framework::ALL {
            let export = answers(Catalogue::ours(), framework, &[], NOW);
            assert_eq!(export.answers.len() + export.silent.len(), framework.ids().len(), "{framework}");
            assert!(export.answers.len() >= 8 && !export.silent.is_empty(), "{framework}");
            // Nobody has looked here: nothing counts as measured, and what has a control alone is no yes.
            assert!(export.answers.iter().all(|answer| !answer.known().contains(&Known::Measured)), "{framework}");
        }
    }
}
