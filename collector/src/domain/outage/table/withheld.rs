//! Rows of the table in which less is said than is seen: unknown, paused, muted, maintained, flapping, held, warming up.

use super::*;

#[test]
fn silence_while_up_is_unknown_and_fresh_votes_bring_it_back() {
    let mut case = Case::up(3);
    case.at_without(&[0, 1, 2], 500);
    assert_eq!((case.state(), case.incidents.len()), ("unknown", 0));
    assert_eq!(case.verdict().map(|(verdict, _)| verdict), Some(Verdict::Unknown));
    case.good(0, 600).good(1, 600).at_without(&[2], 601);
    assert_eq!((case.state(), case.verdict()), ("up", Some((Verdict::Up, 601))));
}

#[test]
fn a_pause_resolves_as_paused_and_when_it_ends_only_new_checks_count() {
    let mut case = Case::down();
    case.input.monitor.paused_at = Some(at(250));
    case.at(251);
    let expected = IncidentAction::Resolve { started_at: at(200), at: at(250), resolution: Resolution::Paused };
    assert_eq!((case.incidents.last(), case.told()), (Some(&expected), vec!["down", "up"]));
    assert_eq!((case.verdict(), case.last.next_due), (Some((Verdict::Paused, 250)), None));
    case.input.monitor.paused_at = None;
    assert_eq!(case.at(300).state(), "pending");
    assert_eq!(case.good(0, 310).good(1, 310).at(311).state(), "up");
}

#[test]
fn a_deletion_closes_the_incident() {
    let mut case = Case::down();
    case.input.monitor.deleted_at = Some(at(250));
    case.at(251);
    let expected = IncidentAction::Resolve { started_at: at(200), at: at(250), resolution: Resolution::Deleted };
    assert_eq!((case.incidents.last(), case.last.watch), (Some(&expected), false));
}

#[test]
fn an_edit_keeps_the_incident_and_marks_it_and_older_results_do_not_vote() {
    let mut case = Case::down();
    case.input.monitor.version = 2;
    case.good(0, 300).good(1, 300).at(301);
    assert_eq!(case.state(), "down");
    assert_eq!(case.incidents.last(), Some(&IncidentAction::MarkEdited { started_at: at(200), version: 2 }));
}

#[test]
fn maintenance_withholds_notices_and_what_still_stands_is_told_when_it_ends() {
    let mut case = Case::up(3);
    case.input.monitor.maintenance = window(190, 225);
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    assert_eq!((case.state(), case.told(), case.incidents.len()), ("down", vec![], 1));
    assert_eq!(case.verdict(), Some((Verdict::Maintenance, 190)));
    assert!(case.last.next_due.is_some_and(|due| due <= at(225)));
    case.input.monitor.maintenance = Maintenance { counted_until: Some(at(225)), ..Maintenance::default() };
    case.at(230);
    assert_eq!((case.told(), case.verdict()), (vec!["down"], Some((Verdict::Down, 225))));
    assert_eq!(case.at(240).told(), ["down"]);
}

/// A window that runs with all its effects.
fn window(from: i64, to: i64) -> Maintenance {
    Maintenance {
        runs: true,
        holds_alerts: true,
        counts_since: Some(at(from)),
        counted_until: None,
        changes_at: Some(at(to)),
    }
}

#[test]
fn what_was_told_before_maintenance_and_ends_in_it_is_told_as_over_when_it_ends() {
    let mut case = Case::down();
    assert_eq!(case.told(), ["down"]);
    case.input.monitor.maintenance = window(210, 500);
    case.good(0, 300).good(1, 300).good(2, 300).at(301);
    case.good(0, 340).good(1, 340).good(2, 340).at(341);
    assert_eq!((case.state(), case.told()), ("up", vec!["down"]));
    case.input.monitor.maintenance = Maintenance { counted_until: Some(at(500)), ..Maintenance::default() };
    assert_eq!(case.at(500).told(), ["down", "up"]);
    assert_eq!(case.verdict(), Some((Verdict::Up, 500)));
}

#[test]
fn what_began_and_ended_in_maintenance_is_never_told() {
    let mut case = Case::up(3);
    case.input.monitor.maintenance = window(190, 500);
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    case.good(0, 300).good(1, 300).good(2, 300).at(301);
    case.good(0, 340).good(1, 340).good(2, 340).at(341);
    case.input.monitor.maintenance = Maintenance { counted_until: Some(at(500)), ..Maintenance::default() };
    assert_eq!((case.at(500).told(), case.state(), case.incidents.len()), (vec![], "up", 2));
}

#[test]
fn maintenance_whose_time_counts_as_usual_withholds_and_is_down_all_the_same() {
    let mut case = Case::up(3);
    case.input.monitor.maintenance = Maintenance { counts_since: None, ..window(190, 500) };
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    assert_eq!((case.told(), case.verdict()), (vec![], Some((Verdict::Down, 200))));
    assert!(case.input.standing.overlays.maintenance);
}

