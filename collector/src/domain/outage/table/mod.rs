//! The transition table, one row a test, in terms of what regions say. [`withheld`] has the rows in which less is said than is
//! seen, [`by_hand`] those in which a person says something.

mod by_hand;
mod withheld;

use std::time::Duration;

use picket_shared::outcome::{Status, Trigger};

use super::world::{at, ingest, input, region};
use super::*;

/// A monitor that is up, judged by hand: interval 60 s, timeout 10 s, so F = 145 s and a round is 30 s.
struct Case {
    input: Input,
    last: Decision,
    notices: Vec<NoticeKind>,
    incidents: Vec<IncidentAction>,
    rechecks: Vec<usize>,
}

impl Case {
    fn pending(regions: usize) -> Self {
        let input = input(regions, 60, 10);
        let last = judge(&input);
        Self { input, last, notices: Vec::new(), incidents: Vec::new(), rechecks: Vec::new() }
    }

    fn up(regions: usize) -> Self {
        let mut case = Self::pending(regions);
        for second in [5, 65, 125] {
            (0..regions).for_each(|n| case.says(n, Status::Up, Trigger::Scheduled, second));
        }
        case.at(130);
        assert_eq!(case.state(), "up");
        (case.notices, case.incidents) = (Vec::new(), Vec::new());
        case
    }

    /// Down since 200, seen by regions 0 and 1.
    fn down() -> Self {
        let mut case = Self::up(3);
        case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
        assert_eq!(case.state(), "down");
        case
    }

    fn says(&mut self, n: usize, status: Status, trigger: Trigger, second: i64) {
        ingest(&mut self.input.regions[n], status, trigger, at(second), true);
        self.input.regions[n].through = Some(at(second));
    }

    fn good(&mut self, n: usize, second: i64) -> &mut Self {
        self.says(n, Status::Up, Trigger::Recheck, second);
        self
    }

    fn fails(&mut self, n: usize, trigger: Trigger, second: i64) -> &mut Self {
        self.says(n, Status::Down, trigger, second);
        self
    }

    /// A scheduled check at `second` and the probe's own repetition 3 s later.
    fn fails_for_good(&mut self, n: usize, second: i64) -> &mut Self {
        self.fails(n, Trigger::Scheduled, second).fails(n, Trigger::Confirm, second + 3)
    }

    /// Judges with every region but `silent` heard.
    fn at_without(&mut self, silent: &[usize], second: i64) -> &mut Self {
        self.input.as_of = at(second);
        for (n, facts) in self.input.regions.iter_mut().enumerate() {
            if !silent.contains(&n) {
                facts.through = facts.through.max(Some(at(second - 1)));
            }
        }
        self.last = judge(&self.input);
        self.input = self.last.applied_to(&self.input);
        self.notices.extend(self.last.notices.iter().map(|notice| notice.kind.clone()));
        self.incidents.extend(self.last.incidents.iter().cloned());
        let index =
            |name: &picket_shared::ids::Region| self.input.regions.iter().position(|facts| facts.region == *name);
        self.rechecks = self.last.rechecks.iter().filter_map(index).collect();
        self
    }

    fn at(&mut self, second: i64) -> &mut Self {
        self.at_without(&[], second)
    }

    fn state(&self) -> &'static str {
        self.input.standing.state.as_str()
    }

    fn told(&self) -> Vec<&'static str> {
        self.notices.iter().map(NoticeKind::as_str).collect()
    }

    fn verdict(&self) -> Option<(Verdict, i64)> {
        self.input.span.map(|span| (span.verdict, span.start.micros_since(at(0)) / 1_000_000))
    }
}

#[test]
fn pending_asks_at_once_and_a_good_quorum_makes_it_up() {
    let mut case = Case::pending(3);
    assert_eq!(case.at(0).rechecks, [0, 1, 2]);
    assert_eq!(case.good(0, 2).at(3).state(), "pending");
    assert_eq!(case.good(1, 2).at(3).state(), "up");
    assert_eq!(case.verdict(), Some((Verdict::Up, 2)));
}

#[test]
fn pending_goes_down_when_a_quorum_fails() {
    let mut case = Case::pending(3);
    case.fails_for_good(0, 2).fails_for_good(1, 2).at(6);
    assert_eq!((case.state(), case.told()), ("down", vec!["down"]));
}

