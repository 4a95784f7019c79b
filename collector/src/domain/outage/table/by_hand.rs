//! Rows of the table in which a person says that an incident is over, or is not, and what members want to know of failures from some
//! regions.

use super::*;

impl Case {
    /// A person resolves the open incident at `second`, and the judge hears of it a second later.
    fn resolved_by_hand(&mut self, second: i64) -> &mut Self {
        let open = self.input.incident.take().unwrap();
        self.input.by_hand = Some(ByHand { started_at: open.started_at, at: at(second) });
        self.at(second + 1)
    }

    /// A person opens the incident again that began at 200.
    fn reopened(&mut self, second: i64) -> &mut Self {
        let id = picket_shared::ids::IncidentId(uuid::Uuid::nil());
        let reopened_at = Some(at(second));
        self.input.incident = Some(OpenIncident { id, started_at: at(200), confirmed_at: at(204), reopened_at });
        self.input.by_hand = None;
        self.at(second + 1)
    }

    fn opened(&self) -> usize {
        self.incidents.iter().filter(|action| matches!(action, IncidentAction::Open { .. })).count()
    }

    /// A region fails alone until that is known.
    fn fails_alone(&mut self) -> &mut Self {
        self.fails_for_good(0, 200).at(201);
        self.good(1, 202).good(2, 202).at(231);
        self.fails(0, Trigger::Recheck, 232).good(1, 232).good(2, 232).at(233)
    }
}

#[test]
fn what_a_person_resolved_stays_over_until_the_monitor_was_up_once() {
    let mut case = Case::down();
    case.resolved_by_hand(250);
    let over = Over { at: at(250), resolution: Resolution::ByHand };
    assert_eq!((case.state(), case.notices.last()), ("down", Some(&NoticeKind::Up { over })));
    assert_eq!(case.verdict(), Some((Verdict::Down, 200)), "what is measured is not resolved by a word");
    case.fails(0, Trigger::Scheduled, 300).fails(1, Trigger::Scheduled, 300).at(301).at(400);
    assert_eq!((case.opened(), case.told()), (1, vec!["down", "up"]));

    case.good(0, 500).good(1, 500).good(2, 500).at(501).at(531);
    case.good(0, 532).good(1, 532).good(2, 532).at(533);
    assert_eq!((case.state(), case.verdict()), ("up", Some((Verdict::Up, 500))));
    assert_eq!(case.told(), ["down", "up"], "it is not told as over twice");
    case.fails_for_good(0, 600).fails_for_good(1, 600).at(604);
    assert_eq!((case.state(), case.opened()), ("down", 2));
    assert_eq!(case.told(), ["down", "up", "down"]);
}

#[test]
fn what_a_person_resolved_goes_on_through_silence_and_a_failed_recovery() {
    let mut case = Case::down();
    case.resolved_by_hand(250);
    assert_eq!(case.good(0, 300).at(301).state(), "recovering");
    assert_eq!(case.fails_for_good(0, 310).at(314).state(), "down");
    assert_eq!(case.at_without(&[0, 1, 2], 700).state(), "unknown");
    case.fails(0, Trigger::Scheduled, 800).fails(1, Trigger::Scheduled, 800).at(801);
    assert_eq!((case.state(), case.opened()), ("down", 1));
}

#[test]
fn a_mute_withholds_that_a_person_resolved_it_until_it_ends() {
    let mut case = Case::down();
    case.input.monitor.muted_since = Some(at(240));
    assert_eq!(case.resolved_by_hand(250).told(), ["down"]);
    case.input.monitor.muted_since = None;
    assert_eq!(case.at(300).told(), ["down", "up"]);
}

