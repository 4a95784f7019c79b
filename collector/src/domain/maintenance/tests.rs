//! Windows against the clocks of many zones, against the text of RFC 5545, and against what python-dateutil makes of 600 rules.

use std::time::Instant;

use picket_shared::time::Timestamp;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(zone: &str, start: &str, hours: u64, rule: &str) -> Window {
    Window {
        start: start.parse().unwrap(),
        duration: Duration::from_secs(hours * 3600),
        zone: zone.parse().unwrap(),
        rule: (!rule.is_empty()).then(|| rule.parse().unwrap()),
        exceptions: BTreeSet::new(),
    }
}

/// The first `n` occurrences that end after `from`, as `start/end`.
#[track_caller]
fn gives(window: &Window, from: &str, expected: &[&str]) {
    assert_eq!(window.check(), Ok(()));
    let said = |one: Occurrence| format!("{:.0}/{:.0}", one.start, one.end);
    let found: Vec<_> = window.after(at(from)).take(expected.len() + 1).map(said).collect();
    assert_eq!(found.iter().map(String::as_str).take(expected.len()).collect::<Vec<_>>(), expected);
}

#[test]
fn what_python_dateutil_makes_of_rules_is_what_ours_makes() {
    let mut lines = 0;
    for line in include_str!("../../../tests/vectors/rules.txt").lines() {
        let [zone, start, rule, first, later, rest] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let window = window(zone, start, 0, rule);
        let (parsed, zone) = (window.rule.clone().unwrap(), &window.zone);
        let said = |from: Local, n: usize| {
            let times = parsed.from(window.start, from).take_while(|local| window.is_within(*local)).take(n);
            times.map(|local| format!("{:.0}", zone.instant(local))).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said(window.start, 10), first, "{line}");
        assert_eq!(said(later.parse().unwrap(), 3), rest, "{line}");
        lines += 1;
    }
    assert_eq!(lines, 600);
}

#[test]
fn a_night_that_leaves_the_start_out_has_its_window_an_hour_later_and_as_long() {
    let nightly = window("Europe/Berlin", "2026-03-28T02:30", 2, "FREQ=DAILY");
    gives(
        &nightly,
        "2026-03-28T00:00:00Z",
        &[
            "2026-03-28T01:30:00Z/2026-03-28T03:30:00Z",
            "2026-03-29T01:30:00Z/2026-03-29T03:30:00Z",
            "2026-03-30T00:30:00Z/2026-03-30T02:30:00Z",
        ],
    );
}

#[test]
fn a_night_that_has_the_start_twice_has_one_window_from_the_first() {
    let nightly = window("Europe/Berlin", "2026-10-24T02:30", 2, "FREQ=DAILY");
    gives(
        &nightly,
        "2026-10-24T00:00:00Z",
        &[
            "2026-10-24T00:30:00Z/2026-10-24T02:30:00Z",
            "2026-10-25T00:30:00Z/2026-10-25T02:30:00Z",
            "2026-10-26T01:30:00Z/2026-10-26T03:30:00Z",
        ],
    );
}

#[test]
fn the_south_and_half_hours_change_their_clocks_in_their_own_way() {
    let south = window("Australia/Lord_Howe", "2026-10-03T02:15", 1, "FREQ=DAILY");
    let expected = ["2026-10-02T15:45:00Z/2026-10-02T16:45:00Z", "2026-10-03T15:45:00Z/2026-10-03T16:45:00Z"];
    gives(&south, "2026-10-02T00:00:00Z", &expected);
    let half = window("America/St_Johns", "2026-11-01T00:30", 1, "FREQ=WEEKLY;COUNT=2");
    let expected = ["2026-11-01T03:00:00Z/2026-11-01T04:00:00Z", "2026-11-08T04:00:00Z/2026-11-08T05:00:00Z"];
    gives(&half, "2026-10-31T00:00:00Z", &expected);
    assert_eq!(half.after(at("2026-11-08T05:00:00Z")).next(), None);
}