#[test]
fn never_came_up_is_told_once_after_ten_minutes() {
    let mut case = Case::pending(1);
    let told = |case: &Case| case.told().iter().filter(|kind| **kind == "never_came_up").count();
    assert_eq!(told(case.at(599)), 0);
    assert_eq!(told(case.at(600)), 1);
    assert_eq!(told(case.at(2000)), 1);
}

#[test]
fn the_first_failure_makes_suspect_and_asks_all_other_regions_at_once() {
    let mut case = Case::up(3);
    case.fails(0, Trigger::Scheduled, 200).at(201);
    assert_eq!((case.state(), &case.rechecks[..]), ("suspect", &[1, 2][..]));
    assert!(case.last.watch && case.last.incidents.is_empty());
}

#[test]
fn a_quorum_that_fails_is_no_minority_though_one_of_it_did_not_repeat_its_failure_yet() {
    let mut case = Case::up(2);
    (case.input.monitor.interval, case.input.monitor.timeout) = (Duration::from_secs(10), Duration::from_secs(4));
    assert_eq!(case.fails_for_good(0, 200).at(204).at(214).state(), "suspect");
    case.fails(0, Trigger::Scheduled, 214).fails(1, Trigger::Recheck, 214).at(214);
    assert_eq!((case.state(), case.told()), ("suspect", vec![]));
    assert_eq!(case.fails(1, Trigger::Recheck, 217).at(217).state(), "down");
}

#[test]
fn suspect_goes_down_when_a_quorum_fails_and_the_incident_began_with_the_first_failure() {
    let mut case = Case::up(3);
    case.fails_for_good(0, 200).fails_for_good(1, 202).at(206);
    let [IncidentAction::Open { started_at, confirmed_at, regions, failure, .. }] = &case.incidents[..] else {
        panic!()
    };
    assert_eq!((*started_at, *confirmed_at), (at(200), at(206)));
    assert_eq!((regions.clone(), failure.is_some()), (vec![region(0), region(1)], true));
    assert_eq!((case.told(), case.verdict()), (vec!["down"], Some((Verdict::Down, 200))));
}

#[test]
fn rechecks_that_all_fail_need_no_repetition() {
    let mut case = Case::up(3);
    case.fails(0, Trigger::Scheduled, 200).at(201);
    case.fails(1, Trigger::Recheck, 201).fails(2, Trigger::Recheck, 201).at(202);
    assert_eq!(case.state(), "suspect");
    assert_eq!(case.fails(0, Trigger::Confirm, 203).at(204).state(), "down");
}

#[test]
fn a_failing_recheck_against_a_good_one_is_repeated_and_counts_alone_only_when_patience_ends() {
    let mut case = Case::up(3);
    case.fails_for_good(0, 200).fails(1, Trigger::Recheck, 201).good(2, 201).at(204);
    assert_eq!(case.state(), "suspect");
    assert_eq!(case.at(217).state(), "suspect");
    assert_eq!(case.at(218).state(), "down");
}

#[test]
fn a_packet_lost_in_a_later_round_is_no_second_region_that_fails() {
    let mut case = Case::up(2);
    case.fails_for_good(0, 200).good(1, 201).at(204);
    assert_eq!((case.at(234).state(), &case.rechecks[..]), ("suspect", &[0, 1][..]));
    case.fails(0, Trigger::Recheck, 235).fails(1, Trigger::Recheck, 235).at(236);
    assert_eq!(case.state(), "suspect");
    assert_eq!(case.at(238).rechecks, [1]);
    assert_eq!(case.good(1, 238).at(239).state(), "up");
    assert!(case.incidents.is_empty());
}

#[test]
fn suspect_goes_back_up_without_a_word_when_the_failure_is_gone() {
    let mut case = Case::up(3);
    case.fails(0, Trigger::Scheduled, 200).at(201);
    case.says(0, Status::Up, Trigger::Confirm, 203);
    case.good(1, 201).at(204);
    assert_eq!((case.state(), case.told(), case.incidents.len()), ("up", vec![], 0));
}