#[test]
fn an_incident_that_is_opened_again_goes_on_and_ends_by_itself() {
    let mut case = Case::down();
    case.resolved_by_hand(250).reopened(260);
    assert_eq!((case.state(), case.told()), ("down", vec!["down", "up", "reopened"]));
    case.good(0, 300).good(1, 300).good(2, 300).at(301).at(331);
    case.good(0, 332).good(1, 332).good(2, 332).at(333);
    assert_eq!((case.state(), case.told()), ("up", vec!["down", "up", "reopened", "up"]));
    let over = IncidentAction::Resolve { started_at: at(200), at: at(300), resolution: Resolution::Recovered };
    assert_eq!((case.incidents.last(), case.opened()), (Some(&over), 1));
}

#[test]
fn who_resolves_and_opens_again_before_anybody_was_told_told_nobody() {
    let mut case = Case::down();
    let open = case.input.incident.clone().unwrap();
    case.input.incident = Some(OpenIncident { reopened_at: Some(at(260)), ..open });
    assert_eq!(case.at(261).told(), ["down"]);
}

#[test]
fn what_was_opened_again_while_all_is_well_is_the_incident_of_the_next_failure() {
    let mut case = Case::down();
    case.good(0, 300).good(1, 300).good(2, 300).at(301).at(331);
    case.good(0, 332).good(1, 332).good(2, 332).at(333);
    case.reopened(400);
    assert_eq!((case.state(), case.told()), ("up", vec!["down", "up", "reopened"]));
    case.good(0, 440).good(1, 440).good(2, 440).at(450);
    assert!(case.input.incident.is_some(), "only a person ends it while nothing fails");
    case.fails_for_good(0, 500).fails_for_good(1, 500).at(504);
    assert_eq!((case.state(), case.opened()), ("down", 1));
    let last = case.incidents.last().unwrap();
    assert!(matches!(last, IncidentAction::MarkFailing { since, .. } if *since == at(500)), "{last:?}");
    case.good(0, 600).good(1, 600).good(2, 600).at(601).at(631);
    case.good(0, 632).good(1, 632).good(2, 632).at(633);
    assert_eq!((case.state(), case.input.incident.is_none()), ("up", true));
    assert_eq!(case.told(), ["down", "up", "reopened", "up"]);
}

#[test]
fn nobody_is_told_of_regions_who_does_not_want_it_and_what_was_told_is_told_as_over() {
    let mut case = Case::up(3);
    case.input.monitor.regional = RegionalAlert::default();
    assert_eq!((case.fails_alone().state(), case.told()), ("up", vec![]));
    assert!(case.input.standing.overlays.regional.contains(&region(0)), "it is shown all the same");
    case.input.monitor.regional.told = true;
    assert_eq!(case.at(240).told(), ["regional"]);
    case.input.monitor.regional.told = false;
    case.good(0, 320).good(0, 380).at(381);
    assert_eq!(case.told(), ["regional", "regional_over"]);
}

#[test]
fn a_mute_of_regions_ends_at_its_time_and_what_still_fails_is_told_then() {
    let mut case = Case::up(3);
    case.input.monitor.regional.muted_until = Some(at(1_000));
    assert_eq!((case.fails_alone().told(), case.last.next_due.is_some_and(|due| due <= at(1_000))), (vec![], true));
    assert_eq!(case.at(1_000).told(), ["regional"]);
    case.input.monitor.regional.muted_until = Some(at(2_000));
    case.good(0, 1_100).good(0, 1_160).at(1_161);
    assert_eq!(case.told(), ["regional"]);
    assert_eq!(case.at(2_000).told(), ["regional", "regional_over"]);
}

#[test]
fn an_outage_between_does_not_make_a_regional_failure_that_was_told_stand_for_ever() {
    let mut case = Case::up(3);
    case.fails_alone();
    case.fails(1, Trigger::Scheduled, 270).at(271);
    case.fails(1, Trigger::Confirm, 273).fails(0, Trigger::Recheck, 272).at(275);
    assert_eq!((case.state(), case.told()), ("down", vec!["regional", "down"]));
    for second in [300, 332, 392] {
        case.good(0, second).good(1, second).good(2, second).at(second + 1);
    }
    assert_eq!((case.state(), case.told()), ("up", vec!["regional", "down", "up", "regional_over"]));
}