#[test]
fn maintenance_that_holds_no_alerts_is_told_at_once_and_counts_as_maintenance() {
    let mut case = Case::up(3);
    case.input.monitor.maintenance = Maintenance { holds_alerts: false, ..window(190, 500) };
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    assert_eq!((case.told(), case.verdict()), (vec!["down"], Some((Verdict::Maintenance, 190))));
}

#[test]
fn a_muted_monitor_is_judged_and_what_still_stands_is_told_when_it_is_released() {
    let mut case = Case::up(3);
    case.input.monitor.muted_since = Some(at(0));
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    assert_eq!((case.state(), case.told(), case.incidents.len()), ("down", vec![], 1));
    assert_eq!(case.verdict(), Some((Verdict::Down, 200)));
    case.input.monitor.muted_since = None;
    assert_eq!(case.at(230).told(), ["down"]);
    case.good(0, 300).good(1, 300).at(301);
    case.good(0, 340).good(1, 340).good(2, 340).at(341);
    assert_eq!(case.told(), ["down", "up"]);
}

#[test]
fn what_began_and_ended_while_a_monitor_was_muted_is_never_told_however_often_it_did() {
    let mut case = Case::up(3);
    case.input.monitor.muted_since = Some(at(0));
    for start in [300, 600, 900, 1200] {
        case.fails_for_good(0, start).fails_for_good(1, start).at(start + 4);
        case.good(0, start + 60).good(1, start + 60).good(2, start + 60).at(start + 61);
        case.good(0, start + 100).good(1, start + 100).good(2, start + 100).at(start + 101);
    }
    assert_eq!((case.state(), case.incidents.len(), case.told()), ("up", 8, vec![]));
    case.input.monitor.muted_since = None;
    assert_eq!(case.at(1400).told(), Vec::<&str>::new());
}

#[test]
fn a_muted_monitor_that_never_came_up_is_told_when_it_is_released() {
    let mut case = Case::pending(1);
    case.input.monitor.muted_since = Some(at(0));
    let never = |case: &Case| case.told().iter().filter(|kind| **kind == "never_came_up").count();
    assert_eq!(never(case.at(2000)), 0);
    case.input.monitor.muted_since = None;
    assert_eq!(never(case.at(2001)), 1);
}

#[test]
fn the_operator_is_told_of_a_silent_region_though_the_monitor_is_muted() {
    let mut case = Case::up(2);
    case.input.monitor.muted_since = Some(at(0));
    assert_eq!(case.at_without(&[1], 300).told(), ["region_silent"]);
}

#[test]
fn a_monitor_that_is_paused_before_it_came_up_is_not_told_as_never_up() {
    let mut case = Case::pending(1);
    case.input.monitor.paused_at = Some(at(10));
    case.at(11).at(700);
    assert_eq!(case.told(), Vec::<&str>::new());
    case.input.monitor.paused_at = None;
    case.at(800).at(1399);
    assert!(!case.told().contains(&"never_came_up"));
    assert!(case.at(1400).told().contains(&"never_came_up"));
}

#[test]
fn the_third_opening_within_thirty_minutes_is_told_as_flapping_then_nothing_until_steady() {
    let mut case = Case::up(3);
    for start in [300, 600, 900, 1200] {
        case.fails_for_good(0, start).fails_for_good(1, start).at(start + 4);
        assert_eq!(case.state(), "down");
        case.good(0, start + 60).good(1, start + 60).good(2, start + 60).at(start + 61);
        case.good(0, start + 100).good(1, start + 100).good(2, start + 100).at(start + 101);
        assert_eq!(case.state(), "up");
    }
    assert_eq!(case.told(), ["down", "up", "down", "up", "flapping"]);
    assert_eq!(case.incidents.len(), 8);
    for second in (1400..3300).step_by(100) {
        case.at(second);
    }
    assert_eq!(case.told().last(), Some(&"flapping_over"));
}

#[test]
fn a_held_region_neither_suspects_nor_votes_and_the_hold_is_shown() {
    let mut case = Case::up(3);
    case.input.regions[0].hold_until = Some(at(290));
    case.fails_for_good(0, 200).at(204);
    assert_eq!((case.state(), case.input.standing.overlays.held_until), ("up", Some(at(290))));
    assert_eq!(case.at(290).state(), "suspect");
}

/// Region 0 of two fails three times in a row, and again later on.
fn fails_alone(case: &mut Case, second: i64) -> &mut Case {
    case.fails_for_good(0, second).at(second + 4).fails(0, Trigger::Recheck, second + 6).at(second + 7)
}