#[test]
fn a_minority_that_fails_in_two_rounds_is_regional_and_not_down() {
    let mut case = Case::up(3);
    case.fails_for_good(0, 200).at(201);
    case.good(1, 202).good(2, 202).at(205);
    assert_eq!(case.state(), "suspect");
    assert_eq!(case.at(231).rechecks, [0, 1, 2]);
    case.fails(0, Trigger::Recheck, 232).good(1, 232).good(2, 232).at(233);
    assert_eq!((case.state(), case.told()), ("up", vec!["regional"]));
    assert!(case.input.standing.overlays.regional.contains(&region(0)));
}

#[test]
fn while_regional_stands_only_another_region_suspects_again_and_good_ends_it() {
    let mut case = Case::up(3);
    case.fails_for_good(0, 200).at(201);
    case.good(1, 202).good(2, 202).at(231);
    case.fails(0, Trigger::Recheck, 232).good(1, 232).good(2, 232).at(233);
    assert_eq!(case.fails_for_good(0, 260).at(264).state(), "up");
    let mut worse = Case { input: case.input.clone(), last: case.last.clone(), ..Case::up(3) };
    assert_eq!(worse.fails(1, Trigger::Scheduled, 270).at(271).state(), "suspect");
    assert_eq!(worse.fails(1, Trigger::Confirm, 273).fails(0, Trigger::Recheck, 272).at(275).state(), "down");
    case.good(0, 320).good(0, 380).at(381);
    assert_eq!((case.state(), case.told()), ("up", vec!["regional", "regional_over"]));
}

#[test]
fn one_region_alone_needs_three_failures_three_seconds_apart() {
    let mut case = Case::up(1);
    case.fails(0, Trigger::Scheduled, 200).at(201);
    assert_eq!((case.state(), case.rechecks.len()), ("suspect", 0));
    case.fails(0, Trigger::Confirm, 203).at(204);
    assert_eq!((case.state(), case.rechecks.len(), case.last.next_due), ("suspect", 0, Some(at(206))));
    assert_eq!(case.at(206).rechecks, [0]);
    assert_eq!(case.fails(0, Trigger::Recheck, 206).at(207).state(), "down");
}

#[test]
fn two_regions_must_both_fail() {
    let mut case = Case::up(2);
    assert_eq!(case.fails_for_good(0, 200).good(1, 201).at(204).state(), "suspect");
    assert_eq!(case.fails_for_good(1, 205).at(209).state(), "down");
}

#[test]
fn one_silent_region_of_two_leaves_one_voter_and_the_operator_is_told() {
    let mut case = Case::up(2);
    case.at_without(&[1], 300);
    assert_eq!((case.state(), case.told(), case.last.next_due), ("up", vec!["region_silent"], Some(at(360))));
    case.fails_for_good(0, 310).at_without(&[1], 314);
    assert_eq!(case.state(), "suspect");
    case.fails(0, Trigger::Recheck, 316).at_without(&[1], 317);
    assert_eq!(case.state(), "down");
}

#[test]
fn a_region_whose_own_network_is_bad_has_no_vote_and_the_operator_is_told_once_of_each_turn() {
    let mut case = Case::up(3);
    let network = |case: &mut Case, bad: bool| case.input.regions[2].self_check_bad = bad;
    network(&mut case, true);
    case.fails_for_good(2, 200).at(204);
    assert_eq!((case.state(), case.told(), case.last.next_due), ("up", vec![], Some(at(264))));
    assert_eq!(case.at(263).told(), [""; 0]);
    assert_eq!(case.at(264).told(), ["region_network_bad"]);
    // It wavers, falls silent, and is bad still: nothing new.
    network(&mut case, false);
    case.good(2, 270).at(270);
    network(&mut case, true);
    case.at(300).at_without(&[2], 600).at(900);
    assert_eq!((case.state(), case.told()), ("up", vec!["region_network_bad", "region_silent", "region_heard"]));
    network(&mut case, false);
    case.good(2, 910).at(910).at(969);
    assert_eq!(case.told().len(), 3);
    assert_eq!(case.at(970).told().last(), Some(&"region_network_good"));
    assert!(case.input.standing.memory.networks.is_empty() && case.incidents.is_empty());
}