#[test]
fn the_last_working_day_of_months_and_their_last_days_are_found() {
    let payday = window("Europe/Berlin", "2026-01-30T22:00", 1, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1");
    let days: Vec<_> =
        payday.after(at("2026-01-01T00:00:00Z")).take(5).map(|one| one.local.date().to_string()).collect();
    assert_eq!(days, ["2026-01-30", "2026-02-27", "2026-03-31", "2026-04-30", "2026-05-29"]);
    let ends = window("UTC", "2028-01-31T00:00", 1, "FREQ=MONTHLY;BYMONTHDAY=-1");
    let days: Vec<_> = ends.after(at("2028-01-01T00:00:00Z")).take(3).map(|one| one.local.date().to_string()).collect();
    assert_eq!(days, ["2028-01-31", "2028-02-29", "2028-03-31"]);
    let thirty_first = window("UTC", "2026-01-31T00:00", 1, "FREQ=MONTHLY");
    let days: Vec<_> =
        thirty_first.after(at("2026-01-01T00:00:00Z")).take(3).map(|one| one.local.date().to_string()).collect();
    assert_eq!(days, ["2026-01-31", "2026-03-31", "2026-05-31"]);
}

#[test]
fn an_end_in_utc_is_an_instant_and_an_end_without_is_what_clocks_show() {
    let count =
        |rule: &str| window("America/New_York", "2026-06-01T20:00", 1, rule).after(at("2026-01-01T00:00:00Z")).count();
    // 20:00 there is midnight in UTC.
    assert_eq!(count("FREQ=DAILY;UNTIL=20260604T000000Z"), 3);
    assert_eq!(count("FREQ=DAILY;UNTIL=20260603T235959Z"), 2);
    assert_eq!(count("FREQ=DAILY;UNTIL=20260604T200000"), 4);
    assert_eq!(count("FREQ=DAILY;UNTIL=20260604"), 4);
    assert_eq!(count("FREQ=DAILY;COUNT=5"), 5);
    assert_eq!(count(""), 1);
}

#[test]
fn what_is_left_out_is_left_out_and_still_counts() {
    let mut window = window("Europe/Berlin", "2026-03-28T02:30", 2, "FREQ=DAILY;COUNT=3");
    window.exceptions.insert("2026-03-29T02:30".parse().unwrap());
    let days: Vec<_> = window.after(at("2026-01-01T00:00:00Z")).map(|one| one.local.date().to_string()).collect();
    assert_eq!(days, ["2026-03-28", "2026-03-30"]);
}

#[test]
fn a_window_that_runs_is_found_until_its_end_and_not_at_it() {
    let long = window("Europe/Berlin", "2026-01-01T00:00", 24 * 30, "FREQ=MONTHLY;INTERVAL=2");
    assert_eq!(long.after(at("2026-01-30T22:59:59Z")).next().unwrap().start, at("2025-12-31T23:00:00Z"));
    assert_eq!(long.after(at("2026-01-30T23:00:00Z")).next().unwrap().start, at("2026-02-28T23:00:00Z"));
    let years_later = long.after(at("2080-01-15T00:00:00Z")).next().unwrap();
    assert_eq!(years_later.local.date().to_string(), "2080-01-01");
    assert_eq!(long.after(at("2090-01-15T00:00:00Z")).next(), None);
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_what_to_write() {
    let told = |rule: &str| rule.parse::<Rule>().unwrap_err().to_string();
    let mut all = Vec::new();
    for rule in [
        "",
        "FREQ",
        "FREQ=OFTEN",
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=HOURLY",
        "BYDAY=MO",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;BYEASTER=1",
        "FREQ=DAILY;BYSECOND=1",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=1000000",
        "FREQ=DAILY;COUNT=2;UNTIL=20260101",
        "FREQ=DAILY;UNTIL=2026-01-01",
        "FREQ=DAILY;UNTIL=20261301",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=MONTHLY;BYDAY=99MO",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYYEARDAY=1",
        "FREQ=YEARLY;BYWEEKNO=1",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12;BYMINUTE=0,30",
        "FREQ=WEEKLY;WKST=X",
        "FREQ=DAILY;BYHOUR=24",
    ] {
        all.push(format!("{rule}\n  {}", told(rule)));
    }
    insta::assert_snapshot!(all.join("\n"));
    assert!(told(&format!("FREQ=DAILY;BYHOUR={}", "1,".repeat(300))).contains("500 characters"));
}

#[test]
fn what_is_wrong_with_a_window_is_said_with_what_to_do() {
    let told = |window: Window| window.check().unwrap_err().to_string();
    let of = |start: &str, hours: u64, rule: &str| window("Europe/Berlin", start, hours, rule);
    let mut all = vec![
        told(of("2026-01-01T00:00", 0, "")),
        told(of("2026-01-01T00:00", 24 * 32, "")),
        told(of("1026-01-01T00:00", 1, "")),
        told(of("2026-01-01T02:00", 1, "FREQ=WEEKLY;BYDAY=SU")),
        told(of("2026-02-01T02:00", 1, "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")),
        told(of("2026-02-01T02:00", 1, "FREQ=DAILY;UNTIL=20250101")),
        told(of("2026-02-01T02:00", 25, "FREQ=DAILY")),
    ];
    let mut many = of("2026-02-01T02:00", 1, "FREQ=DAILY");
    many.exceptions = (0..201).map(|day| many.start.saturating_add(day.days())).collect();
    all.push(told(many));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn windows_are_said_in_words() {
    let of = |start: &str, hours: u64, rule: &str| window("Europe/Berlin", start, hours, rule).words();
    let all = [
        of("2026-03-29T02:00", 2, ""),
        of("2026-03-29T02:00", 2, "FREQ=WEEKLY"),
        of("2026-03-29T02:00", 2, "FREQ=DAILY;COUNT=3"),
        of("2026-03-31T22:30", 1, "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,TU"),
        of("2026-03-31T22:30", 1, "FREQ=WEEKLY;BYDAY=MO,TU,WE;UNTIL=20261231"),
        of("2026-03-31T22:30", 24, "FREQ=MONTHLY;BYMONTHDAY=-1"),
        of("2026-03-31T22:30", 1, "FREQ=MONTHLY;BYDAY=-1TU;UNTIL=20261231T235959Z"),
        of("2026-03-31T22:30", 1, "FREQ=MONTHLY;INTERVAL=3"),
        of("2026-03-31T22:30", 1, "FREQ=YEARLY"),
        of("2026-03-31T22:30", 1, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=4"),
    ];
    insta::assert_snapshot!(all.join("\n"));
    assert_eq!(in_words(Duration::from_secs(90_061)), "1 d 1 h 1 min 1 s");
}

/// The work that the worst rule asks for is bounded: a second would be a thousand times of what is measured.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn hostile_rules_cost_little() {
    let began = Instant::now();
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1000",
        "FREQ=MONTHLY;BYDAY=MO;BYMONTHDAY=31;BYMONTH=2;BYSETPOS=366",
        "FREQ=YEARLY;INTERVAL=1000",
        "FREQ=DAILY;COUNT=1000;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTH=6",
    ] {
        let hostile = window("Europe/Berlin", "2026-01-01T00:00", 1, rule);
        let _ = hostile.check();
        assert!(hostile.after(at("2085-01-01T00:00:00Z")).take(10).count() <= 10);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