#[test]
fn a_region_that_could_not_measure_just_now_is_waited_for_for_f_before_the_other_of_two_decides() {
    let mut case = Case::up(2);
    case.says(1, Status::Unmeasured, Trigger::Scheduled, 190);
    case.at(191);
    assert_eq!(fails_alone(&mut case, 200).state(), "suspect");
    assert_eq!(case.fails(0, Trigger::Scheduled, 330).at(334).state(), "suspect");
    assert_eq!((case.at(335).state(), case.told()), ("down", vec!["down"]));
}

#[test]
fn a_region_whose_network_is_bad_just_now_is_waited_for_for_f_and_one_that_long_was_is_not() {
    let mut case = Case::up(2);
    case.input.regions[1].self_check_bad = true;
    case.at(190);
    assert_eq!(fails_alone(&mut case, 200).state(), "suspect");
    case.input.regions[1].self_check_bad = false;
    case.good(1, 210).at(211);
    case.good(0, 220).at(221);
    assert_eq!(case.state(), "up");
    case.input.regions[1].self_check_bad = true;
    case.at(230);
    case.good(0, 375).at(376);
    assert_eq!(fails_alone(&mut case, 380).state(), "down");
}

#[test]
fn who_was_just_lost_keeps_no_quorum_of_all_from_deciding() {
    let mut case = Case::up(3);
    case.says(2, Status::Unmeasured, Trigger::Scheduled, 199);
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    assert_eq!(case.state(), "down");
}

#[test]
fn after_a_start_of_the_collector_nothing_is_decided_until_every_region_was_heard_or_f_has_passed() {
    let mut case = Case::up(3);
    case.input.listening_since = at(1000);
    case.at_without(&[0, 1, 2], 1001);
    assert_eq!((case.state(), case.last.next_due), ("up", Some(at(1006))));
    case.fails_for_good(0, 1010).fails_for_good(1, 1010).at_without(&[2], 1014);
    assert_eq!(case.state(), "up");
    assert_eq!(case.at(1020).state(), "down");
}

#[test]
fn degraded_is_shown_when_a_quorum_says_so() {
    let mut case = Case::up(3);
    case.says(0, Status::Degraded, Trigger::Scheduled, 200);
    assert!(!case.at(201).input.standing.overlays.degraded);
    case.says(1, Status::Degraded, Trigger::Scheduled, 200);
    assert!(case.at(202).input.standing.overlays.degraded);
    assert_eq!(case.state(), "up");
}

fn parent(fails: bool, heard: i64) -> Vec<Parent> {
    vec![Parent { fails, heard: Some(at(heard)) }]
}

#[test]
fn while_a_parent_fails_nobody_is_told_and_what_still_stands_then_is() {
    let mut case = Case::up(3);
    case.input.monitor.parents = parent(true, 201);
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    assert_eq!((case.state(), case.told(), case.incidents.len()), ("down", vec![], 1));
    assert!(case.last.next_due.is_some_and(|due| due <= at(264)));
    case.input.monitor.parents = parent(false, 230);
    assert_eq!(case.at(231).told(), ["down"]);
    // What was told before its parent failed is told as over when that is up again.
    case.input.monitor.parents = parent(true, 290);
    case.good(0, 300).good(1, 300).good(2, 300).at(301);
    case.good(0, 340).good(1, 340).good(2, 340).at(341);
    assert_eq!((case.state(), case.told()), ("up", vec!["down"]));
    case.input.monitor.parents = parent(false, 350);
    assert_eq!(case.at(351).told(), ["down", "up"]);
}

#[test]
fn what_went_down_and_up_while_a_parent_failed_is_never_told() {
    let mut case = Case::up(3);
    case.input.monitor.parents = parent(true, 199);
    case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
    case.good(0, 300).good(1, 300).good(2, 300).at(301);
    case.good(0, 340).good(1, 340).good(2, 340).at(341);
    case.input.monitor.parents = parent(false, 350);
    assert_eq!((case.at(351).told(), case.state()), (vec![], "up"));
}

#[test]
fn a_check_of_each_parent_is_waited_for_and_not_for_long() {
    let down = |parents: Vec<Parent>| {
        let mut case = Case::up(3);
        case.input.monitor.parents = parents;
        case.fails_for_good(0, 200).fails_for_good(1, 200).at(204);
        case
    };
    assert_eq!(down(parent(false, 200)).told(), ["down"], "it was checked since");
    let mut case = down(parent(false, 199));
    assert_eq!(case.told(), Vec::<&str>::new(), "it may be down too");
    assert!(case.last.next_due.is_some_and(|due| due <= at(206)));
    case.input.monitor.parents = parent(false, 240);
    assert_eq!(case.at(241).told(), ["down"]);
    let mut case = down([parent(false, 300), parent(false, 100)].concat());
    assert_eq!(case.at(293).told(), Vec::<&str>::new(), "one of two was not checked");
    assert_eq!(case.at(295).told(), ["down"], "90 s are enough");
    let mut case = down(parent(false, 199));
    case.input.monitor.parents = parent(true, 240);
    assert_eq!(case.at(241).told(), Vec::<&str>::new(), "it is down too");
}