#[test]
fn a_region_that_never_answers_leaves_the_vote_after_three_rounds_and_the_rest_votes_anew() {
    let mut case = Case::up(2);
    case.input.monitor.interval = Duration::from_secs(3600);
    case.fails_for_good(0, 200).at_without(&[1], 204);
    for second in [234, 264, 294] {
        case.fails(0, Trigger::Recheck, second - 1).at_without(&[1], second);
        assert_eq!(case.state(), "suspect");
    }
    // Region 0 failed only a second ago: it is asked again 3 s after that.
    assert_eq!((case.rechecks.as_slice(), case.last.next_due), (&[1][..], Some(at(296))));
    assert_eq!(case.at_without(&[1], 296).rechecks, [0]);
    case.fails(0, Trigger::Recheck, 297).at_without(&[1], 298);
    assert_eq!(case.state(), "down");
}

#[test]
fn failures_seen_from_one_of_two_networks_are_regional() {
    let mut case = Case::up(3);
    case.input.regions[1].network = case.input.regions[0].network.clone();
    case.fails_for_good(0, 200).fails_for_good(1, 200).good(2, 201).at(204);
    assert_eq!(case.at(234).state(), "suspect");
    case.fails(0, Trigger::Recheck, 235).fails(1, Trigger::Recheck, 235).good(2, 235).at(236);
    assert_eq!((case.state(), case.told()), ("up", vec!["regional"]));
}

#[test]
fn down_recovers_when_a_quorum_is_good_and_resolves_after_two_rounds_at_its_first_good_check() {
    let mut case = Case::down();
    assert_eq!(case.good(0, 300).at(301).state(), "recovering");
    assert_eq!((case.told(), case.verdict()), (vec!["down"], Some((Verdict::Down, 200))));
    assert_eq!(case.at(331).rechecks, [0, 1, 2]);
    case.good(0, 332).good(2, 332).at(333);
    assert_eq!((case.state(), case.told()), ("up", vec!["down", "up", "regional"]));
    assert_eq!(case.verdict(), Some((Verdict::Up, 300)));
    let over = Over { at: at(300), resolution: Resolution::Recovered };
    assert_eq!(case.notices[1], NoticeKind::Up { over });
}

#[test]
fn a_failure_while_recovering_goes_on_with_the_same_incident() {
    let mut case = Case::down();
    assert_eq!(case.good(0, 300).at(301).state(), "recovering");
    assert_eq!(case.fails_for_good(0, 310).at(314).state(), "down");
    assert_eq!((case.told(), case.incidents.len()), (vec!["down"], 1));
}

#[test]
fn silence_while_down_is_marked_as_no_data_and_resolves_nothing() {
    let mut case = Case::down();
    case.at_without(&[0, 1, 2], 500);
    assert_eq!(case.state(), "unknown");
    assert!(matches!(case.incidents[1], IncidentAction::MarkNoData { .. }) && case.input.incident.is_some());
    assert!(case.told().contains(&"no_data") && !case.told().contains(&"up"));
    assert_eq!(case.verdict(), Some((Verdict::Unknown, 203)));
    case.fails(0, Trigger::Scheduled, 600).fails(1, Trigger::Scheduled, 600).at(601);
    assert_eq!((case.state(), case.input.incident.is_some()), ("down", true));
}

#[test]
fn a_region_that_was_silent_when_an_incident_opened_ends_it_by_three_good_checks() {
    let mut case = Case::up(2);
    case.at_without(&[0], 290);
    case.fails_for_good(1, 300).at_without(&[0], 304).fails(1, Trigger::Recheck, 306).at_without(&[0], 307);
    assert_eq!(case.state(), "down");
    case.good(0, 400).at_without(&[1], 401);
    case.good(0, 430).at_without(&[1], 480).good(0, 490).at_without(&[1], 500);
    assert_eq!(case.state(), "up");
    assert!(case.told().contains(&"up"), "{:?}", case.told());
}

#[test]
fn who_was_good_in_an_earlier_round_only_makes_nobody_a_minority() {
    let mut case = Case::up(2);
    case.fails_for_good(0, 200).good(1, 201).at(204);
    case.fails(0, Trigger::Recheck, 235).at_without(&[1], 236);
    assert_eq!(case.at_without(&[1], 266).state(), "suspect");
    case.good(1, 267).fails(0, Trigger::Recheck, 267).at(268);
    assert_eq!((case.state(), case.told()), ("up", vec!["regional"]));
}
