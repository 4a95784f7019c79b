//! One letter a value: how triggers, statuses and self-checks lie in rows.

use picket_shared::outcome::{SelfCheck, Status, Trigger};

pub(super) const fn trigger_letter(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Scheduled => "s",
        Trigger::Confirm => "c",
        Trigger::Recheck => "r",
        Trigger::Manual => "m",
        Trigger::Other => "o",
    }
}

pub(super) fn trigger_of(letter: &str) -> Trigger {
    match letter {
        "s" => Trigger::Scheduled,
        "c" => Trigger::Confirm,
        "r" => Trigger::Recheck,
        "m" => Trigger::Manual,
        _ => Trigger::Other,
    }
}

pub(super) const fn status_letter(status: Status) -> &'static str {
    match status {
        Status::Up => "u",
        Status::Degraded => "g",
        Status::Down => "d",
        Status::Unmeasured | Status::Other => "n",
    }
}

pub(super) fn status_of(letter: &str) -> Status {
    match letter {
        "u" => Status::Up,
        "g" => Status::Degraded,
        "d" => Status::Down,
        _ => Status::Unmeasured,
    }
}

pub(super) const fn self_check_letter(check: SelfCheck) -> &'static str {
    match check {
        SelfCheck::Good => "g",
        SelfCheck::Bad => "b",
        SelfCheck::Unverified => "u",
    }
}

pub(super) fn self_check_of(letter: &str) -> SelfCheck {
    match letter {
        "g" => SelfCheck::Good,
        "b" => SelfCheck::Bad,
        _ => SelfCheck::Unverified,
    }
}
